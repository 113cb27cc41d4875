/* SPDX-License-Identifier: MIT */
/* The clock is this file's: it can be moved on, for libevent as well as for the loop. */
#include <check.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "net/loop.h"
#include "support.h"

#define ROUND_MS (4096u * LOOP_TICK_MS) /* of the timer wheel */
#define LATE_MS 500 /* generous, for a machine that does other things, too */

static struct loop *loop;
static uint64_t skipped_ms;
static int clock_reads;

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = (int)syscall(SYS_clock_gettime, clock, now);

	clock_reads++;
	now->tv_sec += (time_t)(skipped_ms / 1000);
	now->tv_nsec += (long)(skipped_ms % 1000) * 1000000;
	if (now->tv_nsec >= 1000000000) {
		now->tv_sec++;
		now->tv_nsec -= 1000000000;
	}
	return result;
}

static void
setup(void)
{
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
}

static void
teardown(void)
{
	loop_free(&loop);
	ck_assert_ptr_null(loop);
}

/* A timer that notes when and in which order it fired. */
struct alarm {
	struct timer timer;
	uint64_t due_ms, fired_ms;
	int order; /* from 1 on; 0: has not fired */
	int times;
};

static int n_fired;

static void
alarm_cb(void *ctx)
{
	struct alarm *alarm = ctx;

	alarm->fired_ms = loop_now_ms(loop);
	ck_assert_msg(alarm->fired_ms >= alarm->due_ms, "early by %lu ms",
	    (unsigned long)(alarm->due_ms - alarm->fired_ms));
	ck_assert(!timer_is_set(&alarm->timer));
	alarm->order = ++n_fired;
	alarm->times++;
}

static void
alarm_set(struct alarm *alarm, uint64_t delay_ms)
{
	alarm->due_ms = loop_now_ms(loop) + delay_ms;
	timer_set(loop, &alarm->timer, delay_ms);
	ck_assert(timer_is_set(&alarm->timer));
}

static void
alarm_start(struct alarm *alarm, uint64_t delay_ms)
{
	timer_init(&alarm->timer, alarm_cb, alarm);
	ck_assert(!timer_is_set(&alarm->timer));
	alarm_set(alarm, delay_ms);
}

/* Move the clock from inside the loop, where nothing is asleep on the old one. */
struct skip {
	struct timer timer;
	uint64_t ms;
};

static void
skip_cb(void *ctx)
{
	skipped_ms += ((struct skip *)ctx)->ms;
	loop_stop(loop);
}

static void
skip_ms(uint64_t ms)
{
	struct skip skip = {.ms = ms};

	timer_init(&skip.timer, skip_cb, &skip);
	timer_set(loop, &skip.timer, 0);
	ck_assert_int_eq(loop_run(loop), 0);
	run_for_ms(loop, 2 * LOOP_TICK_MS);
}

START_TEST(timers_are_never_early_and_hardly_late)
{
	static struct alarm alarms[120];
	int n = sizeof(alarms) / sizeof(alarms[0]);

	for (int i = 0; i < n; i++)
		alarm_start(&alarms[i], (uint64_t)i);
	run_until(loop, &n_fired, n);
	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(alarms[i].times, 1);
		ck_assert_uint_lt(
		    alarms[i].fired_ms - alarms[i].due_ms, LATE_MS);
	}
}
END_TEST

START_TEST(timers_fire_in_order_of_their_time)
{
	static const unsigned delays[] = {90, 10, 50, 0, 70, 30, 110};
	struct alarm alarms[7] = {0};

	for (int i = 0; i < 7; i++)
		alarm_start(&alarms[i], delays[i]);
	run_until(loop, &n_fired, 7);
	for (int i = 0; i < 7; i++)
		for (int j = 0; j < 7; j++)
			if (alarms[i].due_ms + LOOP_TICK_MS < alarms[j].due_ms)
				ck_assert_int_lt(
				    alarms[i].order, alarms[j].order);
}
END_TEST

/* Also when the loop was held up and all of them are over at once. */
START_TEST(late_timers_fire_in_order_too)
{
	static const unsigned delays[] = {300, 20000, 1000, 40, 2000};
	struct alarm alarms[5] = {0};

	for (int i = 0; i < 5; i++)
		alarm_start(&alarms[i], delays[i]);
	skip_ms(20000);
	ck_assert_int_eq(n_fired, 5);
	ck_assert_int_eq(alarms[3].order, 1);
	ck_assert_int_eq(alarms[0].order, 2);
	ck_assert_int_eq(alarms[2].order, 3);
	ck_assert_int_eq(alarms[4].order, 4);
	ck_assert_int_eq(alarms[1].order, 5);
}
END_TEST

START_TEST(a_timer_set_again_moves)
{
	struct alarm later = {0}, sooner = {0}, mark = {0};

	alarm_start(&later, 10);
	alarm_set(&later, 150);
	alarm_start(&sooner, 60000);
	alarm_set(&sooner, 5);
	alarm_start(&mark, 70);
	run_until(loop, &n_fired, 3);
	ck_assert_int_eq(sooner.order, 1);
	ck_assert_int_eq(mark.order, 2);
	ck_assert_int_eq(later.order, 3);
	ck_assert_int_eq(later.times + sooner.times, 2);
}
END_TEST

START_TEST(a_cleared_timer_does_not_fire)
{
	struct alarm alarm = {0};

	alarm_start(&alarm, 10);
	timer_clear(loop, &alarm.timer);
	ck_assert(!timer_is_set(&alarm.timer));
	timer_clear(loop, &alarm.timer);
	run_for_ms(loop, 50);
	ck_assert_int_eq(alarm.times, 0);
	alarm_set(&alarm, 10);
	run_until(loop, &alarm.times, 1);
}
END_TEST

/* A whole round of the wheel and more: these share slots with timers that are due soon. */
START_TEST(a_timer_beyond_one_round_waits_for_its_round)
{
	struct alarm far = {0}, farther = {0}, near = {0};

	alarm_start(&far, ROUND_MS + 40);
	alarm_start(&farther, 3 * ROUND_MS + 40);
	alarm_start(&near, 40);
	run_until(loop, &near.times, 1);
	run_for_ms(loop, 50);
	ck_assert_int_eq(far.times, 0);
	skip_ms(ROUND_MS - 2000);
	ck_assert_int_eq(far.times, 0);
	skip_ms(2000);
	ck_assert_int_eq(far.times, 1);
	ck_assert_int_eq(farther.times, 0);
	skip_ms(ROUND_MS);
	ck_assert_int_eq(farther.times, 0);
	skip_ms(ROUND_MS);
	ck_assert_int_eq(farther.times, 1);
	ck_assert_int_eq(far.times, 1);
}
END_TEST

START_TEST(a_clock_that_jumps_over_rounds_fires_all)
{
	struct alarm alarms[5] = {0};

	for (uint64_t i = 0; i < 5; i++)
		alarm_start(&alarms[i], i * ROUND_MS + 100);
	skip_ms(10 * ROUND_MS);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(alarms[i].order, i + 1);
}
END_TEST

/* Against the plain definition: after each step of the clock those that are due have fired,
 * and no others. */
START_TEST(any_delays_fire_when_they_should)
{
	enum { N = 500, STEPS = 60 };
	static struct alarm alarms[N];

	srandom(7);
	for (int i = 0; i < N; i++)
		alarm_start(&alarms[i],
		    (uint64_t)random() % (2 * ROUND_MS + ROUND_MS / 2));
	for (int step = 0; step < STEPS; step++) {
		uint64_t now;

		skip_ms((uint64_t)random() % (ROUND_MS / 15));
		now = loop_now_ms(loop);
		for (int i = 0; i < N; i++) {
			ck_assert_int_le(alarms[i].times, 1);
			if (alarms[i].due_ms + 4 * LOOP_TICK_MS < now)
				ck_assert_int_eq(alarms[i].times, 1);
		}
		if (step % 5 == 0)
			alarms[step].times = 0,
			alarm_set(&alarms[step], ROUND_MS / 2);
	}
	skip_ms(3 * ROUND_MS);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(alarms[i].times, 1);
}
END_TEST

/* Set long after the wheel last turned. */
START_TEST(a_timer_set_after_a_long_rest_is_on_time)
{
	struct alarm alarm = {0};

	run_for_ms(loop, 10);
	skipped_ms += 5 * ROUND_MS + 12345;
	alarm_start(&alarm, 50);
	run_until(loop, &alarm.times, 1);
	ck_assert_uint_lt(alarm.fired_ms - alarm.due_ms, LATE_MS);
}
END_TEST

static struct alarm victims[4];

static void
clear_others_cb(void *ctx)
{
	(void)ctx;
	for (int i = 0; i < 4; i++)
		timer_clear(loop, &victims[i].timer);
}

/* All are due in the same tick: the list that is being walked loses its members. */
START_TEST(a_callback_may_clear_timers_that_are_due_with_it)
{
	struct timer killer;

	timer_init(&killer, clear_others_cb, NULL);
	alarm_start(&victims[0], 0);
	timer_set(loop, &killer, 0);
	for (int i = 1; i < 4; i++)
		alarm_start(&victims[i], 0);
	run_for_ms(loop, 50);
	/* the clock may have moved on by a tick in between */
	ck_assert_int_le(victims[0].times, 1);
	for (int i = 1; i < 4; i++)
		ck_assert_int_eq(victims[i].times, 0);
}
END_TEST

static void
free_self_cb(void *ctx)
{
	struct alarm *alarm = ctx;

	timer_clear(loop, &alarm->timer);
	free(alarm);
	n_fired++;
}

START_TEST(a_callback_may_free_its_own_timer)
{
	for (int i = 0; i < 20; i++) {
		struct alarm *alarm = calloc(1, sizeof(*alarm));

		timer_init(&alarm->timer, free_self_cb, alarm);
		timer_set(loop, &alarm->timer, (uint64_t)(i / 4));
	}
	run_until(loop, &n_fired, 20);
}
END_TEST

static int n_repeats;

static void
repeat_cb(void *ctx)
{
	n_repeats++;
	timer_set(loop, ctx, 0);
}

START_TEST(a_timer_that_sets_itself_at_once_does_not_starve_others)
{
	struct timer busy;
	struct alarm alarm = {0};

	timer_init(&busy, repeat_cb, &busy);
	timer_set(loop, &busy, 0);
	alarm_start(&alarm, 60);
	run_until(loop, &alarm.times, 1);
	ck_assert_int_gt(n_repeats, 2);
	/* at most once a tick */
	ck_assert_int_lt(
	    n_repeats, 60 / LOOP_TICK_MS + 2 + LATE_MS / LOOP_TICK_MS);
	timer_clear(loop, &busy);
}
END_TEST

static void
nothing_cb(void *ctx)
{
	(void)ctx;
}

/* The wheel wakes for what is in it and for nothing else: not for what was cleared, and not
 * for tasks that are done. */
START_TEST(a_loop_at_rest_does_not_wake)
{
	static struct alarm cleared[100];
	struct alarm far = {0}, stop = {0};
	struct task task;
	int before;

	for (int i = 0; i < 100; i++)
		alarm_start(&cleared[i], (uint64_t)i * LOOP_TICK_MS);
	for (int i = 0; i < 100; i++)
		timer_clear(loop, &cleared[i].timer);
	task_init(&task, nothing_cb, NULL);
	task_post(loop, &task);
	alarm_start(&far, 10000);
	alarm_start(&stop, 600);
	run_for_ms(loop, 20);
	before = clock_reads;
	while (stop.times == 0)
		event_base_loop(loop_base(loop), EVLOOP_ONCE);
	ck_assert_int_lt(clock_reads - before, 40);
	timer_clear(loop, &far.timer);
}
END_TEST

/* Tasks. */

struct job {
	struct task task;
	int order, times;
	struct job *other; /* posted for the end of the turn by this one */
	bool again;
};

static int n_jobs;

static void
job_cb(void *ctx)
{
	struct job *job = ctx;

	ck_assert_int_eq(job->task.state, TASK_IDLE);
	job->order = ++n_jobs;
	job->times++;
	if (job->again)
		task_post(loop, &job->task);
	if (job->other != NULL)
		task_post_last(loop, &job->other->task);
}

static void
job_init(struct job *job)
{
	*job = (struct job){.other = NULL};
	task_init(&job->task, job_cb, job);
}

START_TEST(tasks_run_later_once_and_in_order)
{
	struct job jobs[3];

	for (int i = 0; i < 3; i++) {
		job_init(&jobs[i]);
		task_post(loop, &jobs[i].task);
		task_post(loop, &jobs[i].task);
		ck_assert_int_eq(jobs[i].times, 0);
	}
	run_until(loop, &n_jobs, 3);
	run_for_ms(loop, 20);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(jobs[i].times, 1);
		ck_assert_int_eq(jobs[i].order, i + 1);
	}
}
END_TEST

START_TEST(a_cancelled_task_does_not_run)
{
	struct job job, other;

	job_init(&job);
	job_init(&other);
	task_post(loop, &job.task);
	task_post(loop, &other.task);
	task_cancel(loop, &job.task);
	task_cancel(loop, &job.task);
	run_until(loop, &other.times, 1);
	ck_assert_int_eq(job.times, 0);
	task_post(loop, &job.task);
	run_until(loop, &job.times, 1);
}
END_TEST

START_TEST(what_is_for_the_end_of_the_turn_runs_behind_the_others_once)
{
	struct job jobs[3], last;

	job_init(&last);
	for (int i = 0; i < 3; i++) {
		job_init(&jobs[i]);
		jobs[i].other = &last;
		task_post(loop, &jobs[i].task);
	}
	run_until(loop, &n_jobs, 4);
	run_for_ms(loop, 20);
	ck_assert_int_eq(last.times, 1);
	ck_assert_int_eq(last.order, 4);
}
END_TEST

START_TEST(it_runs_without_a_turn_too_and_not_when_it_was_cancelled)
{
	struct job job, cancelled;

	job_init(&job);
	job_init(&cancelled);
	task_post_last(loop, &cancelled.task);
	task_post_last(loop, &job.task);
	task_cancel(loop, &cancelled.task);
	run_until(loop, &job.times, 1);
	run_for_ms(loop, 20);
	ck_assert_int_eq(cancelled.times, 0);
}
END_TEST

START_TEST(one_that_wants_to_run_at_each_end_does_not_keep_the_loop)
{
	struct job job, timed;
	struct timer timer;

	job_init(&job);
	job_init(&timed);
	job.other = &job;
	timer_init(&timer, job_cb, &timed);
	timer_set(loop, &timer, 20);
	task_post_last(loop, &job.task);
	run_until(loop, &timed.times, 1);
	ck_assert_int_gt(job.times, 1);
	task_cancel(loop, &job.task);
}
END_TEST

START_TEST(a_loop_whose_only_task_was_cancelled_serves_the_next)
{
	struct job job;

	job_init(&job);
	task_post(loop, &job.task);
	task_cancel(loop, &job.task);
	run_for_ms(loop, 20);
	task_post(loop, &job.task);
	run_until(loop, &job.times, 1);
}
END_TEST

START_TEST(tasks_that_were_put_off_run_together_within_the_time)
{
	struct job jobs[3];
	uint64_t before = loop_now_ms(loop);

	for (int i = 0; i < 3; i++) {
		job_init(&jobs[i]);
		task_put_off(loop, &jobs[i].task);
		task_put_off(loop, &jobs[i].task);
	}
	run_until(loop, &n_jobs, 3);
	ck_assert_uint_le(loop_now_ms(loop) - before, LOOP_LATER_MS + LATE_MS);
	run_for_ms(loop, 20);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(jobs[i].times, 1);
	task_put_off(loop, &jobs[0].task);
	run_until(loop, &jobs[0].times, 2);
}
END_TEST

#define CROWD 5000

struct turns {
	struct task task;
	int count; /* while the crowd is being served */
};

static void
turn_cb(void *ctx)
{
	struct turns *turns = ctx;

	turns->count += n_jobs > 0 && n_jobs < CROWD;
	if (n_jobs < CROWD)
		task_post(loop, &turns->task);
}

START_TEST(very_many_that_were_put_off_do_not_stop_the_loop)
{
	struct job *jobs = calloc(CROWD, sizeof(*jobs));
	struct turns turns = {.count = 0};

	ck_assert_ptr_nonnull(jobs);
	for (int i = 0; i < CROWD; i++) {
		job_init(&jobs[i]);
		task_put_off(loop, &jobs[i].task);
	}
	task_init(&turns.task, turn_cb, &turns);
	task_post(loop, &turns.task);
	run_until(loop, &n_jobs, CROWD);
	ck_assert_int_ge(turns.count, 10);
	for (int i = 0; i < CROWD; i++)
		ck_assert_int_eq(jobs[i].times, 1);
	run_for_ms(loop, 20);
	task_cancel(loop, &turns.task);
	free(jobs);
}
END_TEST

START_TEST(a_task_that_was_put_off_can_be_posted_or_cancelled)
{
	struct job posted, cancelled, last;

	job_init(&posted);
	job_init(&cancelled);
	job_init(&last);
	task_put_off(loop, &posted.task);
	task_put_off(loop, &cancelled.task);
	task_put_off(loop, &last.task);
	task_post(loop, &posted.task);
	task_put_off(loop, &posted.task); /* pending: that comes first */
	task_cancel(loop, &cancelled.task);
	run_until(loop, &posted.times, 1);
	ck_assert_int_eq(last.times, 0);
	run_until(loop, &last.times, 1);
	ck_assert_int_eq(posted.times, 1);
	ck_assert_int_eq(cancelled.times, 0);
}
END_TEST

static void
cancel_other_cb(void *ctx)
{
	struct job *job = ctx;

	job_cb(job);
	task_cancel(loop, &job->other->task);
}

START_TEST(a_task_may_cancel_the_next_of_its_batch)
{
	struct job killer, victim, last;

	job_init(&killer);
	job_init(&victim);
	job_init(&last);
	killer.task.cb = cancel_other_cb;
	killer.other = &victim;
	task_post(loop, &killer.task);
	task_post(loop, &victim.task);
	task_post(loop, &last.task);
	run_until(loop, &last.times, 1);
	run_for_ms(loop, 20);
	ck_assert_int_eq(victim.times, 0);
	ck_assert_int_eq(killer.times, 1);
}
END_TEST

static void
free_job_cb(void *ctx)
{
	n_jobs++;
	free(ctx);
}

START_TEST(a_task_may_free_itself)
{
	for (int i = 0; i < 10; i++) {
		struct job *job = calloc(1, sizeof(*job));

		task_init(&job->task, free_job_cb, job);
		task_post(loop, &job->task);
	}
	run_until(loop, &n_jobs, 10);
}
END_TEST

static int n_readable;

static void
socket_cb(evutil_socket_t fd, short what, void *arg)
{
	char byte;

	(void)what;
	(void)arg;
	ck_assert_int_eq(read(fd, &byte, 1), 1);
	n_readable++;
}

/* Neither sockets nor timers may wait behind work that never ends. */
START_TEST(tasks_that_post_themselves_starve_nobody)
{
	struct job jobs[3];
	struct alarm alarm = {0};
	struct event *event;
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	event = event_new(
	    loop_base(loop), ends[0], EV_READ | EV_PERSIST, socket_cb, NULL);
	ck_assert_int_eq(event_add(event, NULL), 0);
	for (int i = 0; i < 3; i++) {
		job_init(&jobs[i]);
		jobs[i].again = true;
		task_post(loop, &jobs[i].task);
	}
	ck_assert_int_eq(write(ends[1], "ab", 2), 2);
	run_until(loop, &n_readable, 2);
	alarm_start(&alarm, 20);
	run_until(loop, &alarm.times, 1);
	ck_assert_uint_lt(alarm.fired_ms - alarm.due_ms, LATE_MS);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_gt(jobs[i].times, 2);
		task_cancel(loop, &jobs[i].task);
	}
	event_free(event);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

/* Signals, stopping, errors. */

static int n_signalled[2];

static void
signalled_cb(void *ctx)
{
	(*(int *)ctx)++;
}

START_TEST(signals_are_calls_from_the_loop)
{
	ck_assert_int_eq(
	    loop_on_signal(loop, SIGUSR1, signalled_cb, &n_signalled[0]), 0);
	ck_assert_int_eq(
	    loop_on_signal(loop, SIGUSR2, signalled_cb, &n_signalled[1]), 0);
	ck_assert_int_eq(raise(SIGUSR1), 0);
	ck_assert_int_eq(n_signalled[0], 0);
	run_until(loop, &n_signalled[0], 1);
	ck_assert_int_eq(raise(SIGUSR1), 0);
	ck_assert_int_eq(raise(SIGUSR2), 0);
	run_until(loop, &n_signalled[1], 1);
	run_until(loop, &n_signalled[0], 2);
}
END_TEST

START_TEST(a_broken_pipe_is_no_signal)
{
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	close(ends[0]);
	ck_assert_int_eq(write(ends[1], "x", 1), -1);
	close(ends[1]);
}
END_TEST

START_TEST(both_clocks_tell_the_time)
{
	uint64_t wall = loop_wall_ms(), mono = loop_now_ms(loop);

	ck_assert_uint_le(wall, (uint64_t)time(NULL) * 1000 + 1000);
	ck_assert_uint_ge(wall + 1000, (uint64_t)time(NULL) * 1000);
	ck_assert_uint_ge(loop_wall_us(), wall * 1000);
	skipped_ms += 1500;
	ck_assert_uint_ge(loop_now_ms(loop), mono + 1500);
}
END_TEST

static void
add_timer_tests(Suite *suite)
{
	TCase *tests = tcase_create("timers");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, timers_are_never_early_and_hardly_late);
	tcase_add_test(tests, timers_fire_in_order_of_their_time);
	tcase_add_test(tests, late_timers_fire_in_order_too);
	tcase_add_test(tests, a_timer_set_again_moves);
	tcase_add_test(tests, a_cleared_timer_does_not_fire);
	tcase_add_test(tests, a_timer_beyond_one_round_waits_for_its_round);
	tcase_add_test(tests, a_clock_that_jumps_over_rounds_fires_all);
	tcase_add_test(tests, any_delays_fire_when_they_should);
	tcase_add_test(tests, a_timer_set_after_a_long_rest_is_on_time);
	tcase_add_test(tests, a_callback_may_clear_timers_that_are_due_with_it);
	tcase_add_test(tests, a_callback_may_free_its_own_timer);
	tcase_add_test(
	    tests, a_timer_that_sets_itself_at_once_does_not_starve_others);
	tcase_add_test(tests, a_loop_at_rest_does_not_wake);
	suite_add_tcase(suite, tests);
}

static void
add_task_tests(Suite *suite)
{
	TCase *tests = tcase_create("tasks");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, tasks_run_later_once_and_in_order);
	tcase_add_test(
	    tests, tasks_that_were_put_off_run_together_within_the_time);
	tcase_add_test(tests, very_many_that_were_put_off_do_not_stop_the_loop);
	tcase_add_test(
	    tests, a_task_that_was_put_off_can_be_posted_or_cancelled);
	tcase_add_test(tests, a_cancelled_task_does_not_run);
	tcase_add_test(
	    tests, what_is_for_the_end_of_the_turn_runs_behind_the_others_once);
	tcase_add_test(
	    tests, it_runs_without_a_turn_too_and_not_when_it_was_cancelled);
	tcase_add_test(
	    tests, one_that_wants_to_run_at_each_end_does_not_keep_the_loop);
	tcase_add_test(
	    tests, a_loop_whose_only_task_was_cancelled_serves_the_next);
	tcase_add_test(tests, a_task_may_cancel_the_next_of_its_batch);
	tcase_add_test(tests, a_task_may_free_itself);
	tcase_add_test(tests, tasks_that_post_themselves_starve_nobody);
	suite_add_tcase(suite, tests);
}

static void
add_other_tests(Suite *suite)
{
	TCase *tests = tcase_create("loop");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, signals_are_calls_from_the_loop);
	tcase_add_test(tests, a_broken_pipe_is_no_signal);
	tcase_add_test(tests, both_clocks_tell_the_time);
	suite_add_tcase(suite, tests);
}

int
main(void)
{
	Suite *suite = suite_create("loop");
	SRunner *runner;
	int failed;

	add_timer_tests(suite);
	add_task_tests(suite);
	add_other_tests(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
