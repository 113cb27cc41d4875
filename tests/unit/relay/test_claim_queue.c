/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "../net/support.h"
#include "relay/claim_queue.h"

#define MOST 1000

static struct loop *loop;
static struct claim_queue queue;
static struct claim_turn turns[MOST];
static char names[MOST][16];
static int n_begun;
static int begun[MOST]; /* which */
static bool had_waited[MOST];
static bool leaves_at_once;

static void
turn_cb(struct claim_turn *turn, bool waited)
{
	ck_assert_ptr_eq(turn->owner, turn);
	ck_assert_int_eq(turn->state, CLAIM_UNDER_WAY);
	ck_assert_int_lt(n_begun, MOST);
	had_waited[n_begun] = waited;
	begun[n_begun++] = (int)(turn - turns);
	if (leaves_at_once)
		claim_queue_leave(&queue, turn);
}

static void
set_name(int i, int number)
{
	snprintf(names[i], sizeof(names[i]), "d%d", number);
	turns[i] =
	    (struct claim_turn){.owner = &turns[i], .name = str_of(names[i])};
}

static void
setup(void)
{
	ck_assert_ptr_nonnull(loop = loop_new());
	claim_queue_init(&queue, loop, turn_cb);
	for (int i = 0; i < MOST; i++)
		set_name(i, i);
	n_begun = 0;
	leaves_at_once = false;
}

static void
teardown(void)
{
	for (int i = 0; i < MOST; i++)
		claim_queue_leave(&queue, &turns[i]);
	claim_queue_fini(&queue);
	loop_free(&loop);
}

static void
join(int from, int to)
{
	for (int i = from; i < to; i++)
		claim_queue_join(&queue, &turns[i]);
}

static void
check_begun(int n, int first_waited)
{
	ck_assert_int_eq(n_begun, n);
	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(begun[i], i);
		ck_assert_int_eq(had_waited[i], i >= first_waited);
	}
}

START_TEST(as_many_as_may_begin_at_once_and_the_others_wait)
{
	join(0, 500);
	check_begun(CLAIM_QUEUE_MOST, MOST);
	ck_assert_uint_eq(queue.n_waiting, 500 - CLAIM_QUEUE_MOST);
	run_for_ms(loop, 20);
	check_begun(CLAIM_QUEUE_MOST, MOST);
}
END_TEST

START_TEST(one_that_leaves_lets_the_first_begin_but_from_the_loop)
{
	join(0, 500);
	claim_queue_leave(&queue, &turns[7]);
	check_begun(CLAIM_QUEUE_MOST, MOST);
	run_for_ms(loop, 20);
	check_begun(CLAIM_QUEUE_MOST + 1, CLAIM_QUEUE_MOST);
}
END_TEST

START_TEST(all_come_in_the_order_in_which_they_joined)
{
	join(0, 500);
	leaves_at_once = true;
	for (int i = 0; i < CLAIM_QUEUE_MOST; i++)
		claim_queue_leave(&queue, &turns[i]);
	run_until(loop, &n_begun, 500);
	check_begun(500, CLAIM_QUEUE_MOST);
	ck_assert_uint_eq(queue.n_under_way, 0);
	ck_assert_uint_eq(queue.n_waiting, 0);
}
END_TEST

START_TEST(who_comes_while_others_wait_waits_behind_them)
{
	join(0, 130);
	claim_queue_leave(&queue, &turns[0]);
	/* there is room, but it is the first one's */
	join(130, 131);
	ck_assert_int_eq(n_begun, CLAIM_QUEUE_MOST);
	run_for_ms(loop, 20);
	check_begun(CLAIM_QUEUE_MOST + 1, CLAIM_QUEUE_MOST);
}
END_TEST

START_TEST(who_does_not_want_to_wait_any_more_is_left_out)
{
	join(0, 131);
	claim_queue_leave(&queue, &turns[128]);
	claim_queue_leave(&queue, &turns[128]);
	ck_assert_uint_eq(queue.n_under_way, CLAIM_QUEUE_MOST);
	claim_queue_leave(&queue, &turns[0]);
	run_for_ms(loop, 20);
	ck_assert_int_eq(n_begun, CLAIM_QUEUE_MOST + 1);
	ck_assert_int_eq(begun[CLAIM_QUEUE_MOST], 129);
}
END_TEST

START_TEST(who_returns_goes_in_front_of_all_who_wait)
{
	join(0, 130);
	claim_queue_leave(&queue, &turns[0]);
	claim_queue_return(&queue, &turns[0]);
	ck_assert_int_eq(n_begun, CLAIM_QUEUE_MOST);
	run_for_ms(loop, 20);
	ck_assert_int_eq(n_begun, CLAIM_QUEUE_MOST + 1);
	ck_assert_int_eq(begun[CLAIM_QUEUE_MOST], 0);
	ck_assert(had_waited[CLAIM_QUEUE_MOST]);
}
END_TEST

START_TEST(who_returns_to_an_empty_queue_begins_but_from_the_loop)
{
	claim_queue_return(&queue, &turns[0]);
	ck_assert_int_eq(n_begun, 0);
	run_until(loop, &n_begun, 1);
	ck_assert(had_waited[0]);
}
END_TEST

/* The first n have one name. */
static void
give_one_name(int n)
{
	for (int i = 0; i < n; i++)
		set_name(i, 0);
}

START_TEST(of_one_name_one_is_under_way)
{
	give_one_name(10);
	join(0, 12);
	ck_assert_int_eq(n_begun, 3);
	ck_assert_int_eq(begun[0], 0);
	ck_assert_int_eq(begun[1], 10);
	ck_assert_uint_eq(queue.n_under_way, 3);
	ck_assert_uint_eq(claim_queue_waiting(&queue), 9);
	claim_queue_leave(&queue, &turns[10]);
	run_for_ms(loop, 20);
	ck_assert_int_eq(n_begun, 3);
}
END_TEST

START_TEST(those_behind_one_come_one_after_the_other)
{
	bool came[10] = {false};

	give_one_name(10);
	join(0, 10);
	for (int n = 1; n < 10; n++) {
		claim_queue_leave(&queue, &turns[begun[n - 1]]);
		run_for_ms(loop, 20);
		ck_assert_int_eq(n_begun, n + 1);
		ck_assert(had_waited[n]);
		ck_assert_uint_eq(queue.n_under_way, 1);
	}
	for (int n = 0; n < 10; n++)
		came[begun[n]] = true;
	for (int n = 0; n < 10; n++)
		ck_assert(came[n]);
}
END_TEST

START_TEST(all_behind_one_come_when_each_leaves_at_once)
{
	give_one_name(200);
	join(0, 200);
	leaves_at_once = true;
	claim_queue_leave(&queue, &turns[0]);
	run_until(loop, &n_begun, 200);
	ck_assert_uint_eq(claim_queue_waiting(&queue), 0);
	ck_assert_uint_eq(queue.n_under_way, 0);
}
END_TEST

START_TEST(one_that_was_let_and_does_not_want_to_lets_the_next)
{
	give_one_name(4);
	join(0, 4);
	claim_queue_leave(&queue, &turns[0]);
	for (int i = 1; i < 4; i++)
		if (turns[i].state == CLAIM_WAITS) {
			claim_queue_leave(&queue, &turns[i]);
			break;
		}
	run_for_ms(loop, 20);
	ck_assert_int_eq(n_begun, 2);
	ck_assert_uint_eq(claim_queue_waiting(&queue), 1);
}
END_TEST

START_TEST(one_that_is_behind_may_leave)
{
	give_one_name(3);
	join(0, 3);
	claim_queue_leave(&queue, &turns[1]);
	claim_queue_leave(&queue, &turns[0]);
	run_for_ms(loop, 20);
	ck_assert_int_eq(n_begun, 2);
	ck_assert_int_eq(begun[1], 2);
}
END_TEST

START_TEST(one_name_does_not_keep_the_others_waiting)
{
	give_one_name(500);
	join(0, 600);
	ck_assert_int_eq(n_begun, 101);
	ck_assert_uint_eq(queue.n_waiting, 0);
}
END_TEST

START_TEST(it_is_a_crowd_when_some_have_waited_for_a_second)
{
	join(0, 130);
	ck_assert(!claim_queue_is_crowded(&queue));
	run_for_ms(loop, 300);
	claim_queue_leave(&queue, &turns[0]);
	ck_assert(!claim_queue_is_crowded(&queue));
	run_for_ms(loop, 900);
	ck_assert(claim_queue_is_crowded(&queue));
	claim_queue_leave(&queue, &turns[1]);
	run_for_ms(loop, 20);
	ck_assert(!claim_queue_is_crowded(&queue));
	join(130, 132);
	ck_assert(!claim_queue_is_crowded(&queue));
}
END_TEST

START_TEST(one_that_has_left_may_come_again)
{
	join(0, 1);
	claim_queue_leave(&queue, &turns[0]);
	join(0, 1);
	ck_assert_int_eq(n_begun, 2);
	ck_assert_uint_eq(queue.n_under_way, 1);
}
END_TEST

static int turns_of_the_loop;

static void
look_cb(void *ctx)
{
	struct task *task = ctx;

	turns_of_the_loop++;
	if (n_begun < MOST)
		task_post(loop, task);
}

START_TEST(a_crowd_that_gives_up_does_not_take_the_loop)
{
	struct task task;

	turns_of_the_loop = 0;
	task_init(&task, look_cb, &task);
	join(0, MOST);
	leaves_at_once = true;
	task_post(loop, &task);
	claim_queue_leave(&queue, &turns[0]);
	run_until(loop, &n_begun, MOST);
	ck_assert_int_ge(turns_of_the_loop,
	    (MOST - CLAIM_QUEUE_MOST) / CLAIM_QUEUE_TURN / 2);
	task_cancel(loop, &task);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("claim_queue");
	TCase *tests = tcase_create("claim_queue");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, as_many_as_may_begin_at_once_and_the_others_wait);
	tcase_add_test(
	    tests, one_that_leaves_lets_the_first_begin_but_from_the_loop);
	tcase_add_test(tests, all_come_in_the_order_in_which_they_joined);
	tcase_add_test(tests, who_comes_while_others_wait_waits_behind_them);
	tcase_add_test(tests, who_does_not_want_to_wait_any_more_is_left_out);
	tcase_add_test(tests, who_returns_goes_in_front_of_all_who_wait);
	tcase_add_test(
	    tests, who_returns_to_an_empty_queue_begins_but_from_the_loop);
	tcase_add_test(tests, of_one_name_one_is_under_way);
	tcase_add_test(tests, those_behind_one_come_one_after_the_other);
	tcase_add_test(tests, all_behind_one_come_when_each_leaves_at_once);
	tcase_add_test(
	    tests, one_that_was_let_and_does_not_want_to_lets_the_next);
	tcase_add_test(tests, one_that_is_behind_may_leave);
	tcase_add_test(tests, one_name_does_not_keep_the_others_waiting);
	tcase_add_test(tests, it_is_a_crowd_when_some_have_waited_for_a_second);
	tcase_add_test(tests, one_that_has_left_may_come_again);
	tcase_add_test(tests, a_crowd_that_gives_up_does_not_take_the_loop);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
