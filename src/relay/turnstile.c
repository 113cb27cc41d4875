/* SPDX-License-Identifier: MIT */
#include "relay/turnstile.h"

#include <assert.h>

#define SECOND_MS 1000
#define SLOT_MS (SECOND_MS / TURNSTILE_SLOTS)
#define RATE_VALID_MS 10000

static void
roll(struct turnstile *t, uint64_t now_ms)
{
	uint64_t slot = now_ms / SLOT_MS;

	if (slot - t->slot > TURNSTILE_SLOTS)
		t->slot = slot - TURNSTILE_SLOTS;
	while (t->slot < slot)
		t->through[++t->slot % TURNSTILE_SLOTS] = 0;
}

/* What was seen is a rate that can be, but the most that can be in a crowd only. */
static void
measure(struct turnstile *t, uint64_t now_ms)
{
	uint32_t seen = 0;
	bool crowd =
	    t->inside >= TURNSTILE_FEWEST && now_ms - t->crowd_ms >= SECOND_MS;

	roll(t, now_ms);
	for (unsigned i = 0; i < TURNSTILE_SLOTS; i++)
		seen += t->through[i];
	if (crowd)
		t->rate_until_ms = now_ms + RATE_VALID_MS;
	if (crowd || seen > t->rate)
		t->rate = seen;
}

/* So many come through in a turn. */
static size_t
allowed(const struct turnstile *t, size_t most, uint64_t now_ms)
{
	size_t n = (size_t)t->rate * TURNSTILE_TURN_MS / SECOND_MS;

	if (now_ms >= t->rate_until_ms)
		return most;
	if (n < TURNSTILE_FEWEST)
		n = TURNSTILE_FEWEST;
	return n < most ? n : most;
}

bool
turnstile_enter(struct turnstile *t, size_t most, uint64_t now_ms)
{
	measure(t, now_ms);
	if (t->inside >= allowed(t, most, now_ms))
		return false;
	if (++t->inside == TURNSTILE_FEWEST)
		t->crowd_ms = now_ms;
	return true;
}

void
turnstile_leave(struct turnstile *t, bool through, uint64_t now_ms)
{
	assert(t->inside > 0);
	roll(t, now_ms);
	t->through[t->slot % TURNSTILE_SLOTS] += through;
	t->inside--;
}

/* A crowd that came back at the same time would find as many on their way as before, and then
 * nobody. */
unsigned
turnstile_next_turn_s(struct turnstile *t, size_t most, uint64_t now_ms)
{
	uint64_t now_us = now_ms * 1000,
		 first_us = now_us + TURNSTILE_TURN_MS * 1000;

	if (t->turn_us < first_us)
		t->turn_us = first_us;
	if (t->turn_us < now_us + TURNSTILE_LATEST_MS * 1000)
		t->turn_us +=
		    TURNSTILE_TURN_MS * 1000 / allowed(t, most, now_ms);
	return (unsigned)((t->turn_us - now_us) / 1000000);
}
