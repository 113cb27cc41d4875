/* SPDX-License-Identifier: MIT */
/*
 * Many visits at once on one channel: joins each with its service, and moves the bytes. Whose
 * channel it is, a shared one's or a control link's, and what libtaupe is to be asked, its owner
 * knows.
 */
#ifndef TAUPE_AGENT_CARRIER_H
#define TAUPE_AGENT_CARRIER_H

#include "agent/visit.h"
#include "net/mux.h"

struct carrier;
struct transfer;

/* A visit on a carrier. */
struct shared_visit {
	struct visit visit;
	struct mux_side side;
	struct carrier *carrier;
	struct transfer *heir; /* to whom it moves, or NULL */
	size_t place;
};

/* What is said of a visit. */
enum carrier_word { CARRIER_OPENED, CARRIER_REFUSED, CARRIER_EOF, CARRIER_ABORT };

/* libtaupe's functions about the visit in a place; and what the owner has to do. */
struct carrier_ops {
	size_t (*frame)(void *owner, size_t place, size_t len,
	    uint8_t header[TAUPE_MUX_HEADER_MAX], uint8_t mask[4]);
	/* reason: of CARRIER_REFUSED */
	size_t (*say)(void *owner, size_t place, enum carrier_word word,
	    const char *reason, uint8_t out[TAUPE_MESSAGE_MAX]);
	size_t (*credit)(void *owner, size_t place, uint32_t bytes,
	    uint8_t out[TAUPE_MESSAGE_MAX]);
	bool (*is_over)(void *owner, size_t place);
	/* A visit may have ended. The carrier may be gone afterwards. */
	void (*settle)(void *owner);
};

/* The mux asks its owner, which is the carrier: CARRIER_MUX_OPS has these, and the carrier's owner
 * adds decode, which calls carrier_take_step() for the steps of visits, and channel_ended. */
#define CARRIER_MUX_OPS                                                        \
	.encode = carrier_encode, .credit = carrier_credit,                    \
	.raw_eof = carrier_raw_eof, .raw_failed = carrier_raw_failed
size_t carrier_encode(
    void *owner, struct mux_side *side, uint8_t *payload, size_t len);
void carrier_credit(void *owner, struct mux_side *side, uint32_t bytes);
void carrier_raw_eof(void *owner, struct mux_side *side);
void carrier_raw_failed(void *owner, struct mux_side *side);

struct carrier {
	struct agent *agent;
	const struct carrier_ops *ops;
	void *owner;
	struct conn *channel;
	struct mux mux;
	struct shared_visit **visits; /* by place; NULL: none, for us */
	size_t n_visits;
};

/* Take over a channel, its callbacks included. visits: room for n_visits, all NULL. */
void carrier_init(struct carrier *carrier, struct agent *agent,
    struct conn *channel, struct shared_visit **visits, size_t n_visits,
    const struct mux_ops *mux_ops, const struct carrier_ops *ops, void *owner);
/* Reset the visits that are over for libtaupe, as all are when their link is not up any more. */
void carrier_lose_over(struct carrier *carrier, const char *reason);
/* Reset what runs on it. The channel is the owner's to close. */
void carrier_fini(struct carrier *carrier, const char *reason);

/* Append to the channel; it goes with whatever else is said in this turn of the loop. */
void carrier_say(struct carrier *carrier, const uint8_t *message, size_t len);
/* A visit's step, OPEN to MOVED. The owner settles afterwards. */
void carrier_take_other_step(
    struct carrier *carrier, size_t place, const struct taupe_step *step);
static inline void
carrier_take_step(struct carrier *carrier, size_t place,
    const struct taupe_step *step, struct mux_step *mux_step)
{
	struct shared_visit *v = carrier->visits[place];

	if (step->type != TAUPE_STEP_DATA) {
		carrier_take_other_step(carrier, place, step);
	} else if (v != NULL) { /* else we are done with it */
		mux_step->side = &v->side;
		mux_step->payload = step->payload;
		mux_step->length = step->payload_len;
	}
}

/* Forget a visit whose service's connection was moved elsewhere. */
void shared_visit_free(struct shared_visit *visit);

#endif
