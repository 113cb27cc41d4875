/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "base/token_bucket.h"

START_TEST(begins_full_and_gives_no_more_than_its_burst)
{
	struct token_bucket bucket;

	token_bucket_init(&bucket, 10, 3, 1000);
	for (int i = 0; i < 3; i++)
		ck_assert(token_bucket_take(&bucket, 1, 1000));
	ck_assert(!token_bucket_take(&bucket, 1, 1000));
	/* a long rest fills it to the burst, and no further */
	ck_assert_int_eq(token_bucket_level(&bucket, 100000000), 3);
}
END_TEST

START_TEST(gives_its_rate_at_any_step_of_the_clock)
{
	static const uint64_t steps_ms[] = {1, 7, 13, 100, 1000};

	for (size_t i = 0; i < sizeof(steps_ms) / sizeof(steps_ms[0]); i++) {
		struct token_bucket bucket;
		int64_t taken = 0;

		token_bucket_init(&bucket, 37, 50, 0);
		ck_assert(token_bucket_take(&bucket, 50, 0));
		for (uint64_t now = 0; now <= 91000; now += steps_ms[i])
			while (token_bucket_take(&bucket, 1, now))
				taken++;
		ck_assert_int_ge(taken, 37 * 90 - 1);
		ck_assert_int_le(taken, 37 * 91);
	}
}
END_TEST

START_TEST(slowest_rate_gives_one_each_second)
{
	struct token_bucket bucket;

	token_bucket_init(&bucket, 1, 1, 0);
	ck_assert(token_bucket_take(&bucket, 1, 0));
	for (uint64_t now = 1; now < 1000; now++)
		ck_assert(!token_bucket_take(&bucket, 1, now));
	ck_assert(token_bucket_take(&bucket, 1, 1000));
}
END_TEST

START_TEST(debt_is_paid_before_anything_is_given)
{
	struct token_bucket bucket;

	token_bucket_init(&bucket, 100, 100, 0);
	token_bucket_charge(&bucket, 300, 0);
	ck_assert_int_eq(token_bucket_level(&bucket, 2000), 0);
	ck_assert_uint_eq(token_bucket_wait_ms(&bucket, 1, 2000), 10);
	ck_assert(!token_bucket_take(&bucket, 1, 2009));
	ck_assert(token_bucket_take(&bucket, 1, 2010));
}
END_TEST

START_TEST(what_is_given_back_is_there_again_up_to_the_burst)
{
	struct token_bucket bucket;

	token_bucket_init(&bucket, 1, 10, 0);
	token_bucket_charge(&bucket, 8, 0);
	token_bucket_charge(&bucket, -5, 0);
	ck_assert_int_eq(token_bucket_level(&bucket, 0), 7);
	token_bucket_charge(&bucket, -50, 0);
	ck_assert_int_eq(token_bucket_level(&bucket, 0), 10);
}
END_TEST

START_TEST(wait_is_exact)
{
	struct token_bucket bucket;
	uint64_t wait_ms;

	token_bucket_init(&bucket, 3, 5, 0);
	ck_assert_uint_eq(token_bucket_wait_ms(&bucket, 5, 0), 0);
	token_bucket_charge(&bucket, 5, 0);
	wait_ms = token_bucket_wait_ms(&bucket, 2, 0);
	ck_assert_int_eq(token_bucket_level(&bucket, wait_ms - 1), 1);
	ck_assert_int_eq(token_bucket_level(&bucket, wait_ms), 2);
}
END_TEST

START_TEST(largest_numbers_do_not_overflow)
{
	struct token_bucket bucket;

	token_bucket_init(&bucket, TOKEN_RATE_MAX, TOKEN_RATE_MAX, 0);
	for (int i = 0; i < 5; i++)
		token_bucket_charge(&bucket, TOKEN_RATE_MAX, 0);
	ck_assert_int_eq(token_bucket_level(&bucket, 0), 0);
	ck_assert_int_eq(
	    token_bucket_level(&bucket, UINT64_MAX), TOKEN_RATE_MAX);
}
END_TEST

START_TEST(another_rate_keeps_what_is_there)
{
	struct token_bucket bucket;

	token_bucket_init(&bucket, 10, 100, 0);
	token_bucket_set(&bucket, 1, 20, 0);
	ck_assert_int_eq(token_bucket_level(&bucket, 0), 20);
	token_bucket_charge(&bucket, 20, 0);
	token_bucket_set(&bucket, 5, 50, 3000);
	ck_assert_int_eq(token_bucket_level(&bucket, 3000), 3);
	ck_assert_int_eq(token_bucket_level(&bucket, 4000), 8);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("token_bucket");
	TCase *tcase = tcase_create("token_bucket");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, begins_full_and_gives_no_more_than_its_burst);
	tcase_add_test(tcase, gives_its_rate_at_any_step_of_the_clock);
	tcase_add_test(tcase, slowest_rate_gives_one_each_second);
	tcase_add_test(tcase, debt_is_paid_before_anything_is_given);
	tcase_add_test(
	    tcase, what_is_given_back_is_there_again_up_to_the_burst);
	tcase_add_test(tcase, wait_is_exact);
	tcase_add_test(tcase, largest_numbers_do_not_overflow);
	tcase_add_test(tcase, another_rate_keeps_what_is_there);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
