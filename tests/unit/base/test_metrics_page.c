/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics_page.h"

static char *page;
static size_t len;
static FILE *out;

static void
setup(void)
{
	out = open_memstream(&page, &len);
	ck_assert_ptr_nonnull(out);
}

static void
teardown(void)
{
	free(page);
	page = NULL;
}

static void
expect(const char *text)
{
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_str_eq(page, text);
}

START_TEST(time_counts_in_the_first_bucket_that_holds_it)
{
	struct histogram histogram = {0};
	uint64_t sum = 0;

	for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
		histogram_observe(&histogram, histogram_bounds_us[i]);
		histogram_observe(&histogram, histogram_bounds_us[i] + 1);
		sum += 2 * histogram_bounds_us[i] + 1;
	}
	/* each bound itself, and what is just beyond the one before */
	ck_assert_uint_eq(histogram.counts[0], 1);
	for (size_t i = 1; i < HISTOGRAM_BOUNDS; i++)
		ck_assert_uint_eq(histogram.counts[i], 2);
	ck_assert_uint_eq(histogram.counts[HISTOGRAM_BOUNDS], 1);
	ck_assert_uint_eq(histogram.sum_us, sum);
}
END_TEST

START_TEST(family_is_named_before_its_samples)
{
	metrics_counter(out, "a_total", "So many.", UINT64_MAX);
	metrics_gauge(out, "b", "Now.", 0);
	expect("# HELP a_total So many.\n# TYPE a_total counter\n"
	       "a_total 18446744073709551615\n"
	       "# HELP b Now.\n# TYPE b gauge\nb 0\n");
}
END_TEST

START_TEST(label_may_hold_anything)
{
	metrics_sample(out, "a", "path", "/x\"y\\z\n", 1);
	expect("a{path=\"/x\\\"y\\\\z\\n\"} 1\n");
}
END_TEST

START_TEST(histogram_is_cumulative_and_in_seconds)
{
	struct histogram histogram = {0};

	histogram_observe(&histogram, 900);
	histogram_observe(&histogram, 2000);
	histogram_observe(&histogram, 99000000);
	metrics_sample_histogram(out, "t_seconds", "who", "me", &histogram);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_ptr_nonnull(
	    strstr(page, "t_seconds_bucket{who=\"me\",le=\"0.001\"} 1\n"));
	ck_assert_ptr_nonnull(
	    strstr(page, "t_seconds_bucket{who=\"me\",le=\"0.0025\"} 2\n"));
	ck_assert_ptr_nonnull(
	    strstr(page, "t_seconds_bucket{who=\"me\",le=\"60\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(page,
	    "t_seconds_bucket{who=\"me\",le=\"+Inf\"} 3\n"
	    "t_seconds_sum{who=\"me\"} 99.0029"));
	ck_assert_ptr_nonnull(strstr(page, "t_seconds_count{who=\"me\"} 3\n"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("metrics_page");
	TCase *tcase = tcase_create("metrics_page");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, time_counts_in_the_first_bucket_that_holds_it);
	tcase_add_test(tcase, family_is_named_before_its_samples);
	tcase_add_test(tcase, label_may_hold_anything);
	tcase_add_test(tcase, histogram_is_cumulative_and_in_seconds);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
