/* SPDX-License-Identifier: MIT */
/* What an error of Mbed TLS means to a person. Its own texts are longer than all of this file when
 * it is compiled, and a device's library may lack them. */
#include "config.h"

#include <stdio.h>

#include "net/tls_mbedtls.h"

struct row {
	int code;
	const char *text;
};

/* RFC 8446 section 6 and RFC 5246 section 7.2. */
static const struct row alerts[] = {
    {10, "unexpected message"},
    {20, "bad record"},
    {40, "no suite or key that both sides have"},
    {42, "it does not take our certificate"},
    {43, "it does not know our certificate's kind"},
    {44, "our certificate is revoked"},
    {45, "our certificate has expired"},
    {46, "it does not take our certificate"},
    {47, "illegal parameter"},
    {48, "it does not know who has signed our certificate"},
    {49, "access denied"},
    {50, "it cannot read what we sent"},
    {51, "our signature is wrong"},
    {71, "it wants stronger keys"},
    {80, "internal error"},
    {86, "inappropriate fallback"},
    {112, "it does not know the name that we call it by"},
    {116, "it wants a certificate of ours"},
};

static const struct row errors[] = {
    {MBEDTLS_ERR_SSL_ALLOC_FAILED, "out of memory"},
    {MBEDTLS_ERR_X509_ALLOC_FAILED, "out of memory"},
    {MBEDTLS_ERR_SSL_INVALID_MAC, "a record was changed on its way"},
    {MBEDTLS_ERR_SSL_INVALID_RECORD, "there is a record that cannot be"},
    {MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN, "no suite that both sides have"},
    {MBEDTLS_ERR_SSL_BAD_HS_SERVER_HELLO, "the server's hello is wrong"},
    {MBEDTLS_ERR_SSL_BAD_HS_SERVER_KEY_EXCHANGE,
	"the server's key exchange is wrong, or its signature"},
    {MBEDTLS_ERR_SSL_BAD_HS_FINISHED, "the handshake was changed on its way"},
    {MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL, "a message is too long"},
    {MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE, "unexpected message"},
};

static const char *
find(const struct row *rows, size_t n, int code)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].code == code)
			return rows[i].text;
	return NULL;
}

bool
mbedtls_lacks_kind(int error)
{
	/* the lowest bits say which part has noticed */
	switch (-(-error & 0xff80)) {
	case MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG:
	case MBEDTLS_ERR_PK_UNKNOWN_PK_ALG:
	case MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE:
		return true;
	default:
		return false;
	}
}

const char *
mbedtls_reason(const struct tls *tls, int error)
{
	static _Thread_local char text[96];
	const struct mbedtls_engine *engine = tls->engine;
	const char *known;
	int alert;

	if (error != MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
		known = find(errors, sizeof(errors) / sizeof(errors[0]), error);
		if (known != NULL)
			return known;
		snprintf(text, sizeof(text), "error -0x%04x of Mbed TLS",
		    (unsigned)-error);
		return text;
	}
	alert = engine->ssl.in_msg[1];
	known = find(alerts, sizeof(alerts) / sizeof(alerts[0]), alert);
	snprintf(text, sizeof(text), "the peer sent alert %d%s%s", alert,
	    known != NULL ? ": " : "", known != NULL ? known : "");
	return text;
}
