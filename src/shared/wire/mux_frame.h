/* SPDX-License-Identifier: MIT */
/*
 * The binary messages of a shared channel (docs/PROTOCOL.md section 5.6): four bytes that say
 * which visit, big-endian, and then its payload. They may be cut anywhere.
 */
#ifndef TAUPE_WIRE_MUX_FRAME_H
#define TAUPE_WIRE_MUX_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUX_PREFIX_LEN 4
#define MUX_VISIT_MAX UINT32_MAX

enum mux_result {
	MUX_MORE, /* nothing to report */
	MUX_DATA, /* payload for the visit */
	MUX_END,  /* the message had no payload: the visit's direction has ended */
	MUX_BAD	  /* the message was shorter than its prefix */
};

/* All zero before the first message. */
struct mux_reader {
	uint32_t visit;	  /* of the message at hand */
	uint8_t gathered; /* bytes of the prefix */
	bool filled;	  /* the message had payload */
};

/*
 * Take a piece of a binary message, unmasked; first and last as of struct ws_event. On
 * MUX_DATA, *payload of *payload_len > 0 bytes lies within data. r->visit then says whose
 * it is, on MUX_END, too.
 */
enum mux_result mux_reader_take(struct mux_reader *r, bool first, bool last,
    uint8_t *data, size_t len, uint8_t **payload, size_t *payload_len);

void mux_prefix_encode(uint32_t visit, uint8_t out[MUX_PREFIX_LEN]);

#endif
