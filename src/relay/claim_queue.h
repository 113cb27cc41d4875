/* SPDX-License-Identifier: MIT */
/*
 * Claims of names wait for each other. Written to the registry as they come, a crowd that is more
 * than it gets through makes all wait until they give up: the work is done for agents that have
 * gone, who come again, and the crowd never ends. So a number of them is under way, which is enough
 * to keep the registry busy, and the others wait where it can be seen, when their turn has come,
 * whether their agents still do. First come, first served; but of those of one name, which would
 * wait for each other in the registry, one is under way, and the others are behind it, the newest
 * first: its agent is the likeliest to be still there. A claim is under way until its routes are
 * written.
 */
#ifndef TAUPE_RELAY_CLAIM_QUEUE_H
#define TAUPE_RELAY_CLAIM_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/hash_map.h"
#include "net/loop.h"

#define CLAIM_QUEUE_MOST                                                       \
	128 /* that are under way: as many as Redis' lanes carry */
#define CLAIM_QUEUE_TURN 64 /* whose turn comes in one turn of the loop */

/* Of one claim. Begins as all zeros but for its name and owner. */
struct claim_turn {
	TAILQ_ENTRY(claim_turn) link; /* of those that wait, or are under way */
	struct hash_node by_name;     /* of those that are behind */
	struct str name;	      /* not copied */
	void *owner;		      /* whose it is: for turn_cb */
	enum {
		CLAIM_ELSEWHERE,
		CLAIM_WAITS,
		CLAIM_BEHIND,
		CLAIM_UNDER_WAY
	} state;
};

struct claim_queue {
	struct loop *loop;
	/* It is under way from now on, and may be left at once. waited: it was not when it came. */
	void (*turn_cb)(struct claim_turn *turn, bool waited);
	struct task task;
	size_t n_under_way, n_waiting;
	TAILQ_HEAD(, claim_turn) under_way, waiting;
	struct hash_map behind; /* by name, which may repeat */
	uint64_t
	    crowd_ms; /* loop clock: since then some have waited at any time */
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
/* So many are not under way yet. */
size_t claim_queue_waiting(const struct claim_queue *queue);
/* It is done, or does not want to any more: another's turn comes, from the loop. Nothing where it is
 * elsewhere. */
void claim_queue_leave(struct claim_queue *queue, struct claim_turn *turn);

#endif
