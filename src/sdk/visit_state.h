/* SPDX-License-Identifier: MIT */
/*
 * One visit as the protocol sees it (docs/PROTOCOL.md sections 5.2 to 5.4 and 8.2): is it
 * there, has the relay's direction ended, has ours. Knows neither its number nor whether its
 * channel is shared: the owner says the number, and asks before which messages are due.
 *
 * What is said too late is answered with no bytes.
 */
#ifndef TAUPE_SDK_VISIT_STATE_H
#define TAUPE_SDK_VISIT_STATE_H

#include "sdk/channel.h"

struct visit_state {
	bool running : 1;  /* not both directions have ended */
	bool in_ended : 1; /* relay to agent */
	bool out_ended : 1;
	bool answered : 1; /* opened, refused, payload or an end was sent */
	/* we are done with it: what still comes in is discarded */
	bool aborted : 1;
};

/* It begins as msg says. The step names the service; or refuses, if it is none of ours. */
void visit_state_begin(struct visit_state *v, const struct channel *c,
    const struct control_msg *msg, struct taupe_step *step);

/* It begins, and is refused at once. */
void visit_state_begin_refused(struct visit_state *v, const struct channel *c,
    uint64_t number, struct str reason, struct taupe_step *step);

/* It moves here from a shared channel, where it began. */
void visit_state_begin_moved(struct visit_state *v,
    const struct control_msg *msg, struct taupe_step *step);

/* The relay sent payload, its end, or an abort. NULL, or how it broke the protocol. */
WIRE_MUST_CHECK const char *visit_state_take_payload(
    struct visit_state *v, uint8_t *data, size_t len, struct taupe_step *step);
WIRE_MUST_CHECK const char *visit_state_take_end(
    struct visit_state *v, struct taupe_step *step);
/* Precondition: it is running. */
void visit_state_take_abort(struct visit_state *v, const struct channel *c,
    uint64_t number, struct taupe_step *step);

/* May we still say something in it? */
static inline bool
visit_state_can_speak(const struct visit_state *v)
{
	return v->running && !v->out_ended;
}

/* What the driver says: the bytes of the message. */
size_t visit_state_opened(struct visit_state *v, const struct channel *c,
    uint64_t number, uint8_t out[TAUPE_MESSAGE_MAX]);
size_t visit_state_refused(struct visit_state *v, const struct channel *c,
    uint64_t number, const char *reason, uint8_t out[TAUPE_MESSAGE_MAX]);
size_t visit_state_abort(struct visit_state *v, const struct channel *c,
    uint64_t number, uint8_t out[TAUPE_MESSAGE_MAX]);
/* Our direction ends. False: it had ended before. */
WIRE_MUST_CHECK bool visit_state_end(struct visit_state *v);

#endif
