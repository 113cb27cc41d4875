/* SPDX-License-Identifier: MIT */
/*
 * In the first round each agent is told the place that has most room. Who has not gone when
 * all were asked may not be allowed to go there, and is asked to choose among those it knows.
 */
#include "config.h"

#include "base/log.h"
#include "net/crypto.h"
#include "relay/moves.h"
#include "relay/relay.h"

#define TICK_MS 50
#define AGAIN_MS 2000

static void
tick_cb(void *ctx)
{
	struct relay *relay = ctx;
	struct drain *drain = &relay->drain;
	struct moves moves = {.reason = "drain",
	    .anywhere = drain->again,
	    .since_ms = UINT64_MAX};
	uint64_t next_ms = TICK_MS / 2 + crypto_below(TICK_MS);

	if (moves_ask(relay, &moves, drain->each, &drain->at) == 0 &&
	    relay->n_moving > 0) {
		moves_forget(relay);
		drain->again = true;
		next_ms = AGAIN_MS;
	}
	timer_set(relay->loop, &drain->timer, next_ms);
}

void
drain_init(struct relay *relay)
{
	timer_init(&relay->drain.timer, tick_cb, relay);
}

void
drain_begin(struct relay *relay, uint64_t within_ms)
{
	struct drain *drain = &relay->drain;
	uint64_t pace_ms =
	    relay->n_sessions * 1000 / (uint64_t)relay->options.drain_rate;

	if (pace_ms > within_ms)
		pace_ms = within_ms;
	log_info("draining", LOG_U("agents", relay->n_sessions),
	    LOG_U("visitors", relay->n_visitors), LOG_U("within_ms", pace_ms));
	relay->self.draining = true;
	drain->each = relay->n_sessions * TICK_MS / (pace_ms + 1) + 1;
	drain->again = false;
	moves_forget(relay);
	timer_set(relay->loop, &drain->timer, 0);
}

void
drain_end(struct relay *relay)
{
	log_info("draining no longer", LOG_U("agents", relay->n_sessions));
	relay->self.draining = false;
	timer_clear(relay->loop, &relay->drain.timer);
	moves_forget(relay);
}

bool
drain_is_done(struct relay *relay)
{
	return relay->n_sessions == 0 || !moves_possible(relay);
}
