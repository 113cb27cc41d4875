/* SPDX-License-Identifier: MIT */
/*
 * Keeps the maps of one HAProxy equal to the route table. Each process gets every map
 * whole when it is met; after that, changes go out one by one, at once, until it is
 * cheaper to write a map anew.
 *
 * Before HAProxy 2.9, changes go to a small overlay map that HAProxy looks at first,
 * and the overlay is folded into the big map by a slow transaction now and then; later
 * versions are changed directly. Maps that HAProxy's configuration does not have are left
 * out.
 */
#ifndef TAUPE_ROUTER_MAP_SYNC_H
#define TAUPE_ROUTER_MAP_SYNC_H

#include "net/loop.h"
#include "router/route_table.h"

struct map_sync;

struct map_sync_settings {
	const char *path; /* of the runtime socket */
	unsigned
	    viewer; /* this one's bit in the table, below ROUTE_VIEWERS_MAX */
	size_t bufsize;	     /* HAProxy's tune.bufsize */
	uint64_t timeout_ms; /* for a reply */
	uint64_t check_ms;   /* between two counts of the entries; 0: never */
};

struct map_sync_counters {
	uint64_t conversations; /* processes met */
	uint64_t commands;	/* sent, of any sort */
	uint64_t changes;	/* sent one by one */
	uint64_t rebuilds;	/* transactions */
	uint64_t failures;	/* replies that were not as they should be */
};

/* Held at first: see map_sync_hold(). NULL when there is no memory. The path is kept. */
struct map_sync *map_sync_new(struct loop *loop, struct route_table *table,
    const struct map_sync_settings *settings);
void map_sync_free(struct map_sync **sync);

/* A route changed: to be called for each change of the table, from inside it. */
void map_sync_note(struct map_sync *sync, struct route_entry *entry);

/* While held, HAProxy is left as it is: the table is not known to be right. */
void map_sync_hold(struct map_sync *sync, bool held);

/* Connected, and every map is as the table says. */
bool map_sync_is_current(const struct map_sync *sync);
/* A map is being written whole just now. */
bool map_sync_is_writing(const struct map_sync *sync);
const char *map_sync_path(const struct map_sync *sync);
const struct map_sync_counters *map_sync_counters(const struct map_sync *sync);

#endif
