/* SPDX-License-Identifier: MIT */
/*
 * What the two sorts of channels have in common: the client's side of one WebSocket.
 * Writes the handshake's request, gathers its answer, then reads frames, answers pings
 * and closes, and gathers text messages. Does not know what any message means.
 */
#ifndef TAUPE_SDK_CHANNEL_H
#define TAUPE_SDK_CHANNEL_H

#include "sdk/taupe.h"
#include "wire/control_msg.h"
#include "wire/handshake.h"
#include "wire/ws_reader.h"

struct channel {
	const struct taupe_config *config;
	uint8_t *buffer; /* for heads, bodies and text messages */
	uint32_t size, used;
	bool zero_mask; /* of payload: nobody on the way can misread it */
	union {
		char key[WS_KEY_LEN];	 /* until the handshake is done */
		struct ws_reader reader; /* from then on */
	} u;
	uint8_t
	    control[WS_CONTROL_MAX]; /* a control frame that comes in pieces */
};

void channel_init(struct channel *c, const struct taupe_config *config,
    void *buffer, size_t size);

/* Gather in another buffer from now on: the handshake is done, no message has begun. */
void channel_set_buffer(struct channel *c, void *buffer, size_t size);

/* Write the request behind "GET", its path and its query; secret may be NULL. The caller asks
 * w->full. */
void channel_request(struct channel *c, struct writer *w,
    const struct taupe_relay *relay, const char *secret);

/* Gather the answer's head, which on WIRE_DONE points into the buffer. Sets *consumed. If it is a
 * 101, it is the right one, and frames are read from now on. */
WIRE_MUST_CHECK enum wire_result channel_answer(struct channel *c,
    const uint8_t *data, size_t len, size_t *consumed,
    struct http_answer *answer);

/* Look at data; returns the bytes done with, at least one of len > 0. What is to be sent is put
 * into *output, which must be empty before. The event is one of: WS_TEXT, a whole message, in the
 * channel's buffer; WS_BINARY, a piece of one; WS_CLOSED; WS_ERROR; WS_NEED_MORE, nothing to report. */
size_t channel_next(struct channel *c, uint8_t *data, size_t len,
    struct ws_event *event, struct taupe_output *output);

/* Write a whole masked frame; returns its length. The caller knows that it fits. */
size_t channel_frame(const struct channel *c, enum ws_opcode opcode,
    const void *payload, size_t len, uint8_t *out);
/* The same of a close frame with code and a reason of up to WS_CONTROL_MAX - 2. */
size_t channel_close(
    const struct channel *c, unsigned code, const char *reason, uint8_t *out);
/* The same of a control message. Returns 0 when it has no room. */
size_t channel_message(const struct channel *c, const struct control_msg *msg,
    uint8_t *out, size_t cap);

/* Write the header of a binary frame around len bytes of payload, which the caller masks
 * with *mask; returns its length. */
size_t channel_payload_header(const struct channel *c, size_t len,
    uint8_t header[TAUPE_HEADER_MAX], uint8_t mask[4]);

/* Copy a text for people into out so that it may stand in a message: printable ASCII, and
 * short enough that the message has room in TAUPE_MESSAGE_MAX. */
#define SAFE_REASON_MAX 100
const char *channel_safe_reason(
    const char *reason, char out[SAFE_REASON_MAX + 1]);

void channel_random(const struct taupe_config *config, void *out, size_t len);

static inline struct taupe_text
text_of(struct str s)
{
	return (struct taupe_text){s.ptr, s.len};
}

#endif
