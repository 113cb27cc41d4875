/* SPDX-License-Identifier: MIT */
/*
 * A second counts if somebody got in: one in which nobody did is a registry that stalls, or nobody
 * who had to wait, and neither says how many can.
 */
#include "relay/turns.h"

/* A slower rate is believed by and by: the crowd's first second, or its last, is not a whole one. */
#define FADED(rate) ((rate) - (rate) / 4)

#define US 1000000u /* of a second */

void
turns_count(struct turns *turns, uint64_t now_ms)
{
	uint64_t second = now_ms / 1000;

	if (second - turns->second > TURNS_KNOWN_S)
		turns->rate = turns->in_now = 0;
	if (second != turns->second) {
		turns->rate = FADED(turns->rate);
		if (turns->rate < turns->in_now)
			turns->rate = turns->in_now;
		turns->in_now = 0;
		turns->second = second;
	}
	turns->in_now++;
}

static uint32_t
rate_now(const struct turns *turns, uint32_t usual, uint64_t now_ms)
{
	if (turns->in_now == 0 || now_ms / 1000 - turns->second > TURNS_KNOWN_S)
		return usual;
	return turns->in_now > turns->rate ? turns->in_now : turns->rate;
}

unsigned
turns_next_s(struct turns *turns, uint32_t usual, uint64_t now_ms)
{
	uint64_t now_us = now_ms * 1000, first_us = now_us + TURNS_FIRST_S * US,
		 last_us = now_us + TURNS_LAST_S * US;

	if (turns->given_us < first_us)
		turns->given_us = first_us;
	else
		turns->given_us += US / rate_now(turns, usual, now_ms);
	if (turns->given_us > last_us)
		turns->given_us = last_us - TURNS_SPREAD_S * US;
	return (unsigned)((turns->given_us - now_us) / US);
}
