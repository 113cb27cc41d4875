/* SPDX-License-Identifier: MIT */
/*
 * One connection on OpenSSL. Before each call the thread's error queue is emptied: what an
 * earlier connection left there would be taken for this one's error.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error_text.h"
#include "net/address.h"
#include "net/tls_internal.h"

#define ERROR_TEXT_MAX (TLS_HOST_MAX + 257)

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

static struct tls *
tls_new(struct tls_context *context, struct str host)
{
	struct tls *tls = calloc(1, sizeof(*tls) + host.len + 1);

	if (tls == NULL)
		return NULL;
	ERR_clear_error();
	if (host.len > 0)
		memcpy(tls->host, host.ptr, host.len);
	tls->context = tls_context_hold(context);
	tls->ssl = SSL_new(tls_context_ssl(context));
	if (tls->ssl == NULL || SSL_set_app_data(tls->ssl, tls) != 1)
		tls_free(&tls);
	return tls;
}

/* Offer what is remembered of the host, as a copy: OpenSSL spoils a session of TLS 1.3 as soon
 * as it has been used once (RFC 8446 appendix C.4), and the server's next ticket comes after
 * that. Of those that a slow relay lets wait, or that it is killed under, none would have one
 * left when they come back. -1: no memory. */
static int
offer_session(struct tls *tls)
{
	SSL_SESSION *kept = tls_context_recall(tls->context, tls->host), *copy;
	bool done;

	if (kept == NULL)
		return 0;
	copy = SSL_SESSION_dup(kept);
	done = copy != NULL && SSL_set_session(tls->ssl, copy) == 1;
	SSL_SESSION_free(copy);
	return done ? 0 : -1;
}

struct tls *
tls_new_client(struct tls_context *context, const char *host)
{
	struct str name = str_of(host);
	struct tls *tls;

	/* A final dot is for the name server; certificates and SNI have none. */
	if (name.len > 1 && name.ptr[name.len - 1] == '.')
		name.len--;
	if (name.len == 0 || name.len > TLS_HOST_MAX ||
	    (tls = tls_new(context, name)) == NULL)
		return NULL;
	if (expect_host(tls->ssl, tls->host) != 0)
		goto fail;
	SSL_set_connect_state(tls->ssl);
	if (offer_session(tls) != 0)
		goto fail;
	return tls;
fail:
	tls_free(&tls);
	return NULL;
}

struct tls *
tls_new_server(struct tls_context *context)
{
	struct tls *tls = tls_new(context, (struct str){NULL, 0});

	if (tls == NULL)
		return NULL;
	SSL_set_accept_state(tls->ssl);
	return tls;
}

void
tls_wipe_input(struct tls *tls, bool wanted)
{
#ifdef SSL_OP_CLEANSE_PLAINTEXT
	if (wanted)
		SSL_set_options(tls->ssl, SSL_OP_CLEANSE_PLAINTEXT);
	else
		SSL_clear_options(tls->ssl, SSL_OP_CLEANSE_PLAINTEXT);
#else
	(void)tls;
	(void)wanted;
#endif
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
	tls_bio_fini(&tls->bio);
	tls_context_free(&tls->context);
	free(tls->error);
	free(tls);
}

static void
fail_text(struct tls *tls, const char *text)
{
	tls->failed = true;
	free(tls->error);
	tls->error = strdup(text);
}

static void
fail_with(struct tls *tls, const char *why)
{
	char text[ERROR_TEXT_MAX];

	snprintf(text, sizeof(text), "TLS%s%s failed: %s",
	    tls->host[0] != '\0' ? " with " : "", tls->host, why);
	fail_text(tls, text);
}

void
tls_isolate(struct tls *tls)
{
	tls->isolated = true;
}

int
tls_set_fd(struct tls *tls, evutil_socket_t fd)
{
	BIO *bio = tls_bio_new(&tls->bio, fd);

	if (bio == NULL) {
		fail_with(tls, "out of memory");
		return -1;
	}
	SSL_set_bio(tls->ssl, bio, bio);
	return 0;
}

/* What a person can do about it. A device without a clock of its own wakes up in 1970. */
static const char *
hint_for(long verdict)
{
	switch (verdict) {
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return " (is the clock right?)";
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return " (renew it at the peer; is the clock right?)";
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return " (it is for other names: call the peer by one of them)";
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return " (nobody in ca_file, or in the system's store, "
		       "vouches for it)";
	default:
		return "";
	}
}

void
tls_explain_unpinned(struct tls *tls, const struct tls_pin *seen)
{
	char text[ERROR_TEXT_MAX], pin[TLS_PIN_TEXT_MAX];

	snprintf(text, sizeof(text),
	    "no pin matches for %s: its key is %s (if that is right, add it "
	    "as a pin)",
	    tls->host, tls_pin_text(seen, pin));
	free(tls->error);
	tls->error = strdup(text);
}

static void
fail_verification(struct tls *tls, long verdict)
{
	char text[ERROR_TEXT_MAX];

	if (verdict == X509_V_ERR_APPLICATION_VERIFICATION &&
	    tls->error != NULL) {
		tls->failed = true; /* and it was said why */
		return;
	}
	snprintf(text, sizeof(text), "certificate verify failed for %s: %s%s",
	    tls->host, X509_verify_cert_error_string(verdict),
	    hint_for(verdict));
	fail_text(tls, text);
}

/* What a peer that speaks HTTP, or anything else, is taken for. */
static bool
is_not_tls(unsigned long error)
{
	int reason = ERR_GET_REASON(error);

	return ERR_GET_LIB(error) == ERR_LIB_SSL &&
	    (reason == SSL_R_WRONG_VERSION_NUMBER ||
		reason == SSL_R_HTTP_REQUEST);
}

/* Ours is at least 1.2: either side may be the one that says so. */
static bool
is_too_old(unsigned long error)
{
	int reason = ERR_GET_REASON(error);

	return ERR_GET_LIB(error) == ERR_LIB_SSL &&
	    (reason == SSL_R_UNSUPPORTED_PROTOCOL ||
		reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
}

static void
describe_failure(struct tls *tls, int kind, int saved_errno)
{
	long verdict = SSL_get_verify_result(tls->ssl);

	if (!tls->established && verdict != X509_V_OK)
		fail_verification(tls, verdict);
	else if (!tls->established && is_not_tls(ERR_peek_error()))
		fail_with(tls, "the peer does not speak TLS");
	else if (!tls->established && is_too_old(ERR_peek_error()))
		fail_with(
		    tls, "unsupported protocol (TLS 1.2 or later is needed)");
	else if (ERR_peek_error() != 0)
		fail_with(tls, tls_queued_reason());
	else if (kind == SSL_ERROR_SYSCALL && saved_errno != 0)
		fail_with(tls, error_text(saved_errno));
	else
		fail_with(tls, "the connection was closed");
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
	fail_with(tls,
	    saved_errno != 0 ? error_text(saved_errno)
			     : "the connection was closed");
	return TLS_FAILED;
}

enum tls_result
tls_flush(struct tls *tls)
{
	enum tls_result result;

	if (tls->failed)
		return TLS_FAILED;
	result = tls_bio_flush(&tls->bio);
	if (result == TLS_FAILED)
		fail_with(tls, error_text(errno));
	return result;
}

size_t
tls_unsent(const struct tls *tls)
{
	return tls_bio_unsent(&tls->bio);
}

/* That nothing came at all, and no end either, only a receive can say: a short one before it
 * cannot. */
static bool
must_ask(struct tls *tls, enum tls_result result)
{
	bool was_dry = tls->bio.dry;

	tls->bio.dry = false;
	return result == TLS_WANT_READ && was_dry;
}

enum tls_result
tls_handshake(struct tls *tls)
{
	enum tls_result result, sent;

	if (tls->failed)
		return TLS_FAILED;
	do {
		prepare();
		result = outcome_without_end(tls, SSL_do_handshake(tls->ssl));
	} while (must_ask(tls, result));
	if (result == TLS_FAILED) {
		(void)tls_bio_flush(&tls->bio); /* the peer is told why */
		return TLS_FAILED;
	}
	tls->established = result == TLS_OK;
	/* not before: OpenSSL wipes all of a buffer that it gives back, and gives it back for
	 * each message of the handshake, in which nothing is secret */
	if (tls->established && SSL_is_server(tls->ssl))
		tls_wipe_input(tls, true);
	if ((sent = tls_flush(tls)) == TLS_FAILED)
		return TLS_FAILED;
	return tls->established || sent == TLS_OK ? result : sent;
}

/* Nothing is left of what was received, and a receive would say that there is no more. */
static bool
is_empty(const struct tls *tls)
{
	return tls->bio.dry && tls->bio.in == NULL &&
	    SSL_has_pending(tls->ssl) == 0;
}

enum tls_result
tls_read(struct tls *tls, void *out, size_t cap, size_t *done)
{
	enum tls_result result;

	assert(cap > 0);
	*done = 0;
	if (tls->failed)
		return TLS_FAILED;
	tls->bio.dry = false;
	do {
		size_t got = 0;

		prepare();
		result = outcome(tls,
		    SSL_read_ex(
			tls->ssl, (char *)out + *done, cap - *done, &got));
		*done += got;
	} while (result == TLS_OK ? *done < cap && !is_empty(tls)
				  : *done == 0 && must_ask(tls, result));
	tls->dry = result == TLS_WANT_READ || is_empty(tls);
	if (tls->failed)
		(void)tls_bio_flush(&tls->bio); /* the peer is told why */
	return *done > 0 ? TLS_OK : result;
}

bool
tls_is_dry(const struct tls *tls)
{
	return tls->dry;
}

enum tls_result
tls_write(struct tls *tls, const void *data, size_t len, size_t *done)
{
	enum tls_result result;

	assert(len > 0);
	*done = 0;
	if (tls->failed)
		return TLS_FAILED;
	do {
		size_t taken = 0;

		prepare();
		result = outcome_without_end(tls,
		    SSL_write_ex(tls->ssl, (const char *)data + *done,
			len - *done, &taken));
		*done += taken;
	} while (result == TLS_OK && *done < len);
	return *done > 0 && !tls->failed ? TLS_OK : result;
}

enum tls_result
tls_shutdown(struct tls *tls)
{
	enum tls_result result;
	int returned;

	if (tls->failed || !tls->established)
		return TLS_FAILED;
	if (!tls->said_bye) {
		prepare();
		/* 0: the peer's own has not come yet */
		returned = SSL_shutdown(tls->ssl);
		if (returned < 0 &&
		    (result = outcome_without_end(tls, returned)) != TLS_OK)
			return result;
		tls->said_bye = true;
	}
	return tls_flush(tls);
}

bool
tls_was_resumed(const struct tls *tls)
{
	return SSL_session_reused(tls->ssl) == 1;
}

const char *
tls_error(struct tls *tls)
{
	return tls->error != NULL ? tls->error : "out of memory";
}
