/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "net/tls_openssl.h"
#include "tls_pair.h"

const bool tls_pair_is_1_3 = true;
const size_t tls_pair_alert_bytes =
    5 + 2 + 1 + 16; /* header, alert, type, tag */
const size_t tls_pair_certificate_max = 40000;

bool
tls_pair_has_ticket(const struct tls *client)
{
	return SSL_SESSION_has_ticket(SSL_get_session(tls_ssl(client))) == 1;
}

bool
tls_pair_has_heard_bye(const struct tls *tls)
{
	return SSL_get_shutdown(tls_ssl(tls)) == SSL_RECEIVED_SHUTDOWN;
}

void
tls_pair_ask_new_keys(struct tls *tls)
{
	ck_assert_int_eq(
	    SSL_key_update(tls_ssl(tls), SSL_KEY_UPDATE_REQUESTED), 1);
}
