/* SPDX-License-Identifier: MIT */
/*
 * A device as this relay knows it, for as long as its lease stands here: its services
 * with their listeners, its session if it is connected, its transfer channels, and the
 * visitors who wait for one. What is written to the registry about it goes through here.
 */
#ifndef TAUPE_RELAY_DEVICE_H
#define TAUPE_RELAY_DEVICE_H

#include "relay/relay.h"

struct dig;
struct service;
struct session;
struct transfer;
struct visitor;

LIST_HEAD(service_list, service);
TAILQ_HEAD(visitor_queue, visitor);
TAILQ_HEAD(transfer_list, transfer);

struct device {
	struct hash_node by_name;
	LIST_ENTRY(device) busy_link; /* in relay->busy_devices, while busy */
	LIST_ENTRY(device)
	released_link; /* in relay->released, while released */
	struct relay *relay;
	char name[DEVICE_NAME_MAX + 1];
	uint8_t secret_sha256
	    [SECRET_HASH_LEN]; /* for reconnects while the registry is away */
	struct session_info info; /* of the current session, or the last one */
	struct session *session;  /* NULL: offline */
	struct lease lease;
	struct service_list services; /* in the agent's order */
	struct visitor_queue waiting;
	struct transfer_list idle, running;
	LIST_HEAD(, dig) digs; /* channels that the agent was asked for */
	struct timer
	    timer; /* online: renew; offline: expire; moved, released: end */
	uint64_t lease_end_ms; /* offline: on the loop's clock */
	struct device_counters uncounted;
	size_t n_visitors;
	unsigned pins; /* admissions that are about to use it */
	TAILQ_ENTRY(device) backlog_link;
	bool busy;	/* in relay->busy_devices */
	bool unwritten; /* in relay->backlog */
	bool moved; /* another relay has it now: nothing is written any more */
	bool unverified; /* let in while the registry was away: it has to be asked before
			    anything of this is written there */
	bool
	    released; /* its lease is over: it only waits for running visits to end */
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

/* The session stands: it replaces an older one, and whoever waits is served. Unpins. */
void device_online(struct device *device, struct session *session);
/* Its session has ended: the lease runs from now. */
void device_offline(struct device *device);
/* Another relay has the device now: let go of it, without touching the registry. Its
 * listeners stay for a moment, until the routes have reached the proxies. */
void device_moved(struct device *device);
/* Ask the registry whether the device of that name is still in order, and revoke it if it
 * was removed or has another secret: everything of it ends at once, and its lease. Nothing
 * happens for a name that is not here. -1: no memory. */
int device_recheck(struct relay *relay, const char *name);
/* Free all devices (at the end of the process, when the registry calls back no more). */
void devices_free_all(struct relay *relay);

/* Add to its counters (flushed with each announcement). */
void device_count(struct device *device, uint64_t visitors, uint64_t bytes_in,
    uint64_t bytes_out);
void devices_flush_counters(struct relay *relay);

#endif
