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
	MAP_PLAN_REBUILD, /* write the whole map in one transaction */
	MAP_PLAN_FOLD,	  /* the same at leisure: the overlay has grown */
	MAP_PLAN_RENEW	  /* write the overlay at leisure: what is before it has grown */
};

struct map_situation {
	size_t live; /* routes that the map should have */
	size_t pending;	 /* changes that HAProxy has not been told of */
	size_t overlaid; /* entries of the overlay */
	size_t searched; /* entries of the map that "set map" goes to */
	bool overlay;	 /* changes go to an overlay, which a fold empties */
	bool again;	 /* a key that is in it already is changed in another map */
	bool indexed;	 /* HAProxy 2.9 or later: finding a key costs nothing */
};

enum map_plan map_plan_choose(const struct map_situation *now);

/* Entries that a map may have in which keys are set, before it is folded into one of that
 * size: where folding and searching cost the same in the long run. */
size_t map_plan_search_limit(size_t below);

/* The same for an overlay that keys are only added to: a share of the big map. */
size_t map_plan_overlay_limit(size_t live);

#endif
