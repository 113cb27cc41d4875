/* SPDX-License-Identifier: MIT */
/* The last hour of devices, in the memory of a relay that stands alone. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "registry/registry_memory_traffic.h"

#define NOW 29000000 /* minutes since 1970 */

static struct memory_traffic traffic;
static struct traffic_minute hour[TRAFFIC_MINUTES];

static void
begin(void)
{
	memory_traffic_init(&traffic);
}

static void
end(void)
{
	memory_traffic_fini(&traffic);
}

/* Of all that is remembered at that minute; last: the latest minute alone. */
static uint64_t
sum(const char *name, uint64_t minute, uint64_t *last)
{
	uint64_t total = 0;

	memory_traffic_read(&traffic, name, minute, hour);
	for (int i = 0; i < TRAFFIC_MINUTES; i++)
		total += hour[i].bytes_in + hour[i].bytes_out;
	*last = hour[TRAFFIC_MINUTES - 1].bytes_in +
	    hour[TRAFFIC_MINUTES - 1].bytes_out;
	return total;
}

START_TEST(an_hour_is_remembered_and_no_more)
{
	uint64_t last;

	ck_assert_uint_eq(sum("alice", NOW, &last), 0);
	for (uint64_t m = NOW - 100; m <= NOW; m++)
		memory_traffic_add(&traffic, "alice", m, 1, 10);
	memory_traffic_add(&traffic, "alice", NOW, 1000, 0);
	ck_assert_uint_eq(sum("alice", NOW, &last), 60 * 11 + 1000);
	ck_assert_uint_eq(last, 1011);
	ck_assert_uint_eq(hour[0].bytes_in, 1);
	ck_assert_uint_eq(hour[0].bytes_out, 10);
	ck_assert_uint_eq(sum("bob", NOW, &last), 0);
	/* it goes by */
	ck_assert_uint_eq(sum("alice", NOW + 1, &last), 59 * 11 + 1000);
	ck_assert_uint_eq(last, 0);
	ck_assert_uint_eq(sum("alice", NOW + 59, &last), 1011);
	ck_assert_uint_eq(hour[0].bytes_in, 1001);
	ck_assert_uint_eq(sum("alice", NOW + 60, &last), 0);
}
END_TEST

START_TEST(a_pause_leaves_nothing_of_the_hour_before)
{
	uint64_t last;

	for (uint64_t m = NOW - 70; m <= NOW - 50; m++)
		memory_traffic_add(&traffic, "alice", m, 100, 0);
	memory_traffic_add(&traffic, "alice", NOW, 7, 0);
	ck_assert_uint_eq(sum("alice", NOW, &last), 10 * 100 + 7);
	memory_traffic_add(&traffic, "alice", NOW + 60, 8, 0);
	ck_assert_uint_eq(sum("alice", NOW + 60, &last), 8);
	memory_traffic_add(&traffic, "alice", NOW + 6000, 9, 0);
	ck_assert_uint_eq(sum("alice", NOW + 6000, &last), 9);
	ck_assert_uint_eq(last, 9);
}
END_TEST

START_TEST(a_clock_that_goes_back_loses_nothing)
{
	uint64_t last;

	memory_traffic_add(&traffic, "alice", NOW, 5, 0);
	memory_traffic_add(&traffic, "alice", NOW - 200, 6, 0);
	ck_assert_uint_eq(sum("alice", NOW, &last), 11);
	ck_assert_uint_eq(last, 11);
}
END_TEST

START_TEST(there_is_room_for_a_number_of_devices_that_are_not_quiet)
{
	char name[32];
	uint64_t last;

	for (int i = 0; i < MEMORY_TRAFFIC_MAX; i++) {
		snprintf(name, sizeof(name), "device-%d", i);
		memory_traffic_add(&traffic, name, NOW + (i > 0), 1, 0);
	}
	memory_traffic_add(&traffic, "late", NOW + 2, 1, 0);
	ck_assert_uint_eq(sum("late", NOW + 2, &last), 0);
	ck_assert_uint_eq(sum("device-0", NOW + 2, &last), 1);
	memory_traffic_add(&traffic, "idle", NOW + 2, 0, 0);
	/* one has been quiet for an hour */
	memory_traffic_add(&traffic, "late", NOW + 60, 1, 0);
	ck_assert_uint_eq(sum("late", NOW + 60, &last), 1);
	ck_assert_uint_eq(traffic.by_name.count, MEMORY_TRAFFIC_MAX);
	memory_traffic_add(&traffic, "later", NOW + 60, 1, 0);
	ck_assert_uint_eq(sum("later", NOW + 60, &last), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("memory_traffic");
	TCase *tcase = tcase_create("memory_traffic");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, begin, end);
	tcase_add_test(tcase, an_hour_is_remembered_and_no_more);
	tcase_add_test(tcase, a_pause_leaves_nothing_of_the_hour_before);
	tcase_add_test(tcase, a_clock_that_goes_back_loses_nothing);
	tcase_add_test(
	    tcase, there_is_room_for_a_number_of_devices_that_are_not_quiet);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
