/* SPDX-License-Identifier: MIT */
/* The state file: read whole, written atomically. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/state_file.h"

#define PATH_LEN_MAX 4096

long
state_file_read_whole(const char *path, char *text, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), saved;
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

static int
write_line(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t done = write(fd, text, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		text += done;
		len -= (size_t)done;
	}
	return write(fd, "\n", 1) == 1 && fsync(fd) == 0 ? 0 : -1;
}

/* A rename is durable once its folder is; not every file system can sync one, and not every
 * folder that may be written to may be read. */
static int
sync_folder(const char *path)
{
	char folder[PATH_LEN_MAX];
	const char *slash = strrchr(path, '/');
	int fd, result, saved;

	if (slash == NULL)
		snprintf(folder, sizeof(folder), ".");
	else
		snprintf(folder, sizeof(folder), "%.*s",
		    (int)(slash - path) + 1, path);
	if ((fd = open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY)) < 0)
		return 0;
	result = fsync(fd);
	saved = errno;
	close(fd);
	errno = saved;
	return result == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : -1;
}

int
state_file_write(const char *path, const char *text, size_t len)
{
	char fresh[PATH_LEN_MAX];
	int fd, saved;

	if ((size_t)snprintf(fresh, sizeof(fresh), "%s.new", path) >=
	    sizeof(fresh)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	/* what a crash left there may have another owner's mode */
	(void)unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY,
	    S_IRUSR | S_IWUSR);
	if (fd < 0)
		return -1;
	if (write_line(fd, text, len) != 0) {
		saved = errno;
		close(fd);
		goto fail;
	}
	if (close(fd) != 0 || rename(fresh, path) != 0) {
		saved = errno;
		goto fail;
	}
	return sync_folder(path);
fail:
	(void)unlink(fresh);
	errno = saved;
	return -1;
}
