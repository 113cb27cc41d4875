/* SPDX-License-Identifier: MIT */
/*
 * The visits that run on one channel at once (docs/PROTOCOL.md sections 5.6 and 5.7): on a
 * shared channel, or on the control channel. Each has a slot of the driver's array, found by
 * its number. Knows what is said about visits, and nothing of the channel's own life: what
 * breaks the protocol is returned as a text, and the owner's to act on.
 */
#ifndef TAUPE_SDK_VISITS_H
#define TAUPE_SDK_VISITS_H

#include "sdk/visit_state.h"
#include "wire/mux_frame.h"

struct visit_slot {
	uint32_t number;
	uint32_t window; /* bytes that the relay may still send */
	uint32_t credit; /* bytes that we may still send */
	uint16_t first;	 /* of the chain with this place */
	uint16_t next;	 /* in its chain, or in the list of free ones */
	struct visit_state visit;
	bool moving; /* our last word was said, the relay's is awaited */
};

struct visits {
	struct visit_slot *slots;
	struct mux_reader reader;
	uint32_t last;	 /* number of the last visit */
	uint32_t window; /* of each visit, at its beginning */
	uint16_t n_slots, n_used, free;
	bool closing; /* those that begin are refused */
};

/* None runs, and none ever did. n_slots > 0. */
void visits_init(struct visits *v, const struct taupe_config *config,
    struct taupe_visit *room, size_t n_slots);

/* Is it a message about a visit, and a relay's to send? */
static inline bool
visits_takes(enum control_op op)
{
	return op == CONTROL_OPEN || op == CONTROL_ABORT ||
	    op == CONTROL_CREDIT || op == CONTROL_MOVED;
}
/* Such a message, or a piece of a binary one, has come on c. NULL, or how it broke the
 * protocol. */
WIRE_MUST_CHECK const char *visits_take_message(struct visits *v,
    const struct channel *c, const struct control_msg *msg,
    struct taupe_step *step);
WIRE_MUST_CHECK const char *visits_take_bytes(
    struct visits *v, const struct ws_event *event, struct taupe_step *step);

/* NULL: such a visit is over, or never was. */
struct visit_slot *visits_find(const struct visits *v, wire_number number);
/* The slot, if something may be said about its visit; else NULL. */
struct visit_slot *visits_slot_to_speak(struct visits *v, size_t place);
static inline size_t
visits_place(const struct visits *v, const struct visit_slot *slot)
{
	return (size_t)(slot - v->slots);
}

/* What the driver says about the visit in a place: as the functions of struct taupe_mux. */
size_t visits_frame(struct visits *v, const struct channel *c, size_t place,
    size_t len, uint8_t header[TAUPE_MUX_HEADER_MAX], uint8_t mask[4]);
size_t visits_say(struct visits *v, const struct channel *c, size_t place,
    enum visit_word word, const char *reason, uint8_t out[TAUPE_MESSAGE_MAX]);
size_t visits_credit(struct visits *v, const struct channel *c, size_t place,
    uint32_t bytes, uint8_t out[TAUPE_MESSAGE_MAX]);

#endif
