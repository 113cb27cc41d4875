/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <fcntl.h>
#include <unistd.h>

#include "../net/support.h"
#include "relay/door_queue.h"

#define MOST 64

static struct loop *loop;
static struct door_queue queue;
static struct timer pause_timer;
static struct task turn_task;
static int begun[MOST], late[MOST];
static size_t n_begun, n_late;
static size_t turns, most_in_a_turn, begun_before;

static void
begin_cb(void *ctx, int fd, const struct address *peer)
{
	ck_assert_ptr_eq(ctx, &queue);
	ck_assert_uint_eq(address_port(peer), 1000);
	begun[n_begun++] = fd;
	close(fd);
}

static void
late_cb(void *ctx, int fd, const struct address *peer)
{
	(void)ctx;
	(void)peer;
	late[n_late++] = fd;
	close(fd);
}

static const struct door_queue_ops ops = {begin_cb, late_cb};

static void
stop_cb(void *ctx)
{
	(void)ctx;
	loop_stop(loop);
}

/* Sees each turn of the loop while some wait. */
static void
turn_cb(void *ctx)
{
	(void)ctx;
	turns++;
	if (n_begun - begun_before > most_in_a_turn)
		most_in_a_turn = n_begun - begun_before;
	begun_before = n_begun;
	if (queue.n > 0 || n_begun + n_late == 0)
		task_post(loop, &turn_task);
	else
		loop_stop(loop);
}

static void
setup(void)
{
	ck_assert_ptr_nonnull(loop = loop_new());
	door_queue_init(&queue, loop, &ops, &queue);
	timer_init(&pause_timer, stop_cb, NULL);
	task_init(&turn_task, turn_cb, NULL);
	n_begun = n_late = turns = most_in_a_turn = begun_before = 0;
}

static void
teardown(void)
{
	door_queue_fini(&queue);
	timer_clear(loop, &pause_timer);
	task_cancel(loop, &turn_task);
	loop_free(&loop);
}

static int
add(uint64_t longest_ms)
{
	struct address peer;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert(address_parse_ip(STR("192.0.2.1"), 1000, &peer));
	ck_assert_int_eq(door_queue_add(&queue, fd, &peer, longest_ms), 0);
	return fd;
}

START_TEST(a_few_begin_in_each_turn_and_in_the_order_they_came_in)
{
	int fds[MOST];

	for (size_t i = 0; i < MOST; i++)
		fds[i] = add(60000);
	ck_assert_uint_eq(queue.n, MOST);
	task_post(loop, &turn_task);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_uint_eq(n_begun, MOST);
	ck_assert_uint_eq(n_late, 0);
	ck_assert_mem_eq(begun, fds, sizeof(fds));
	/* the ends of two turns may lie between two calls of turn_cb() */
	ck_assert_uint_le(most_in_a_turn, 2 * DOOR_QUEUE_TURN);
	ck_assert_uint_ge(turns, MOST / DOOR_QUEUE_TURN / 2);
}
END_TEST

START_TEST(one_alone_begins_in_its_turn)
{
	int fd = add(60000);

	task_post(loop, &turn_task);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_uint_eq(n_begun, 1);
	ck_assert_int_eq(begun[0], fd);
	ck_assert_uint_le(turns, 2);
}
END_TEST

START_TEST(who_has_waited_too_long_is_let_go)
{
	for (size_t i = 0; i < DOOR_QUEUE_TURN + 3; i++)
		(void)add(0);
	task_post(loop, &turn_task);
	ck_assert_int_eq(loop_run(loop), 0);
	/* and costs nobody a turn */
	ck_assert_uint_eq(n_late, DOOR_QUEUE_TURN + 3);
	ck_assert_uint_eq(n_begun, 0);
	ck_assert_uint_le(turns, 2);
}
END_TEST

START_TEST(those_that_wait_at_the_end_are_closed)
{
	int fds[MOST];

	for (size_t i = 0; i < MOST; i++)
		fds[i] = add(60000);
	door_queue_fini(&queue);
	ck_assert_uint_eq(queue.n, 0);
	for (size_t i = 0; i < MOST; i++)
		ck_assert_int_eq(fcntl(fds[i], F_GETFD), -1);
	timer_set(loop, &pause_timer, 10);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_uint_eq(n_begun + n_late, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("door_queue");
	TCase *tests = tcase_create("door_queue");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(
	    tests, a_few_begin_in_each_turn_and_in_the_order_they_came_in);
	tcase_add_test(tests, one_alone_begins_in_its_turn);
	tcase_add_test(tests, who_has_waited_too_long_is_let_go);
	tcase_add_test(tests, those_that_wait_at_the_end_are_closed);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
