/* SPDX-License-Identifier: MIT */
/*
 * A door for programs of the same user on the same machine: a local stream socket at a path, which nobody
 * else may open (mode 0600). On Windows what stands at the path is a file, which nobody else may read, that says
 * where the socket is.
 */
#ifndef TAUPE_NET_LOCAL_DOOR_H
#define TAUPE_NET_LOCAL_DOOR_H

#include "net/loop.h"

struct local_door;

/* Listen at path; what a dead process has left there is replaced. cb(ctx, fd): somebody has come; fd is
 * non-blocking, close-on-exec, and the callee's. NULL with errno: EADDRINUSE where somebody listens
 * already, EEXIST where something else is, which stays, ENAMETOOLONG. */
struct local_door *local_door_new(struct loop *loop, const char *path,
    void (*cb)(void *ctx, int fd), void *ctx);
/* Nothing is at the path afterwards. Clears the pointer; NULL is fine. */
void local_door_free(struct local_door **door);

/* Ask a question of whoever listens at path, and read the answer to its end, or as far as there is room: its
 * length, 0 where there is none. No step of it takes longer than timeout_ms. -1 with errno: nobody listens
 * there, or it is another user's; EAGAIN, where who listens takes nobody. */
long local_door_ask(const char *path, unsigned timeout_ms,
    const char *question, size_t len, char *answer, size_t cap);

#endif
