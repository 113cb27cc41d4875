/* SPDX-License-Identifier: MIT */
/* The order is that of the hash table, and so a random one. */
#include "config.h"

#include "relay/device.h"
#include "relay/events.h"
#include "relay/moves.h"
#include "relay/session.h"

struct round {
	struct relay *relay;
	const struct moves *moves;
	size_t asked, left;
	bool nowhere; /* nobody can take one more */
};

static void
fill_question(struct relay *relay, struct placement_question *question)
{
	*question = (struct placement_question){
	    .self = &relay->self,
	    .now_ms = loop_now_ms(relay->loop),
	};
	question->n_relays =
	    relay->registry->ops->relays(relay->registry, &question->relays);
}

static bool
may_move(const struct device *device, const struct moves *moves)
{
	return device->session != NULL && !device->moved &&
	    !device->asked_to_move &&
	    device->grant->since_ms <= moves->since_ms &&
	    !(moves->idle_only && device->n_visitors > 0);
}

static void
ask_cb(void *ctx, struct hash_node *node)
{
	struct round *round = ctx;
	struct device *device = HASH_ENTRY(node, struct device, by_name);
	struct placement_question question;
	const struct relay_info *to;

	if (round->left == 0 || round->nowhere ||
	    !may_move(device, round->moves))
		return;
	fill_question(round->relay, &question);
	if ((to = placement_choose(&round->relay->placement, &question)) ==
	    NULL) {
		round->nowhere = true;
		return;
	}
	session_send_move(device->session,
	    round->moves->anywhere ? NULL : to->url, round->moves->reason);
	round->relay->counters.agents_moved++;
	event_emit(round->relay, EVENT_MOVE, device->name,
	    LOG_U("epoch", device->grant->epoch),
	    LOG_S("to", round->moves->anywhere ? NULL : to->id),
	    LOG_S("reason", round->moves->reason));
	round->asked++;
	round->left--;
}

size_t
moves_ask(struct relay *relay, const struct moves *moves, size_t n, size_t *at)
{
	struct round round = {.relay = relay, .moves = moves, .left = n};
	size_t buckets = relay->devices.n_buckets;

	while (buckets-- > 0 && round.left > 0 && !round.nowhere)
		hash_map_step(&relay->devices, at, ask_cb, &round);
	return round.asked;
}

static void
forget_cb(void *ctx, struct hash_node *node)
{
	struct device *device = HASH_ENTRY(node, struct device, by_name);

	(void)ctx;
	device->asked_to_move = false;
}

void
moves_forget(struct relay *relay)
{
	hash_map_each(&relay->devices, forget_cb, NULL);
	relay->n_moving = 0;
}

bool
moves_possible(struct relay *relay)
{
	const struct relay_info *relays;
	size_t n = relay->registry->ops->relays(relay->registry, &relays), i;

	for (i = 0; i < n; i++)
		if (strcmp(relays[i].id, relay->self.id) != 0 &&
		    !relays[i].draining)
			return true;
	return false;
}
