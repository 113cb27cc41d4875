/* SPDX-License-Identifier: MIT */
/*
 * Tokens are given to whom they are for before it is woken: else the first to read would take
 * them all, and be the first to ask again.
 */
#include "config.h"

#include <assert.h>
#include <string.h>

#include "net/flow.h"

#define QUANTUM_MIN 256
#define QUANTUM_MAX 16384
#define QUANTA_S 50
#define BURST_DIVISOR 4 /* so much of a second's bytes may come at once */

static void
wait_for_tokens(struct flow *flow)
{
	uint64_t now_ms = loop_now_ms(flow->loop);

	if (!TAILQ_EMPTY(&flow->waiting) && !timer_is_set(&flow->timer))
		timer_set(flow->loop, &flow->timer,
		    token_bucket_wait_ms(&flow->bucket, flow->quantum, now_ms));
}

static void
dequeue(struct flow_turn *turn)
{
	if (turn->waits)
		TAILQ_REMOVE(&turn->flow->waiting, turn, link);
	turn->waits = false;
}

static void
timer_cb(void *ctx)
{
	struct flow *flow = ctx;
	struct flow_turn *turn;

	while ((turn = TAILQ_FIRST(&flow->waiting)) != NULL &&
	    token_bucket_take(
		&flow->bucket, flow->quantum, loop_now_ms(flow->loop))) {
		dequeue(turn);
		turn->granted = flow->quantum;
		turn->wake_cb(turn);
	}
	wait_for_tokens(flow);
}

static void
set_rate(struct flow *flow, int64_t bytes_s, int64_t *burst)
{
	int64_t quantum = bytes_s / QUANTA_S;

	flow->quantum = quantum < QUANTUM_MIN ? QUANTUM_MIN
	    : quantum > QUANTUM_MAX	      ? QUANTUM_MAX
					      : (uint32_t)quantum;
	*burst = bytes_s / BURST_DIVISOR;
	if (*burst < flow->quantum)
		*burst = flow->quantum;
}

void
flow_init(struct flow *flow, struct loop *loop, int64_t bytes_s,
    void (*limited_cb)(struct flow *flow))
{
	int64_t burst;

	memset(flow, 0, sizeof(*flow));
	flow->loop = loop;
	flow->limited_cb = limited_cb;
	TAILQ_INIT(&flow->waiting);
	timer_init(&flow->timer, timer_cb, flow);
	set_rate(flow, bytes_s, &burst);
	token_bucket_init(&flow->bucket, bytes_s, burst, loop_now_ms(loop));
}

void
flow_set_rate(struct flow *flow, int64_t bytes_s)
{
	int64_t burst;

	set_rate(flow, bytes_s, &burst);
	token_bucket_set(
	    &flow->bucket, bytes_s, burst, loop_now_ms(flow->loop));
	timer_clear(flow->loop, &flow->timer);
	wait_for_tokens(flow);
}

void
flow_fini(struct flow *flow)
{
	assert(TAILQ_EMPTY(&flow->waiting));
	timer_clear(flow->loop, &flow->timer);
}

void
flow_turn_init(struct flow_turn *turn, struct flow *flow,
    void (*wake_cb)(struct flow_turn *turn))
{
	*turn = (struct flow_turn){.flow = flow, .wake_cb = wake_cb};
}

static void
enqueue(struct flow_turn *turn)
{
	struct flow *flow = turn->flow;

	if (turn->waits)
		return;
	turn->waits = true;
	TAILQ_INSERT_TAIL(&flow->waiting, turn, link);
	wait_for_tokens(flow);
	flow->limited_cb(flow);
}

size_t
flow_limited_take(struct flow_turn *turn, size_t most)
{
	struct flow *flow = turn->flow;
	size_t bytes, enough;

	if (turn->granted > 0) {
		bytes = most < turn->granted ? most : turn->granted;
		turn->granted -= (uint32_t)bytes;
		return bytes;
	}
	bytes = 0;
	if (TAILQ_EMPTY(&flow->waiting))
		bytes = (size_t)token_bucket_level(
		    &flow->bucket, loop_now_ms(flow->loop));
	/* not by crumbs, each of which would be a read and a frame */
	enough = most < flow->quantum ? most : flow->quantum;
	if (bytes < enough) {
		enqueue(turn);
		return 0;
	}
	if (bytes > most)
		bytes = most;
	flow_charge(turn, bytes);
	return bytes;
}

void
flow_limited_charge(struct flow_turn *turn, int64_t bytes)
{
	token_bucket_charge(
	    &turn->flow->bucket, bytes, loop_now_ms(turn->flow->loop));
}

bool
flow_limited_admit(struct flow_turn *turn, size_t bytes)
{
	size_t taken = flow_limited_take(turn, bytes);

	if (taken == 0)
		return false;
	flow_charge(turn, bytes - taken);
	flow_rest(turn);
	return true;
}

void
flow_limited_rest(struct flow_turn *turn)
{
	dequeue(turn);
	flow_return(turn, turn->granted);
	turn->granted = 0;
}
