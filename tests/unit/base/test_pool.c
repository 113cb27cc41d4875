/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdbool.h>
#include <string.h>

#include "base/pool.h"

#define SIZE 48
#define MOST 3

static bool
is_zero(const char *object)
{
	for (size_t i = 0; i < SIZE; i++)
		if (object[i] != 0)
			return false;
	return true;
}

START_TEST(what_is_given_back_comes_again_all_zeros)
{
	struct pool pool;
	char *first, *second;

	pool_init(&pool, SIZE, MOST);
	first = pool_get(&pool);
	ck_assert(is_zero(first));
	memset(first, 'x', SIZE);
	pool_put(&pool, first);
	second = pool_get(&pool);
	ck_assert_ptr_eq(first, second);
	ck_assert(is_zero(second));
	pool_put(&pool, second);
	pool_fini(&pool);
}
END_TEST

START_TEST(no_more_are_kept_than_agreed)
{
	char *objects[2 * MOST];
	struct pool pool;

	pool_init(&pool, SIZE, MOST);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 2 * MOST; i++)
			ck_assert_ptr_nonnull(objects[i] = pool_get(&pool));
		ck_assert_uint_eq(pool.kept, 0);
		for (int i = 0; i < 2 * MOST; i++)
			pool_put(&pool, objects[i]);
		ck_assert_uint_eq(pool.kept, MOST);
	}
	pool_fini(&pool);
	ck_assert_uint_eq(pool.kept, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pool");
	TCase *tests = tcase_create("pool");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, what_is_given_back_comes_again_all_zeros);
	tcase_add_test(tests, no_more_are_kept_than_agreed);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
