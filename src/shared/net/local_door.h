/* SPDX-License-Identifier: MIT */
/*
 * A door for programs of the same user on the same machine: a local stream socket at a path, which nobody
 * else may open (mode 0600).
 */
#ifndef TAUPE_NET_LOCAL_DOOR_H
#define TAUPE_NET_LOCAL_DOOR_H

#include "net/loop.h"

struct local_door;

/* NULL, or that this system has no such thing, for people. */
const char *local_door_missing(void);

/* Listen at path; what a dead process has left there is replaced. cb(ctx, fd): somebody has come; fd is
 * non-blocking, close-on-exec, and the callee's. NULL with errno: EADDRINUSE where somebody listens
 * already, ENAMETOOLONG, ENOSYS where the system has none. */
struct local_door *local_door_new(struct loop *loop, const char *path,
    void (*cb)(void *ctx, int fd), void *ctx);
/* Nothing is at the path afterwards. Clears the pointer; NULL is fine. */
void local_door_free(struct local_door **door);

/* A connected, blocking descriptor, on which reading and writing give up after timeout_ms. So does
 * this: EAGAIN, where who listens takes nobody. -1 with errno. */
int local_door_connect(const char *path, unsigned timeout_ms);

#endif
