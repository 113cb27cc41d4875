/* SPDX-License-Identifier: MIT */
/*
 * Keeps the route table equal to the registry in Redis: reads the hash of routes once,
 * then follows the stream of events from where it stood before that. It proves after
 * each step that it has missed nothing: the last entry that it saw must still be in the
 * stream. If it is not (trimmed past us, emptied, restored from an older copy), the hash
 * is read again, and what is missing from it is kept for a grace period, because relays
 * need a moment to fill an empty registry.
 */
#ifndef TAUPE_ROUTER_FOLLOWER_H
#define TAUPE_ROUTER_FOLLOWER_H

#include "router/feed.h"

struct follower;

struct follower_settings {
	const struct redis_link_config
	    *redis; /* timeout_ms: for a reply, without waiting */
	uint64_t grace_ms;
	struct stream_id
	    known; /* the table holds routes of an earlier run that had come so
	                           far; 0-0: it does not know */
};

/* steady false: the table is being read anew, do not act on it. true: it is as good as
 * it gets. */
typedef void (*follower_cb)(void *ctx, bool steady);

/* NULL when there is no memory. */
struct follower *follower_new(struct loop *loop, struct route_table *table,
    const struct follower_settings *settings, follower_cb cb, void *ctx);
void follower_free(struct follower **follower);

/* Has read everything once, is connected, and is told what changes. */
bool follower_is_steady(const struct follower *follower);
bool follower_has_snapshot(const struct follower *follower);
/* How far it has come in the stream. */
struct stream_id follower_position(const struct follower *follower);

struct follower_counters {
	uint64_t events, skipped, snapshots, gaps;
};
struct follower_counters follower_counters(const struct follower *follower);

#endif
