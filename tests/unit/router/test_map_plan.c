/* SPDX-License-Identifier: MIT */
#include "../wire/support.h"

#include "router/map_plan.h"

START_TEST(chooses_by_cost)
{
	static const struct {
		struct map_situation now;
		enum map_plan plan;
	} cases[] = {
	    /* live, changed, pending, overlay, indexed */
	    {{0, 0, 0, true, false}, MAP_PLAN_REST},
	    {{0, 0, 1, true, false}, MAP_PLAN_CHANGE},
	    {{200000, 0, 0, true, false}, MAP_PLAN_REST},
	    {{200000, 0, 1, true, false}, MAP_PLAN_CHANGE},
	    {{200000, 1000, 100, true, false}, MAP_PLAN_CHANGE},
	    /* an overlay that has grown is folded, even when nothing is pending */
	    {{200000, 9000, 0, true, false}, MAP_PLAN_REBUILD},
	    {{200, 100, 10, true, false}, MAP_PLAN_REBUILD},
	    /* many changes at once are a transaction */
	    {{10000, 0, 10000, true, false}, MAP_PLAN_REBUILD},
	    {{1000, 0, 60, true, false}, MAP_PLAN_REBUILD},
	    {{200000, 0, 2000, true, false}, MAP_PLAN_CHANGE},
	    /* without an overlay each change looks through the whole map */
	    {{200000, 200000, 1, false, false}, MAP_PLAN_CHANGE},
	    {{200000, 200000, 50, false, false}, MAP_PLAN_REBUILD},
	    /* from 2.9 on it does not */
	    {{200000, 200000, 5000, false, true}, MAP_PLAN_CHANGE},
	    {{200000, 200000, 50000, false, true}, MAP_PLAN_REBUILD},
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		ck_assert_msg(map_plan_choose(&cases[i].now) == cases[i].plan,
		    "case %zu", i);
}
END_TEST

START_TEST(the_overlay_grows_with_the_root_of_the_map)
{
	ck_assert_uint_le(map_plan_overlay_limit(0), 100);
	ck_assert_uint_ge(map_plan_overlay_limit(200000), 2000);
	ck_assert_uint_le(map_plan_overlay_limit(200000), 5000);
	ck_assert_uint_le(map_plan_overlay_limit(SIZE_MAX / 1000000), 10000);
	for (size_t live = 1; live < 10000000; live *= 2)
		ck_assert_uint_ge(map_plan_overlay_limit(live * 2),
		    map_plan_overlay_limit(live));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    chooses_by_cost, the_overlay_grows_with_the_root_of_the_map};

	return run_suite("map_plan", tests, COUNT(tests));
}
