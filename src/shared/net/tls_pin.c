/* SPDX-License-Identifier: MIT */
/*
 * The question is put within verification: who fails is told by an alert, and leaves no
 * session that a later connection could resume unasked. Only the chain that OpenSSL has
 * built counts: a peer may send any certificate along with its own.
 */
#include "config.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_internal.h"
#include "net/tls_pin.h"

#define PREFIX "sha256/"
#define BASE64_LEN 44  /* of a hash, its one '=' included */
#define DECODED_LEN 33 /* OpenSSL's count has that '=' as a zero */

struct tls_pins {
	size_t n;
	struct tls_pin pins[];
};

bool
tls_pin_parse(const char *text, struct tls_pin *pin)
{
	unsigned char decoded[DECODED_LEN];
	char again[TLS_PIN_TEXT_MAX];

	if (strlen(text) != strlen(PREFIX) + BASE64_LEN ||
	    EVP_DecodeBlock(decoded,
		(const unsigned char *)text + strlen(PREFIX),
		BASE64_LEN) != DECODED_LEN)
		return false;
	memcpy(pin->sha256, decoded, sizeof(pin->sha256));
	/* the decoder overlooks blanks and stray bits */
	return strcmp(tls_pin_text(pin, again), text) == 0;
}

const char *
tls_pin_text(const struct tls_pin *pin, char out[static TLS_PIN_TEXT_MAX])
{
	memcpy(out, PREFIX, strlen(PREFIX));
	(void)EVP_EncodeBlock((unsigned char *)out + strlen(PREFIX),
	    pin->sha256, sizeof(pin->sha256));
	return out;
}

/* -1: no memory. */
static int
pin_of(const X509 *certificate, struct tls_pin *pin)
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);

	if (len <= 0)
		return -1;
	crypto_sha256(der, (size_t)len, pin->sha256);
	OPENSSL_free(der);
	return 0;
}

static bool
contains(const struct tls_pins *pins, const struct tls_pin *pin)
{
	for (size_t i = 0; i < pins->n; i++)
		if (memcmp(pins->pins[i].sha256, pin->sha256,
			sizeof(pin->sha256)) == 0)
			return true;
	return false;
}

static bool
chain_matches(const struct tls_pins *pins, const STACK_OF(X509) * chain)
{
	struct tls_pin pin;

	for (int i = 0; i < sk_X509_num(chain); i++)
		if (pin_of(sk_X509_value(chain, i), &pin) == 0 &&
		    contains(pins, &pin))
			return true;
	return false;
}

/* An OpenSSL callback: 1 accepts the peer. */
static int
verify_cb(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
	    store, SSL_get_ex_data_X509_STORE_CTX_idx());
	int result = X509_verify_cert(store);
	struct tls_pin seen;

	if (result <= 0 || chain_matches(arg, X509_STORE_CTX_get0_chain(store)))
		return result;
	if (pin_of(X509_STORE_CTX_get0_cert(store), &seen) == 0)
		tls_explain_unpinned(SSL_get_app_data(ssl), &seen);
	X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

int
tls_context_pin(
    struct tls_context *context, const struct tls_pin *pins, size_t n)
{
	struct tls_pins *copy = malloc(sizeof(*copy) + n * sizeof(*pins));

	if (copy == NULL)
		return -1;
	copy->n = n;
	memcpy(copy->pins, pins, n * sizeof(*pins));
	tls_context_keep_pins(context, copy);
	SSL_CTX_set_cert_verify_callback(
	    tls_context_ssl(context), verify_cb, copy);
	return 0;
}
