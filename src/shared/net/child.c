/* SPDX-License-Identifier: MIT */
/*
 * The copy closes every descriptor, so that it keeps no connection open that the process
 * closes, and no port busy; and dies with the process, so that a new one finds nobody
 * else at work on its files.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "net/child.h"

static void
die_with(pid_t parent)
{
#ifdef __linux__
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
}

static void
close_all(void)
{
#ifdef HAVE_CLOSEFROM
	closefrom(STDERR_FILENO + 1);
#else
	for (long fd = sysconf(_SC_OPEN_MAX); fd > STDERR_FILENO; fd--)
		(void)close((int)fd);
#endif
}

static int
result_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
ended_cb(void *ctx)
{
	struct child *child = ctx;
	int status;

	if (child->pid == 0 || waitpid(child->pid, &status, WNOHANG) <= 0)
		return;
	child->pid = 0;
	child->done_cb(child->ctx, result_of(status));
}

int
child_init(
    struct child *child, struct loop *loop, child_done_cb done_cb, void *ctx)
{
	child->done_cb = done_cb;
	child->ctx = ctx;
	child->pid = 0;
	return loop_on_signal(loop, SIGCHLD, ended_cb, child);
}

int
child_run(struct child *child, child_work_cb work_cb)
{
	pid_t parent = getpid(), pid;

	assert(child->pid == 0);
	pid = fork();
	if (pid == 0) {
		die_with(parent);
		close_all();
		_exit(work_cb(child->ctx));
	}
	if (pid < 0)
		return -1;
	child->pid = pid;
	return 0;
}

bool
child_is_running(const struct child *child)
{
	return child->pid != 0;
}

int
child_wait(struct child *child)
{
	int status;
	pid_t pid = child->pid;

	child->pid = 0;
	while (pid != 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return pid != 0 ? result_of(status) : 0;
}
