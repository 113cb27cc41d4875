/* SPDX-License-Identifier: MIT */
/* What needs no library: choices, and the encodings that carry random numbers and digests. The
 * primitives are in crypto_openssl.c or crypto_mbedtls.c. */
#include <assert.h>
#include <string.h>

#include "base/wipe.h"
#include "net/crypto.h"

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

/* The two alphabets differ in their last two characters. */
struct alphabet {
	char c62, c63;
};
static const struct alphabet base64 = {'+', '/'}, base64url = {'-', '_'};

static char
character(const struct alphabet *alphabet, uint32_t value)
{
	if (value < 26)
		return (char)('A' + value);
	if (value < 52)
		return (char)('a' + (value - 26));
	if (value < 62)
		return (char)('0' + (value - 52));
	return value == 62 ? alphabet->c62 : alphabet->c63;
}

static int
value_of(const struct alphabet *alphabet, char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == alphabet->c62 ? 62 : c == alphabet->c63 ? 63 : -1;
}

/* 4 characters for 3 bytes, and 2 or 3 for what is left; how many. */
static size_t
encode(
    const struct alphabet *alphabet, const uint8_t *in, size_t len, char *out)
{
	uint32_t bits = 0;
	unsigned n_bits = 0;
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | in[i];
		for (n_bits += 8; n_bits >= 6; n_bits -= 6)
			out[n++] =
			    character(alphabet, bits >> (n_bits - 6) & 63);
	}
	if (n_bits > 0)
		out[n++] = character(alphabet, bits << (6 - n_bits) & 63);
	return n;
}

/* Without padding. -1: malformed or no room. */
static long
decode(const struct alphabet *alphabet, const char *text, size_t len,
    uint8_t *out, size_t cap)
{
	uint32_t bits = 0;
	unsigned n_bits = 0;
	size_t n = 0;

	if (len % 4 == 1)
		return -1;
	for (size_t i = 0; i < len; i++) {
		int value = value_of(alphabet, text[i]);

		if (value < 0)
			return -1;
		bits = bits << 6 | (uint32_t)value;
		n_bits += 6;
		if (n_bits < 8)
			continue;
		if (n == cap)
			return -1;
		n_bits -= 8;
		out[n++] = (uint8_t)(bits >> n_bits);
	}
	/* Bits that belong to no byte must be zero, or one value would have many texts. */
	if ((bits & ((1u << n_bits) - 1)) != 0)
		return -1;
	return (long)n;
}

size_t
crypto_base64url_encode(const void *data, size_t len, char *out, size_t cap)
{
	size_t n = 0;

	if (cap == 0)
		return 0;
	if (len <= (SIZE_MAX - 4) / 4 && (len * 4 + 2) / 3 < cap)
		n = encode(&base64url, data, len, out);
	out[n] = '\0';
	return n;
}

void
crypto_base64_encode(const void *data, size_t len, char *out)
{
	size_t n = encode(&base64, data, len, out);

	while (n % 4 != 0)
		out[n++] = '=';
	out[n] = '\0';
}

long
crypto_base64url_decode(const char *text, size_t len, void *out, size_t cap)
{
	return decode(&base64url, text, len, out, cap);
}

long
crypto_base64_decode(const char *text, size_t len, void *out, size_t cap)
{
	size_t plain = len;

	if (len % 4 != 0)
		return -1;
	while (plain > 0 && len - plain < 2 && text[plain - 1] == '=')
		plain--;
	return decode(&base64, text, plain, out, cap);
}
