/* SPDX-License-Identifier: MIT */
#include <stdbool.h>

#include "relay/turns.h"

#define US 1000000u /* of a second */
#define WINDOW_MS 1000
/* Nobody was counted for so long: a registry that stalls, or another crowd, which is one after a
 * second at the earliest (claim_queue.c). Neither says how many can. */
#define GAP_MS 1000

/* A slower rate is believed by and by. */
static uint32_t
faded(uint32_t rate)
{
	return rate - rate / 4;
}

static bool
is_known(const struct turns *turns, uint64_t now_ms)
{
	return turns->rate > 0 &&
	    now_ms - turns->rate_ms <= TURNS_KNOWN_S * 1000;
}

static void
end_window(struct turns *turns, uint64_t now_ms)
{
	uint64_t seen = (uint64_t)turns->in * 1000 / (now_ms - turns->begun_ms);
	uint32_t least = is_known(turns, now_ms) ? faded(turns->rate) : 1;

	turns->rate = seen > least ? (uint32_t)seen : least;
	turns->rate_ms = now_ms;
}

void
turns_count(struct turns *turns, uint64_t now_ms)
{
	bool gap = now_ms - turns->last_ms >= GAP_MS;
	bool whole = now_ms - turns->begun_ms >= WINDOW_MS;

	if (whole && !gap)
		end_window(turns, now_ms);
	if (whole || gap) {
		turns->begun_ms = now_ms;
		turns->in = 0;
	}
	turns->last_ms = now_ms;
	turns->in++;
}

unsigned
turns_next_s(struct turns *turns, uint32_t usual, uint64_t now_ms)
{
	uint64_t now_us = now_ms * 1000, first_us = now_us + TURNS_FIRST_S * US,
		 last_us = now_us + TURNS_LAST_S * US;

	if (turns->given_us < first_us)
		turns->given_us = first_us;
	else
		turns->given_us +=
		    US / (is_known(turns, now_ms) ? turns->rate : usual);
	if (turns->given_us > last_us)
		turns->given_us = last_us - TURNS_SPREAD_S * US;
	return (unsigned)((turns->given_us - now_us) / US);
}
