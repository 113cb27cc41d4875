/* SPDX-License-Identifier: MIT */
/*
 * Two thresholds keep relays from playing ping-pong: it begins where a relay has clearly more
 * than its share for several views in a row, and ends at the share itself. Nobody gives below
 * its own share, so that those who receive get no more than theirs, and never begin.
 */
#include "config.h"

#include "relay/moves.h"
#include "relay/rebalance.h"
#include "relay/relay.h"

#define VIEWS 3	      /* before it begins */
#define REST_MS 10000 /* an agent that came less long ago stays */

static bool
takes_part(const struct relay_info *relay)
{
	return !relay->draining && !relay->overdue;
}

/* Rounded up. */
static uint64_t
share_of(const struct relay_info *relays, size_t n_relays,
    const struct relay_info *self, uint64_t own)
{
	uint64_t agents = own, weights = self->weight;
	size_t i;

	for (i = 0; i < n_relays; i++) {
		if (!takes_part(&relays[i]) ||
		    strcmp(relays[i].id, self->id) == 0)
			continue;
		agents += relays[i].agents;
		weights += relays[i].weight;
	}
	return (agents * self->weight + weights - 1) / weights;
}

uint64_t
rebalance_decide(struct rebalance *rebalance, const struct relay_info *relays,
    size_t n_relays, const struct relay_info *self, uint64_t moving,
    uint64_t most)
{
	uint64_t share = share_of(relays, n_relays, self, self->agents);
	uint64_t own = self->agents > moving ? self->agents - moving : 0;

	if (own <= share + share / 10 + 2)
		rebalance->views = 0;
	else if (++rebalance->views >= VIEWS)
		rebalance->active = true;
	if (own <= share)
		rebalance->active = false;
	if (!rebalance->active)
		return 0;
	return own - share < most ? own - share : most;
}

void
rebalance_look(struct relay *relay)
{
	const struct relay_options *options = &relay->options;
	const struct relay_info *relays;
	size_t n = relay->registry->ops->relays(relay->registry, &relays);
	uint64_t most =
	    (uint64_t)(options->rebalance_rate * options->announce_ms / 1000) +
	    1;
	struct moves moves = {.reason = "balance",
	    .idle_only = true,
	    .since_ms = loop_wall_ms() - REST_MS};
	uint64_t wanted, asked;

	if (!options->rebalance || relay->self.draining ||
	    !relay->registry->ops->is_up(relay->registry))
		return;
	wanted = rebalance_decide(
	    &relay->rebalance, relays, n, &relay->self, relay->n_moving, most);
	asked = moves_ask(relay, &moves, wanted, &relay->rebalance.at);
	moves.idle_only = false;
	if (asked < wanted)
		(void)moves_ask(
		    relay, &moves, wanted - asked, &relay->rebalance.at);
}
