/* SPDX-License-Identifier: MIT */
/* The primitives on OpenSSL. A failure of one leaves nothing safe to go on with, so it ends the
 * process. */
#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/log.h"
#include "net/crypto.h"

static void
give_up(const char *what)
{
	log_error("cryptography failed, cannot go on", LOG_S("what", what));
	_Exit(EX_OSERR);
}

void
crypto_random(void *out, size_t len)
{
	uint8_t *at = out;

	while (len > 0) {
		int piece = len < (1 << 20) ? (int)len : 1 << 20;

		if (RAND_bytes(at, piece) != 1)
			give_up("random numbers");
		at += piece;
		len -= (size_t)piece;
	}
}

void
crypto_sha256(const void *data, size_t len, uint8_t digest[SHA256_LEN])
{
	if (EVP_Digest(
		len ? data : "", len, digest, NULL, EVP_sha256(), NULL) != 1)
		give_up("SHA-256");
}

void
crypto_hmac_sha256(const void *key, size_t key_len, const void *data,
    size_t len, uint8_t mac[SHA256_LEN])
{
	unsigned mac_len = SHA256_LEN;

	assert(key_len <= INT32_MAX);
	if (HMAC(EVP_sha256(), key_len ? key : "", (int)key_len,
		len ? data : (const void *)"", len, mac, &mac_len) == NULL)
		give_up("HMAC-SHA-256");
}

bool
crypto_equal(const void *a, const void *b, size_t len)
{
	return len == 0 || CRYPTO_memcmp(a, b, len) == 0;
}
