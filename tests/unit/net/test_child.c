/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/child.h"
#include "support.h"

static struct loop *loop;
static struct child child;
static int ends[2]; /* of a pipe */
static int n_done, last_result;
static int value; /* what the work sees */

static void
done_cb(void *ctx, int result)
{
	ck_assert_ptr_eq(ctx, &value);
	last_result = result;
	n_done++;
}

static void
setup(void)
{
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	ck_assert_int_eq(child_init(&child, loop, done_cb, &value), 0);
	ck_assert_int_eq(pipe(ends), 0);
	n_done = 0;
	value = 7;
}

static void
teardown(void)
{
	close(ends[0]);
	close(ends[1]);
	loop_free(&loop);
}

static int
tell_cb(void *ctx)
{
	return *(int *)ctx;
}

static int
sleep_cb(void *ctx)
{
	while (*(int *)ctx != 0)
		pause();
	return 0;
}

START_TEST(sees_the_moment_of_its_start_and_tells_its_result)
{
	for (int i = 1; i <= 3; i++) {
		value = i;
		ck_assert_int_eq(child_run(&child, tell_cb), 0);
		ck_assert(child_is_running(&child));
		value = 100;
		run_until(loop, &n_done, i);
		ck_assert_int_eq(last_result, i);
		ck_assert(!child_is_running(&child));
	}
	ck_assert_int_eq(n_done, 3);
}
END_TEST

START_TEST(one_that_is_killed_is_told_apart)
{
	ck_assert_int_eq(child_run(&child, sleep_cb), 0);
	ck_assert_int_eq(kill(child.pid, SIGKILL), 0);
	run_until(loop, &n_done, 1);
	ck_assert_int_eq(last_result, -1);
}
END_TEST

START_TEST(can_be_waited_for)
{
	ck_assert_int_eq(child_wait(&child), 0);
	ck_assert_int_eq(child_run(&child, tell_cb), 0);
	ck_assert_int_eq(child_wait(&child), 7);
	ck_assert(!child_is_running(&child));
	run_for_ms(loop, 50);
	ck_assert_int_eq(n_done, 0);
}
END_TEST

START_TEST(holds_no_descriptor_open)
{
	char byte;

	ck_assert_int_eq(child_run(&child, sleep_cb), 0);
	close(ends[1]);
	/* the end of the pipe, as soon as the child has closed its own */
	ck_assert_int_eq(read(ends[0], &byte, 1), 0);
	ck_assert_int_eq(kill(child.pid, SIGKILL), 0);
	ck_assert_int_eq(child_wait(&child), -1);
}
END_TEST

static _Atomic int *at_work; /* shared by all processes */

static int
report_and_sleep_cb(void *ctx)
{
	*at_work = 1;
	return sleep_cb(ctx);
}

/* In a process of its own, which tells who does the work, and ends. */
static void
start_and_end(void)
{
	if (child_run(&child, report_and_sleep_cb) != 0)
		_exit(EXIT_FAILURE);
	while (*at_work == 0)
		usleep(1000);
	_exit(write(ends[1], &child.pid, sizeof(child.pid)) < 0);
}

START_TEST(ends_with_the_process_that_started_it)
{
	pid_t parent, worker;
	int status;

	at_work = mmap(NULL, sizeof(*at_work), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(at_work != MAP_FAILED);
	/* we inherit the work */
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	parent = fork();
	ck_assert_int_ge(parent, 0);
	if (parent == 0)
		start_and_end();
	ck_assert_int_eq(waitpid(parent, &status, 0), parent);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(
	    read(ends[0], &worker, sizeof(worker)), sizeof(worker));
	ck_assert_int_eq(waitpid(worker, &status, 0), worker);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ck_assert_int_eq(munmap(at_work, sizeof(*at_work)), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("child");
	TCase *tcase = tcase_create("child");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(
	    tcase, sees_the_moment_of_its_start_and_tells_its_result);
	tcase_add_test(tcase, one_that_is_killed_is_told_apart);
	tcase_add_test(tcase, can_be_waited_for);
	tcase_add_test(tcase, holds_no_descriptor_open);
	tcase_add_test(tcase, ends_with_the_process_that_started_it);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
