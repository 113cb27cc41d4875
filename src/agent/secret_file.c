/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "agent/secret_file.h"
#include "base/log.h"

int
secret_file_read(const char *key, const char *path, char *line, size_t cap)
{
	struct stat st;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 || fstat(fd, &st) != 0 ||
	    (got = read(fd, line, cap - 1)) < 0) {
		log_error("a file with a secret cannot be read",
		    LOG_S("key", key), LOG_S("file", path),
		    LOG_S("error", log_errno()));
		if (fd >= 0)
			close(fd);
		return EX_NOINPUT;
	}
	close(fd);
	line[got] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		log_warn("a file with a secret is open to others: chmod 600 it",
		    LOG_S("key", key), LOG_S("file", path));
	return EX_OK;
}
