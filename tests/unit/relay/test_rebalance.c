/* SPDX-License-Identifier: MIT */
/* Relays that see each other and decide, view by view, how many agents leave. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "relay/rebalance.h"

#define RELAYS 5
#define AGENTS 10000
#define MOST 11
#define VIEWS_MAX 2000

static struct relay_info relays[RELAYS];
static struct rebalance states[RELAYS];

static void
given(const uint64_t agents[RELAYS])
{
	memset(states, 0, sizeof(states));
	for (int i = 0; i < RELAYS; i++) {
		relays[i] = (struct relay_info){
		    .agents = agents[i], .weight = 100, .capacity = 1000000};
		snprintf(relays[i].id, sizeof(relays[i].id), "r%d", i);
	}
}

static int
least(void)
{
	int found = 0;

	for (int i = 1; i < RELAYS; i++)
		if (relays[i].agents < relays[found].agents)
			found = i;
	return found;
}

static uint64_t
spread(void)
{
	uint64_t low = relays[0].agents, high = relays[0].agents;

	for (int i = 1; i < RELAYS; i++) {
		low = relays[i].agents < low ? relays[i].agents : low;
		high = relays[i].agents > high ? relays[i].agents : high;
	}
	return high - low;
}

/* All decide by the same view, which is one view old for the others; how many have moved. */
static uint64_t
step(void)
{
	uint64_t moving[RELAYS], moved = 0;

	for (int i = 0; i < RELAYS; i++)
		moving[i] = rebalance_decide(
		    &states[i], relays, RELAYS, &relays[i], 0, MOST);
	for (int i = 0; i < RELAYS; i++) {
		ck_assert_uint_le(moving[i], MOST);
		for (uint64_t n = 0; n < moving[i]; n++) {
			relays[i].agents--;
			relays[least()].agents++;
			moved++;
		}
	}
	return moved;
}

START_TEST(a_relay_that_joins_is_filled_without_oscillation)
{
	uint64_t before, moved = 0, total = 0;
	int views, quiet = 0;

	given((uint64_t[]){2500, 2500, 2500, 2500, 0});
	for (views = 0; views < VIEWS_MAX && quiet < 10; views++) {
		before = spread();
		moved = step();
		total += moved;
		ck_assert_uint_le(spread(), before);
		quiet = moved == 0 && views > 5 ? quiet + 1 : 0;
	}
	ck_assert_int_lt(views, VIEWS_MAX);
	ck_assert_uint_le(spread(), AGENTS / RELAYS / 10);
	ck_assert_uint_le(total, AGENTS / RELAYS); /* none was moved twice */
}
END_TEST

START_TEST(small_differences_move_nobody)
{
	given((uint64_t[]){2100, 2000, 1950, 1950, 2000});
	for (int views = 0; views < 20; views++)
		ck_assert_uint_eq(step(), 0);
}
END_TEST

START_TEST(a_difference_of_one_view_moves_nobody)
{
	for (int views = 0; views < 20; views++) {
		given((uint64_t[]){2000, 2000, 2000, 2000, 2000});
		relays[0].agents = views % 2 == 0 ? 4000 : 2000;
		ck_assert_uint_eq(rebalance_decide(&states[0], relays, RELAYS,
				      &relays[0], 0, MOST),
		    0);
	}
}
END_TEST

START_TEST(those_that_were_asked_are_not_counted_again)
{
	given((uint64_t[]){30, 0, 0, 0, 0});
	for (int views = 0; views < 2; views++)
		(void)rebalance_decide(
		    &states[0], relays, RELAYS, &relays[0], 0, MOST);
	ck_assert_uint_eq(
	    rebalance_decide(&states[0], relays, RELAYS, &relays[0], 20, MOST),
	    4);
	ck_assert_uint_eq(
	    rebalance_decide(&states[0], relays, RELAYS, &relays[0], 24, MOST),
	    0);
}
END_TEST

START_TEST(a_relay_that_drains_gets_nothing)
{
	given((uint64_t[]){2500, 2500, 2500, 2500, 0});
	relays[4].draining = true;
	for (int views = 0; views < 20; views++)
		ck_assert_uint_eq(rebalance_decide(&states[0], relays, RELAYS,
				      &relays[0], 0, MOST),
		    0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("rebalance");
	TCase *tests = tcase_create("rebalance");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, a_relay_that_joins_is_filled_without_oscillation);
	tcase_add_test(tests, small_differences_move_nobody);
	tcase_add_test(tests, a_difference_of_one_view_moves_nobody);
	tcase_add_test(tests, those_that_were_asked_are_not_counted_again);
	tcase_add_test(tests, a_relay_that_drains_gets_nothing);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
