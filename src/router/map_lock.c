/* SPDX-License-Identifier: MIT */
/* A record lock of POSIX: it belongs to the process, dies with it, is not inherited, and
 * tells who has it. */
#include "router/map_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4200

int
map_lock_open(struct map_lock *lock, const char *dir)
{
	char path[PATH_BYTES];

	lock->fd = -1;
	lock->holder = 0;
	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		return -1;
	if (snprintf(path, sizeof(path), "%s/.lock", dir) >=
	    (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	/* nobody else may open it, and lock us out */
	lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return lock->fd >= 0 ? 0 : -1;
}

int
map_lock_try(struct map_lock *lock)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(lock->fd, F_SETLK, &all) == 0)
		return 0;
	if (errno != EACCES && errno != EAGAIN)
		return -1;
	if (fcntl(lock->fd, F_GETLK, &all) == 0 && all.l_type != F_UNLCK)
		lock->holder = all.l_pid;
	return 1;
}

void
map_lock_close(struct map_lock *lock)
{
	if (lock->fd >= 0)
		close(lock->fd);
	lock->fd = -1;
}
