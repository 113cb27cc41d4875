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

enum {
	VISIT_RUNNING = 1,    /* not both directions have ended */
	VISIT_IN_ENDED = 2,   /* relay to agent */
	VISIT_OUT_ENDED = 4,  /* ours */
	VISIT_ANSWERED = 8,   /* opened, refused, payload or an end was sent */
	VISIT_ABORTED = 16,   /* we are done with it: what still comes in is discarded */
	VISIT_SHARES = 32     /* its channel: binary messages say whose they are */
};

struct visit_state {
	uint8_t flags;
};

static inline bool
visit_state_is(const struct visit_state *v, unsigned flags)
{
	return (v->flags & flags) != 0;
}

/* It begins as msg says. The step names the service; or refuses, if it is none of ours. */
void visit_state_begin(struct visit_state *v, const struct channel *c,
    const struct control_msg *msg, struct taupe_step *step);

/* It begins, and is refused at once. */
void visit_state_begin_refused(struct visit_state *v, const struct channel *c,
    wire_number number, struct str reason, struct taupe_step *step);

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
    wire_number number, struct taupe_step *step);

/* May we still say something in it? */
static inline bool
visit_state_can_speak(const struct visit_state *v)
{
	return (v->flags & (VISIT_RUNNING | VISIT_OUT_ENDED)) == VISIT_RUNNING;
}

/* What the driver says. The order is that of a table. */
enum visit_word {
	VISIT_OPENED,
	VISIT_REFUSED, /* once it was answered: an abort */
	VISIT_END,     /* our direction ends */
	VISIT_ABORT
};

/* The bytes that say so, and what follows from it; 0: it is too late. VISIT_REFUSED has a reason, of
 * channel_safe_reason(). */
size_t visit_state_say(struct visit_state *v, const struct channel *c,
    wire_number number, enum visit_word word, const char *reason,
    uint8_t out[TAUPE_MESSAGE_MAX]);

#endif
