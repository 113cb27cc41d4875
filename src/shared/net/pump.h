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

#include "net/conn.h"

struct pump;

/* What the owner found at the start of the bytes at hand. */
struct pump_step {
	size_t consumed;  /* bytes done with, headers included */
	uint8_t *payload; /* bytes for the raw side, unmasked, within what was consumed */
	size_t length;    /* 0: none in this step */
};

enum pump_verdict {
	PUMP_STEP,  /* look at *step, then go on with the rest */
	PUMP_REST,  /* everything was consumed */
	PUMP_GONE   /* the owner has closed or freed the channel: touch nothing any more */
};

enum pump_channel_end { PUMP_CHANNEL_EOF, PUMP_CHANNEL_ERROR };

struct pump_ops {
	/* Decode the next thing in data[0..len), in place. Messages other than payload are
	 * the owner's to act on, from inside this call. */
	enum pump_verdict (*decode)(void *owner, uint8_t *data, size_t len,
	    struct pump_step *step);
	/* Make the header of a binary frame around payload[0..len) right in front of it
	 * (BUF_HEADROOM bytes are free there), masking the payload in place if the role
	 * asks for it. Returns the header's length. */
	size_t (*encode)(void *owner, uint8_t *payload, size_t len);
	/* The raw side's direction ended: the owner sends its empty frame. */
	void (*raw_eof)(void *owner);
	/* The raw side was reset or failed. */
	void (*raw_failed)(void *owner);
	/* The channel ended or failed. */
	void (*channel_ended)(void *owner, enum pump_channel_end end);
	/* All that was queued for the raw side is written (after pump_finish_raw: and its
	 * end was sent). */
	void (*raw_drained)(void *owner);
};

struct pump {
	struct conn *channel;
	struct conn *raw;      /* NULL while no visit is joined */
	const struct pump_ops *ops;
	void *owner;
	uint64_t to_channel_bytes, to_raw_bytes; /* payload of the current visit */
	uint32_t read_size;    /* of the next read of the raw side: grows with the flow */
	uint32_t channel_read_size;
	bool raw_ended;        /* its end was reported */
	bool discard;          /* payload is thrown away: the visit was reset */
};

/* Take over the reading of a channel; nothing is joined yet. */
void pump_init(struct pump *pump, struct conn *channel, const struct pump_ops *ops,
    void *owner);
/* Join a raw connection, both ways, from now on. The pump takes its callbacks, not its
 * memory. first: bytes of the raw side that were read already (may be NULL): they are
 * sent first; taken and cleared. */
void pump_join(struct pump *pump, struct conn *raw, struct buf **first, size_t first_len);
/* Forget the raw connection (the owner closes it); the channel is read on. */
void pump_leave(struct pump *pump);
/* Look at the channel at once: for bytes that came with its handshake. */
enum pump_verdict pump_feed(struct pump *pump, uint8_t *data, size_t len);

#endif
