/* SPDX-License-Identifier: MIT */
/*
 * When to change a HAProxy map one key at a time, and when to write it anew: pure
 * arithmetic on what each costs HAProxy's thread. Before HAProxy 2.9 "set map" and "del
 * map" look at every entry of the map; a transaction costs the same for every entry
 * whether it changes or not.
 */
#ifndef TAUPE_ROUTER_MAP_PLAN_H
#define TAUPE_ROUTER_MAP_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum map_plan {
	MAP_PLAN_REST,	 /* nothing to do */
	MAP_PLAN_CHANGE, /* send the pending changes one by one */
	MAP_PLAN_REBUILD /* write the whole map in one transaction */
};

struct map_situation {
	size_t live; /* routes that the map should have */
	size_t
	    changed; /* entries of the map that changes go to: overlay or big map */
	size_t pending; /* changes that HAProxy has not been told of */
	bool overlay;	/* changes go to an overlay, which a rebuild empties */
	bool indexed;	/* HAProxy 2.9 or later: finding a key costs nothing */
};

enum map_plan map_plan_choose(const struct map_situation *now);

/* Entries that an overlay may have before it is folded into a map of that size: where
 * folding and searching cost the same in the long run. */
size_t map_plan_overlay_limit(size_t live);

#endif
