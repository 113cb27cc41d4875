/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "relay/turns.h"

#define USUAL 5000
#define BEGIN_MS 1000000000

static struct turns turns;
static uint64_t now_ms;

static void
setup(void)
{
	turns = (struct turns){0};
	now_ms = BEGIN_MS;
}

static unsigned
next_s(void)
{
	return turns_next_s(&turns, USUAL, now_ms);
}

/* So many get in in a second, evenly, for some seconds. */
static void
pass(unsigned seconds, unsigned rate)
{
	uint64_t end_ms = now_ms + seconds * 1000ull, begin_ms = now_ms;
	uint64_t n = 0;

	for (; now_ms < end_ms; now_ms += 10)
		for (; n < (now_ms - begin_ms) * rate / 1000; n++)
			turns_count(&turns, now_ms);
}

/* How many are told to come within the next seconds. */
static unsigned
told_within(unsigned seconds)
{
	unsigned n = 0;

	while (next_s() < seconds)
		ck_assert_uint_lt(n++, 1000000);
	return n;
}

/* The first ten seconds' turns are given at that rate. */
static void
check_rate(unsigned rate)
{
	unsigned told = told_within(12);

	ck_assert_uint_ge(told, 9 * rate);
	ck_assert_uint_le(told, 10 * rate + 1); /* rounded */
}

START_TEST(nothing_is_known_and_turns_come_as_usual)
{
	ck_assert_uint_eq(next_s(), TURNS_FIRST_S);
	ck_assert_uint_eq(told_within(3), USUAL - 1);
	ck_assert_uint_eq(told_within(4), USUAL - 1);
}
END_TEST

START_TEST(turns_come_at_the_rate_that_was_seen)
{
	pass(5, 400);
	check_rate(400);
}
END_TEST

START_TEST(a_few_that_got_in_are_not_the_rate)
{
	pass(1, 5);
	now_ms += 5000;
	for (int i = 0; i < 10; i++)
		turns_count(&turns, now_ms);
	ck_assert_uint_ge(told_within(3), USUAL - 1);
}
END_TEST

START_TEST(the_time_between_two_crowds_is_not_counted)
{
	for (unsigned i = 0; i < 3; i++)
		turns_count(&turns, now_ms);
	now_ms += 1100;
	for (unsigned i = 0; i < 3; i++)
		turns_count(&turns, now_ms);
	ck_assert_uint_ge(told_within(3), USUAL - 1);
}
END_TEST

START_TEST(a_faster_rate_is_believed_at_once)
{
	pass(5, 100);
	pass(2, 2000);
	ck_assert_uint_ge(told_within(3), 1900);
}
END_TEST

START_TEST(a_slower_rate_is_believed_by_and_by)
{
	unsigned told;

	pass(5, 2000);
	pass(12, 100);
	told = told_within(12);
	ck_assert_uint_ge(told, 9 * 100);
	ck_assert_uint_le(told, 10 * 150);
}
END_TEST

START_TEST(a_stall_says_nothing)
{
	pass(3, 65);
	now_ms += 8000;
	check_rate(65);
}
END_TEST

START_TEST(what_was_seen_is_forgotten)
{
	pass(5, 100);
	now_ms += (TURNS_KNOWN_S + 1) * 1000;
	ck_assert_uint_ge(told_within(3), USUAL - 1);
	pass(2, 50);
	ck_assert_uint_le(told_within(4), 2 * 60);
	now_ms += 100ull * 365 * 86400 * 1000;
	ck_assert_uint_eq(next_s(), TURNS_FIRST_S);
}
END_TEST

START_TEST(those_for_whom_the_latest_is_too_soon_do_not_come_together)
{
	unsigned told[TURNS_LAST_S + 1] = {0};

	pass(5, 100);
	(void)told_within(TURNS_LAST_S - 1);
	for (int i = 0; i < 10000; i++) {
		unsigned seconds = next_s();

		ck_assert_uint_le(seconds, TURNS_LAST_S);
		told[seconds]++;
	}
	for (unsigned s = TURNS_LAST_S - TURNS_SPREAD_S + 1; s < TURNS_LAST_S;
	     s++)
		ck_assert_uint_ge(told[s], 800);
	now_ms += 3600 * 1000;
	ck_assert_uint_eq(next_s(), TURNS_FIRST_S);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("turns");
	TCase *tests = tcase_create("turns");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, nothing_is_known_and_turns_come_as_usual);
	tcase_add_test(tests, turns_come_at_the_rate_that_was_seen);
	tcase_add_test(tests, a_few_that_got_in_are_not_the_rate);
	tcase_add_test(tests, the_time_between_two_crowds_is_not_counted);
	tcase_add_test(tests, a_faster_rate_is_believed_at_once);
	tcase_add_test(tests, a_slower_rate_is_believed_by_and_by);
	tcase_add_test(tests, a_stall_says_nothing);
	tcase_add_test(tests, what_was_seen_is_forgotten);
	tcase_add_test(
	    tests, those_for_whom_the_latest_is_too_soon_do_not_come_together);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
