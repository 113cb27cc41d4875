/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "relay/turnstile.h"

#define MOST 10000
#define BEGIN_MS 1000000000

static struct turnstile turnstile;
static uint64_t now_ms;

static void
setup(void)
{
	turnstile = (struct turnstile){0};
	now_ms = BEGIN_MS;
}

static bool
enter(void)
{
	return turnstile_enter(&turnstile, MOST, now_ms);
}

static void
enter_many(size_t n)
{
	while (n-- > 0)
		ck_assert(enter());
}

static void
leave_many(size_t n, bool through)
{
	while (n-- > 0)
		turnstile_leave(&turnstile, through, now_ms);
}

/* As many as may; how many they were. */
static size_t
fill(void)
{
	size_t before = turnstile.inside;

	while (enter())
		ck_assert_uint_le(turnstile.inside, MOST);
	return turnstile.inside - before;
}

/* A crowd stays for so long, and so many of it are through each second; others take their places as
 * far as they may. */
static void
pass(uint64_t ms, size_t through_a_second)
{
	for (uint64_t step = 0; step < ms; step += 50) {
		now_ms += 50;
		leave_many(through_a_second / 20, true);
		(void)enter();
	}
}

START_TEST(a_crowd_that_has_just_come_may_be_as_large_as_the_operator_says)
{
	ck_assert_uint_eq(fill(), MOST);
	ck_assert(!enter());
	leave_many(1, true);
	ck_assert(enter());
}
END_TEST

START_TEST(then_as_many_are_on_their_way_as_are_through_in_a_turn)
{
	enter_many(5000);
	pass(2000, 1000);
	ck_assert_uint_gt(turnstile.inside, 2000);
	ck_assert(!enter());
	leave_many(turnstile.inside - 500, false);
	fill();
	/* the newest of the slots of a second is not over yet */
	ck_assert_uint_ge(turnstile.inside, 1500);
	ck_assert_uint_le(turnstile.inside, 2000);
}
END_TEST

START_TEST(a_few_may_come_however_slow_it_goes)
{
	enter_many(1000);
	pass(1500, 0);
	ck_assert(!enter());
	leave_many(turnstile.inside, false);
	ck_assert_uint_eq(fill(), TURNSTILE_FEWEST);
}
END_TEST

START_TEST(who_has_given_up_says_nothing_of_how_many_can)
{
	enter_many(5000);
	for (int i = 0; i < 20; i++) {
		now_ms += 100;
		leave_many(10, true);
		leave_many(100, false);
		(void)enter();
	}
	leave_many(turnstile.inside, false);
	ck_assert_uint_le(fill(), 200);
}
END_TEST

START_TEST(few_that_come_say_nothing_of_how_many_can)
{
	for (int i = 0; i < 100; i++) {
		enter_many(TURNSTILE_FEWEST - 1);
		now_ms += 50;
		leave_many(TURNSTILE_FEWEST - 1, true);
	}
	ck_assert_uint_eq(fill(), MOST);
}
END_TEST

START_TEST(it_follows_a_registry_that_is_slow_for_a_while)
{
	enter_many(3000);
	pass(2000, 0);
	ck_assert(!enter());
	/* all that waited are through at once, and then it goes on as before */
	leave_many(turnstile.inside, true);
	for (int i = 0; i < 40; i++) {
		fill();
		now_ms += 50;
		leave_many(
		    turnstile.inside < 150 ? turnstile.inside : 150, true);
	}
	fill();
	ck_assert_uint_ge(turnstile.inside, 3 * 1500);
}
END_TEST

START_TEST(what_it_knew_of_a_crowd_is_forgotten)
{
	enter_many(1000);
	pass(2000, 100);
	leave_many(turnstile.inside, true);
	now_ms += 9000;
	ck_assert_uint_lt(fill(), 500);
	leave_many(turnstile.inside, true);
	now_ms += 2000;
	ck_assert_uint_eq(fill(), MOST);
}
END_TEST

START_TEST(the_operator_has_the_last_word)
{
	for (int i = 0; i < 100; i++)
		ck_assert(turnstile_enter(&turnstile, 100, now_ms));
	ck_assert(!turnstile_enter(&turnstile, 100, now_ms));
	now_ms += 5000;
	ck_assert(!turnstile_enter(&turnstile, 100, now_ms));
	ck_assert(turnstile_enter(&turnstile, 101, now_ms));
}
END_TEST

static unsigned
next_turn_s(void)
{
	return turnstile_next_turn_s(&turnstile, MOST, now_ms);
}

START_TEST(turns_come_at_the_rate_at_which_agents_are_through)
{
	ck_assert_uint_eq(next_turn_s(), 2);
	for (int i = 0; i < 4999; i++)
		(void)next_turn_s();
	ck_assert_uint_eq(next_turn_s(), 3); /* 5,000 a second */

	enter_many(5000);
	pass(2000, 400);
	for (int i = 0; i < 400; i++)
		ck_assert_uint_le(next_turn_s(), 4);
	for (int i = 0; i < 400; i++)
		ck_assert_uint_ge(next_turn_s(), 3);
}
END_TEST

START_TEST(nobody_is_told_to_wait_for_ever)
{
	unsigned turn_s = 0;

	enter_many(1000);
	pass(2000, 0);
	for (int i = 0; i < 100000; i++)
		turn_s = next_turn_s();
	ck_assert_uint_eq(turn_s, TURNSTILE_LATEST_MS / 1000);
	now_ms += 3600 * 1000;
	ck_assert_uint_eq(next_turn_s(), TURNSTILE_TURN_MS / 1000);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("turnstile");
	TCase *tcase = tcase_create("turnstile");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase,
	    a_crowd_that_has_just_come_may_be_as_large_as_the_operator_says);
	tcase_add_test(
	    tcase, then_as_many_are_on_their_way_as_are_through_in_a_turn);
	tcase_add_test(tcase, a_few_may_come_however_slow_it_goes);
	tcase_add_test(tcase, who_has_given_up_says_nothing_of_how_many_can);
	tcase_add_test(tcase, few_that_come_say_nothing_of_how_many_can);
	tcase_add_test(tcase, it_follows_a_registry_that_is_slow_for_a_while);
	tcase_add_test(tcase, what_it_knew_of_a_crowd_is_forgotten);
	tcase_add_test(tcase, the_operator_has_the_last_word);
	tcase_add_test(
	    tcase, turns_come_at_the_rate_at_which_agents_are_through);
	tcase_add_test(tcase, nobody_is_told_to_wait_for_ever);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
