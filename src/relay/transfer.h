/* SPDX-License-Identifier: MIT */
/*
 * A transfer channel at the relay: idle, or carrying a visit. docs/PROTOCOL.md has the
 * table of its states; `in` is the visitor's direction, `out` the device's.
 */
#ifndef TAUPE_RELAY_TRANSFER_H
#define TAUPE_RELAY_TRANSFER_H

#include "net/pump.h"
#include "relay/device.h"
#include "relay/upgrade.h"
#include "wire/ws_reader.h"

struct transfer {
	TAILQ_ENTRY(transfer) link; /* in device->idle or device->running */
	struct conn conn;
	struct pump pump;
	struct ws_reader reader;
	struct device *device;
	struct visitor *visitor; /* NULL: idle, or the visitor has left */
	struct stream *moving;	 /* the visit on a shared channel that moves here */
	char *text;	    /* of a message that came in pieces; NULL else */
	uint64_t visit;	    /* number of the current or last visit */
	uint64_t rested_ms; /* idle: loop clock, since when */
	struct timer timer; /* when it is closed: idle, or its visitor has left and the
			       agent still has to say the last word; or when the end of
			       the last visit is sent, if nothing else is before */
	bool running;	    /* a visit is not complete */
	bool answered;	    /* the agent has answered this visit's open */
	bool heard;	    /* anything has come since then */
	bool in_ended;	    /* we have ended our direction of the visit */
	bool eof_waits;	    /* and what says so waits for the next open, for a moment */
	bool out_ended;	    /* the agent has ended its direction */
	bool only_end;	    /* it had, when the visit moved here: it says so again */
	bool pong_waits;    /* for the end of what is decoded at the moment */
};

/* GET /v1/transfer: an agent has dug a channel. It serves who waits, or becomes idle. */
void transfer_admit(struct upgrade *upgrade, struct http_head *head);

/* Give the first visitor who waits to an idle channel, or the first stream that wants to move to
 * one. False: there is none. */
bool transfer_take_idle(struct device *device);

/* The agent did not answer the open in time, though it lives: give the channel up. */
void transfer_unanswered(struct transfer *transfer);

/* Both sides have said their last word about the stream that moves here: its visitor goes on on
 * this channel. out_ended: the device's direction has ended already. */
void transfer_moved(
    struct transfer *transfer, struct visitor *visitor, bool out_ended);
/* The stream does not move. */
void transfer_not_moved(struct transfer *transfer);

/* End its visit, and it. */
void transfer_end(struct transfer *transfer);
/* Count what it has moved for its visitor since the last time. */
void transfer_count(struct transfer *transfer);

/* A service is closed: visitors for it who are served already do not come back to it. */
void transfers_forget_service(const struct service *service);

/* Close all idle channels of a device (its session ended: nobody answers for them), and
 * the running ones too when the agent is known to be dead. */
void transfers_close(struct device *device, bool running_too);

#endif
