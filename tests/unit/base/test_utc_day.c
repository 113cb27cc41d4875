/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <time.h>

#include "base/utc_day.h"

#define DAY_MS UINT64_C(86400000)

START_TEST(days_are_those_of_the_calendar)
{
	/* 1970 to 2430, more than one whole period of it, against the system's */
	for (uint64_t n = 0; n < 168000; n++) {
		time_t at = (time_t)(n * 86400);
		struct tm tm;
		uint32_t day = utc_day(n * DAY_MS);

		gmtime_r(&at, &tm);
		ck_assert_uint_eq(day,
		    (uint32_t)((tm.tm_year + 1900) * 10000 +
			(tm.tm_mon + 1) * 100 + tm.tm_mday));
		ck_assert_uint_eq(utc_day_begin_ms(day), n * DAY_MS);
		ck_assert_uint_eq(utc_day(n * DAY_MS + DAY_MS - 1), day);
		ck_assert_uint_eq(utc_day_next(day), utc_day((n + 1) * DAY_MS));
	}
}
END_TEST

START_TEST(months_begin_and_end)
{
	ck_assert_uint_eq(utc_day_first_of_month(20240229), 20240201);
	ck_assert_uint_eq(utc_day_first_of_next_month(20240229), 20240301);
	ck_assert_uint_eq(utc_day_first_of_next_month(20261231), 20270101);
	ck_assert_uint_eq(utc_day_first_of_next_month(20261101), 20261201);
	ck_assert_uint_eq(utc_day_next(20261231), 20270101);
}
END_TEST

START_TEST(text_is_a_day_or_is_refused)
{
	static const char *const bad[] = {"", "2026", "2026-11-31", "20261131",
	    "2026-13-01", "2026-00-01", "2026-01-00", "2025-02-29", "19691231",
	    "2026/11/27", "2026-11-2x", " 2026112", "-2026112", "2026-11-271",
	    "today"};
	uint32_t day = 7;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!utc_day_parse(bad[i], &day), "%s", bad[i]);
	ck_assert_uint_eq(day, 7);
	ck_assert(utc_day_parse("2026-11-27", &day));
	ck_assert_uint_eq(day, 20261127);
	ck_assert(utc_day_parse("20240229", &day));
	ck_assert_uint_eq(day, 20240229);
	ck_assert(utc_day_parse("1970-01-01", &day));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("utc_day");
	TCase *tcase = tcase_create("utc_day");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, days_are_those_of_the_calendar);
	tcase_add_test(tcase, months_begin_and_end);
	tcase_add_test(tcase, text_is_a_day_or_is_refused);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
