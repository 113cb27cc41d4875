/* SPDX-License-Identifier: MIT */
/* A record lock of POSIX: it belongs to the process, dies with it, and is not inherited. Who has
 * it stands in the file, because the system names no process that we do not see: those of other
 * containers, which share the folder. */
#include "router/map_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define PATH_BYTES 4200

int
map_lock_open(struct map_lock *lock, const char *dir)
{
	char path[PATH_BYTES];

	lock->fd = -1;
	lock->holder[0] = '\0';
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

/* For those that stand by; the lock is as good without it. */
static void
sign(const struct map_lock *lock)
{
	char host[65] = "", text[MAP_LOCK_HOLDER_MAX];
	int len;

	(void)gethostname(host, sizeof(host) - 1);
	len = snprintf(text, sizeof(text), "%s/%ld\n", host, (long)getpid());
	if (ftruncate(lock->fd, 0) != 0 ||
	    pwrite(lock->fd, text, (size_t)len, 0) != len)
		log_warn("who has the lock of the maps could not be noted",
		    LOG_S("error", log_errno()));
}

static bool
read_signature(struct map_lock *lock)
{
	char text[MAP_LOCK_HOLDER_MAX];
	ssize_t len = pread(lock->fd, text, sizeof(text), 0);

	if (len < 2 || text[len - 1] != '\n')
		return false;
	text[--len] = '\0';
	for (ssize_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	memcpy(lock->holder, text, (size_t)len + 1);
	return true;
}

static void
look_at_holder(struct map_lock *lock)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (read_signature(lock))
		return;
	if (fcntl(lock->fd, F_GETLK, &all) == 0 && all.l_type != F_UNLCK &&
	    all.l_pid > 0)
		snprintf(lock->holder, sizeof(lock->holder), "process %ld",
		    (long)all.l_pid);
	else
		strcpy(lock->holder, "unknown");
}

int
map_lock_try(struct map_lock *lock)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(lock->fd, F_SETLK, &all) == 0) {
		sign(lock);
		return 0;
	}
	if (errno != EACCES && errno != EAGAIN)
		return -1;
	look_at_holder(lock);
	return 1;
}

void
map_lock_close(struct map_lock *lock)
{
	if (lock->fd >= 0)
		close(lock->fd);
	lock->fd = -1;
}
