/* SPDX-License-Identifier: MIT */
/*
 * SHA-1 as FIPS 180-4 section 6.1 has it, in plain loops: it runs once for each
 * handshake, over 60 bytes, so smallness counts and speed does not.
 */
#include "wire/sha1.h"

#include <string.h>

#define BLOCK_WORDS 16
#define ROUNDS 80

static uint32_t
rotate(uint32_t value, unsigned bits)
{
	return value << bits | value >> (32 - bits);
}

/* The function of a round without its constant. */
static uint32_t
mix(unsigned twenty, uint32_t b, uint32_t c, uint32_t d)
{
	switch (twenty) {
	case 0:
		return d ^ (b & (c ^ d));
	case 2:
		return (b & c) | (d & (b | c));
	default:
		return b ^ c ^ d;
	}
}

/* The first words are the block's own; the others are made of them. */
static void
compress(uint32_t state[5], uint32_t words[ROUNDS])
{
	static const uint32_t constants[] = {
	    0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
	uint32_t v[5]; /* a to e of the standard */

	for (uint32_t *word = words + BLOCK_WORDS; word < words + ROUNDS;
	     word++)
		*word = rotate(word[-3] ^ word[-8] ^ word[-14] ^ word[-16], 1);
	memcpy(v, state, sizeof(v));
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t next = rotate(v[0], 5) +
		    mix(i / 20, v[1], v[2], v[3]) + constants[i / 20] + v[4] +
		    words[i];

		v[1] = rotate(v[1], 30);
		memmove(v + 1, v, sizeof(v) - sizeof(v[0]));
		v[0] = next;
	}
	for (unsigned i = 0; i < 5; i++)
		state[i] += v[i];
}

/* A byte of the text, or of what is behind it: the mark of its end, and zeros. */
static uint8_t
byte_at(const uint8_t *text, size_t len, size_t at)
{
	if (at < len)
		return text[at];
	return at == len ? 0x80 : 0;
}

void
sha1_digest(const void *data, size_t len, uint8_t digest[SHA1_LEN])
{
	uint32_t state[5] = {
	    0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
	size_t at = 0;

	do {
		uint32_t words[ROUNDS] = {0};

		for (unsigned i = 0; i < 4 * BLOCK_WORDS; i++, at++)
			words[i / 4] =
			    words[i / 4] << 8 | byte_at(data, len, at);
		if (at >= len + 1 + 8) /* there is room for the length */
			words[BLOCK_WORDS - 1] = (uint32_t)len * 8;
		compress(state, words);
	} while (at < len + 1 + 8);
	for (unsigned i = 0; i < SHA1_LEN; i++)
		digest[i] = (uint8_t)(state[i / 4] >> (24 - i % 4 * 8));
}
