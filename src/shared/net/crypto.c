/* SPDX-License-Identifier: MIT */
/*
 * Random numbers, digests and the encodings that carry them, on OpenSSL. A failure of
 * one of these primitives leaves nothing safe to go on with, so it ends the process.
 */
#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "base/wipe.h"
#include "net/crypto.h"

static const char base64url_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

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

void
crypto_wipe(void *data, size_t len)
{
	wipe(data, len);
}

/* SplitMix64 (Steele, Lea, Flood 2014): small, and good enough for jitter. */
static uint64_t
next_pseudo_random(void)
{
	static uint64_t state;
	static bool seeded;
	uint64_t z;

	if (!seeded) {
		crypto_random(&state, sizeof(state));
		seeded = true;
	}
	z = state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint32_t
crypto_below(uint32_t bound)
{
	assert(bound > 0);
	/* The bias of a 64-bit number scaled to 32 bits is below 2^-32. */
	return (uint32_t)((next_pseudo_random() >> 32) * bound >> 32);
}

void
crypto_base32_label(char *out, size_t len)
{
	static const char crockford[] = "0123456789abcdefghjkmnpqrstvwxyz";

	crypto_random(out, len);
	for (size_t i = 0; i < len; i++)
		out[i] = crockford[(uint8_t)out[i] & 31];
	out[len] = '\0';
}

size_t
crypto_base64url_encode(const void *data, size_t len, char *out, size_t cap)
{
	const uint8_t *in = data;
	uint32_t bits = 0;
	unsigned n_bits = 0;
	size_t n = 0;

	/* 4 characters for 3 bytes, and 2 or 3 for what is left. */
	if (cap == 0 || len > (SIZE_MAX - 4) / 4 || (len * 4 + 2) / 3 >= cap) {
		if (cap > 0)
			out[0] = '\0';
		return 0;
	}
	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | in[i];
		for (n_bits += 8; n_bits >= 6; n_bits -= 6)
			out[n++] =
			    base64url_alphabet[bits >> (n_bits - 6) & 63];
	}
	if (n_bits > 0)
		out[n++] = base64url_alphabet[bits << (6 - n_bits) & 63];
	out[n] = '\0';
	return n;
}

static int
base64url_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

void
crypto_base64_encode(const void *data, size_t len, char *out)
{
	(void)EVP_EncodeBlock((unsigned char *)out, data, (int)len);
}

long
crypto_base64url_decode(const char *text, size_t len, void *out, size_t cap)
{
	uint8_t *to = out;
	uint32_t bits = 0;
	unsigned n_bits = 0;
	size_t n = 0;

	if (len % 4 == 1)
		return -1;
	for (size_t i = 0; i < len; i++) {
		int value = base64url_value(text[i]);

		if (value < 0)
			return -1;
		bits = bits << 6 | (uint32_t)value;
		n_bits += 6;
		if (n_bits < 8)
			continue;
		if (n == cap)
			return -1;
		n_bits -= 8;
		to[n++] = (uint8_t)(bits >> n_bits);
	}
	/* Bits that belong to no byte must be zero, or one value would have many texts. */
	if ((bits & ((1u << n_bits) - 1)) != 0)
		return -1;
	return (long)n;
}
