/* SPDX-License-Identifier: MIT */
/* A bell: one thread rings it, and another one's loop hears it. */
#ifndef TAUPE_NET_BELL_H
#define TAUPE_NET_BELL_H

#include <event2/event_struct.h>

#include "net/loop.h"

struct bell {
	struct event event;
	evutil_socket_t fd[2]; /* to hear it, to ring it */
	void (*cb)(void *ctx);
	void *ctx;
};

#define BELL_DESCRIPTORS 2 /* that one takes */

/* Have the loop call cb(ctx) when it was rung, once for any number of rings. -1 with errno. */
int bell_init(
    struct bell *bell, struct loop *loop, void (*cb)(void *ctx), void *ctx);
/* By the loop's thread, when nobody rings any more. */
void bell_fini(struct bell *bell);
/* By any thread. */
void bell_ring(struct bell *bell);

#endif
