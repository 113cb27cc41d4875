/* SPDX-License-Identifier: MIT */
/*
 * A shared channel at the relay: a transfer channel that carries many visits at once, each a
 * stream of it (docs/PROTOCOL.md sections 5.6 to 5.8); or the control channel, if that carries them
 * (section 5.9, ride.h). A device has one that takes visits; an older one only ends what runs on
 * it.
 */
#ifndef TAUPE_RELAY_SHARED_H
#define TAUPE_RELAY_SHARED_H

#include "net/mux.h"
#include "relay/device.h"
#include "wire/mux_frame.h"
#include "wire/ws_reader.h"

struct stream;
TAILQ_HEAD(stream_list, stream);

struct shared {
	LIST_ENTRY(shared) link; /* in device->shareds */
	struct conn *conn; /* own, or the session's */
	struct conn own;
	struct session *session; /* it is the control channel of this one; NULL: of none (any more) */
	struct mux mux;
	struct ws_reader reader;
	struct mux_reader prefix;
	struct device *device;
	char *text; /* of a message that came in pieces; NULL else */
	struct hash_map streams;     /* by number */
	struct stream_list doubtful; /* begun while the channel may be dead */
	struct stream_list movers;   /* that wait for a channel of their own */
	struct timer timer;	     /* when it is closed, if it rests */
	uint64_t heard_ms;	     /* loop clock: when anything came last */
	uint64_t rested_ms;	     /* loop clock: when the last visit ended */
	uint32_t last_visit;	     /* number of the last visit */
	uint32_t window; /* of each visit: what the agent takes of it */
	uint16_t owed;	 /* so many visits have ended but for the agent's word */
	bool retired;	 /* no visit begins on it any more */
	bool was_control; /* the control channel of a session that another one has replaced */
	char id[TRANSFER_ID_LEN]; /* that dug it */
};

/* An agent has dug a shared channel: takes conn (moved), and len bytes that came behind its
 * handshake. Serves who waits. */
void shared_new(struct device *device, struct conn *conn, struct str id,
    const uint8_t *data, size_t len);

/* For ride.c as well: one that has no connection yet (NULL: no memory); it has, and visits may
 * begin; it loses its streams and lets go of the connection; its memory. */
struct shared *shared_alloc(struct device *device);
void shared_start(struct shared *shared, struct conn *conn);
void shared_unwind(struct shared *shared);
void shared_free(struct shared **shared);

/* Has the session one? */
bool shared_is_there(const struct device *device);
/* Is there one that a visit can begin on now? */
bool shared_is_open(const struct device *device);
/* Begin the visit of the first visitor who waits. False: there is none, or nobody waits. */
bool shared_serve(struct device *device);

/* It is of no use, though its agent lives: close it. */
void shared_give_up(struct shared *shared, const char *why);
/* Its agent has broken the protocol: close it, and a session that it is with it. */
void shared_protest(struct shared *shared, const char *why);
/* A stream of it has ended. */
void shared_settle(struct shared *shared);

/* A service is closed: see transfers_forget_service(). */
void shareds_forget_service(const struct service *service);
/* Begin nothing on them any more, and close those that rest; all of them if running_too. */
void shareds_close(struct device *device, bool running_too);

#endif
