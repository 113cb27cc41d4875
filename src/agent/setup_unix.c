/* SPDX-License-Identifier: MIT */
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/select.h>
#include <termios.h>
#include <unistd.h>

#include "agent/setup.h"

/* That of the packages and of the systemd unit. */
#define AGENT_USER "taupe"

/* Wait for something to read with this mask of signals; false: one came. */
static bool
wait_for_input(const sigset_t *mask)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(STDIN_FILENO, &set);
	return pselect(STDIN_FILENO + 1, &set, NULL, NULL, NULL, mask) > 0;
}

/* Past stdio, whose buffer would keep a copy. mask: signals that end it alone while it waits. */
static int
read_line(char *out, size_t cap, const sigset_t *mask)
{
	size_t len = 0;

	while (len < cap) {
		ssize_t n = mask != NULL && !wait_for_input(mask)
		    ? -1
		    : read(STDIN_FILENO, out + len, 1);

		if (n <= 0 && len == 0)
			return -1;
		if (n <= 0 || out[len] == '\n')
			break;
		len++;
	}
	if (len == cap)
		return -1;
	out[len] = '\0';
	return 0;
}

/* ---- what is typed is not shown; whoever ends us meanwhile finds his terminal as it was ---- */

static const int ends[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

#define N_ENDS (sizeof(ends) / sizeof(ends[0]))

static volatile sig_atomic_t ended_by;

static void
note_end_cb(int number)
{
	ended_by = number;
}

struct caught {
	struct sigaction actions[N_ENDS]; /* as they were */
	sigset_t mask;
};

static sigset_t
set_of_ends(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < N_ENDS; i++)
		sigaddset(&set, ends[i]);
	return set;
}

/* They wait until somebody waits with the mask that was. */
static void
catch_ends(struct caught *before)
{
	struct sigaction action = {
	    .sa_handler = note_end_cb, .sa_mask = set_of_ends()};

	ended_by = 0;
	sigprocmask(SIG_BLOCK, &action.sa_mask, &before->mask);
	for (size_t i = 0; i < N_ENDS; i++)
		sigaction(ends[i], &action, &before->actions[i]);
}

static void
release_ends(const struct caught *before)
{
	for (size_t i = 0; i < N_ENDS; i++)
		sigaction(ends[i], &before->actions[i], NULL);
	sigprocmask(SIG_SETMASK, &before->mask, NULL);
	if (ended_by != 0)
		raise(ended_by);
}

int
setup_read_line(char *out, size_t cap)
{
	struct termios shown, hidden;
	struct caught before;
	bool is_terminal = tcgetattr(STDIN_FILENO, &shown) == 0;
	int result;

	if (is_terminal) {
		catch_ends(&before);
		hidden = shown;
		hidden.c_lflag &= ~(tcflag_t)ECHO;
		/* before the question: what is typed behind it stays */
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
		fputs("What taupectl has printed, taupe://... (it is not "
		      "shown): ",
		    stderr);
	}
	result = read_line(out, cap, is_terminal ? &before.mask : NULL);
	if (is_terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
		fputc('\n', stderr);
		release_ends(&before);
	}
	return result;
}

int
setup_undisturbed(int (*work)(void *ctx), void *ctx)
{
	const sigset_t set = set_of_ends();
	sigset_t before;
	int result;

	sigprocmask(SIG_BLOCK, &set, &before);
	result = work(ctx);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return result;
}

int
setup_give(const char *path)
{
	const struct passwd *user;

	if (geteuid() != 0 || (user = getpwnam(AGENT_USER)) == NULL)
		return 0;
	return chown(path, user->pw_uid, user->pw_gid);
}
