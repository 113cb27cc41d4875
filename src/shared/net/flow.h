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
/* How many bytes may be read now, up to most > 0. 0: it waits, and is woken. */
size_t flow_take(struct flow_turn *turn, size_t most);
/* Of what it took, so many were not read. */
void flow_return(struct flow_turn *turn, size_t bytes);
/* May so many bytes come in one piece? They are taken, those that are not there as a debt. False:
 * it waits, and is woken. */
bool flow_admit(struct flow_turn *turn, size_t bytes);
/* Bytes that have come without being asked for. */
void flow_charge(struct flow_turn *turn, size_t bytes);
/* Wait no longer, and give back what is left. */
void flow_rest(struct flow_turn *turn);

#endif
