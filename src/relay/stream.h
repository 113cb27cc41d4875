/* SPDX-License-Identifier: MIT */
/*
 * A stream: one visit on a shared channel. It is complete when both directions have ended, as
 * on a transfer channel; or it moves to one, when it turns out to be large.
 */
#ifndef TAUPE_RELAY_STREAM_H
#define TAUPE_RELAY_STREAM_H

#include "relay/shared.h"
#include "wire/control_msg.h"

struct stream {
	struct hash_node by_number; /* in shared->streams */
	TAILQ_ENTRY(stream) link;   /* in shared->doubtful or ->movers */
	struct mux_side side;
	struct shared *shared;
	struct visitor *visitor;   /* NULL: it has left */
	struct transfer *transfer; /* STREAM_MOVES: where to */
	struct timer
	    timer; /* the visitor has left: for the agent's last word */
	uint64_t
	    probed_ms; /* loop clock: when its ping was sent; 0: none was */
	uint64_t counted_in, counted_out; /* of side's bytes */
	uint32_t number;
	uint32_t
	    run; /* bytes in one direction since the other last said something */
	bool run_in;   /* that was the visitor's */
	bool answered; /* the agent has answered the open */
	bool ponged;   /* what the agent had said before that ping has come */
	bool owed;     /* its abort should have been answered by then */
	bool in_ended, out_ended; /* the visitor's direction, the device's */
	enum {
		STREAM_STEADY,
		STREAM_DOUBTFUL, /* nothing has come on the channel since it began */
		STREAM_WAITS, /* for a channel of its own */
		STREAM_MOVES, /* the agent was asked to move it */
		STREAM_STAYS  /* it did not */
	} phase;
};

void streams_init(struct relay *relay);
void streams_fini(struct relay *relay);

/* Begin the visit of a visitor who waits. False: no memory. */
bool stream_begin(struct shared *shared, struct visitor *visitor);
struct stream *stream_find(const struct shared *shared, uint64_t number);

/* Payload of its agent, len 0: the end. NULL, or what is wrong with it; *step says what is for the
 * visitor. The stream may be gone afterwards. */
const char *stream_take_payload(
    struct stream *stream, uint8_t *payload, size_t len, struct mux_step *step);
/* The same for a message about it. */
const char *stream_take_message(
    struct stream *stream, const struct control_msg *msg);
/* Something has come on its channel: that lives. */
void stream_heard(struct stream *stream);

/* The mux's questions. */
size_t stream_encode(struct mux_side *side, uint8_t *payload, size_t len);
void stream_give_credit(struct mux_side *side, uint32_t bytes);
void stream_raw_eof(struct mux_side *side);
void stream_raw_failed(struct mux_side *side);

/* Send a ping that names it: its pong comes behind all that the agent has said by then. */
void stream_probe(struct stream *stream);
void stream_take_pong(struct stream *stream);
/* The agent has not answered in time. False: what it says is still on its way, wait on; else the
 * visit was given up, or the channel, if nothing comes on that. */
bool stream_unanswered(struct stream *stream);
/* Count what it has moved for its visitor since the last time. */
void stream_count(struct stream *stream);
/* Its channel is gone, or going: it ends. */
void stream_lost(struct stream *stream);

/* The first that waits for a channel of its own; NULL: none. */
struct stream *stream_next_mover(const struct device *device);
/* The device's agent has no more channels: those that wait stay where they are. */
void streams_stay(struct device *device);
/* It was offered a transfer channel. */
void stream_move(struct stream *stream, struct transfer *transfer);
/* That channel was lost before it had moved. */
void stream_move_failed(struct stream *stream);

#endif
