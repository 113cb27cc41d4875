/* SPDX-License-Identifier: MIT */
/*
 * Claims of names wait for each other. Written to the registry as they come, a crowd that is more
 * than it gets through makes all wait until they give up: the work is done for agents that have
 * gone, who come again, and the crowd never ends. So a number of them is under way, which is enough
 * to keep the registry busy, and the others wait where it can be seen, when their turn has come,
 * whether their agents still do. First come, first served. A claim is under way until its routes are
 * written.
 */
#ifndef TAUPE_RELAY_CLAIM_QUEUE_H
#define TAUPE_RELAY_CLAIM_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "net/loop.h"

#define CLAIM_QUEUE_MOST                                                       \
	128 /* that are under way: as many as Redis' lanes carry */
#define CLAIM_QUEUE_TURN 64 /* whose turn comes in one turn of the loop */

/* Of one claim. Begins as all zeros but for its owner. */
struct claim_turn {
	TAILQ_ENTRY(claim_turn) link;
	void *owner; /* whose it is: for turn_cb */
	enum { CLAIM_ELSEWHERE, CLAIM_WAITS, CLAIM_UNDER_WAY } state;
};

struct claim_queue {
	struct loop *loop;
	/* It is under way from now on, and may be left at once. waited: it was not when it came. */
	void (*turn_cb)(struct claim_turn *turn, bool waited);
	struct task task;
	size_t under_way, n_waiting;
	uint64_t
	    crowd_ms; /* loop clock: when the first of those came who wait */
	TAILQ_HEAD(, claim_turn) waiting;
};

void claim_queue_init(struct claim_queue *queue, struct loop *loop,
    void (*turn_cb)(struct claim_turn *turn, bool waited));
/* Precondition: nobody is there. */
void claim_queue_fini(struct claim_queue *queue);
/* turn_cb comes now, when nobody waits and there is room, or from the loop. Precondition: it is
 * elsewhere. */
void claim_queue_join(struct claim_queue *queue, struct claim_turn *turn);
/* It was under way before: it goes in front of all who wait, and turn_cb comes from the loop. */
void claim_queue_return(struct claim_queue *queue, struct claim_turn *turn);
/* Do some wait, and have for a second? A few that came together are no crowd. */
bool claim_queue_is_crowded(const struct claim_queue *queue);
/* It is done, or does not want to any more: another's turn comes, from the loop. Nothing where it is
 * elsewhere. */
void claim_queue_leave(struct claim_queue *queue, struct claim_turn *turn);

#endif
