/* SPDX-License-Identifier: MIT */
/* The state file: written atomically, and what else is asked of its name. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/state_file.h"

#define PATH_LEN_MAX 4096

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

/* The folder of the file, to be synced once its new name is in it. -1 with errno. */
static int
open_folder(const char *path)
{
	char folder[PATH_LEN_MAX];
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		snprintf(folder, sizeof(folder), ".");
	else
		snprintf(folder, sizeof(folder), "%.*s",
		    (int)(slash - path) + 1, path);
	return open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
}

/* A rename is durable once its folder is; not every file system can sync one. */
static int
sync_folder(int fd)
{
	return fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : -1;
}

/* What root writes (a check by hand) is for whom the folder is: the agent itself runs as that. By the
 * descriptor: in a folder that is another's, a name may lead elsewhere by now. */
static int
give_to_owner(int folder, int fd)
{
	struct stat st;

	if (geteuid() != 0 || folder < 0 || fstat(folder, &st) != 0 ||
	    st.st_uid == 0)
		return 0;
	return fchown(fd, st.st_uid, st.st_gid);
}

/* Make the file with this text, on the disk. -1 with errno: nothing is left of it. */
static int
make(int folder, const char *path, const char *text, size_t len)
{
	int fd, saved, result;

	/* what a crash left there may have another owner's mode */
	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY,
	    S_IRUSR | S_IWUSR);
	if (fd < 0)
		return -1;
	result = give_to_owner(folder, fd);
	if (result == 0)
		result = write_line(fd, text, len);
	saved = errno;
	if (close(fd) != 0 && result == 0) {
		saved = errno;
		result = -1;
	}
	if (result != 0)
		(void)unlink(path);
	errno = saved;
	return result;
}

/* As state_file_write(); folder may be -1: it cannot be synced. */
static int
replace(int folder, const char *path, const char *text, size_t len)
{
	char fresh[PATH_LEN_MAX];
	int saved;

	if ((size_t)snprintf(fresh, sizeof(fresh), "%s.new", path) >=
	    sizeof(fresh)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (make(folder, fresh, text, len) != 0)
		return -1;
	if (rename(fresh, path) != 0) {
		saved = errno;
		(void)unlink(fresh);
		errno = saved;
		return -1;
	}
	return folder < 0 ? 0 : sync_folder(folder);
}

int
state_file_write(const char *path, const char *text, size_t len)
{
	/* opened first: nothing is renamed that could not be synced then */
	int folder = open_folder(path), result, saved;

	/* not every folder that may be written to may be read */
	if (folder < 0 && errno != EACCES && errno != EPERM)
		return -1;
	result = replace(folder, path, text, len);
	saved = errno;
	if (folder >= 0)
		close(folder);
	errno = saved;
	return result;
}

int
state_file_look(const char *path, bool *open_to_others)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return -1;
	*open_to_others = (st.st_mode & (S_IRWXG | S_IRWXO)) != 0;
	return 0;
}

int
state_file_make_private(const char *path)
{
	return chmod(path, S_IRUSR | S_IWUSR);
}

int
state_file_is_free(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0)
		return 0;
	return errno == ENOENT ? 1 : -1;
}

int
state_file_rename(const char *path, const char *to)
{
	return rename(path, to);
}

int
state_file_remove(const char *path)
{
	return unlink(path);
}
