/* SPDX-License-Identifier: MIT */
/*
 * SHA-1 as FIPS 180-4 section 6.1 has it, in a plain loop: it runs once for each
 * handshake, over 60 bytes, so smallness counts and speed does not.
 */
#include "wire/sha1.h"

#include <string.h>

#define BLOCK_LEN 64

struct sha1 {
	uint32_t state[5];
	uint64_t len; /* bytes hashed so far */
	uint8_t block[BLOCK_LEN];
};

static uint32_t
rotate(uint32_t value, unsigned bits)
{
	return value << bits | value >> (32 - bits);
}

static void
expand(const uint8_t block[BLOCK_LEN], uint32_t words[80])
{
	for (size_t i = 0; i < 16; i++) {
		words[i] = (uint32_t)block[4 * i] << 24 |
		    (uint32_t)block[4 * i + 1] << 16 |
		    (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	}
	for (size_t i = 16; i < 80; i++)
		words[i] = rotate(
		    words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16],
		    1);
}

static uint32_t
mix(size_t round, uint32_t b, uint32_t c, uint32_t d)
{
	if (round < 20)
		return ((b & c) | (~b & d)) + 0x5a827999;
	if (round < 40)
		return (b ^ c ^ d) + 0x6ed9eba1;
	if (round < 60)
		return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
	return (b ^ c ^ d) + 0xca62c1d6;
}

static void
compress(struct sha1 *sha)
{
	uint32_t words[80], a = sha->state[0], b = sha->state[1],
			    c = sha->state[2], d = sha->state[3],
			    e = sha->state[4];

	expand(sha->block, words);
	for (size_t i = 0; i < 80; i++) {
		uint32_t next = rotate(a, 5) + mix(i, b, c, d) + e + words[i];

		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = next;
	}
	sha->state[0] += a;
	sha->state[1] += b;
	sha->state[2] += c;
	sha->state[3] += d;
	sha->state[4] += e;
}

static void
update(struct sha1 *sha, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sha->block[sha->len++ % BLOCK_LEN] = data[i];
		if (sha->len % BLOCK_LEN == 0)
			compress(sha);
	}
}

static void
finish(struct sha1 *sha, uint8_t digest[SHA1_LEN])
{
	static const uint8_t padding[BLOCK_LEN] = {0x80};
	uint64_t bits = sha->len * 8;
	uint8_t length[8];

	for (size_t i = 0; i < sizeof(length); i++)
		length[i] = (uint8_t)(bits >> (56 - 8 * i));
	update(sha, padding,
	    1 + (BLOCK_LEN + 55 - sha->len % BLOCK_LEN) % BLOCK_LEN);
	update(sha, length, sizeof(length));
	for (size_t i = 0; i < SHA1_LEN; i++)
		digest[i] = (uint8_t)(sha->state[i / 4] >> (24 - 8 * (i % 4)));
}

void
sha1_digest(const void *a, size_t a_len, const void *b, size_t b_len,
    uint8_t digest[SHA1_LEN])
{
	struct sha1 sha = {
	    .state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
		0xc3d2e1f0},
	};

	update(&sha, a, a_len);
	update(&sha, b, b_len);
	finish(&sha, digest);
}
