/* SPDX-License-Identifier: MIT */
/*
 * Whom a client believes. Pins are asked within verification: who fails is told by an alert, and
 * leaves no session that a later connection could resume unasked. Only the chain that OpenSSL has
 * built counts: a peer may send any certificate along with its own.
 */
#include "config.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "net/address.h"
#include "net/tls_library.h"
#include "net/tls_openssl.h"

static int
expect_address(X509_VERIFY_PARAM *param, const struct address *ip)
{
	bool four = ip->sa.sa_family == AF_INET;
	const void *bytes = four ? (const void *)&ip->in.sin_addr
				 : (const void *)&ip->in6.sin6_addr;

	return X509_VERIFY_PARAM_set1_ip(param, bytes, four ? 4 : 16) == 1 ? 0
									   : -1;
}

int
openssl_expect_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	struct address ip;

	if (address_parse_ip(str_of(host), 0, &ip))
		return expect_address(param, &ip);
	X509_VERIFY_PARAM_set_hostflags(
	    param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_VERIFY_PARAM_set1_host(param, host, 0) != 1)
		return -1;
	return SSL_set_tlsext_host_name(ssl, host) == 1 ? 0 : -1;
}

static enum tls_doubt
doubt_of(long verdict)
{
	switch (verdict) {
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return TLS_DOUBT_TOO_EARLY;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return TLS_DOUBT_EXPIRED;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return TLS_DOUBT_OTHER_HOST;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return TLS_DOUBT_UNKNOWN;
	case X509_V_ERR_APPLICATION_VERIFICATION:
		return TLS_DOUBT_UNPINNED;
	default:
		return TLS_DOUBT_OTHER;
	}
}

void
openssl_fail_verification(struct tls *tls, long verdict)
{
	tls_fail_verification(
	    tls, doubt_of(verdict), X509_verify_cert_error_string(verdict));
}

/* A proxy that opens TLS signs with a name of its own: its owner knows it. From a peer, so it is
 * shown without control characters. */
static void
note_issuer(struct tls *tls, const X509 *certificate)
{
	static const int parts[] = {NID_commonName, NID_organizationName};
	char text[128];
	int len = 0;

	/* X509_NAME is a macro of Windows' own */
	for (size_t i = 0; i < 2 && len <= 0; i++)
		len = X509_NAME_get_text_by_NID(
		    X509_get_issuer_name(certificate), parts[i], text,
		    sizeof(text));
	if (len <= 0)
		return;
	for (char *c = text; *c != '\0'; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	tls_note_issuer(tls, text);
}

int
openssl_look_cb(int right, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
	    store, SSL_get_ex_data_X509_STORE_CTX_idx());
	const X509 *certificate = X509_STORE_CTX_get0_cert(store);

	if (!right && certificate != NULL)
		note_issuer(SSL_get_app_data(ssl), certificate);
	return right;
}

/* -1: no memory. */
static int
pin_of(const X509 *certificate, struct tls_pin *pin)
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);

	if (len <= 0)
		return -1;
	tls_pin_of(der, (size_t)len, pin);
	OPENSSL_free(der);
	return 0;
}

static bool
chain_matches(const struct tls_pins *pins, const STACK_OF(X509) * chain)
{
	struct tls_pin pin;

	for (int i = 0; i < sk_X509_num(chain); i++)
		if (pin_of(sk_X509_value(chain, i), &pin) == 0 &&
		    tls_pins_contain(pins, &pin))
			return true;
	return false;
}

/* An OpenSSL callback: 1 accepts the peer. */
static int
verify_cb(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
	    store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *tls = SSL_get_app_data(ssl);
	int result = X509_verify_cert(store);
	struct tls_pin seen;

	(void)arg;
	if (result <= 0 ||
	    chain_matches(tls_context_pins(tls->context),
		X509_STORE_CTX_get0_chain(store)))
		return result;
	if (pin_of(X509_STORE_CTX_get0_cert(store), &seen) == 0)
		tls_explain_unpinned(tls, &seen);
	X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

void
tls_library_trust_ask_pins(void *trust)
{
	struct openssl_trust *openssl = trust;

	SSL_CTX_set_cert_verify_callback(openssl->ssl, verify_cb, NULL);
}
