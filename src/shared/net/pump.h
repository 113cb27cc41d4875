/* SPDX-License-Identifier: MIT */
/*
 * The pump moves one visit's bytes between a raw connection (a visitor, or a device's
 * service) and a transfer channel: what is read from the raw side goes out as binary
 * frames, the payload of binary frames goes to the raw side. It is two one-way pumps;
 * each stops reading while its far side has not taken what was read before, and each
 * holds at most one buffer, only while there is something in it.
 *
 * Frames are made and read by the owner (the relay with wire, the agent with libtaupe),
 * through two functions: the pump owns the movement, not the meaning.
 */
#ifndef TAUPE_NET_PUMP_H
#define TAUPE_NET_PUMP_H

#include <stdatomic.h>

#include "net/conn.h"
#include "net/flow.h"
#include "net/worker.h"

/* What the owner found at the start of the bytes at hand. */
struct pump_step {
	size_t consumed; /* bytes done with, headers included */
	uint8_t *
	    payload; /* bytes for the raw side, unmasked, within what was consumed */
	size_t length; /* 0: none in this step */
};

enum pump_verdict {
	PUMP_STEP, /* look at *step, then go on with the rest */
	PUMP_GONE  /* the owner has ended the pump: touch nothing any more */
};

enum pump_end { PUMP_EOF, PUMP_ERROR };

/* A callback may call any pump_ function, pump_fini() too, and close either side. */
struct pump_ops {
	/* Decode the next thing in data[0..len), len > 0, in place. Messages other than
	 * payload are the owner's to act on, from inside this call; pump_end_raw() may
	 * move the bytes at data elsewhere: look at them before it. */
	enum pump_verdict (*decode)(
	    void *owner, uint8_t *data, size_t len, struct pump_step *step);
	/* Make the header of a binary frame around payload[0..len) right in front of it
	 * (BUF_HEADROOM bytes are free there), masking the payload in place if the role
	 * asks for it. Returns the header's length. */
	size_t (*encode)(void *owner, uint8_t *payload, size_t len);
	/* The raw side was joined while connecting, and now it is (error NULL) or not. */
	void (*raw_connected)(void *owner, const char *error);
	/* The raw side's direction ended: the owner sends its empty frame, which takes
	 * along what came right before the end. */
	void (*raw_eof)(void *owner);
	/* The raw side was reset or failed. */
	void (*raw_failed)(void *owner);
	/* The channel ended or failed. */
	void (*channel_ended)(void *owner, enum pump_end end);
	/* May the visit go to the worker: will nothing be done with it for the time being
	 * but to move payload? NULL, as the next one, where pump_use_worker() is not called. */
	bool (*may_leave)(void *owner);
	/* By the worker's thread: as decode, where nothing but payload is next. False: it is
	 * something else, and nothing was done. */
	bool (*decode_payload)(
	    void *owner, uint8_t *data, size_t len, struct pump_step *step);
};

/* What the worker has met with the visit, and its owner has to hear. */
enum pump_news {
	PUMP_NO_NEWS,
	PUMP_RAW_EOF,
	PUMP_RAW_FAILED,
	PUMP_CHANNEL_EOF,
	PUMP_CHANNEL_ERROR
};

struct pump {
	struct conn *channel;
	struct conn *raw; /* NULL while no visit is joined */
	const struct pump_ops *ops;
	void *owner;
	struct buf *inbound; /* what is being decoded, during decode only */
	uint8_t *rest;	     /* within it: what was not looked at yet */
	size_t rest_len;
	uint32_t steps; /* that were decoded of it */
	uint64_t to_channel_bytes,
	    to_raw_bytes; /* payload of the current visit */
	/* the same, for home while the visit is away: what a size_t holds of them, and what
	 * pump_take_moved() has told of */
	_Atomic size_t seen_to_channel, seen_to_raw;
	size_t told_to_channel, told_to_raw;
	uint32_t channel_read_bytes,
	    raw_read_bytes; /* of the next read: follows the flow */
	struct flow_turn raw_turn, channel_turn; /* to read them */
	bool raw_ended;				 /* its end was reported */
	bool held; /* the channel is not read: pump_hold() */
	bool away; /* its visit is with the worker, or under way */
	uint8_t news;	       /* enum pump_news, of one that comes home */
	struct worker *worker; /* NULL: its visits do not go to one */
	struct guest guest;
	uint64_t mark_bytes; /* so many had been moved at mark_ms */
	uint32_t mark_ms;
};

/* Take over a channel, its callbacks included; nothing is joined yet. */
void pump_init(struct pump *pump, struct conn *channel,
    const struct pump_ops *ops, void *owner);
/* Let visits that prove to be bulk streams go to the worker, as long as they are nothing else, if their
 * flow is not limited. While one is away, nothing may be done with the pump, its channel, its raw
 * side and what the owner's encode and decode_payload need, before pump_recall(); the callbacks
 * come when it is back. */
void pump_use_worker(struct pump *pump, struct worker *worker);
/* Send it there now, if it may go. From the loop only, not from the owner's callbacks: it is
 * what a bulk stream does by itself. */
void pump_send_away(struct pump *pump);
/* Have it back, to end the visit or the pump: what was read and not decoded is lost. Waits for
 * the end of the worker's callback. */
void pump_recall(struct pump *pump);
/* What has been moved since the last time, or since the visit was joined; of one that is away, too,
 * if asked before it has moved 4 GiB. */
void pump_take_moved(struct pump *pump, uint64_t *to_channel, uint64_t *to_raw);
/* End it. The channel and the raw side are the owner's to close. */
void pump_fini(struct pump *pump);
/* Decode bytes that came with the channel's handshake. */
enum pump_verdict pump_feed(struct pump *pump, const uint8_t *data, size_t len);

/* Join a raw connection, both ways, from now on; it may still be connecting. The pump
 * takes its callbacks, not its memory; what waits in its queue is written first. *first: a buffer with first_len bytes of the raw
 * side that were read already, to be sent first; taken and cleared (may be NULL). Writes
 * what the owner has appended to the channel along with it. */
void pump_join(
    struct pump *pump, struct conn *raw, struct buf **first, size_t first_len);
/* Do not read the channel, whatever the raw side takes, until it is held no longer. The raw side
 * is read as ever. */
void pump_hold(struct pump *pump, bool hold);
/* Read both sides at a rate that is shared with others, from now on; NULL: at any. */
void pump_limit(struct pump *pump, struct flow *flow);
/* The channel's direction ended: write what is left to the raw side, then end there. */
void pump_end_raw(struct pump *pump);
/* Forget the raw connection: after pump_end_raw() when the visit is complete (its queue may
 * still hold bytes; they are written as long as the owner keeps it open), or at once when
 * the visit is reset. The channel is read on; payload has nowhere to go and is thrown away.
 * The owner sets the connection's callbacks or closes it. */
void pump_leave(struct pump *pump);

#endif
