/* SPDX-License-Identifier: MIT */
#include <pwd.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "agent/setup.h"

/* That of the packages and of the systemd unit. */
#define AGENT_USER "taupe"

/* Past stdio, whose buffer would keep a copy. */
static int
read_line(char *out, size_t cap)
{
	size_t len = 0;

	while (len < cap) {
		ssize_t n = read(STDIN_FILENO, out + len, 1);

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

int
setup_read_line(char *out, size_t cap)
{
	struct termios shown, hidden;
	bool is_terminal = tcgetattr(STDIN_FILENO, &shown) == 0;
	int result;

	if (is_terminal) {
		hidden = shown;
		hidden.c_lflag &= ~(tcflag_t)ECHO;
		/* before the question: what is typed behind it stays */
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
		fputs("What taupectl has printed, taupe://... (it is not "
		      "shown): ",
		    stderr);
	}
	result = read_line(out, cap);
	if (is_terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
		fputc('\n', stderr);
	}
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
