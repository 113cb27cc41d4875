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

/* "HOST/PID" of a process of this host; returns its length. */
static int
name_process(long pid, char text[MAP_LOCK_HOLDER_MAX])
{
	char host[65] = "";

	(void)gethostname(host, sizeof(host) - 1);
	return snprintf(text, MAP_LOCK_HOLDER_MAX, "%s/%ld", host, pid);
}

/* For those that stand by; the lock is as good without it. Whoever reads the line meanwhile finds
 * it whole: what is behind it is cut off afterwards. */
static void
sign(const struct map_lock *lock)
{
	char text[MAP_LOCK_HOLDER_MAX + 1];
	int len = name_process((long)getpid(), text);

	text[len++] = '\n';
	if (pwrite(lock->fd, text, (size_t)len, 0) != len ||
	    ftruncate(lock->fd, len) != 0)
		log_warn("who has the lock of the maps could not be noted",
		    LOG_S("error", log_errno()));
}

static bool
read_signature(struct map_lock *lock)
{
	char text[MAP_LOCK_HOLDER_MAX];
	ssize_t got = pread(lock->fd, text, sizeof(text), 0), len = 0;

	while (len < got && text[len] > ' ' && text[len] <= '~')
		len++;
	if (len == 0 || len >= got || text[len] != '\n')
		return false;
	memcpy(lock->holder, text, (size_t)len);
	lock->holder[len] = '\0';
	return true;
}

/* Is it of this host, and not of this process? The one who has the lock has not signed then. */
static bool
is_outdated(const char *signature, long pid)
{
	char text[MAP_LOCK_HOLDER_MAX];
	size_t host_len;

	(void)name_process(pid, text);
	host_len = strcspn(text, "/") + 1;
	return strncmp(signature, text, host_len) == 0 &&
	    strcmp(signature, text) != 0;
}

static void
look_at_holder(struct map_lock *lock)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	bool is_signed = read_signature(lock);

	if (fcntl(lock->fd, F_GETLK, &all) != 0 || all.l_type == F_UNLCK)
		all.l_pid = 0;
	if (all.l_pid > 0 &&
	    (!is_signed || is_outdated(lock->holder, (long)all.l_pid)))
		snprintf(lock->holder, sizeof(lock->holder), "process %ld",
		    (long)all.l_pid);
	else if (!is_signed)
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
