/* SPDX-License-Identifier: MIT */
/*
 * A rate in bytes that many connections share. Each asks before it reads; one that may not is not
 * read until its turn comes, in the order in which they asked. Nothing is thrown away, and one
 * timer serves all of them.
 */
#ifndef TAUPE_NET_FLOW_H
#define TAUPE_NET_FLOW_H

#include <stddef.h>

#include "base/token_bucket.h"
#include "net/loop.h"

struct flow_turn;
TAILQ_HEAD(flow_turn_list, flow_turn);

struct flow {
	struct loop *loop;
	struct token_bucket bucket;
	struct flow_turn_list waiting;
	struct timer timer; /* for the first of them */
	uint32_t quantum;   /* bytes for each whose turn comes */
	void (*limited_cb)(struct flow *flow); /* somebody has to wait */
};

/* One who reads. All zeros: it is not limited. */
struct flow_turn {
	TAILQ_ENTRY(flow_turn) link; /* in flow->waiting */
	struct flow *flow;
	void (*wake_cb)(
	    struct flow_turn *turn); /* its turn has come; from the loop */
	uint32_t granted;	     /* bytes that it may read */
	bool waits;
};

/* bytes_s: at least 1. */
void flow_init(struct flow *flow, struct loop *loop, int64_t bytes_s,
    void (*limited_cb)(struct flow *flow));
void flow_set_rate(struct flow *flow, int64_t bytes_s);
/* Precondition: all turns have left. */
void flow_fini(struct flow *flow);

/* flow NULL: it is not limited. */
void flow_turn_init(struct flow_turn *turn, struct flow *flow,
    void (*wake_cb)(struct flow_turn *turn));
/* What is behind those below, for one who is limited. */
size_t flow_limited_take(struct flow_turn *turn, size_t most);
void flow_limited_charge(struct flow_turn *turn, int64_t bytes);
bool flow_limited_admit(struct flow_turn *turn, size_t bytes);
void flow_limited_rest(struct flow_turn *turn);

/* How many bytes may be read now, up to most > 0. 0: it waits, and is woken. */
static inline size_t
flow_take(struct flow_turn *turn, size_t most)
{
	return turn->flow == NULL ? most : flow_limited_take(turn, most);
}

/* Of what it took, so many were not read. */
static inline void
flow_return(struct flow_turn *turn, size_t bytes)
{
	if (turn->flow != NULL && bytes > 0)
		flow_limited_charge(turn, -(int64_t)bytes);
}

/* May so many bytes come in one piece? They are taken, those that are not there as a debt. False:
 * it waits, and is woken. */
static inline bool
flow_admit(struct flow_turn *turn, size_t bytes)
{
	return turn->flow == NULL || flow_limited_admit(turn, bytes);
}

/* Bytes that have come without being asked for. */
static inline void
flow_charge(struct flow_turn *turn, size_t bytes)
{
	if (turn->flow != NULL)
		flow_limited_charge(turn, (int64_t)bytes);
}

/* Wait no longer, and give back what is left. */
static inline void
flow_rest(struct flow_turn *turn)
{
	if (turn->flow != NULL)
		flow_limited_rest(turn);
}

#endif
