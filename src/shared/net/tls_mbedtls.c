/* SPDX-License-Identifier: MIT */
/*
 * One connection on Mbed TLS, which is a client's. A record is begun only when all of it can be
 * taken: Mbed TLS cannot be asked for anything else while it still has a part of one to send.
 */
#include "config.h"

#include <errno.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl_internal.h>
#include <stdlib.h>

#include "net/tls_library.h"
#include "net/tls_mbedtls.h"

#define RECORD_OVERHEAD 64 /* header, nonce and tag take 29 bytes of it */

static int
send_cb(void *ctx, const unsigned char *data, size_t len)
{
	struct tls *tls = ctx;
	struct mbedtls_engine *engine = tls->engine;
	ssize_t taken = tls_bio_seal(&tls->bio, data, len);

	if (taken >= 0)
		return (int)taken;
	if (tls_bio_must_wait(errno))
		return MBEDTLS_ERR_SSL_WANT_WRITE;
	engine->error = errno;
	return MBEDTLS_ERR_NET_SEND_FAILED;
}

static int
receive_cb(void *ctx, unsigned char *out, size_t cap)
{
	struct tls *tls = ctx;
	struct mbedtls_engine *engine = tls->engine;
	ssize_t got = tls_bio_receive(&tls->bio, out, cap);

	if (got >= 0)
		return (int)got;
	if (tls_bio_must_wait(errno))
		return MBEDTLS_ERR_SSL_WANT_READ;
	engine->error = errno;
	return MBEDTLS_ERR_NET_RECV_FAILED;
}

int
mbedtls_engine_begin(struct tls *tls)
{
	struct mbedtls_trust *trust = tls_context_trust(tls->context);
	struct mbedtls_engine *engine = calloc(1, sizeof(*engine));

	if (engine == NULL)
		return -1;
	mbedtls_ssl_init(&engine->ssl);
	tls->engine = engine;
	return mbedtls_ssl_setup(&engine->ssl, &trust->conf) == 0 ? 0 : -1;
}

int
tls_library_begin_client(struct tls *tls, void *session)
{
	struct mbedtls_engine *engine;

	if (mbedtls_engine_begin(tls) != 0 || mbedtls_expect_host(tls) != 0)
		return -1;
	engine = tls->engine;
	return session == NULL ||
		mbedtls_ssl_set_session(&engine->ssl, session) == 0
	    ? 0
	    : -1;
}

int
tls_library_bind(struct tls *tls)
{
	struct mbedtls_engine *engine = tls->engine;

	mbedtls_ssl_set_bio(&engine->ssl, tls, send_cb, receive_cb, NULL);
	return 0;
}

void
tls_library_end(struct tls *tls)
{
	struct mbedtls_engine *engine = tls->engine;

	mbedtls_ssl_free(&engine->ssl);
	free(engine);
}

static bool
is_alert(const struct mbedtls_engine *engine, int error, int alert)
{
	return error == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE &&
	    engine->ssl.in_msg[1] == alert;
}

/* The peer chose a version before 1.2, or that of its alert's record is one: for what we offer it
 * has no suite then. */
static bool
is_too_old(const struct mbedtls_engine *engine, int error)
{
	return error == MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION ||
	    (is_alert(engine, error, MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE) &&
		engine->ssl.in_hdr[2] < MBEDTLS_SSL_MINOR_VERSION_3);
}

static bool
is_verification(const struct mbedtls_engine *engine, int error)
{
	return engine->unpinned ||
	    error == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED ||
	    error == MBEDTLS_ERR_SSL_BAD_HS_CERTIFICATE;
}

static void
describe_failure(struct tls *tls, int error)
{
	const struct mbedtls_engine *engine = tls->engine;

	if (engine->error != 0 || error == 0 ||
	    error == MBEDTLS_ERR_SSL_CONN_EOF)
		(void)tls_fail_ended(tls, engine->error);
	else if (!tls->established && is_verification(engine, error))
		mbedtls_fail_verification(tls);
	else if (!tls->established && error == MBEDTLS_ERR_SSL_INVALID_RECORD)
		tls_fail_with(tls, "the peer does not speak TLS");
	else if (!tls->established && is_too_old(engine, error))
		tls_fail_with(
		    tls, "unsupported protocol (TLS 1.2 or later is needed)");
	else if (!tls->established &&
	    is_alert(engine, error, MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION))
		tls_fail_with(tls,
		    "unsupported protocol (the peer has no TLS 1.2, and this "
		    "agent has no other)");
	else
		tls_fail_with(tls, mbedtls_reason(tls, error));
}

static enum tls_result
outcome(struct tls *tls, int returned)
{
	if (returned == MBEDTLS_ERR_SSL_WANT_READ)
		return TLS_WANT_READ;
	if (returned == MBEDTLS_ERR_SSL_WANT_WRITE)
		return TLS_WANT_WRITE;
	describe_failure(tls, returned);
	return TLS_FAILED;
}

/* The ticket came within the handshake, or the one that was used is still good. */
static void
remember_session(struct tls *tls)
{
	struct mbedtls_engine *engine = tls->engine;
	mbedtls_ssl_session *session = malloc(sizeof(*session));

	if (session == NULL)
		return;
	mbedtls_ssl_session_init(session);
	if (mbedtls_ssl_get_session(&engine->ssl, session) == 0)
		tls_context_remember(tls, session);
	else
		tls_library_session_free(session);
}

void
tls_library_session_free(void *session)
{
	mbedtls_ssl_session_free(session);
	free(session);
}

enum tls_result
tls_library_handshake(struct tls *tls)
{
	struct mbedtls_engine *engine = tls->engine;
	int returned = mbedtls_ssl_handshake(&engine->ssl);

	if (returned != 0)
		return outcome(tls, returned);
	if (tls->host[0] != '\0')
		remember_session(tls);
	return TLS_OK;
}

/* See to room for a record of this payload, so that it leaves Mbed TLS as a whole. */
static enum tls_result
make_room(struct tls *tls, size_t payload)
{
	struct mbedtls_engine *engine = tls->engine;
	size_t len = payload + RECORD_OVERHEAD;
	/* an alert that reading has answered with and that is half taken: the next write would
	 * send the rest of it and count that as its own */
	int returned = mbedtls_ssl_flush_output(&engine->ssl);

	if (returned != 0)
		return outcome(tls, returned);
	if (len > BUF_SEALED)
		len = BUF_SEALED;
	if (tls_bio_reserve(&tls->bio, len) == 0)
		return TLS_OK;
	if (tls_bio_must_wait(errno))
		return TLS_WANT_WRITE;
	engine->error = errno;
	describe_failure(tls, MBEDTLS_ERR_NET_SEND_FAILED);
	return TLS_FAILED;
}

enum tls_result
tls_library_read(struct tls *tls, void *out, size_t cap, size_t *done)
{
	struct mbedtls_engine *engine = tls->engine;
	int returned;

	if (engine->ended)
		return TLS_EOF;
	returned = mbedtls_ssl_read(&engine->ssl, out, cap);
	if (returned > 0) {
		*done = (size_t)returned;
		return TLS_OK;
	}
	if (returned != 0 && returned != MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY &&
	    returned != MBEDTLS_ERR_SSL_CONN_EOF)
		return outcome(tls, returned);
	engine->ended = true;
	return TLS_EOF;
}

enum tls_result
tls_library_write(struct tls *tls, const void *data, size_t len, size_t *done)
{
	struct mbedtls_engine *engine = tls->engine;
	int most = mbedtls_ssl_get_max_out_record_payload(&engine->ssl);
	enum tls_result result;
	int returned;

	if (most > 0 && len > (size_t)most)
		len = (size_t)most;
	if ((result = make_room(tls, len)) != TLS_OK)
		return result;
	returned = mbedtls_ssl_write(&engine->ssl, data, len);
	if (returned <= 0)
		return outcome(tls, returned);
	*done = (size_t)returned;
	return TLS_OK;
}

enum tls_result
tls_library_close_notify(struct tls *tls)
{
	struct mbedtls_engine *engine = tls->engine;
	enum tls_result result;
	int returned;

	if ((result = make_room(tls, 2)) != TLS_OK) /* an alert */
		return result;
	returned = mbedtls_ssl_close_notify(&engine->ssl);
	return returned == 0 ? TLS_OK : outcome(tls, returned);
}

bool
tls_library_is_pending(const struct tls *tls)
{
	const struct mbedtls_engine *engine = tls->engine;

	return mbedtls_ssl_check_pending(&engine->ssl) != 0;
}
