/* SPDX-License-Identifier: MIT */
/* The list of the busiest devices. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "relay/busiest.h"

static struct busiest busiest;
static char text[BUSIEST_TEXT_MAX];

static void
offer(const char *name, uint64_t visitors, uint64_t in, uint64_t out)
{
	const struct device_counters delta = {visitors, in, out};

	busiest_offer(&busiest, name, &delta);
}

START_TEST(busier_ones_stand_first)
{
	busiest_clear(&busiest);
	ck_assert_str_eq(busiest_text(&busiest, text), "");
	offer("idle", 0, 0, 0);
	offer("some", 0, 10, 90);
	offer("most", 0, 5000, 1);
	offer("visited", 1, 0, 0);
	ck_assert_str_eq(busiest_text(&busiest, text),
	    "most:0:5000:1,visited:1:0:0,some:0:10:90");
	busiest_clear(&busiest);
	ck_assert_str_eq(busiest_text(&busiest, text), "");
}
END_TEST

START_TEST(a_full_list_keeps_the_busiest)
{
	char name[DEVICE_NAME_MAX + 1];

	busiest_clear(&busiest);
	for (unsigned i = 1; i <= 3 * BUSIEST_MAX; i++) {
		/* as long as everything may be */
		snprintf(name, sizeof(name), "%0*u", DEVICE_NAME_MAX, i);
		offer(name, 0, UINT64_MAX / 4 + i, UINT64_MAX / 4 - 1);
	}
	ck_assert_uint_eq(busiest.n, BUSIEST_MAX);
	for (unsigned i = 0; i < BUSIEST_MAX; i++)
		ck_assert_int_eq(
		    atoi(busiest.list[i].name), (int)(3 * BUSIEST_MAX - i));
	offer("less", 0, 1, 1);
	ck_assert_uint_eq(busiest.n, BUSIEST_MAX);
	ck_assert_uint_lt(
	    strlen(busiest_text(&busiest, text)), BUSIEST_TEXT_MAX);
	ck_assert_ptr_eq(strstr(text, "less"), NULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("busiest");
	TCase *tcase = tcase_create("busiest");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, busier_ones_stand_first);
	tcase_add_test(tcase, a_full_list_keeps_the_busiest);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
