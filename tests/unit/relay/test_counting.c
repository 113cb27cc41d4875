/* SPDX-License-Identifier: MIT */
/* What devices have done reaches the registry once, whatever it answers, and when. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "relay/counting.h"
#include "relay/device.h"
#include "scene.h"

#define COUNTS_MAX 8

/* In the place of the registry's own. */
static struct registry_ops ops;
static bool in_trouble, takes_nothing;
static size_t n_counts;
static uint32_t today;
static struct {
	struct device_counters asked;
	uint32_t day;
	registry_count_cb cb;
	void *ctx;
} counts[COUNTS_MAX];

static struct channel control;

static bool
count(struct registry *registry, const char *name, uint32_t day,
    struct device_counters *delta, registry_count_cb cb, void *ctx)
{
	(void)registry;
	ck_assert_str_eq(name, SCENE_DEVICE);
	ck_assert_uint_lt(n_counts, COUNTS_MAX);
	counts[n_counts].asked = *delta;
	counts[n_counts].day = day;
	counts[n_counts].cb = cb;
	counts[n_counts++].ctx = ctx;
	if (takes_nothing)
		return false;
	*delta = (struct device_counters){0};
	return true;
}

static const char *
trouble(const struct registry *registry)
{
	(void)registry;
	return in_trouble ? "the test is in the way" : NULL;
}

/* No record of any device. */
static int
device_get(struct registry *registry, const char *name, registry_device_cb cb,
    void *ctx)
{
	(void)registry;
	(void)name;
	cb(ctx, REGISTRY_NOT_FOUND, NULL);
	return 0;
}

static void
begin(const char *const *options)
{
	scene_begin(0, options);
	agent_login(&control, "one");
	n_counts = 0;
	today = 20261231;
	counting_flush(relay, today);
	in_trouble = takes_nothing = false;
	ops = *relay->registry->ops;
	ops.count = count;
	ops.trouble = trouble;
	ops.device_get = device_get;
	relay->registry->ops = &ops;
}

static void
teardown(void)
{
	peer_close(&control.peer);
	scene_teardown();
}

static void
answer(size_t i, uint64_t visitors, uint64_t bytes_in, uint64_t bytes_out)
{
	const struct device_counters refused = {visitors, bytes_in, bytes_out};

	counts[i].cb(counts[i].ctx, &refused);
}

/* Flush, and this must be asked for; all zeros: nothing. */
static void
expect(uint64_t visitors, uint64_t bytes_in, uint64_t bytes_out)
{
	const struct device_counters *asked = &counts[n_counts].asked;
	size_t before = n_counts;

	counting_flush(relay, today);
	if (visitors + bytes_in + bytes_out == 0) {
		ck_assert_uint_eq(n_counts, before);
		return;
	}
	ck_assert_uint_eq(n_counts, before + 1);
	ck_assert_uint_eq(asked->visitors, visitors);
	ck_assert_uint_eq(asked->bytes_in, bytes_in);
	ck_assert_uint_eq(asked->bytes_out, bytes_out);
}

static bool
is_gone(void)
{
	return scene_device() == NULL && LIST_EMPTY(&relay->released);
}

START_TEST(what_is_refused_is_added_to_what_came_meanwhile)
{
	begin(NULL);
	counting_add(scene_device(), 3, 40, 50);
	expect(3, 40, 50);
	counting_add(scene_device(), 1, 0, 6);
	/* one at a time, or answers might be about the same */
	expect(0, 0, 0);
	answer(0, 3, 0, 50);
	expect(4, 0, 56);
	answer(1, 0, 0, 0);
	expect(0, 0, 0);
	ck_assert(LIST_EMPTY(&relay->uncounted));
	counting_add(scene_device(), 1, 0, 0);
	expect(1, 0, 0);
}
END_TEST

START_TEST(what_a_registry_in_trouble_would_refuse_waits)
{
	begin(NULL);
	counting_add(scene_device(), 1, 2, 3);
	in_trouble = true;
	expect(0, 0, 0);
	counting_add(scene_device(), 1, 0, 0);
	in_trouble = false;
	takes_nothing = true; /* the link has just gone */
	expect(2, 2, 3);
	takes_nothing = false;
	expect(2, 2, 3);
}
END_TEST

START_TEST(what_is_counted_is_that_days)
{
	begin(NULL);
	counting_add(scene_device(), 3, 40, 50);
	in_trouble = true;
	today = 20270101;
	counting_flush(relay, today);
	counting_add(scene_device(), 1, 2, 3);
	in_trouble = false;
	counting_flush(relay, today);
	/* the later one first, as it happens; each by itself */
	ck_assert_uint_eq(n_counts, 2);
	ck_assert_uint_eq(counts[0].day, 20270101);
	ck_assert_uint_eq(counts[0].asked.bytes_in, 2);
	ck_assert_uint_eq(counts[1].day, 20261231);
	ck_assert_uint_eq(counts[1].asked.bytes_in, 40);
	/* what is refused stays the old day's */
	answer(1, 0, 30, 0);
	answer(0, 0, 0, 0);
	counting_flush(relay, today);
	ck_assert_uint_eq(n_counts, 3);
	ck_assert_uint_eq(counts[2].day, 20261231);
	ck_assert_uint_eq(counts[2].asked.bytes_in, 30);
	answer(2, 0, 0, 0);
	counting_flush(relay, today);
	ck_assert(counting_is_done(relay));
}
END_TEST

START_TEST(what_a_running_visit_has_moved_is_counted)
{
	struct channel transfer;
	struct peer visitor;

	begin(NULL);
	visit_begin(&control, &transfer, &visitor, "shell");
	expect(1, 0, 0);
	answer(0, 0, 0, 0);
	peer_send(&visitor, "to the device", 13);
	channel_expect_bytes(&transfer, "to the device");
	expect(0, 13, 0);
	answer(1, 0, 0, 0);
	channel_send_bytes(&transfer, "back");
	run_until_received(relay->loop, &visitor, 4);
	expect(0, 0, 4);
	answer(2, 0, 0, 0);
	expect(0, 0, 0);
	ck_assert_uint_eq(relay->counters.bytes_in, 13);
	ck_assert_uint_eq(relay->counters.bytes_out, 4);
	peer_close(&visitor);
	peer_close(&transfer.peer);
}
END_TEST

START_TEST(what_a_device_that_is_gone_has_done_is_counted)
{
	static const char *const options[] = {"lease=100ms", NULL};

	begin(options);
	counting_add(scene_device(), 1, 0, 0);
	expect(1, 0, 0);
	counting_add(scene_device(), 1, 5, 0);
	peer_close(&control.peer);
	RUN_UNTIL(is_gone());
	answer(0, 1, 0, 0);
	expect(2, 5, 0);
	answer(1, 0, 5, 0);
	expect(0, 5, 0);
	answer(2, 0, 0, 0);
	expect(0, 0, 0);
	ck_assert(LIST_EMPTY(&relay->uncounted));
}
END_TEST

START_TEST(a_removed_device_gets_no_counters_again)
{
	begin(NULL);
	counting_add(scene_device(), 1, 0, 0);
	expect(1, 0, 0);
	relay->options.open = false;
	ck_assert_int_eq(device_changed(relay, SCENE_DEVICE), 0);
	RUN_UNTIL(is_gone());
	expect(0, 0, 0);
	answer(0, 1, 0, 0);
	expect(0, 0, 0);
	ck_assert(LIST_EMPTY(&relay->uncounted));
}
END_TEST

START_TEST(an_answer_that_never_comes_costs_nothing)
{
	static const char *const options[] = {"lease=100ms", NULL};

	begin(options);
	counting_add(scene_device(), 1, 0, 0);
	expect(1, 0, 0);
	peer_close(&control.peer);
	RUN_UNTIL(is_gone());
	/* the sanitizers look for what is left */
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("counting");
	TCase *tests = tcase_create("counting");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_test(tests, what_is_refused_is_added_to_what_came_meanwhile);
	tcase_add_test(tests, what_a_registry_in_trouble_would_refuse_waits);
	tcase_add_test(tests, what_is_counted_is_that_days);
	tcase_add_test(tests, what_a_running_visit_has_moved_is_counted);
	tcase_add_test(tests, what_a_device_that_is_gone_has_done_is_counted);
	tcase_add_test(tests, a_removed_device_gets_no_counters_again);
	tcase_add_test(tests, an_answer_that_never_comes_costs_nothing);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
