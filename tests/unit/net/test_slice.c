/* SPDX-License-Identifier: MIT */
/* The time slice, asked back from the kernel where it keeps one. */
#include "config.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/slice.h"

/* The slice in nanoseconds, the nice value and the policy; 0: the kernel names none. */
static uint64_t
slice_ns(int32_t *nice, uint32_t *policy)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = {.size = sizeof(attr)};

	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) != 0)
		return 0;
	*nice = attr.nice;
	*policy = attr.policy;
	return attr.runtime;
}

START_TEST(a_short_slice_is_shorter_and_leaves_the_nice_value)
{
	int32_t nice = 0;
	uint32_t policy = 0;
	uint64_t before;

	ck_assert_int_eq(setpriority(PRIO_PROCESS, 0, 3), 0);
	before = slice_ns(&nice, &policy);
	slice_ask_short();
	if (before != 0) /* Linux 6.12 and up; else it is asked in vain */
		ck_assert_uint_lt(slice_ns(&nice, &policy), before);
	ck_assert_int_eq(nice, 3);
	ck_assert_uint_eq(policy, 0);
	slice_ask_batch();
	ck_assert_uint_eq(slice_ns(&nice, &policy), before);
	ck_assert_int_eq(nice, 3);
	ck_assert_uint_eq(policy, 3);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("slice");
	TCase *tests = tcase_create("slice");
	SRunner *runner;
	int failed;

	tcase_add_test(
	    tests, a_short_slice_is_shorter_and_leaves_the_nice_value);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
