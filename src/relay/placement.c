/* SPDX-License-Identifier: MIT */
/*
 * A relay keeps an agent while its own load is within a tolerance of the least loaded
 * one's; else the agent goes to the better of two random candidates (the power of two
 * choices: nobody needs an exact view). An agent that was already sent here was sent on
 * purpose, so only a clear imbalance sends it on; one sent twice stays.
 *
 * Those that had a session come to where it was, or to any of the other relays. When many come
 * back at once they are spread already, and the view is behind: a redirect would cost a second
 * handshake and give nothing. So it takes a clear imbalance, too, and what a relay has that was
 * started a moment ago is only what has come back so far. Who was here before this relay was
 * started stays: so do those of the others, and all have in the end what they had.
 */
#include "config.h"

#include <string.h>

#include "relay/placement.h"

#define SENT_LIFE_MS 3000
#define YOUNG_MS 30000 /* so long a relay's agents may still be coming back */

static uint64_t *
sent_to(struct placement *placement, const char *id, uint64_t now_ms, bool make)
{
	size_t i, free_slot = RELAYS_MAX;

	for (i = 0; i < RELAYS_MAX; i++) {
		if (placement->sent[i].n > 0 &&
		    placement->sent[i].expires_ms <= now_ms)
			placement->sent[i].n = 0;
		if (placement->sent[i].n == 0)
			free_slot = i;
		else if (strcmp(placement->sent[i].id, id) == 0)
			return &placement->sent[i].n;
	}
	if (!make || free_slot == RELAYS_MAX)
		return NULL;
	memset(
	    &placement->sent[free_slot], 0, sizeof(placement->sent[free_slot]));
	strncpy(placement->sent[free_slot].id, id, RELAY_ID_MAX);
	placement->sent[free_slot].expires_ms = now_ms + SENT_LIFE_MS;
	return &placement->sent[free_slot].n;
}

void
placement_arrived(struct placement *placement, const char *relay)
{
	uint64_t *sent = sent_to(placement, relay, 0, false);

	if (sent != NULL && *sent > 0)
		(*sent)--;
}

static bool
can_take(const struct relay_info *relay, uint64_t agents)
{
	return !relay->draining && !relay->overdue && agents < relay->capacity;
}

/* Agents per weight, in hundred-thousandths, so that small relays compare well too. */
static uint64_t
load_of(const struct relay_info *relay, uint64_t agents)
{
	return agents * 100000 / relay->weight;
}

static uint64_t
agents_of(struct placement *placement, const struct relay_info *relay,
    uint64_t now_ms)
{
	const uint64_t *sent = sent_to(placement, relay->id, now_ms, false);

	return relay->agents + (sent != NULL ? *sent : 0);
}

/* The better of two random relays other than ourselves that can take one more. */
static const struct relay_info *
pick(struct placement *placement, const struct placement_question *q)
{
	const struct relay_info *fit[RELAYS_MAX], *a, *b;
	size_t n = 0, i;

	for (i = 0; i < q->n_relays && n < RELAYS_MAX; i++)
		if (strcmp(q->relays[i].id, q->self->id) != 0 &&
		    can_take(&q->relays[i],
			agents_of(placement, &q->relays[i], q->now_ms)))
			fit[n++] = &q->relays[i];
	if (n == 0)
		return NULL;
	a = fit[q->random % n];
	b = fit[n > 1 ? (q->random % n + 1 + q->random / n % (n - 1)) % n : 0];
	return load_of(a, agents_of(placement, a, q->now_ms)) <=
		load_of(b, agents_of(placement, b, q->now_ms))
	    ? a
	    : b;
}

static const struct relay_info *
least_loaded(struct placement *placement, const struct placement_question *q,
    uint64_t *load)
{
	const struct relay_info *best = NULL;
	size_t i;

	*load = UINT64_MAX;
	for (i = 0; i < q->n_relays; i++) {
		uint64_t agents =
		    agents_of(placement, &q->relays[i], q->now_ms);

		if (strcmp(q->relays[i].id, q->self->id) != 0 &&
		    can_take(&q->relays[i], agents) &&
		    load_of(&q->relays[i], agents) < *load) {
			best = &q->relays[i];
			*load = load_of(best, agents);
		}
	}
	return best;
}

static void
count_sent(struct placement *placement, const struct relay_info *to,
    const struct placement_question *q)
{
	uint64_t *sent = sent_to(placement, to->id, q->now_ms, true);

	if (sent != NULL)
		(*sent)++;
}

const struct relay_info *
placement_choose(
    struct placement *placement, const struct placement_question *q)
{
	uint64_t load;
	const struct relay_info *to = least_loaded(placement, q, &load);

	if (to != NULL)
		count_sent(placement, to, q);
	return to;
}

static bool
is_young(const struct placement_question *q, const struct relay_info *relay)
{
	return q->wall_ms - relay->since_ms < YOUNG_MS;
}

enum placement_verdict
placement_decide(struct placement *placement,
    const struct placement_question *q, const struct relay_info **to)
{
	bool fit = can_take(q->self, q->self->agents);
	/* nobody sees those that are coming to the others: where all get as many, they do not
	 * count */
	uint64_t own = load_of(
		     q->self, q->self->agents - (q->returns ? q->coming : 0)),
		 least;
	const struct relay_info *other = least_loaded(placement, q, &least);
	/* what one agent weighs, so that "equal" leaves room for the one that comes */
	uint64_t one = load_of(q->self, 1), tolerance = least / 20 + one / 2;

	if (q->hops > 0 || q->returns)
		tolerance = least / 4 + 8 * one;
	if (fit &&
	    (q->hops >= PLACEMENT_HOPS_MAX || other == NULL ||
		own <= least + tolerance || q->at_home ||
		(q->returns && is_young(q, other))))
		return PLACEMENT_KEEP;
	if ((*to = pick(placement, q)) == NULL)
		return fit ? PLACEMENT_KEEP : PLACEMENT_FULL;
	/* two random ones may both be worse than we are */
	if (fit && load_of(*to, agents_of(placement, *to, q->now_ms)) >= own)
		return PLACEMENT_KEEP;
	count_sent(placement, *to, q);
	return PLACEMENT_REDIRECT;
}
