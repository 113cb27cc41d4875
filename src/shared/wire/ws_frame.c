/* SPDX-License-Identifier: MIT */
/*
 * WebSocket frame headers and masking. Masking touches every byte that a visitor
 * sends, so it goes by blocks that the compiler turns into vector instructions.
 */
#include "wire/ws_frame.h"

#define BIT_FIN 0x80
#define BITS_RESERVED 0x70
#define BITS_OPCODE 0x0f
#define BIT_MASKED 0x80
#define BITS_LENGTH 0x7f
#define BIT_CONTROL 0x08

static bool
opcode_known(unsigned opcode)
{
	return opcode <= WS_OP_BINARY ||
	    (opcode >= WS_OP_CLOSE && opcode <= WS_OP_PONG);
}

/* The payload length after its 7-bit form, short: WIRE_BAD when not in shortest form. */
static enum wire_result
decode_length(const uint8_t *in, size_t len, unsigned short_form,
    ws_length *length, size_t *at)
{
	size_t size = short_form == 127 ? 8 : short_form == 126 ? 2 : 0;
	ws_length value = 0, lost = 0;

	if (size == 0) {
		*length = short_form;
		return WIRE_DONE;
	}
	if (len - *at < size)
		return WIRE_MORE;
	for (size_t i = 0; i < size; i++) {
		if (sizeof(value) < 8) /* a device's */
			lost |= value >> (8 * sizeof(value) - 8);
		value = value << 8 | in[*at + i];
	}
	*at += size;
	if (lost != 0 || value < (size == 2 ? 126u : 0x10000u) ||
	    value > WS_LENGTH_MAX)
		return WIRE_BAD;
	*length = value;
	return WIRE_DONE;
}

enum wire_result
ws_header_decode(
    const uint8_t *in, size_t len, struct ws_header *header, size_t *consumed)
{
	enum wire_result result;
	unsigned opcode;
	size_t at = 2;

	if (len < 1)
		return WIRE_MORE;
	opcode = in[0] & BITS_OPCODE;
	if ((in[0] & BITS_RESERVED) || !opcode_known(opcode))
		return WIRE_BAD;
	if ((opcode & BIT_CONTROL) && !(in[0] & BIT_FIN))
		return WIRE_BAD;
	if (len < 2)
		return WIRE_MORE;
	if ((opcode & BIT_CONTROL) && (in[1] & BITS_LENGTH) > WS_CONTROL_MAX)
		return WIRE_BAD;
	result =
	    decode_length(in, len, in[1] & BITS_LENGTH, &header->length, &at);
	if (result != WIRE_DONE)
		return result;
	header->opcode = (enum ws_opcode)opcode;
	header->fin = in[0] & BIT_FIN;
	header->masked = in[1] & BIT_MASKED;
	if (header->masked) {
		if (len - at < sizeof(header->mask))
			return WIRE_MORE;
		memcpy(header->mask, in + at, sizeof(header->mask));
		at += sizeof(header->mask);
	}
	*consumed = at;
	return WIRE_DONE;
}

size_t
ws_header_encode(const struct ws_header *header, uint8_t out[WS_HEADER_MAX])
{
	size_t size = header->length > 0xffff ? 8
	    : header->length > 125	      ? 2
					      : 0;
	size_t at = 2;

	out[0] = (uint8_t)((header->fin ? BIT_FIN : 0) | header->opcode);
	out[1] = size == 8 ? 127 : size == 2 ? 126 : (uint8_t)header->length;
	if (header->masked)
		out[1] |= BIT_MASKED;
	for (; size > 0; size--)
		out[at++] =
		    (uint8_t)((uint64_t)header->length >> (8 * (size - 1)));
	if (header->masked) {
		memcpy(out + at, header->mask, sizeof(header->mask));
		at += sizeof(header->mask);
	}
	return at;
}

#ifdef TAUPE_WITHOUT_FAST_PATHS

void
ws_mask(uint8_t *data, size_t len, const uint8_t key[4], size_t phase)
{
	for (size_t i = 0; i < len; i++)
		data[i] ^= key[(phase + i) & 3];
}

#else

/* memcpy, since data has any alignment: it compiles to a plain load and store. */
static inline void
mask_word(uint8_t *data, uint64_t word)
{
	uint64_t value;

	memcpy(&value, data, sizeof(value));
	value ^= word;
	memcpy(data, &value, sizeof(value));
}

static inline void
mask_half(uint8_t *data, uint32_t half)
{
	uint32_t value;

	memcpy(&value, data, sizeof(value));
	value ^= half;
	memcpy(data, &value, sizeof(value));
}

void
ws_mask(uint8_t *data, size_t len, const uint8_t key[4], size_t phase)
{
	uint8_t twice[8]; /* the key: turned, it is four bytes in there */
	const uint8_t *turned = twice + (phase & 3);
	uint32_t half;
	uint64_t word;

	memcpy(twice, key, 4);
	memcpy(twice + 4, key, 4);
	memcpy(&half, turned, sizeof(half));
	if (half == 0)
		return;
	word = (uint64_t)half << 32 | half;
	/* written out: gcc -O2 makes vectors of this, but not of a loop over it */
	for (; len >= 64; data += 64, len -= 64) {
		mask_word(data, word);
		mask_word(data + 8, word);
		mask_word(data + 16, word);
		mask_word(data + 24, word);
		mask_word(data + 32, word);
		mask_word(data + 40, word);
		mask_word(data + 48, word);
		mask_word(data + 56, word);
	}
	for (; len >= 8; data += 8, len -= 8)
		mask_word(data, word);
	if (len >= 4) { /* a visit's number is no longer than this */
		mask_half(data, half);
		data += 4;
		len -= 4;
	}
	for (size_t i = 0; i < len; i++)
		data[i] ^= turned[i];
}

#endif

bool
ws_close_code_valid(unsigned code)
{
	if (code >= 3000 && code <= 4999)
		return true;
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}
