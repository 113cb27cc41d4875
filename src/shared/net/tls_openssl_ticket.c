/* SPDX-License-Identifier: MIT */
/*
 * A ticket is encrypted with AES-256-CBC and then authenticated with HMAC-SHA-256, by
 * OpenSSL; only the choice of the keys is ours. A key's name, its two halves and the
 * period's number are tied together by HMAC with one purpose each.
 */
#include "config.h"

#include <openssl/evp.h>
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
#include <openssl/core_names.h>
typedef EVP_MAC_CTX mac_ctx;
#else
#include <openssl/hmac.h>
typedef HMAC_CTX mac_ctx;
#endif
#include <string.h>

#include "net/crypto.h"
#include "net/loop.h"
#include "net/tls_openssl.h"

/* as OpenSSL has them */
#define NAME_LEN 16
#define IV_LEN 16 /* of CBC */

struct ticket_key {
	uint8_t name[SHA256_LEN]; /* NAME_LEN of it */
	uint8_t cipher[SHA256_LEN], mac[SHA256_LEN];
};

static void
derive(const struct tls_ticket_keys *keys, const char *purpose, uint64_t period,
    uint8_t out[SHA256_LEN])
{
	uint8_t text[40];
	size_t len = strlen(purpose);

	memcpy(text, purpose, len);
	for (int shift = 56; shift >= 0; shift -= 8)
		text[len++] = (uint8_t)(period >> shift);
	crypto_hmac_sha256(keys->secret, sizeof(keys->secret), text, len, out);
}

static bool
set_mac(mac_ctx *mac, struct ticket_key *key)
{
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_octet_string(
		OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
	    OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
#else
	return HMAC_Init_ex(
		   mac, key->mac, sizeof(key->mac), EVP_sha256(), NULL) == 1;
#endif
}

static int
use_key(struct ticket_key *key, const unsigned char *iv, EVP_CIPHER_CTX *cipher,
    mac_ctx *mac, int sealing)
{
	bool done = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL,
			key->cipher, iv, sealing) == 1 &&
	    set_mac(mac, key);

	crypto_wipe(key, sizeof(*key));
	return done ? 1 : -1;
}

static void
derive_rest(
    const struct tls_ticket_keys *keys, uint64_t period, struct ticket_key *key)
{
	derive(keys, "taupe ticket cipher", period, key->cipher);
	derive(keys, "taupe ticket mac", period, key->mac);
}

/* This period first: most tickets are of it, or of the one before. False: none of ours. */
static bool
find_key(const struct tls_ticket_keys *keys, uint64_t now,
    const unsigned char *name, uint64_t *period, struct ticket_key *key)
{
	static const int offsets[] = {0, -1, 1};

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		*period = now + (uint64_t)offsets[i];
		derive(keys, "taupe ticket name", *period, key->name);
		if (memcmp(key->name, name, NAME_LEN) == 0)
			return true;
	}
	return false;
}

/* OpenSSL's answers: -1 failed, 0 no such key, 1 done, 2 done, and give the client a
 * new ticket. */
static int
ticket_key_cb(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, mac_ctx *mac, int sealing)
{
	const struct tls *tls = SSL_get_app_data(ssl);
	const struct openssl_trust *trust = tls_context_trust(tls->context);
	const struct tls_ticket_keys *keys = &trust->tickets;
	uint64_t now = loop_wall_ms() / keys->period_ms, period = now;
	struct ticket_key key;

	if (sealing) {
		derive(keys, "taupe ticket name", now, key.name);
		memcpy(name, key.name, NAME_LEN);
		crypto_random(iv, IV_LEN);
	} else if (!find_key(keys, now, name, &period, &key)) {
		return 0;
	}
	derive_rest(keys, period, &key);
	if (use_key(&key, iv, cipher, mac, sealing) != 1)
		return -1;
	/* with TLS 1.3 a ticket is used once */
	return !sealing && (period != now || SSL_version(ssl) == TLS1_3_VERSION)
	    ? 2
	    : 1;
}

int
tls_ticket_install(SSL_CTX *ssl)
{
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
	long done = SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, ticket_key_cb);
#else
	long done = SSL_CTX_set_tlsext_ticket_key_cb(ssl, ticket_key_cb);
#endif

	return done == 1 ? 0 : -1;
}
