/* SPDX-License-Identifier: MIT */
/* What connections share, in Mbed TLS's words: its suites, whom it trusts, and a certificate of our
 * own. */
#include "config.h"

#include <mbedtls/ssl_ciphersuites.h>
#include <mbedtls/x509_crt.h>
#include <stdlib.h>

#include "net/crypto.h"
#include "net/tls_library.h"
#include "net/tls_mbedtls.h"

/* ChaCha first: where Mbed TLS is chosen, the processor seldom knows AES, and AES without it is
 * slow, and tells its key by its timing. A relay with OpenSSL follows that. */
static const int suites[] = {
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    0,
};

static int
random_cb(void *ctx, unsigned char *out, size_t len)
{
	(void)ctx;
	crypto_random(out, len);
	return 0;
}

struct mbedtls_trust *
mbedtls_trust_new(int endpoint)
{
	struct mbedtls_trust *trust = malloc(sizeof(*trust));
	mbedtls_ssl_config *conf;

	if (trust == NULL)
		return NULL;
	conf = &trust->conf;
	mbedtls_ssl_config_init(conf);
	mbedtls_x509_crt_init(&trust->authorities);
	mbedtls_x509_crt_init(&trust->certificate);
	mbedtls_pk_init(&trust->key);
	trust->system = false;
	if (mbedtls_ssl_config_defaults(conf, endpoint,
		MBEDTLS_SSL_TRANSPORT_STREAM,
		MBEDTLS_SSL_PRESET_DEFAULT) != 0) {
		tls_library_trust_free(trust);
		return NULL;
	}
	mbedtls_ssl_conf_rng(conf, random_cb, NULL);
	mbedtls_ssl_conf_min_version(
	    conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
	mbedtls_ssl_conf_ciphersuites(conf, suites);
	return trust;
}

void *
tls_library_trust_new_client(void)
{
	struct mbedtls_trust *trust = mbedtls_trust_new(MBEDTLS_SSL_IS_CLIENT);

	if (trust == NULL)
		return NULL;
	mbedtls_ssl_conf_authmode(&trust->conf, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_ca_chain(&trust->conf, &trust->authorities, NULL);
	return trust;
}

void
tls_library_trust_free(void *trust)
{
	struct mbedtls_trust *mbedtls = trust;

	mbedtls_ssl_config_free(&mbedtls->conf);
	mbedtls_x509_crt_free(&mbedtls->authorities);
	mbedtls_x509_crt_free(&mbedtls->certificate);
	mbedtls_pk_free(&mbedtls->key);
	free(mbedtls);
}

int
tls_library_trust_load(void *trust, const char *ca_file)
{
	struct mbedtls_trust *mbedtls = trust;
	const char *why = ca_file != NULL
	    ? mbedtls_authorities_read(&mbedtls->authorities, ca_file)
	    : mbedtls_authorities_look_for_system();

	mbedtls->system = ca_file == NULL;
	if (why == NULL)
		return 0;
	tls_context_explain(ca_file != NULL
		? "trusted certificates"
		: "the system's trusted certificates",
	    ca_file, why);
	return -1;
}

/* Each verification asks for them. */
void
tls_library_trust_ask_pins(void *trust)
{
	(void)trust;
}

const char *
tls_library_use_chain(void *trust, const char *pem, size_t len)
{
	struct mbedtls_trust *mbedtls = trust;
	/* its NUL counts */
	int returned = mbedtls_x509_crt_parse(
	    &mbedtls->certificate, (const unsigned char *)pem, len + 1);

	if (returned > 0)
		return "a certificate of the chain cannot be read";
	if (returned == MBEDTLS_ERR_X509_ALLOC_FAILED)
		return "out of memory";
	if (mbedtls_lacks_kind(returned))
		return "the certificate's key or signature is of a kind that "
		       "Mbed TLS does not have";
	if (mbedtls->certificate.raw.p == NULL)
		return returned == MBEDTLS_ERR_X509_CERT_UNKNOWN_FORMAT
		    ? "no start line: it has no certificate in PEM"
		    : "the certificate cannot be read";
	return NULL;
}

const char *
tls_library_use_key(void *trust, const char *pem, size_t len)
{
	struct mbedtls_trust *mbedtls = trust;

	if (mbedtls_pk_parse_key(&mbedtls->key, (const unsigned char *)pem,
		len + 1, NULL, 0) != 0)
		return "there is none without a password in it";
	if (mbedtls_pk_check_pair(&mbedtls->certificate.pk, &mbedtls->key) != 0)
		return "key values mismatch";
	return mbedtls_ssl_conf_own_cert(
		   &mbedtls->conf, &mbedtls->certificate, &mbedtls->key) == 0
	    ? NULL
	    : "out of memory";
}
