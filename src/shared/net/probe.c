/* SPDX-License-Identifier: MIT */
/*
 * Non-blocking sockets and poll(), so that every wait ends with the time that there is. The
 * certificate is judged after the handshake, not during it: an expired one is to be described, and
 * not only refused.
 */
#include "config.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/error_text.h"
#include "net/ca_places.h"
#include "net/probe.h"

#define HEAD_MAX 4096 /* bytes of an answer that are looked at */

struct probe {
	const struct probe_request *request;
	struct probe_answer *answer;
	uint64_t deadline_ms; /* of the monotonic clock */
	int fd;
	SSL_CTX *context;
	SSL *ssl; /* NULL without TLS */
};

static uint64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int
fail(struct probe *probe, const char *text)
{
	snprintf(probe->answer->error, PROBE_ERROR_MAX, "%s", text);
	return -1;
}

static int
await(struct probe *probe, short events)
{
	struct pollfd poller = {.fd = probe->fd, .events = events};
	uint64_t now = now_ms();
	int n;

	if (now >= probe->deadline_ms)
		return fail(probe, "no answer in time");
	n = poll(&poller, 1, (int)(probe->deadline_ms - now));
	if (n < 0 && errno != EINTR)
		return fail(probe, error_text(errno));
	return n == 0 ? fail(probe, "no answer in time") : 0;
}

static int
dial(struct probe *probe)
{
	const struct address *address = &probe->request->address;
	socklen_t len = sizeof(int);
	int error = 0;

	probe->fd = socket(address->sa.sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (probe->fd < 0)
		return fail(probe, error_text(errno));
	if (connect(probe->fd, &address->sa, address->len) != 0) {
		if (errno != EINPROGRESS)
			return fail(probe, error_text(errno));
		if (await(probe, POLLOUT) != 0)
			return -1;
		(void)getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error != 0)
			return fail(probe, error_text(error));
	}
	probe->answer->stage = PROBE_CONNECTED;
	return 0;
}

/* After a call of OpenSSL that gave result: 0, and it can be called again; -1. */
static int
await_tls(struct probe *probe, int result)
{
	const char *reason;

	switch (SSL_get_error(probe->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return await(probe, POLLIN);
	case SSL_ERROR_WANT_WRITE:
		return await(probe, POLLOUT);
	default:
		reason = ERR_reason_error_string(ERR_peek_error());
		return fail(
		    probe, reason != NULL ? reason : "the connection was cut");
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
		return fail(probe, ca_places_error());
	ERR_clear_error();
	if (file == NULL || X509_STORE_load_file(store, file) == 1)
		return 0;
	snprintf(
	    text, sizeof(text), "no certificates can be read from %s", file);
	return fail(probe, text);
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
	    SSL_set_fd(probe->ssl, probe->fd) != 1)
		return fail(probe, "out of memory");
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
	ssize_t n;
	int result;

	if (probe->ssl != NULL) {
		ERR_clear_error();
		result = out ? SSL_write(probe->ssl, data, (int)len)
			     : SSL_read(probe->ssl, data, (int)len);
		return result > 0 ? result : await_tls(probe, result);
	}
	n = out ? send(probe->fd, data, len, MSG_NOSIGNAL)
		: recv(probe->fd, data, len, 0);
	if (n > 0)
		return (int)n;
	if (n == 0)
		return fail(probe, "it ends the connection without an answer");
	if (errno != EAGAIN)
		return fail(probe, error_text(errno));
	return await(probe, out ? POLLOUT : POLLIN);
}

/* "HTTP/1.1 404 Not Found" */
static bool
parse_status(struct str line, int *status)
{
	struct str version, rest, number;
	uint64_t value;

	if (!str_split(line, ' ', &version, &rest) || version.len != 8 ||
	    memcmp(version.ptr, "HTTP/1.", 7) != 0)
		return false;
	(void)str_split(rest, ' ', &number, &rest);
	if (number.len != 3 || !str_to_number(number, 999, &value))
		return false;
	*status = (int)value;
	return true;
}

static int
ask(struct probe *probe)
{
	char head[HEAD_MAX], *end;
	size_t len = 0, sent = 0;
	int n,
	    size = snprintf(head, sizeof(head),
		"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: taupectl\r\n"
		"Connection: close\r\n\r\n",
		probe->request->path, probe->request->host);

	for (; sent < (size_t)size; sent += (size_t)n)
		if ((n = move(probe, true, head + sent, (size_t)size - sent)) <
		    0)
			return -1;
	while ((end = memchr(head, '\n', len)) == NULL) {
		if (len == sizeof(head))
			return fail(
			    probe, "it answers something else than HTTP");
		n = move(probe, false, head + len, sizeof(head) - len);
		if (n < 0)
			return -1;
		len += (size_t)n;
	}
	if (!parse_status((struct str){head, (size_t)(end - head)},
		&probe->answer->status))
		return fail(probe, "it answers something else than HTTP");
	probe->answer->stage = PROBE_ANSWERED;
	return 0;
}

void
probe_run(const struct probe_request *request, struct probe_answer *answer)
{
	struct probe probe = {
	    request, answer, now_ms() + request->timeout_ms, -1, NULL, NULL};

	*answer = (struct probe_answer){0};
	if (dial(&probe) == 0 &&
	    (request->name == NULL || start_tls(&probe) == 0) &&
	    request->host != NULL)
		(void)ask(&probe);
	SSL_free(probe.ssl);
	SSL_CTX_free(probe.context);
	if (probe.fd >= 0)
		close(probe.fd);
}
