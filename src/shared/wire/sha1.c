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
	uint32_t len; /* bytes hashed so far */
	uint32_t words
	    [16]; /* of the block; compress() makes the later ones of them */
};

static uint32_t
rotate(uint32_t value, unsigned bits)
{
	return value << bits | value >> (32 - bits);
}

/* The word of a round; words holds those of the sixteen before it, and first the block's own. */
static uint32_t
next_word(uint32_t words[16], unsigned round)
{
	uint32_t *word = &words[round & 15];

	if (round >= 16)
		*word = rotate(*word ^ words[(round + 13) & 15] ^
			words[(round + 8) & 15] ^ words[(round + 2) & 15],
		    1);
	return *word;
}

static uint32_t
mix(unsigned round, uint32_t b, uint32_t c, uint32_t d)
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
	uint32_t v[5]; /* a to e of the standard */

	memcpy(v, sha->state, sizeof(v));
	for (unsigned i = 0; i < 80; i++) {
		uint32_t next = rotate(v[0], 5) + mix(i, v[1], v[2], v[3]) +
		    v[4] + next_word(sha->words, i);

		memmove(v + 1, v, sizeof(v) - sizeof(v[0]));
		v[0] = next;
		v[2] = rotate(v[2], 30);
	}
	for (unsigned i = 0; i < 5; i++)
		sha->state[i] += v[i];
}

static void
put(struct sha1 *sha, uint8_t byte)
{
	uint32_t *word = &sha->words[sha->len / 4 % 16];

	*word = *word << 8 | byte;
	if (++sha->len % BLOCK_LEN == 0)
		compress(sha);
}

static void
update(struct sha1 *sha, const uint8_t *data, size_t len)
{
	while (len-- > 0)
		put(sha, *data++);
}

void
sha1_digest(const void *a, size_t a_len, const void *b, size_t b_len,
    uint8_t digest[SHA1_LEN])
{
	struct sha1 sha = {
	    .state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
		0xc3d2e1f0},
	};
	const struct {
		const uint8_t *data;
		size_t len;
	} parts[] = {{a, a_len}, {b, b_len}};
	uint64_t bits = (a_len + b_len) * UINT64_C(8);

	for (unsigned i = 0; i < 2; i++)
		update(&sha, parts[i].data, parts[i].len);
	put(&sha, 0x80);
	while (sha.len % BLOCK_LEN != BLOCK_LEN - sizeof(bits))
		put(&sha, 0);
	for (unsigned i = 0; i < sizeof(bits); i++, bits <<= 8)
		put(&sha, (uint8_t)(bits >> 56));
	for (unsigned i = 0; i < SHA1_LEN; i++)
		digest[i] = (uint8_t)(sha.state[i / 4] >> (24 - i % 4 * 8));
}
