/* SPDX-License-Identifier: MIT */
/*
 * WebSocket frame headers and masking (RFC 6455 section 5). Knows one frame at a
 * time; what follows from a sequence of frames is ws_reader's business.
 */
#ifndef TAUPE_WIRE_WS_FRAME_H
#define TAUPE_WIRE_WS_FRAME_H

#include "wire/result.h"
#include "wire/str.h"

#define WS_HEADER_MAX 14 /* bytes of the longest header: masked, 64-bit length */
#define WS_CONTROL_MAX 125 /* bytes of payload that a control frame may carry */

/* RFC 6455 section 11.8 */
enum ws_opcode {
	WS_OP_CONTINUATION = 0x0,
	WS_OP_TEXT = 0x1,
	WS_OP_BINARY = 0x2,
	WS_OP_CLOSE = 0x8,
	WS_OP_PING = 0x9,
	WS_OP_PONG = 0xA
};

/* RFC 6455 section 7.4.1 */
enum ws_close_code {
	WS_CLOSE_NORMAL = 1000,
	WS_CLOSE_GOING_AWAY = 1001,
	WS_CLOSE_PROTOCOL_ERROR = 1002,
	WS_CLOSE_UNSUPPORTED = 1003,
	WS_CLOSE_NO_STATUS = 1005, /* never on the wire: a close frame without a code */
	WS_CLOSE_INVALID_DATA = 1007,
	WS_CLOSE_POLICY = 1008,
	WS_CLOSE_TOO_BIG = 1009,
	WS_CLOSE_INTERNAL = 1011,
	WS_CLOSE_TRY_AGAIN = 1013
};

/* Bytes of payload. A device takes no frame beyond 2 GB: its relay sends none beyond 64 KB. */
#ifdef TAUPE_DEVICE_ONLY
typedef uint32_t ws_length;
#define WS_LENGTH_MAX ((ws_length)INT32_MAX)
#else
typedef uint64_t ws_length;
#define WS_LENGTH_MAX ((ws_length)INT64_MAX)
#endif

struct ws_header {
	ws_length length;
	enum ws_opcode opcode;
	bool fin;
	bool masked;
	uint8_t mask[4]; /* meaningful when masked */
};

/*
 * Decode the header at the start of in. WIRE_BAD: reserved bits or opcode, a length
 * not in its shortest form or above WS_LENGTH_MAX, a control frame that is fragmented or
 * longer than WS_CONTROL_MAX (section 5.2, 5.5). *consumed is set on WIRE_DONE only.
 */
WIRE_MUST_CHECK enum wire_result ws_header_decode(const uint8_t *in, size_t len,
    struct ws_header *header, size_t *consumed);

/* Encode a header in its shortest form; returns its length in bytes. */
size_t ws_header_encode(const struct ws_header *header, uint8_t out[WS_HEADER_MAX]);

/*
 * Exclusive-or data[0..len) with the key, in place, by machine words (section 5.3).
 * phase: how many payload bytes of this frame came before data (only phase mod 4
 * matters). Masking and unmasking are the same. Any alignment.
 */
void ws_mask(uint8_t *data, size_t len, const uint8_t key[4], size_t phase);

/* May this code stand in a close frame (section 7.4)? */
bool ws_close_code_valid(unsigned code);

#endif
