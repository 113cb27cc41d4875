/* SPDX-License-Identifier: MIT */
/*
 * The costs were measured with HAProxy 2.6.12 on one core, in nanoseconds; only their
 * ratios matter.
 */
#include "router/map_plan.h"

#define COMMAND_NS 50000 /* one command and its reply */
#define SEARCH_NS 100	 /* per entry that set map and del map look at */
#define LOAD_NS 2500 /* per entry that a transaction adds, and purges after */
#define REBUILD_COMMANDS 8

#define OVERLAY_MIN 64
#define OVERLAY_MAX 8192

size_t
map_plan_overlay_limit(size_t live)
{
	/* a change costs limit / 2 searches, and 1 / limit of a rebuild: least where
	 * limit² = 2 · live · LOAD_NS / SEARCH_NS */
	uint64_t square = 2 * (uint64_t)live * LOAD_NS / SEARCH_NS;
	size_t limit = OVERLAY_MIN;

	while (limit < OVERLAY_MAX && (uint64_t)limit * limit < square)
		limit += limit / 8;
	return limit;
}

enum map_plan
map_plan_choose(const struct map_situation *now)
{
	uint64_t search = now->indexed
	    ? 0
	    : (uint64_t)(now->changed + now->pending) * SEARCH_NS;
	uint64_t change = now->pending * (COMMAND_NS + search);
	uint64_t rebuild =
	    (uint64_t)now->live * LOAD_NS + REBUILD_COMMANDS * COMMAND_NS;

	if (now->overlay &&
	    now->changed + now->pending > map_plan_overlay_limit(now->live))
		return MAP_PLAN_REBUILD;
	if (now->pending == 0)
		return MAP_PLAN_REST;
	return change <= rebuild ? MAP_PLAN_CHANGE : MAP_PLAN_REBUILD;
}
