/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <assert.h>
#include <string.h>

#include "agent/frame.h"
#include "net/crypto.h"
#include "sdk/taupe.h"

#define MASKED 0x80
#define LENGTH_16 126

size_t
frame_write(uint8_t op, const void *payload, size_t len, uint8_t *out)
{
	uint8_t mask[4];
	size_t head = 0;

	assert(len <= UINT16_MAX);
	out[head++] = op;
	if (len < LENGTH_16) {
		out[head++] = (uint8_t)(MASKED | len);
	} else {
		out[head++] = MASKED | LENGTH_16;
		out[head++] = (uint8_t)(len >> 8);
		out[head++] = (uint8_t)len;
	}
	crypto_random(mask, sizeof(mask));
	memcpy(out + head, mask, sizeof(mask));
	head += sizeof(mask);
	memcpy(out + head, payload, len);
	taupe_mask(out + head, len, mask, 0);
	return head + len;
}
