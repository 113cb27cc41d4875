/* SPDX-License-Identifier: MIT */
/* Windows before 10 has no local sockets. */
#include "config.h"

#include <errno.h>

#include "net/local_door.h"

const char *
local_door_missing(void)
{
	return "a running agent cannot be talked to on Windows";
}

struct local_door *
local_door_new(struct loop *loop, const char *path,
    void (*cb)(void *ctx, int fd), void *ctx)
{
	(void)loop;
	(void)path;
	(void)cb;
	(void)ctx;
	errno = ENOSYS;
	return NULL;
}

void
local_door_free(struct local_door **door)
{
	*door = NULL;
}

int
local_door_connect(const char *path, unsigned timeout_ms)
{
	(void)path;
	(void)timeout_ms;
	errno = ENOSYS;
	return -1;
}
