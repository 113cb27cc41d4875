/* SPDX-License-Identifier: MIT */
/*
 * The certificate is judged after the handshake, not during it: an expired one is to be described, and
 * not only refused.
 */
#include "config.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/ca_places.h"
#include "net/probe.h"
#include "net/timed_socket.h"
#include "wire/http_head.h"

#define HEAD_MAX 4096 /* bytes of an answer that are looked at */

struct probe {
	const struct probe_request *request;
	struct probe_answer *answer;
	struct timed_socket to;
	SSL_CTX *context;
	SSL *ssl; /* NULL without TLS */
};

/* After a call of OpenSSL that gave result: 0, and it can be called again; -1. */
static int
await_tls(struct probe *probe, int result)
{
	const char *reason;

	switch (SSL_get_error(probe->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return timed_await(&probe->to, POLLIN);
	case SSL_ERROR_WANT_WRITE:
		return timed_await(&probe->to, POLLOUT);
	default:
		reason = ERR_reason_error_string(ERR_peek_error());
		return timed_fail(
		    &probe->to, reason != NULL ? reason : "the connection was cut");
	}
}

static bool
load_cb(void *ctx, const char *file)
{
	return X509_STORE_load_file(ctx, file) == 1;
}

/* The system's authorities, and those of the request. -1: the file is of no use. */
static int
load_authorities(struct probe *probe, X509_STORE *store)
{
	const char *file = probe->request->ca_file;
	char text[PROBE_ERROR_MAX];

	if (ca_places_load(load_cb, store) == NULL && file == NULL)
		return timed_fail(&probe->to, ca_places_error());
	ERR_clear_error();
	if (file == NULL || X509_STORE_load_file(store, file) == 1)
		return 0;
	snprintf(
	    text, sizeof(text), "no certificates can be read from %s", file);
	return timed_fail(&probe->to, text);
}

static bool
is_address(const char *name)
{
	struct address address;

	return address_parse_ip(str_of(name), 0, &address);
}

/* As a client does, but for the time: that is told apart. */
static void
judge_chain(struct probe *probe, X509_STORE *store, X509 *leaf)
{
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	const char *name = probe->request->name;
	X509_VERIFY_PARAM *param;

	if (context == NULL ||
	    X509_STORE_CTX_init(context, store, leaf,
		SSL_get_peer_cert_chain(probe->ssl)) != 1) {
		X509_STORE_CTX_free(context);
		snprintf(
		    probe->answer->distrust, PROBE_ERROR_MAX, "out of memory");
		return;
	}
	param = X509_STORE_CTX_get0_param(context);
	X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME);
	if (is_address(name))
		(void)X509_VERIFY_PARAM_set1_ip_asc(param, name);
	else
		(void)X509_VERIFY_PARAM_set1_host(param, name, 0);
	if (X509_verify_cert(context) != 1)
		snprintf(probe->answer->distrust, PROBE_ERROR_MAX, "%s",
		    X509_verify_cert_error_string(
			X509_STORE_CTX_get_error(context)));
	X509_STORE_CTX_free(context);
}

static void
note_end(struct probe_answer *answer, const X509 *certificate)
{
	int days, seconds;
	int64_t end_s;

	if (ASN1_TIME_diff(
		&days, &seconds, NULL, X509_get0_notAfter(certificate)) != 1)
		return;
	end_s = (int64_t)time(NULL) + (int64_t)days * 86400 + seconds;
	if (answer->expires_s == 0 || end_s < answer->expires_s)
		answer->expires_s = end_s;
}

static void
judge_certificate(struct probe *probe, X509_STORE *store)
{
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(probe->ssl);
	X509 *leaf = SSL_get1_peer_certificate(probe->ssl);

	if (leaf == NULL) {
		snprintf(probe->answer->distrust, PROBE_ERROR_MAX,
		    "it shows no certificate");
		return;
	}
	for (int i = 0; i < sk_X509_num(chain); i++)
		note_end(probe->answer, sk_X509_value(chain, i));
	judge_chain(probe, store, leaf);
	X509_free(leaf);
}

static int
start_tls(struct probe *probe)
{
	const char *name = probe->request->name;
	X509_STORE *store;
	int result;

	ERR_clear_error();
	probe->context = SSL_CTX_new(TLS_client_method());
	if (probe->context == NULL ||
	    (probe->ssl = SSL_new(probe->context)) == NULL ||
	    SSL_set_fd(probe->ssl, probe->to.fd) != 1)
		return timed_fail(&probe->to, "out of memory");
	store = SSL_CTX_get_cert_store(probe->context);
	if (load_authorities(probe, store) != 0)
		return -1;
	SSL_set_verify(probe->ssl, SSL_VERIFY_NONE, NULL);
	if (!is_address(name))
		(void)SSL_set_tlsext_host_name(probe->ssl, name);
	while ((result = SSL_connect(probe->ssl)) != 1)
		if (await_tls(probe, result) != 0)
			return -1;
	probe->answer->stage = PROBE_ENCRYPTED;
	judge_certificate(probe, store);
	return 0;
}

/* The bytes that went or came, 0 to call it again, or -1. */
static int
move(struct probe *probe, bool out, char *data, size_t len)
{
	int result;

	if (probe->ssl != NULL) {
		ERR_clear_error();
		result = out ? SSL_write(probe->ssl, data, (int)len)
			     : SSL_read(probe->ssl, data, (int)len);
		return result > 0 ? result : await_tls(probe, result);
	}
	return out ? timed_send(&probe->to, data, len)
		   : timed_receive(&probe->to, data, len);
}

static int
ask(struct probe *probe)
{
	char head[HEAD_MAX];
	struct http_answer answer;
	enum wire_result result;
	size_t len = 0, sent = 0, consumed;
	int n,
	    size = snprintf(head, sizeof(head),
		"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: taupectl\r\n"
		"Connection: close\r\n\r\n",
		probe->request->path, probe->request->host);

	for (; sent < (size_t)size; sent += (size_t)n)
		if ((n = move(probe, true, head + sent, (size_t)size - sent)) <
		    0)
			return -1;
	while ((result = http_answer_parse(
		    head, len, &answer, &consumed)) == WIRE_MORE) {
		if (len == sizeof(head))
			return timed_fail(&probe->to,
			    "the head of its answer is too long");
		n = move(probe, false, head + len, sizeof(head) - len);
		if (n < 0)
			return -1;
		len += (size_t)n;
	}
	if (result == WIRE_BAD)
		return timed_fail(&probe->to, answer.error);
	probe->answer->status = (int)answer.status;
	probe->answer->stage = PROBE_ANSWERED;
	return 0;
}

void
probe_run(const struct probe_request *request, struct probe_answer *answer)
{
	struct probe probe = {.request = request,
	    .answer = answer,
	    .to = {.fd = -1,
		.deadline_ms = timed_now_ms() + request->timeout_ms,
		.error = answer->error,
		.error_size = sizeof(answer->error)}};

	*answer = (struct probe_answer){0};
	if (timed_connect(&probe.to, SOCK_STREAM, &request->address.sa,
		request->address.len) == 0) {
		answer->stage = PROBE_CONNECTED;
		if ((request->name == NULL || start_tls(&probe) == 0) &&
		    request->host != NULL)
			(void)ask(&probe);
	}
	SSL_free(probe.ssl);
	SSL_CTX_free(probe.context);
	timed_close(&probe.to);
}
