/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <stdlib.h>

#include "../guard.h"

char *
guard_copy(unsigned slot, const void *data, size_t len)
{
	static char *ends[GUARD_SLOTS];
	char *copy;

	ck_assert_uint_lt(slot, GUARD_SLOTS);
	ck_assert_uint_le(len, GUARD_MAX);
	if (ends[slot] == NULL) {
		char *area = guard_area(GUARD_MAX);

		ck_assert_ptr_nonnull(area);
		ends[slot] = area + GUARD_MAX;
	}
	copy = ends[slot] - len;
	if (len > 0)
		memcpy(copy, data, len);
	return copy;
}

bool
slice_is(struct str s, const char *text)
{
	return (s.ptr == NULL) == (text == NULL) && str_equal(s, str_of(text));
}

int
run_suite(const char *name, const TTest *const tests[], size_t n_tests)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	for (size_t i = 0; i < n_tests; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
