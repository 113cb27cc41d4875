/* SPDX-License-Identifier: MIT */
/*
 * A device as this relay knows it, for as long as its lease stands here: its services
 * with their listeners, its session if it is connected, its transfer channels, and the
 * visitors who wait for one. What is written to the registry about it goes through here.
 */
#ifndef TAUPE_RELAY_DEVICE_H
#define TAUPE_RELAY_DEVICE_H

#include "registry/grant.h"
#include "relay/relay.h"

struct device_limits;
struct dig;
struct hosts;
struct quota;
struct service;
struct session;
struct shared;
struct tally;
struct transfer;
struct visitor;

LIST_HEAD(service_list, service);
TAILQ_HEAD(visitor_queue, visitor);
TAILQ_HEAD(transfer_list, transfer);

struct device {
	union {
		struct hash_node by_name;	  /* in relay->devices, or */
		LIST_ENTRY(device) released_link; /* in relay->released */
	};
	TAILQ_ENTRY(device)
	backlog_link; /* in relay->backlog, while unwritten */
	struct relay *relay;
	struct grant *grant; /* to the current session, or to the last one */
	struct session *session;      /* NULL: offline */
	struct service_list services; /* in the agent's order */
	struct visitor_queue waiting;
	struct transfer_list idle, running;
	LIST_HEAD(, shared) shareds; /* channels that carry many visits */
	LIST_HEAD(, dig) digs;	     /* channels that the agent was asked for */
	struct timer timer; /* for due_ms, or earlier for the session */
	/* loop clock. Online: renew the lease; offline: it expires; moved, released: the end. 0:
	 * nothing is due */
	uint64_t due_ms;
	struct tally *tally; /* NULL: nobody has visited it */
	struct device_limits *limits; /* NULL: no rates, and none was hit */
	struct quota *quota;	      /* NULL: it has none */
	uint64_t warm_since_ms; /* when warm_recent was last halved or raised */
	uint16_t warm_recent;	/* most visits at once lately */
	uint8_t warm_floor;	/* idle channels that the agent wants kept */
	bool rides : 1; /* visits ride on the control channel, and there is no other */
	enum {
		HOLD_REGULAR,
		HOLD_SOON,    /* the next one is early: device_hold_soon() */
		HOLD_WAS_SOON /* the last one was, the next one is not */
	} hold : 2;
	uint32_t n_waiting, n_idle, n_running, n_digs; /* in the lists above */
	uint32_t mux_window; /* of a visit on a shared channel: the agent's */
	uint16_t mux_visits; /* so many on one at once; 0: it cannot share */
	uint16_t n_movers;   /* streams that wait for a channel of their own */
	uint32_t n_visitors;
	uint32_t pins; /* admissions that are about to use it */
	struct access *access; /* NULL: all services are public, if that is known */
	struct hosts *hosts;   /* further names of its services; NULL: none */
	/* for reconnects while the registry is away */
	uint8_t secret_sha256[SECRET_HASH_LEN];
	bool unwritten : 1;
	bool moved : 1; /* another relay has it: nothing is written any more */
	/* let in while the registry was away: it has to be asked before anything of this is
	 * written there */
	bool unverified : 1;
	/* its record may have changed, and could not be read since */
	bool unread : 1;
	/* and an event has said that it has: if there is none, it was removed, and not lost */
	bool told : 1;
	bool asked_to_move : 1; /* counted in relay->n_moving */
	bool shared_dug : 1;	/* the agent was asked for a shared channel */
	bool shared_late : 1;	/* and that was a while ago */
	bool secret_asked : 1;	/* the agent owes the answer to op=rotate */
	bool access_known : 1;	/* its record was read, and made sense */
	bool released : 1; /* its lease is over: only running visits are left */
	char name[];
};

void devices_init(struct relay *relay);
struct device *device_find(struct relay *relay, struct str name);

/*
 * Make or update a device after a claim was granted: the lease, and a listener for each
 * service that is offered (those that stay keep theirs). The result is pinned: end with
 * device_online() or device_unpin(). NULL with *error a text for people: no port is
 * free, or no memory; what was there before is unchanged then.
 */
struct device *device_attach(struct relay *relay, const struct claim *claim,
    const struct claim_result *granted, const char **error);
void device_unpin(struct device *device);

/* Write it to the registry as it is now. cb may be NULL; STALE is acted on here, too. */
void device_hold(struct device *device, registry_done_cb cb, void *ctx);

/* The same, in a moment: what is said before then goes with it. Once between two regular ones: what
 * is said afterwards goes with the next, or an agent could have us write as often as it likes. */
void device_hold_soon(struct device *device);

/* The session stands, on its agent's terms: it replaces an older one, and whoever waits is served.
 * Unpins. Without memory for what rides on it, it is closed at once. */
void device_online(struct device *device, struct session *session,
    const struct channel_terms *terms);
/* Let whoever waits begin, as long as a channel takes them. */
void device_serve(struct device *device);
/* Begin nothing on its channels any more, and close those that rest; all of them if running_too. */
void device_close_channels(struct device *device, bool running_too);
/* Its session has ended: the lease runs from now. */
void device_offline(struct device *device);
/* What its session waits for may be due at another time now. */
void device_retime(struct device *device);
/* Another relay has the device now: let go of it, without touching the registry. Its
 * listeners stay for a moment, until the routes have reached the proxies. */
void device_moved(struct device *device);
/* Ask the registry whether the device of that name is still in order, and revoke it if it
 * has another secret: everything of it ends at once, and its lease. One that has no record goes on, as the
 * registry may have lost it; one that was let in without the registry only if that has lost something, and
 * is written there. What could not be read is in the backlog then; a record that makes no sense closes its
 * services. Nothing happens for a name that is not here. cb may be NULL; else it is called once, when all
 * that was done. -1: no memory, and cb is not called. */
int device_recheck(
    struct relay *relay, const char *name, registry_done_cb cb, void *ctx);
/* The same when an event has said that the operator has changed it: one that has no record was removed, and
 * is revoked. */
int device_changed(struct relay *relay, const char *name);
/* Such events may have been missed: all are in the backlog then, to be asked about. */
void devices_doubt(struct relay *relay);
/* The operator ends the session of that epoch (0: any). False: it is not here. */
bool device_kick(struct relay *relay, const char *name, uint64_t epoch);
/* Free all devices (at the end of the process, when the registry calls back no more). */
void devices_free_all(struct relay *relay);

/* Each has the limits that are configured now. */
void devices_renew_limits(struct relay *relay);

#endif
