/* SPDX-License-Identifier: MIT */
/* The program is linked so that our code's calloc() leads here. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "../net/support.h"
#include "base/log.h"
#include "relay/door_queue.h"

#define MOST 64

/* names that the linker gives them */
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

static bool lacks_memory;
static struct relay_options options;
static struct counters counters;
static struct limit_hits hits;
static struct sources *sources;
static struct loop *loop;
static struct door_queue queue;
static struct timer pause_timer;
static struct task turn_task;
static int begun[MOST], late[MOST];
static size_t n_begun, n_late;
static size_t turns, most_in_a_turn, begun_before;
static bool fails_to_begin;
static struct source *begun_at; /* of the last one */

void *
__wrap_calloc(size_t n, size_t size)
{
	return lacks_memory ? NULL : __real_calloc(n, size);
}

static bool
begin_cb(void *ctx, int fd, const struct address *peer, struct source *source,
    uint64_t since_us)
{
	(void)since_us;
	ck_assert_ptr_eq(ctx, &queue);
	ck_assert_uint_eq(address_port(peer), 1000);
	begun[n_begun++] = fd;
	close(fd);
	if (fails_to_begin)
		return false;
	begun_at = source;
	return true;
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
tell_cb(void *ctx, const char *limit, const char *who, uint32_t times)
{
	(void)ctx;
	(void)limit;
	(void)who;
	(void)times;
}

static void
setup(void)
{
	ck_assert_ptr_nonnull(loop = loop_new());
	log_setup("test", LOG_LEVEL_ERROR, false);
	options =
	    (struct relay_options){.max_sources = 4, .source_handshakes = 1};
	counters = (struct counters){0};
	hits = (struct limit_hits){.counters = &counters, .tell_cb = tell_cb};
	ck_assert_ptr_nonnull(sources = sources_new(&options, &hits));
	begun_at = NULL;
	lacks_memory = fails_to_begin = false;
	door_queue_init(&queue, loop, sources, &ops, &queue);
	timer_init(&pause_timer, stop_cb, NULL);
	task_init(&turn_task, turn_cb, NULL);
	n_begun = n_late = turns = most_in_a_turn = begun_before = 0;
}

static void
teardown(void)
{
	door_queue_fini(&queue);
	sources_leave(sources, SOURCE_AGENT, &begun_at);
	sources_free(&sources);
	timer_clear(loop, &pause_timer);
	task_cancel(loop, &turn_task);
	loop_free(&loop);
}

static struct address
from(void)
{
	struct address peer;

	ck_assert(address_parse_ip(STR("192.0.2.1"), 1000, &peer));
	return peer;
}

static int
add_of(struct source *source, uint64_t longest_ms)
{
	struct address peer = from();
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(
	    door_queue_add(&queue, fd, &peer, source, longest_ms), 0);
	return fd;
}

static int
add(uint64_t longest_ms)
{
	return add_of(NULL, longest_ms);
}

/* The one place that the source has; NULL: it is taken. */
static struct source *
take_place(void)
{
	struct address peer = from();
	struct source *source;
	unsigned retry_after_s;

	(void)sources_admit(sources, SOURCE_AGENT, &peer, loop_now_ms(loop),
	    &source, &retry_after_s);
	return source;
}

static bool
place_is_free(void)
{
	struct source *source = take_place();
	bool is_free = source != NULL;

	sources_leave(sources, SOURCE_AGENT, &source);
	return is_free;
}

static void
run_until_empty(void)
{
	task_post(loop, &turn_task);
	ck_assert_int_eq(loop_run(loop), 0);
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

/* Its place at its source. */

START_TEST(who_waits_has_its_place_and_takes_it_along)
{
	struct source *source = take_place();

	ck_assert_ptr_nonnull(source);
	(void)add_of(source, 60000);
	ck_assert(!place_is_free());
	run_until_empty();
	ck_assert_ptr_eq(begun_at, source);
	ck_assert(!place_is_free());
	sources_leave(sources, SOURCE_AGENT, &begun_at);
	ck_assert(place_is_free());
}
END_TEST

START_TEST(who_cannot_begin_leaves_its_place)
{
	fails_to_begin = true;
	(void)add_of(take_place(), 60000);
	run_until_empty();
	ck_assert_uint_eq(n_begun, 1);
	ck_assert(place_is_free());
}
END_TEST

START_TEST(who_is_let_go_leaves_its_place)
{
	(void)add_of(take_place(), 0);
	run_until_empty();
	ck_assert_uint_eq(n_late, 1);
	ck_assert(place_is_free());
}
END_TEST

START_TEST(who_waits_at_the_end_leaves_its_place)
{
	(void)add_of(take_place(), 60000);
	door_queue_fini(&queue);
	ck_assert(place_is_free());
}
END_TEST

START_TEST(without_memory_to_wait_it_is_closed_and_leaves_its_place)
{
	struct address peer = from();
	struct source *source = take_place();
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), result;

	lacks_memory = true;
	result = door_queue_add(&queue, fd, &peer, source, 60000);
	lacks_memory = false;
	ck_assert_int_eq(result, -1);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	ck_assert_uint_eq(queue.n, 0);
	ck_assert(place_is_free());
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
	tcase_add_test(tests, who_waits_has_its_place_and_takes_it_along);
	tcase_add_test(tests, who_cannot_begin_leaves_its_place);
	tcase_add_test(tests, who_is_let_go_leaves_its_place);
	tcase_add_test(tests, who_waits_at_the_end_leaves_its_place);
	tcase_add_test(
	    tests, without_memory_to_wait_it_is_closed_and_leaves_its_place);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
