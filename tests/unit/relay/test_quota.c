/* SPDX-License-Identifier: MIT */
/* What a device may use: what is counted here and elsewhere, thresholds, and the end of a period. */
#include <check.h>
#include <stdlib.h>

#include "registry/happening.h"
#include "relay/counting.h"
#include "relay/limits.h"
#include "relay/quota.h"
#include "scene.h"

/* In the place of the registry's own. */
static struct registry_ops ops;
static unsigned n_asked, n_told;
static uint32_t from_day, to_day;
static registry_usage_cb usage_answer;
static void *usage_ctx;

static struct channel control;

static int
usage(struct registry *registry, const char *name, uint32_t from, uint32_t to,
    registry_usage_cb cb, void *ctx)
{
	(void)registry;
	ck_assert_str_eq(name, SCENE_DEVICE);
	n_asked++;
	from_day = from;
	to_day = to;
	usage_answer = cb;
	usage_ctx = ctx;
	return 0;
}

static bool
happened(struct registry *registry, struct happening *event)
{
	(void)registry;
	n_told++;
	happening_free(&event);
	return true;
}

static void
begin(void)
{
	scene_begin(0, NULL);
	agent_login(&control, "one");
	/* the relay's own would come between with the day of the clock */
	timer_clear(relay->loop, &relay->announce_timer);
	n_asked = n_told = 0;
	ops = *relay->registry->ops;
	ops.happened = happened;
	relay->registry->ops = &ops;
	counting_flush(relay, 20261230);
}

static void
teardown(void)
{
	peer_close(&control.peer);
	scene_teardown();
}

/* 0: none */
static void
set(int64_t day, int64_t month, enum quota_action action)
{
	const struct own_limit own[DEVICE_LIMITS] = {
	    [DEVICE_QUOTA_DAY] = {day > 0, day},
	    [DEVICE_QUOTA_MONTH] = {month > 0, month},
	    [DEVICE_QUOTA_ACTION] = {true, action},
	};

	ck_assert_int_eq(device_limits_set(scene_device(), own), 0);
}

static void
move(uint64_t bytes)
{
	counting_add(scene_device(), 0, bytes / 2, bytes - bytes / 2);
	quotas_tend(relay);
}

static void
be(uint32_t day)
{
	counting_flush(relay, day);
	quotas_tend(relay);
}

static bool
is_stopped_by(enum page expected)
{
	enum page page;
	unsigned retry_after_s = 0;

	if (quota_admits(scene_device(), &page, &retry_after_s))
		return false;
	ck_assert_uint_eq(page, expected);
	ck_assert_uint_gt(retry_after_s, 0);
	return true;
}

START_TEST(each_threshold_is_told_once_and_the_last_byte_counts)
{
	begin();
	set(1000, 0, QUOTA_STOP);
	move(799);
	ck_assert_uint_eq(n_told, 0);
	move(1);
	ck_assert_uint_eq(n_told, 1);
	move(199);
	ck_assert(!is_stopped_by(PAGE_QUOTA_DAY));
	ck_assert_uint_eq(n_told, 1);
	/* before it is tended */
	counting_add(scene_device(), 0, 1, 0);
	ck_assert(is_stopped_by(PAGE_QUOTA_DAY));
	move(500);
	move(500);
	ck_assert_uint_eq(n_told, 2);
	set(5000, 0, QUOTA_STOP);
	ck_assert(!is_stopped_by(PAGE_QUOTA_DAY));
	move(2800);
	ck_assert_uint_eq(n_told, 3);
	set(0, 0, QUOTA_STOP);
	ck_assert_ptr_null(scene_device()->quota);
}
END_TEST

START_TEST(the_end_of_a_period_lifts_it)
{
	begin();
	set(1000, 2500, QUOTA_STOP);
	move(1000); /* past 80 % at once: that is not told as well */
	ck_assert(is_stopped_by(PAGE_QUOTA_DAY));
	ck_assert_uint_eq(n_told, 1);
	be(20261231);
	ck_assert(!is_stopped_by(PAGE_QUOTA_DAY));
	move(999);
	ck_assert(!is_stopped_by(PAGE_QUOTA_DAY));
	/* of today 100 %, and of the month 80 */
	move(1);
	ck_assert(is_stopped_by(PAGE_QUOTA_DAY));
	ck_assert_uint_eq(n_told, 4);
	move(500);
	ck_assert(is_stopped_by(PAGE_QUOTA_MONTH));
	ck_assert_uint_eq(n_told, 5);
	be(20270101);
	ck_assert(!is_stopped_by(PAGE_QUOTA_DAY));
	move(999);
	ck_assert_uint_eq(n_told, 6);
	ck_assert(!is_stopped_by(PAGE_QUOTA_DAY));
}
END_TEST

START_TEST(a_rate_holds_until_the_period_ends)
{
	int64_t rate;

	begin();
	ck_assert(!quota_rate(scene_device(), &rate));
	set(1000, 0, QUOTA_SLOW);
	ck_assert(quota_rate(scene_device(), &rate));
	ck_assert_int_eq(rate, TOKEN_RATE_MAX);
	move(1000);
	ck_assert(quota_rate(scene_device(), &rate));
	ck_assert_int_eq(rate, QUOTA_RATE_DEFAULT);
	ck_assert_int_eq(
	    device_flow(scene_device())->bucket.rate, QUOTA_RATE_DEFAULT);
	ck_assert(!is_stopped_by(PAGE_QUOTA_DAY));
	be(20261231);
	ck_assert_int_eq(
	    device_flow(scene_device())->bucket.rate, TOKEN_RATE_MAX);
	move(1000);
	set(1000, 0, QUOTA_WARN);
	ck_assert(!quota_rate(scene_device(), &rate));
	ck_assert_uint_eq(n_told, 2);
}
END_TEST

START_TEST(what_others_have_counted_counts)
{
	begin();
	ops.usage = usage;
	set(1000, 2000, QUOTA_STOP);
	ck_assert_uint_eq(n_asked, 1);
	ck_assert_uint_eq(from_day, 20261201);
	ck_assert_uint_eq(to_day, 20261230);
	/* what is counted meanwhile is not in the answer */
	move(100);
	usage_answer(usage_ctx, REGISTRY_OK, 1000, 800);
	ck_assert(!is_stopped_by(PAGE_QUOTA_DAY));
	move(100);
	ck_assert(is_stopped_by(PAGE_QUOTA_MONTH));
	ck_assert_uint_eq(n_asked, 1);
	/* another one: the month is asked for anew, and an answer to what was asked before does
	 * not stand for it */
	set(3000, 0, QUOTA_STOP);
	ck_assert_uint_eq(n_asked, 2);
	ck_assert_uint_eq(from_day, 20261230);
	set(3000, 4000, QUOTA_STOP);
	ck_assert_uint_eq(n_asked, 2);
	usage_answer(usage_ctx, REGISTRY_OK, 0, 1000);
	quotas_tend(relay);
	ck_assert_uint_eq(n_asked, 3);
	ck_assert_uint_eq(from_day, 20261201);
	/* one about a day that is over is of no use, and one that fails changes nothing */
	be(20261231);
	usage_answer(usage_ctx, REGISTRY_OK, 9999, 9999);
	ck_assert(!is_stopped_by(PAGE_QUOTA_DAY));
	quotas_tend(relay);
	ck_assert_uint_eq(n_asked, 4);
	usage_answer(usage_ctx, REGISTRY_UNAVAILABLE, 0, 0);
	ck_assert(!is_stopped_by(PAGE_QUOTA_DAY));
	quotas_tend(relay);
	ck_assert_uint_eq(n_asked, 5);
	usage_answer(usage_ctx, REGISTRY_OK, 4000, 0);
	ck_assert(is_stopped_by(PAGE_QUOTA_MONTH));
}
END_TEST

START_TEST(an_answer_may_come_when_it_has_none_any_more)
{
	begin();
	ops.usage = usage;
	set(1000, 0, QUOTA_STOP);
	set(0, 0, QUOTA_STOP);
	set(2000, 0, QUOTA_STOP);
	ck_assert_uint_eq(n_asked, 2);
	/* the sanitizers look for the one that is never answered */
	usage_answer(usage_ctx, REGISTRY_OK, 0, 2000);
	ck_assert(is_stopped_by(PAGE_QUOTA_DAY));
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
	    each_threshold_is_told_once_and_the_last_byte_counts,
	    the_end_of_a_period_lifts_it, a_rate_holds_until_the_period_ends,
	    what_others_have_counted_counts,
	    an_answer_may_come_when_it_has_none_any_more};

	return scene_run_suite(
	    "quota", cases, sizeof(cases) / sizeof(cases[0]), teardown);
}
