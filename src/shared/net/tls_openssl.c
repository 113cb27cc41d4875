/* SPDX-License-Identifier: MIT */
/*
 * One connection on OpenSSL. Before each call the thread's error queue is emptied: what an
 * earlier connection left there would be taken for this one's error.
 */
#include "config.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#include "net/tls_library.h"
#include "net/tls_openssl.h"

static void
prepare(void)
{
	ERR_clear_error();
	errno = 0;
}

static int
begin(struct tls *tls)
{
	prepare();
	tls->engine = SSL_new(tls_context_ssl(tls->context));
	return tls->engine != NULL && SSL_set_app_data(tls_ssl(tls), tls) == 1
	    ? 0
	    : -1;
}

/* Offer the session as a copy: OpenSSL spoils one of TLS 1.3 as soon as it has been used once
 * (RFC 8446 appendix C.4), and the server's next ticket comes after that. Of those that a slow
 * relay lets wait, or that it is killed under, none would have one left when they come back. */
static int
offer_session(SSL *ssl, SSL_SESSION *kept)
{
	SSL_SESSION *copy;
	bool done;

	if (kept == NULL)
		return 0;
	copy = SSL_SESSION_dup(kept);
	done = copy != NULL && SSL_set_session(ssl, copy) == 1;
	SSL_SESSION_free(copy);
	return done ? 0 : -1;
}

int
tls_library_begin_client(struct tls *tls, void *session)
{
	if (begin(tls) != 0 ||
	    openssl_expect_host(tls_ssl(tls), tls->host) != 0)
		return -1;
	SSL_set_connect_state(tls_ssl(tls));
	return offer_session(tls_ssl(tls), session);
}

struct tls *
tls_new_server(struct tls_context *context)
{
	struct tls *tls = tls_new(context, (struct str){NULL, 0});

	if (tls == NULL)
		return NULL;
	if (begin(tls) == 0)
		SSL_set_accept_state(tls_ssl(tls));
	else
		tls_free(&tls);
	return tls;
}

int
tls_library_bind(struct tls *tls)
{
	BIO *bio = openssl_bio_new(&tls->bio);

	if (bio == NULL)
		return -1;
	SSL_set_bio(tls_ssl(tls), bio, bio);
	return 0;
}

void
tls_library_end(struct tls *tls)
{
	/* OpenSSL would not resume the session of a connection that was cut off. */
	if (tls->established)
		SSL_set_shutdown(
		    tls_ssl(tls), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(tls_ssl(tls));
}

void
tls_wipe_input(struct tls *tls, bool wanted)
{
#ifdef SSL_OP_CLEANSE_PLAINTEXT
	if (wanted)
		SSL_set_options(tls_ssl(tls), SSL_OP_CLEANSE_PLAINTEXT);
	else
		SSL_clear_options(tls_ssl(tls), SSL_OP_CLEANSE_PLAINTEXT);
#else
	(void)tls;
	(void)wanted;
#endif
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
	long verdict = SSL_get_verify_result(tls_ssl(tls));

	if (!tls->established && verdict != X509_V_OK)
		openssl_fail_verification(tls, verdict);
	else if (!tls->established && is_not_tls(ERR_peek_error()))
		tls_fail_with(tls, "the peer does not speak TLS");
	else if (!tls->established && is_too_old(ERR_peek_error()))
		tls_fail_with(
		    tls, "unsupported protocol (TLS 1.2 or later is needed)");
	else if (ERR_peek_error() != 0)
		tls_fail_with(tls, openssl_queued_reason());
	else
		(void)tls_fail_ended(
		    tls, kind == SSL_ERROR_SYSCALL ? saved_errno : 0);
}

static enum tls_result
outcome(struct tls *tls, int returned)
{
	int saved_errno = errno;
	int kind = SSL_get_error(tls_ssl(tls), returned);

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

/* Where only reading can meet an end: the connection is gone, whatever OpenSSL calls it. */
static enum tls_result
outcome_without_end(struct tls *tls, int returned)
{
	int saved_errno = errno;
	enum tls_result result = outcome(tls, returned);

	return result == TLS_EOF ? tls_fail_ended(tls, saved_errno) : result;
}

enum tls_result
tls_library_handshake(struct tls *tls)
{
	enum tls_result result;

	prepare();
	result = outcome_without_end(tls, SSL_do_handshake(tls_ssl(tls)));
	/* not before: OpenSSL wipes all of a buffer that it gives back, and gives it back for
	 * each message of the handshake, in which nothing is secret */
	if (result == TLS_OK && SSL_is_server(tls_ssl(tls)))
		tls_wipe_input(tls, true);
	return result;
}

enum tls_result
tls_library_read(struct tls *tls, void *out, size_t cap, size_t *done)
{
	prepare();
	return outcome(tls, SSL_read_ex(tls_ssl(tls), out, cap, done));
}

enum tls_result
tls_library_write(struct tls *tls, const void *data, size_t len, size_t *done)
{
	prepare();
	return outcome_without_end(
	    tls, SSL_write_ex(tls_ssl(tls), data, len, done));
}

enum tls_result
tls_library_close_notify(struct tls *tls)
{
	int returned;

	prepare();
	/* 0: the peer's own has not come yet */
	returned = SSL_shutdown(tls_ssl(tls));
	return returned < 0 ? outcome_without_end(tls, returned) : TLS_OK;
}

bool
tls_library_is_pending(const struct tls *tls)
{
	return SSL_has_pending(tls_ssl(tls)) != 0;
}

bool
tls_was_resumed(const struct tls *tls)
{
	return SSL_session_reused(tls_ssl(tls)) == 1;
}
