/* SPDX-License-Identifier: MIT */
/*
 * Connections whose TLS handshake has not begun. A handshake is by far the most that a relay does
 * for an agent: when all come at once, those that have begun must get through before others begin,
 * or each gets an answer when it has gone. So a few begin in each turn of the loop, and who has
 * waited too long is let go before anything was spent on it. Who waits has its place at its source
 * already: else one source could fill the queue.
 */
#ifndef TAUPE_RELAY_DOOR_QUEUE_H
#define TAUPE_RELAY_DOOR_QUEUE_H

#include <sys/queue.h>

#include "net/address.h"
#include "net/loop.h"
#include "relay/sources.h"

#define DOOR_QUEUE_TURN 8 /* that begin in one turn */

struct door_wait;

/* What becomes of a connection; the callee takes the descriptor. */
struct door_queue_ops {
	/* True: it has begun, and takes its source along. since_us: when it came (loop_now_us()). */
	bool (*begin_cb)(void *ctx, int fd, const struct address *peer,
	    struct source *source, uint64_t since_us);
	void (*late_cb)(void *ctx, int fd, const struct address *peer);
};

struct door_queue {
	struct loop *loop;
	struct sources *sources;
	const struct door_queue_ops *ops;
	void *ctx;
	struct task task;
	size_t n;
	STAILQ_HEAD(, door_wait) waiting;
};

void door_queue_init(struct door_queue *queue, struct loop *loop,
    struct sources *sources, const struct door_queue_ops *ops, void *ctx);
/* Close those that wait. */
void door_queue_fini(struct door_queue *queue);
/* It begins in this turn, or when its own comes; late_cb if it has not within longest_ms. Takes
 * the descriptor, and the source that SOURCE_AGENT was admitted at (NULL: it is not counted); -1: no
 * memory, and it is closed. */
int door_queue_add(struct door_queue *queue, int fd, const struct address *peer,
    struct source *source, uint64_t longest_ms);

#endif
