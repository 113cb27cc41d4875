/* SPDX-License-Identifier: MIT */
/*
 * A generator around the ChaCha20 block function (RFC 8439 section 2.3): its key is what was
 * stirred in, and is replaced after every draw, so that what was drawn before cannot be told
 * from it later.
 *
 * TO BE REPLACED on real hardware is where the key comes from. The emulated boards have no source
 * of randomness: here it is the device's secret, which nobody else knows, and the time to a
 * cycle at which frames come in. Two starts of one device may then be alike until frames have
 * come. A real board stirs in 32 bytes of its TRNG (or of a noise source and a counter in
 * flash) before anything else, which is board_entropy().
 */
#include "random.h"

#include <stdbool.h>
#include <string.h>

#include "board.h"

static uint32_t key[8];
static uint32_t counter;
static uint8_t stirred; /* where the next byte goes */

static uint32_t
rotate(uint32_t value, unsigned bits)
{
	return value << bits | value >> (32 - bits);
}

static void
quarter(uint32_t *x, unsigned a, unsigned b, unsigned c, unsigned d)
{
	x[a] += x[b], x[d] = rotate(x[d] ^ x[a], 16);
	x[c] += x[d], x[b] = rotate(x[b] ^ x[c], 12);
	x[a] += x[b], x[d] = rotate(x[d] ^ x[a], 8);
	x[c] += x[d], x[b] = rotate(x[b] ^ x[c], 7);
}

static void
block(uint32_t out[16])
{
	uint32_t in[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

	memcpy(in + 4, key, sizeof(key));
	in[12] = counter++;
	in[13] = board_entropy();
	memcpy(out, in, sizeof(in));
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 4; i++)
			quarter(out, i, 4 + i, 8 + i, 12 + i);
		for (unsigned i = 0; i < 4; i++)
			quarter(out, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4,
			    12 + (i + 3) % 4);
	}
	for (unsigned i = 0; i < 16; i++)
		out[i] += in[i];
}

/* The first half becomes the key, the second is what was asked for. */
static void
draw(uint32_t half[8])
{
	uint32_t words[16];

	block(words);
	memcpy(key, words, sizeof(key));
	memcpy(half, words + 8, sizeof(key));
}

void
random_stir(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint32_t drawn[8];

	for (size_t i = 0; i < len; i++) {
		((uint8_t *)key)[stirred++ % sizeof(key)] ^= bytes[i];
		if (stirred % sizeof(key) == 0)
			draw(drawn);
	}
}

void
random_bytes(void *out, size_t len)
{
	uint32_t drawn[8];
	uint8_t *to = out;

	while (len > 0) {
		size_t piece = len < sizeof(drawn) ? len : sizeof(drawn);

		draw(drawn);
		memcpy(to, drawn, piece);
		to += piece;
		len -= piece;
	}
}

uint32_t
random_u32(void)
{
	uint32_t number;

	random_bytes(&number, sizeof(number));
	return number;
}
