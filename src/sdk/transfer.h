/* SPDX-License-Identifier: MIT */
/*
 * A transfer channel's life, whether it carries one visit at a time or many: its request,
 * the handshake, its end by a fault of the relay or in order. What is said in between is its
 * owner's to understand.
 */
#ifndef TAUPE_SDK_TRANSFER_H
#define TAUPE_SDK_TRANSFER_H

#include "sdk/channel.h"

enum transfer_state {
	TRANSFER_REQUEST, /* the buffer holds our request */
	TRANSFER_HANDSHAKE,
	TRANSFER_READY,
	TRANSFER_DEAD
};

struct transfer {
	struct channel channel;
	uint8_t state; /* enum transfer_state */
};

/* A text message (WS_TEXT) or a piece of a binary one (WS_BINARY) has come. NULL, or how
 * it broke the protocol. */
typedef const char *(*transfer_take)(struct transfer *t,
    const struct ws_event *event, struct taupe_step *step);

/* Write the request into the buffer. False: it does not fit. */
WIRE_MUST_CHECK bool transfer_init(struct transfer *t,
    const struct taupe_config *config, const struct taupe_relay *relay,
    const char *id, void *buffer, size_t size);
const uint8_t *transfer_request(const struct transfer *t, size_t *len);

/* As taupe_stream_input(). */
size_t transfer_input(struct transfer *t, uint8_t *data, size_t len,
    transfer_take take, struct taupe_step *step);

static inline bool
transfer_is_ready(const struct transfer *t)
{
	return t->state == TRANSFER_READY;
}

/* End it in order: the bytes to send. */
size_t transfer_close(struct transfer *t, uint8_t out[TAUPE_MESSAGE_MAX]);

#endif
