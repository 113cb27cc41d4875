/* SPDX-License-Identifier: MIT */
/*
 * Draining: no new agents, and those that are here are asked to move, at a pace that the other
 * relays can take. Visits go on.
 */
#ifndef TAUPE_RELAY_DRAIN_H
#define TAUPE_RELAY_DRAIN_H

#include "net/loop.h"

struct relay;

struct drain {
	struct timer timer;
	size_t at;   /* among the devices */
	size_t each; /* agents that are asked at each tick */
	bool again;  /* not the first round */
};

void drain_init(struct relay *relay);
/* Ask all agents within_ms, or sooner at the configured pace; those that did not go are asked
 * again. The caller announces it. */
void drain_begin(struct relay *relay, uint64_t within_ms);
/* No longer. */
void drain_end(struct relay *relay);
/* Has everybody left who could? */
bool drain_is_done(struct relay *relay);

#endif
