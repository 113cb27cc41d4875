/* SPDX-License-Identifier: MIT */
/*
 * Lanes: the links on which transactions travel. Redis keeps what is watched per
 * connection, so a transaction stays on its lane until it is over. Those that start
 * together share one: their reads go out together, and when the last of them knows what
 * it wants, one MULTI … EXEC writes for all. When many agents come at once that is a
 * fraction of the round trips, and of the system calls on both sides.
 */
#ifndef TAUPE_REGISTRY_REGISTRY_REDIS_LANE_H
#define TAUPE_REGISTRY_REGISTRY_REDIS_LANE_H

#include "base/hash_map.h"
#include "registry/registry_redis_tx.h"

struct redis_lane {
	struct redis_registry *registry;
	struct redis_link *link;
	struct redis_tx_list riders; /* empty: the lane is free */
	size_t n_riders, n_ready;    /* ready: to write */
	bool watching;
	/* the write under way */
	size_t n_queued, n_waiting; /* commands for EXEC; replies to come */
	bool failed;
	bool executed; /* EXEC was answered, and not by nil */
	bool conflict; /* by nil */
};

struct redis_lanes {
	struct redis_lane *lanes;
	size_t n;
	struct hash_map subjects; /* the first transaction about each */
	struct redis_tx_list waiting; /* those of them that have no lane */
	struct task dispatch;
};

/* Transactions may wait from now on. */
void redis_lanes_prepare(struct redis_registry *registry);
/* Connect n lanes. -1: no memory. */
int redis_lanes_init(struct redis_registry *registry, size_t n,
    const struct redis_link_config *config);
/* Every transaction is finished quietly. */
void redis_lanes_fini(struct redis_registry *registry);
bool redis_lanes_up(const struct redis_registry *registry);

/* A rider is about to write a key that it does not watch, but others may. Before
 * redis_tx_write(). */
void redis_lane_touch(struct redis_tx *tx, const char *key);

/* For registry_redis_tx.c: a rider watches the keys of a WATCH command; it is about to take
 * its next step (false: it must not, and begins again later); it is ready to write; it
 * leaves without having written. */
void redis_lane_watch(struct redis_tx *tx, const struct redis_args *command);
bool redis_lane_step(struct redis_tx *tx);
void redis_lane_ready(struct redis_tx *tx);
void redis_lane_leave(struct redis_tx *tx, enum registry_status status);

#endif
