/* SPDX-License-Identifier: MIT */
/*
 * The costs were measured with HAProxy 2.6.12 on one core, in nanoseconds; only their
 * ratios matter.
 */
#include "router/map_plan.h"

#define COMMAND_NS 50000 /* one command and its reply */
#define SEARCH_NS 100	 /* per entry that set map and del map look at */
#define LOAD_NS 5000 /* per entry that a transaction adds, and purges after */
#define REBUILD_COMMANDS 8

#define LIMIT_MIN 64
#define SEARCH_LIMIT_MAX 8192
#define OVERLAY_SHARE 16
#define OVERLAY_LIMIT_MAX 32768

size_t
map_plan_search_limit(size_t below)
{
	/* a change costs limit / 2 searches, and 1 / limit of a fold: least where
	 * limit² = 2 · below · LOAD_NS / SEARCH_NS */
	uint64_t square = 2 * (uint64_t)below * LOAD_NS / SEARCH_NS;
	size_t limit = LIMIT_MIN;

	while (limit < SEARCH_LIMIT_MAX && (uint64_t)limit * limit < square)
		limit += limit / 8;
	return limit;
}

size_t
map_plan_overlay_limit(size_t live)
{
	size_t limit = live / OVERLAY_SHARE;

	if (limit < LIMIT_MIN)
		return LIMIT_MIN;
	return limit < OVERLAY_LIMIT_MAX ? limit : OVERLAY_LIMIT_MAX;
}

static bool
overlay_has_grown(const struct map_situation *now)
{
	size_t limit = now->again ? map_plan_overlay_limit(now->live)
				  : map_plan_search_limit(now->live);

	return now->overlay && now->overlaid > limit;
}

enum map_plan
map_plan_choose(const struct map_situation *now)
{
	uint64_t search =
	    now->indexed ? 0 : (uint64_t)now->searched * SEARCH_NS;
	uint64_t change = now->pending * (COMMAND_NS + search);
	uint64_t rebuild =
	    (uint64_t)now->live * LOAD_NS + REBUILD_COMMANDS * COMMAND_NS;

	if (now->pending > 0 && change > rebuild)
		return MAP_PLAN_REBUILD;
	if (overlay_has_grown(now))
		return MAP_PLAN_FOLD;
	if (now->again && now->searched > map_plan_search_limit(now->overlaid))
		return MAP_PLAN_RENEW;
	return now->pending > 0 ? MAP_PLAN_CHANGE : MAP_PLAN_REST;
}
