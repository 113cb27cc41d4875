/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/private_file.h"
#include "base/wipe.h"

void
private_file_judge(const char *option, const char *path, int fd)
{
	if (file_is_open_to_others(fd))
		log_warn(file_open_warning, LOG_S("key", option),
		    LOG_S("file", path));
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
	int saved, fd = file_open_read(path);
	long len;

	if (fd < 0)
		return -1;
	len = read_whole(fd, out, cap);
	saved = errno;
	if (len >= 0 && option != NULL)
		private_file_judge(option, path, fd);
	close(fd);
	if (len < 0) {
		wipe(out, cap);
		errno = saved;
		return -1;
	}
	return len;
}
