/* SPDX-License-Identifier: MIT */
/*
 * The mux moves the bytes of many visits between their raw connections (visitors, or a
 * device's services) and one shared channel. What becomes readable in one turn of the loop
 * goes out together: that is what makes many small visits cheap. The channel is always read;
 * a side that does not take its bytes is held back by credit (docs/PROTOCOL.md section 5.7).
 *
 * Messages are made and read by the owner, as with the pump: the mux owns the movement, not
 * the meaning.
 */
#ifndef TAUPE_NET_MUX_H
#define TAUPE_NET_MUX_H

#include "net/conn.h"
#include "net/pump.h"

struct mux;

/* One visit's end here. */
struct mux_side {
	TAILQ_ENTRY(mux_side) link; /* in mux->stopped */
	struct mux *mux;
	struct conn *raw;      /* NULL: not joined */
	struct buf_list early; /* what came before it was */
	struct buf
	    *first; /* read already, and more than there was credit for */
	uint64_t to_channel_bytes, to_raw_bytes; /* payload */
	uint32_t first_at, first_len;		 /* what is left of it */
	uint32_t credit; /* bytes that may still be sent */
	uint32_t window; /* bytes that may still be received */
	uint32_t owed;	 /* bytes received, for which no credit was given yet */
	uint32_t owed_max;   /* half of the whole window */
	uint32_t read_bytes; /* of the next read: follows the flow */
	uint32_t paid; /* bytes to come that were taken from the rate already */
	struct flow_turn read_turn, credit_turn;
	bool stopped;	 /* it waits for room in the channel */
	bool has_turn;	 /* it has waited for it */
	bool paused;	 /* by the owner: mux_pause_raw() */
	bool raw_ended;	 /* its end was reported */
	bool peer_ended; /* nothing more comes for it */
	bool discards;	 /* what still comes for it is thrown away */
};
TAILQ_HEAD(mux_side_list, mux_side);

/* What the owner found at the start of the bytes at hand. */
struct mux_step {
	size_t consumed;       /* bytes done with, headers included */
	struct mux_side *side; /* whose payload */
	uint8_t *payload;      /* unmasked, within what was consumed */
	size_t length;	       /* at most side->window; 0: none in this step */
};

/* A callback may call any mux_ function, mux_fini() too, and close any side; encode and credit may
 * not end what they are asked for, side or mux. */
struct mux_ops {
	/* Decode the next thing in data[0..len), len > 0, in place. What is no payload is the
	 * owner's to act on, from inside this call. */
	enum pump_verdict (*decode)(
	    void *owner, uint8_t *data, size_t len, struct mux_step *step);
	/* Make the header of a message around payload[0..len) of the side right in front of it
	 * (BUF_HEADROOM bytes are free there), masking the payload in place if the role asks
	 * for it. Returns the header's length. */
	size_t (*encode)(
	    void *owner, struct mux_side *side, uint8_t *payload, size_t len);
	/* Append the message that gives credit to the channel. */
	void (*credit)(void *owner, struct mux_side *side, uint32_t bytes);
	/* The raw side's direction ended; what it sent before is in the channel's queue. */
	void (*raw_eof)(void *owner, struct mux_side *side);
	/* The raw side was reset or failed. */
	void (*raw_failed)(void *owner, struct mux_side *side);
	/* The channel ended or failed. */
	void (*channel_ended)(void *owner, enum pump_end end);
	/* The channel has room again after it had none. NULL: nobody waits for that. */
	void (*has_room)(void *owner);
};

struct mux {
	struct loop *loop;
	struct conn *channel;
	const struct mux_ops *ops;
	void *owner;
	struct task flush_task;
	struct mux_side_list stopped;
	struct mux_side
	    *pending; /* whose payload waits for what comes behind it */
	uint8_t *pending_data;
	size_t pending_len;
	uint32_t read_bytes; /* of the channel's next read */
	uint32_t piece_bytes; /* most that is made one message */
	uint32_t queue_bytes; /* in the channel's queue, before it is flushed at once */
	uint32_t steps;	     /* that the last read was decoded in */
	bool blocked;	     /* the system takes no more of the channel */
};

/* Take over a channel, its callbacks included. */
void mux_init(struct mux *mux, struct conn *channel, const struct mux_ops *ops,
    void *owner);
/* Other things than visits are said on the channel, and shall not wait long behind them: pieces
 * are small, and few of them are queued, here or in the system. */
void mux_keep_short(struct mux *mux);
/* Its channel goes to another place in memory. -1: it is closed. Not from a callback of it. */
int mux_move_channel(struct mux *mux, struct conn *to);
/* End it; its sides have been left before. The channel is the owner's to close. */
void mux_fini(struct mux *mux);
/* Decode bytes that came with the channel's handshake. */
enum pump_verdict mux_feed(struct mux *mux, const uint8_t *data, size_t len);
/* The owner has appended to the channel: it goes with whatever else comes in this turn. */
void mux_flush_soon(struct mux *mux);

/* Prepare a side: so many bytes may be sent and received. */
void mux_side_init(
    struct mux_side *side, struct mux *mux, uint32_t credit, uint32_t window);
/* Join its raw connection, both ways; what came before is written to it. *first: a buffer with
 * first_len bytes of the raw side that were read already; taken and cleared (may be NULL). */
void mux_join(struct mux_side *side, struct conn *raw, struct buf **first,
    size_t first_len);
/* Read the side, and let its peer send, at a rate that is shared with others. Once, after
 * mux_side_init(). */
void mux_side_limit(struct mux_side *side, struct flow *flow);
/* The peer lets us send more. False: that is more than can be counted. */
bool mux_give_credit(struct mux_side *side, uint64_t bytes);
/* The channel's direction ended: what came is written to the raw side, then it ends, too. */
void mux_end_raw(struct mux_side *side);
/* Send nothing more of the raw side, whatever credit comes, until it is resumed. */
void mux_pause_raw(struct mux_side *side);
void mux_resume_raw(struct mux_side *side);
/* The raw connection has got another place, and callbacks that are not ours: what comes for it is
 * written there, and nothing is read. */
void mux_hand_over(struct mux_side *side, struct conn *raw);
/* Forget the raw connection, which is the owner's to close, after what came for it was written to
 * it. What still comes for this side is thrown away. */
void mux_leave(struct mux_side *side);

#endif
