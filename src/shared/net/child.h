/* SPDX-License-Identifier: MIT */
/*
 * Work that may block, such as writing big files, done by a short-lived copy of the
 * process: it sees everything as it was at that moment, and the loop goes on meanwhile.
 */
#ifndef TAUPE_NET_CHILD_H
#define TAUPE_NET_CHILD_H

#include <sys/types.h>

#include "net/loop.h"

/* In the copy: has only memory and the standard streams. Returns 0 or an errno below 256. */
typedef int (*child_work_cb)(void *ctx);
/* It has ended: what the work returned, or -1 if something killed it. From the loop. */
typedef void (*child_done_cb)(void *ctx, int result);

struct child {
	child_done_cb done_cb;
	void *ctx;
	pid_t pid; /* 0: none */
};

/* Once in a process; it stays in use as long as the loop. -1: no descriptors left. */
int child_init(
    struct child *child, struct loop *loop, child_done_cb done_cb, void *ctx);

/* Start. It ends with this process at the latest. -1 with errno: the system has no
 * processes or memory left. Precondition: none is running. */
int child_run(struct child *child, child_work_cb work_cb);
bool child_is_running(const struct child *child);

/* Block until it has ended, if one is running; done_cb is not called. Returns its result. */
int child_wait(struct child *child);

#endif
