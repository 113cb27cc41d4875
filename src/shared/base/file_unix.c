/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

const char file_open_warning[] =
    "a file with a secret is open to others: chmod 600 it";

char *
file_path(const char *name)
{
	return strdup(name);
}

int
file_open_read(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

/* A group that may read it is the operator's choice: a daemon need not own its secrets. */
bool
file_is_open_to_others(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_mode & (S_IRWXO | S_IWGRP)) != 0;
}
