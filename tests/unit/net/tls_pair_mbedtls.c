/* SPDX-License-Identifier: MIT */
/* A server's end on Mbed TLS, which the agent does not have. */
#include <check.h>
#include <mbedtls/ssl_ticket.h>

#include "net/crypto.h"
#include "net/tls_library.h"
#include "net/tls_mbedtls.h"
#include "tls_pair.h"

const bool tls_pair_is_1_3 = false;
const size_t tls_pair_alert_bytes = 5 + 2 + 16; /* header, alert, tag */
const size_t tls_pair_certificate_max = 14000; /* a message has 16 KB at most */

static int
random_cb(void *ctx, unsigned char *out, size_t len)
{
	(void)ctx;
	crypto_random(out, len);
	return 0;
}

struct tls_context *
tls_context_new_server(
    const char *certificate, const char *key, const char **error)
{
	struct mbedtls_trust *trust = mbedtls_trust_new(MBEDTLS_SSL_IS_SERVER);
	struct tls_context *context = tls_context_wrap(trust);

	ck_assert_ptr_nonnull(context);
	*error = NULL;
	if (tls_certificate_load(trust, certificate, key) != 0) {
		*error = tls_context_error();
		tls_context_free(&context);
	}
	return context;
}

struct tls *
tls_new_server(struct tls_context *context)
{
	static mbedtls_ssl_ticket_context tickets;
	struct mbedtls_trust *trust = tls_context_trust(context);
	struct tls *tls = tls_new(context, (struct str){NULL, 0});

	ck_assert_ptr_nonnull(tls);
	mbedtls_ssl_ticket_free(&tickets);
	mbedtls_ssl_ticket_init(&tickets);
	ck_assert_int_eq(mbedtls_ssl_ticket_setup(&tickets, random_cb, NULL,
			     MBEDTLS_CIPHER_AES_256_GCM, 86400),
	    0);
	mbedtls_ssl_conf_session_tickets_cb(&trust->conf,
	    mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse, &tickets);
	ck_assert_int_eq(mbedtls_engine_begin(tls), 0);
	return tls;
}

bool
tls_pair_has_ticket(const struct tls *client)
{
	mbedtls_ssl_session *session =
	    tls_context_recall(client->context, client->host);

	return session != NULL && session->ticket_len > 0;
}

bool
tls_pair_has_heard_bye(const struct tls *tls)
{
	const struct mbedtls_engine *engine = tls->engine;

	return engine->ended && !tls->bio.ended && !tls->said_bye;
}

void
tls_pair_ask_new_keys(struct tls *tls)
{
	(void)tls;
	ck_abort_msg("TLS 1.2 has no new keys");
}
