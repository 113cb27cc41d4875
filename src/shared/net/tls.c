/* SPDX-License-Identifier: MIT */
/*
 * TLS clients on OpenSSL. The context remembers the last session of a few hosts, so that
 * agents that all come back at once resume instead of negotiating anew. Before each call
 * the thread's error queue is emptied: what an earlier connection left there would be
 * taken for this one's error.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/address.h"
#include "net/tls.h"

#define HOST_MAX 255
#define REMEMBERED 8

struct tls_context {
	SSL_CTX *ssl;
	unsigned references;
	unsigned oldest; /* of remembered[] */
	struct {
		char host[HOST_MAX + 1];
		SSL_SESSION *session; /* NULL: none */
	} remembered[REMEMBERED];
};

struct tls {
	SSL *ssl;
	struct tls_context *context;
	bool established;
	bool failed; /* OpenSSL forbids SSL_shutdown() then */
	char host[HOST_MAX + 1];
	char error[HOST_MAX + 161];
};

static char context_error[512];

static void
forget(struct tls_context *context, unsigned i)
{
	SSL_SESSION_free(context->remembered[i].session);
	context->remembered[i].session = NULL;
	context->remembered[i].host[0] = '\0';
}

static SSL_SESSION *
recall(const struct tls_context *context, const char *host)
{
	for (unsigned i = 0; i < REMEMBERED; i++)
		if (strcmp(context->remembered[i].host, host) == 0)
			return context->remembered[i].session;
	return NULL;
}

/* Takes the session. */
static void
remember(struct tls_context *context, const char *host, SSL_SESSION *session)
{
	unsigned at = 0;

	while (
	    at < REMEMBERED && strcmp(context->remembered[at].host, host) != 0)
		at++;
	if (at == REMEMBERED) {
		at = context->oldest;
		context->oldest = (context->oldest + 1) % REMEMBERED;
	}
	forget(context, at);
	snprintf(context->remembered[at].host,
	    sizeof(context->remembered[at].host), "%s", host);
	context->remembered[at].session = session;
}

static int
new_session_cb(SSL *ssl, SSL_SESSION *session)
{
	struct tls *tls = SSL_get_app_data(ssl);

	remember(tls->context, tls->host, session);
	return 1;
}

static void
context_release(struct tls_context *context)
{
	if (--context->references > 0)
		return;
	for (unsigned i = 0; i < REMEMBERED; i++)
		forget(context, i);
	SSL_CTX_free(context->ssl);
	free(context);
}

static const char *
queued_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	return reason != NULL ? reason : "unknown error";
}

static int
load_trust(SSL_CTX *ssl, const char *ca_file)
{
	if (ca_file == NULL) {
		if (SSL_CTX_set_default_verify_paths(ssl) == 1)
			return 0;
		snprintf(context_error, sizeof(context_error),
		    "cannot load the system's trusted certificates: %s",
		    queued_reason());
		return -1;
	}
	if (SSL_CTX_load_verify_locations(ssl, ca_file, NULL) == 1)
		return 0;
	snprintf(context_error, sizeof(context_error),
	    "cannot load trusted certificates from %s: %s", ca_file,
	    queued_reason());
	return -1;
}

struct tls_context *
tls_context_new_client(const char *ca_file, const char **error)
{
	struct tls_context *context = calloc(1, sizeof(*context));
	SSL_CTX *ssl;

	ERR_clear_error();
	*error = "out of memory";
	if (context == NULL)
		return NULL;
	context->references = 1;
	ssl = context->ssl = SSL_CTX_new(TLS_client_method());
	if (ssl == NULL)
		goto fail;
	if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1)
		goto fail;
	SSL_CTX_set_mode(ssl,
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(
	    ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
	/* Its session would be spoilt, and a relay that died is when resuming matters. */
	SSL_CTX_set_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
#endif
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(
	    ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ssl, new_session_cb);
	if (load_trust(ssl, ca_file) != 0) {
		*error = context_error;
		goto fail;
	}
	*error = NULL;
	return context;
fail:
	context_release(context);
	return NULL;
}

void
tls_context_free(struct tls_context **context)
{
	if (*context != NULL)
		context_release(*context);
	*context = NULL;
}

/* The peer must be who we meant to call: by name (RFC 6125) or by address. */
static int
expect_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	struct address ip;

	if (address_parse_ip(str_of(host), 0, &ip)) {
		if (ip.sa.sa_family == AF_INET)
			return X509_VERIFY_PARAM_set1_ip(param,
				   (const unsigned char *)&ip.in.sin_addr,
				   4) == 1
			    ? 0
			    : -1;
		return X509_VERIFY_PARAM_set1_ip(param,
			   (const unsigned char *)&ip.in6.sin6_addr, 16) == 1
		    ? 0
		    : -1;
	}
	X509_VERIFY_PARAM_set_hostflags(
	    param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_VERIFY_PARAM_set1_host(param, host, 0) != 1)
		return -1;
	return SSL_set_tlsext_host_name(ssl, host) == 1 ? 0 : -1;
}

struct tls *
tls_new_client(struct tls_context *context, const char *host)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	struct str name = str_of(host);
	SSL_SESSION *session;

	if (tls == NULL)
		return NULL;
	ERR_clear_error();
	tls->context = context;
	context->references++;
	/* A final dot is for the name server; certificates and SNI have none. */
	if (name.len > 1 && name.ptr[name.len - 1] == '.')
		name.len--;
	if (name.len == 0 || !str_copy(name, tls->host, sizeof(tls->host)))
		goto fail;
	tls->ssl = SSL_new(context->ssl);
	if (tls->ssl == NULL || SSL_set_app_data(tls->ssl, tls) != 1 ||
	    expect_host(tls->ssl, tls->host) != 0)
		goto fail;
	SSL_set_connect_state(tls->ssl);
	session = recall(context, tls->host);
	if (session != NULL && SSL_set_session(tls->ssl, session) != 1)
		goto fail;
	return tls;
fail:
	tls_free(&tls);
	return NULL;
}

void
tls_free(struct tls **tlsp)
{
	struct tls *tls = *tlsp;

	if (tls == NULL)
		return;
	*tlsp = NULL;
	/* OpenSSL would not resume the session of a connection that was cut off. */
	if (tls->established)
		SSL_set_shutdown(
		    tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(tls->ssl);
	context_release(tls->context);
	free(tls);
}

int
tls_set_fd(struct tls *tls, int fd)
{
	ERR_clear_error();
	if (SSL_set_fd(tls->ssl, fd) == 1)
		return 0;
	snprintf(tls->error, sizeof(tls->error), "TLS with %s failed: %s",
	    tls->host, queued_reason());
	tls->failed = true;
	return -1;
}

/* A device without a clock of its own wakes up in 1970. */
static const char *
hint_for(long verdict)
{
	return verdict == X509_V_ERR_CERT_NOT_YET_VALID
	    ? " (is the clock right?)"
	    : "";
}

static void
describe_failure(struct tls *tls, int kind, int saved_errno)
{
	long verdict = SSL_get_verify_result(tls->ssl);
	const char *why;

	if (!tls->established && verdict != X509_V_OK) {
		snprintf(tls->error, sizeof(tls->error),
		    "certificate verify failed for %s: %s%s", tls->host,
		    X509_verify_cert_error_string(verdict), hint_for(verdict));
		return;
	}
	if (ERR_peek_error() != 0)
		why = queued_reason();
	else if (kind == SSL_ERROR_SYSCALL && saved_errno != 0)
		why = strerror(saved_errno);
	else
		why = "the connection was closed";
	if (!tls->established &&
	    ERR_GET_REASON(ERR_peek_error()) == SSL_R_WRONG_VERSION_NUMBER)
		why = "the peer does not speak TLS";
	snprintf(tls->error, sizeof(tls->error), "TLS with %s failed: %s",
	    tls->host, why);
}

static enum tls_result
outcome(struct tls *tls, int returned)
{
	int saved_errno = errno;
	int kind = SSL_get_error(tls->ssl, returned);

	switch (kind) {
	case SSL_ERROR_NONE:
		return TLS_OK;
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_EOF;
	default:
		/* OpenSSL 1.1.1 says it so: the end came without close-notify. */
		if (kind == SSL_ERROR_SYSCALL && saved_errno == 0 &&
		    ERR_peek_error() == 0)
			return TLS_EOF;
		describe_failure(tls, kind, saved_errno);
		tls->failed = true;
		ERR_clear_error();
		return TLS_FAILED;
	}
}

static void
prepare(void)
{
	ERR_clear_error();
	errno = 0;
}

/* Where only reading can meet an end: the connection is gone, whatever OpenSSL calls it. */
static enum tls_result
outcome_without_end(struct tls *tls, int returned)
{
	int saved_errno = errno;
	enum tls_result result = outcome(tls, returned);

	if (result != TLS_EOF)
		return result;
	snprintf(tls->error, sizeof(tls->error), "TLS with %s failed: %s",
	    tls->host,
	    saved_errno != 0 ? strerror(saved_errno)
			     : "the connection was closed");
	tls->failed = true;
	return TLS_FAILED;
}

enum tls_result
tls_handshake(struct tls *tls)
{
	enum tls_result result;

	if (tls->failed)
		return TLS_FAILED;
	prepare();
	result = outcome_without_end(tls, SSL_do_handshake(tls->ssl));
	if (result == TLS_OK)
		tls->established = true;
	return result;
}

enum tls_result
tls_read(struct tls *tls, void *out, size_t cap, size_t *done)
{
	assert(cap > 0);
	*done = 0;
	if (tls->failed)
		return TLS_FAILED;
	prepare();
	return outcome(tls, SSL_read_ex(tls->ssl, out, cap, done));
}

enum tls_result
tls_write(struct tls *tls, const void *data, size_t len, size_t *done)
{
	assert(len > 0);
	*done = 0;
	if (tls->failed)
		return TLS_FAILED;
	prepare();
	return outcome_without_end(
	    tls, SSL_write_ex(tls->ssl, data, len, done));
}

enum tls_result
tls_shutdown(struct tls *tls)
{
	int returned;

	if (tls->failed || !tls->established)
		return TLS_FAILED;
	prepare();
	returned = SSL_shutdown(tls->ssl);
	/* 0: sent, the peer's own has not come yet */
	return returned >= 0 ? TLS_OK : outcome_without_end(tls, returned);
}

const char *
tls_error(struct tls *tls)
{
	return tls->error;
}
