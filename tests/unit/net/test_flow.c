/* SPDX-License-Identifier: MIT */
/* The clock stands still unless the test moves it on, for libevent as well as for the loop. */
#include <check.h>
#include <string.h>
#include <time.h>

#include "net/flow.h"
#include "support.h"

#define RATE 100000 /* bytes a second */
#define BURST (RATE / 4)
#define QUANTUM (RATE / 50)
#define READERS 5

static struct timespec clock_now = {1000, 0};
static struct loop *loop;
static struct flow flow;
static int n_limited;

/* One who reads all that it may, until it has had enough. */
struct reader {
	struct flow_turn turn;
	size_t wants, has;
	int n_woken;
};

static struct reader readers[READERS];

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	(void)clock;
	*now = clock_now;
	return 0;
}

static void
limited_cb(struct flow *which)
{
	ck_assert_ptr_eq(which, &flow);
	n_limited++;
}

static void
read_some(struct reader *reader)
{
	size_t most, got;

	while ((most = reader->wants - reader->has) > 0 &&
	    (got = flow_take(&reader->turn, most)) > 0) {
		ck_assert_uint_le(got, most);
		reader->has += got;
	}
	if (most == 0)
		flow_rest(&reader->turn);
}

static void
wake_cb(struct flow_turn *turn)
{
	struct reader *reader = (struct reader *)(void *)turn;

	reader->n_woken++;
	read_some(reader);
}

static void
setup(void)
{
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	flow_init(&flow, loop, RATE, limited_cb);
	for (int i = 0; i < READERS; i++)
		flow_turn_init(&readers[i].turn, &flow, wake_cb);
}

static void
teardown(void)
{
	for (int i = 0; i < READERS; i++)
		flow_rest(&readers[i].turn);
	flow_fini(&flow);
	loop_free(&loop);
}

static void
stop_cb(void *ctx)
{
	loop_stop(ctx);
}

/* Let so much time pass, tick by tick, and what is due in each happen. */
static void
pass_ms(uint64_t ms)
{
	struct timer stop;

	ck_assert_uint_eq(ms % LOOP_TICK_MS, 0);
	timer_init(&stop, stop_cb, loop);
	for (uint64_t i = 0; i < ms; i += LOOP_TICK_MS) {
		timer_set(loop, &stop, LOOP_TICK_MS);
		clock_now.tv_nsec += LOOP_TICK_MS * 1000000;
		clock_now.tv_sec += clock_now.tv_nsec / 1000000000;
		clock_now.tv_nsec %= 1000000000;
		ck_assert_int_eq(loop_run(loop), 0);
	}
}

static void
begin(struct reader *reader, size_t wants)
{
	reader->wants = wants;
	read_some(reader);
}

START_TEST(a_burst_comes_at_once_and_then_the_rate)
{
	begin(&readers[0], 10 * RATE);
	ck_assert_uint_eq(readers[0].has, BURST);
	ck_assert_int_eq(n_limited, 1);
	pass_ms(2000);
	ck_assert_uint_le(readers[0].has, BURST + 2 * RATE);
	ck_assert_uint_ge(readers[0].has, BURST + 2 * RATE - 2 * QUANTUM);
}
END_TEST

START_TEST(those_who_wait_share_the_rate_evenly)
{
	for (int i = 0; i < READERS; i++)
		begin(&readers[i], 10 * RATE);
	pass_ms(2000);
	for (int i = 1; i < READERS; i++) {
		ck_assert_uint_ge(
		    readers[i].has, 2 * RATE / READERS - 2 * QUANTUM);
		ck_assert_uint_le(
		    readers[i].has, 2 * RATE / READERS + 2 * QUANTUM);
	}
}
END_TEST

START_TEST(who_comes_later_stands_behind_those_who_wait)
{
	begin(&readers[0], BURST + 2 * QUANTUM);
	begin(&readers[1], QUANTUM);
	ck_assert_uint_eq(readers[0].has, BURST);
	pass_ms(24); /* a quantum in 20 ms, and some */
	ck_assert_uint_eq(readers[0].has, BURST + QUANTUM);
	ck_assert_uint_eq(readers[1].has, 0);
	/* although one token is there */
	ck_assert_uint_eq(flow_take(&readers[2].turn, 1), 0);
	pass_ms(16);
	ck_assert_uint_eq(readers[1].has, QUANTUM);
	ck_assert_uint_eq(readers[0].has, BURST + QUANTUM);
	pass_ms(24);
	ck_assert_uint_eq(readers[0].has, BURST + 2 * QUANTUM);
}
END_TEST

START_TEST(nobody_gets_crumbs)
{
	ck_assert_uint_eq(flow_take(&readers[0].turn, BURST - 1), BURST - 1);
	ck_assert_uint_eq(flow_take(&readers[1].turn, BURST), 0);
	flow_rest(&readers[1].turn);
	/* but for who wants no more */
	ck_assert_uint_eq(flow_take(&readers[1].turn, 1), 1);
}
END_TEST

START_TEST(what_was_not_read_is_given_back)
{
	ck_assert_uint_eq(flow_take(&readers[0].turn, BURST), BURST);
	flow_return(&readers[0].turn, BURST);
	ck_assert_uint_eq(flow_take(&readers[0].turn, 2 * BURST), BURST);
}
END_TEST

START_TEST(what_was_granted_and_not_used_is_given_back_at_rest)
{
	ck_assert_uint_eq(flow_take(&readers[0].turn, BURST), BURST);
	readers[0].wants = 1; /* of the quantum that it is given */
	ck_assert_uint_eq(flow_take(&readers[0].turn, 1), 0);
	begin(&readers[1], QUANTUM);
	pass_ms(24);
	ck_assert_uint_eq(readers[0].has, 1);
	/* so the next in line need not wait as long again */
	ck_assert_uint_eq(readers[1].has, QUANTUM);
}
END_TEST

START_TEST(a_debt_is_paid_before_anyone_goes_on)
{
	flow_charge(&readers[0].turn, BURST + RATE);
	begin(&readers[1], QUANTUM);
	pass_ms(1016);
	ck_assert_uint_eq(readers[1].has, 0);
	pass_ms(8);
	ck_assert_uint_eq(readers[1].has, QUANTUM);
}
END_TEST

START_TEST(one_piece_is_admitted_whole_and_owed)
{
	ck_assert(flow_admit(&readers[0].turn, BURST + RATE));
	ck_assert(!flow_admit(&readers[1].turn, 1));
	pass_ms(1016);
	ck_assert_int_eq(readers[1].n_woken, 0);
	pass_ms(8);
	ck_assert_int_eq(readers[1].n_woken, 1);
}
END_TEST

START_TEST(who_leaves_the_line_is_not_woken)
{
	begin(&readers[0], BURST);
	ck_assert_uint_eq(flow_take(&readers[1].turn, QUANTUM), 0);
	begin(&readers[2], QUANTUM);
	flow_rest(&readers[1].turn);
	pass_ms(24);
	ck_assert_int_eq(readers[1].n_woken, 0);
	ck_assert_uint_eq(readers[2].has, QUANTUM);
}
END_TEST

START_TEST(a_higher_rate_holds_for_those_who_wait_already)
{
	flow_charge(&readers[0].turn, BURST + 10 * RATE);
	begin(&readers[1], QUANTUM);
	pass_ms(104);
	ck_assert_uint_eq(readers[1].has, 0);
	flow_set_rate(&flow, 1000 * RATE);
	pass_ms(16);
	ck_assert_uint_eq(readers[1].has, QUANTUM);
}
END_TEST

START_TEST(without_a_flow_nothing_is_limited)
{
	struct flow_turn turn;

	flow_turn_init(&turn, NULL, wake_cb);
	ck_assert_uint_eq(flow_take(&turn, 1 << 30), 1 << 30);
	ck_assert(flow_admit(&turn, 1 << 30));
	flow_charge(&turn, 1 << 30);
	flow_return(&turn, 1);
	flow_rest(&turn);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("flow");
	TCase *tcase = tcase_create("flow");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_burst_comes_at_once_and_then_the_rate);
	tcase_add_test(tcase, those_who_wait_share_the_rate_evenly);
	tcase_add_test(tcase, who_comes_later_stands_behind_those_who_wait);
	tcase_add_test(tcase, nobody_gets_crumbs);
	tcase_add_test(tcase, what_was_not_read_is_given_back);
	tcase_add_test(
	    tcase, what_was_granted_and_not_used_is_given_back_at_rest);
	tcase_add_test(tcase, a_debt_is_paid_before_anyone_goes_on);
	tcase_add_test(tcase, one_piece_is_admitted_whole_and_owed);
	tcase_add_test(tcase, who_leaves_the_line_is_not_woken);
	tcase_add_test(tcase, a_higher_rate_holds_for_those_who_wait_already);
	tcase_add_test(tcase, without_a_flow_nothing_is_limited);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
