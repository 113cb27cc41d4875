/* SPDX-License-Identifier: MIT */
#include "../wire/support.h"

#include "router/map_plan.h"

START_TEST(chooses_by_cost)
{
	static const struct {
		struct map_situation now;
		enum map_plan plan;
	} cases[] = {
	    /* live, pending, overlaid, searched, overlay, again, indexed */
	    {{0, 0, 0, 0, true, true, false}, MAP_PLAN_REST},
	    {{0, 1, 0, 0, true, true, false}, MAP_PLAN_CHANGE},
	    {{200000, 0, 0, 0, true, true, false}, MAP_PLAN_REST},
	    {{200000, 1, 0, 0, true, true, false}, MAP_PLAN_CHANGE},
	    {{200000, 100, 10000, 500, true, true, false}, MAP_PLAN_CHANGE},
	    /* an overlay that has grown is folded, even when nothing is pending */
	    {{200000, 0, 13000, 0, true, true, false}, MAP_PLAN_FOLD},
	    {{200, 10, 70, 0, true, true, false}, MAP_PLAN_FOLD},
	    /* what changes again is taken into the overlay when it has grown */
	    {{200000, 0, 10000, 1500, true, true, false}, MAP_PLAN_RENEW},
	    {{200000, 0, 200, 180, true, true, false}, MAP_PLAN_RENEW},
	    /* many changes at once are a transaction */
	    {{10000, 10000, 0, 0, true, true, false}, MAP_PLAN_REBUILD},
	    {{1000, 120, 0, 0, true, true, false}, MAP_PLAN_REBUILD},
	    {{200000, 10000, 0, 1000, true, true, false}, MAP_PLAN_REBUILD},
	    {{200000, 2000, 0, 0, true, true, false}, MAP_PLAN_CHANGE},
	    /* keys that are set in the overlay itself keep it small */
	    {{200000, 0, 3000, 3000, true, false, false}, MAP_PLAN_REST},
	    {{200000, 0, 9000, 9000, true, false, false}, MAP_PLAN_FOLD},
	    /* without an overlay each change looks through the whole map */
	    {{200000, 1, 0, 200000, false, false, false}, MAP_PLAN_CHANGE},
	    {{200000, 100, 0, 200000, false, false, false}, MAP_PLAN_REBUILD},
	    /* from 2.9 on it does not */
	    {{200000, 5000, 0, 200000, false, false, true}, MAP_PLAN_CHANGE},
	    {{200000, 50000, 0, 200000, false, false, true}, MAP_PLAN_REBUILD},
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		ck_assert_msg(map_plan_choose(&cases[i].now) == cases[i].plan,
		    "case %zu", i);
}
END_TEST

START_TEST(what_is_searched_grows_with_the_root_of_what_it_is_folded_into)
{
	ck_assert_uint_le(map_plan_search_limit(0), 100);
	ck_assert_uint_ge(map_plan_search_limit(10000), 800);
	ck_assert_uint_le(map_plan_search_limit(10000), 1500);
	ck_assert_uint_le(map_plan_search_limit(SIZE_MAX / 1000000), 10000);
	for (size_t below = 1; below < 10000000; below *= 2)
		ck_assert_uint_ge(map_plan_search_limit(below * 2),
		    map_plan_search_limit(below));
}
END_TEST

START_TEST(what_is_only_added_to_is_a_share_of_the_map)
{
	ck_assert_uint_eq(map_plan_overlay_limit(0), 64);
	ck_assert_uint_eq(map_plan_overlay_limit(200000), 12500);
	ck_assert_uint_eq(map_plan_overlay_limit(SIZE_MAX), 32768);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {chooses_by_cost,
	    what_is_searched_grows_with_the_root_of_what_it_is_folded_into,
	    what_is_only_added_to_is_a_share_of_the_map};

	return run_suite("map_plan", tests, COUNT(tests));
}
