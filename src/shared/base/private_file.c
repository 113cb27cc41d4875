/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/private_file.h"
#include "base/wipe.h"

void
private_file_judge(const char *option, const char *path, const struct stat *st)
{
	if (S_ISREG(st->st_mode) && (st->st_mode & (S_IRWXO | S_IWGRP)) != 0)
		log_warn("a file with a secret is open to others: chmod 600 it",
		    LOG_S("key", option), LOG_S("file", path));
}

static long
read_whole(int fd, char *out, size_t cap)
{
	size_t len = 0;
	ssize_t got;

	while (len < cap - 1) {
		got = read(fd, out + len, cap - 1 - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		len += (size_t)got;
	}
	out[len] = '\0';
	return (long)len;
}

long
private_file_read(const char *option, const char *path, char *out, size_t cap)
{
	struct stat st;
	long len = -1;
	int saved, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0)
		len = read_whole(fd, out, cap);
	saved = errno;
	close(fd);
	if (len < 0) {
		wipe(out, cap);
		errno = saved;
		return -1;
	}
	if (option != NULL)
		private_file_judge(option, path, &st);
	return len;
}
