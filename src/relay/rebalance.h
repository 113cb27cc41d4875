/* SPDX-License-Identifier: MIT */
/*
 * Filling a relay that has joined: whoever has more than its share of the agents moves a few a
 * second to the least loaded one. Each relay decides for itself, by the view that it has anyway.
 */
#ifndef TAUPE_RELAY_REBALANCE_H
#define TAUPE_RELAY_REBALANCE_H

#include "registry/registry.h"

struct relay;

struct rebalance {
	unsigned views; /* in a row in which we had clearly too many */
	bool active;	/* until we have no more than our share */
	size_t at;	/* among the devices */
};

/* How many agents to move now that there is a new view: at most `most`, 0 if things are well
 * as they are. moving: of self's agents, so many were asked already and are still here. */
uint64_t rebalance_decide(struct rebalance *rebalance,
    const struct relay_info *relays, size_t n_relays,
    const struct relay_info *self, uint64_t moving, uint64_t most);

/* There is a new view: do it. */
void rebalance_look(struct relay *relay);

#endif
