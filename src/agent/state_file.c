/* SPDX-License-Identifier: MIT */
/* The state file as it is read; how it is written is each system's own. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/state_file.h"
#include "base/file.h"

long
state_file_read_whole(const char *path, char *text, size_t cap)
{
	int fd = file_open_read(path), saved;
	ssize_t got;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	got = read(fd, text, cap);
	saved = errno;
	close(fd);
	errno = saved;
	if (got < 0)
		return -1;
	if ((size_t)got == cap) {
		errno = EFBIG;
		return -1;
	}
	text[got] = '\0';
	return (long)got;
}

long
state_file_read(const char *path, char *text, size_t cap)
{
	long len = state_file_read_whole(path, text, cap);

	return len > 0 ? (long)strcspn(text, "\n") : len;
}
