/* SPDX-License-Identifier: MIT */
#include "relay/turns.h"

/* A rate that was seen is forgotten by and by: a registry that is slow for some seconds is not slow
 * for the next thousand agents. */
#define FADES(rate) ((rate) / 4 * 3)
#define FADED 16 /* less says nothing */

static void
roll(struct turns *turns, uint64_t now_ms)
{
	uint64_t second = now_ms / 1000;

	while (turns->second < second && turns->rate + turns->in_now > 0) {
		turns->rate = FADES(turns->rate);
		if (turns->rate < turns->in_now)
			turns->rate = turns->in_now;
		turns->in_now = 0;
		turns->second++;
	}
	turns->second = second;
}

void
turns_count(struct turns *turns, uint64_t now_ms)
{
	roll(turns, now_ms);
	turns->in_now++;
}

static uint32_t
rate_now(const struct turns *turns, uint32_t usual)
{
	uint32_t seen =
	    turns->in_now > turns->rate ? turns->in_now : turns->rate;

	return seen >= FADED ? seen : usual;
}

unsigned
turns_next_s(struct turns *turns, uint32_t usual, uint64_t now_ms)
{
	uint64_t now_us = now_ms * 1000,
		 first_us = now_us + TURNS_FIRST_S * 1000000,
		 last_us = now_us + TURNS_LAST_S * 1000000;

	roll(turns, now_ms);
	if (turns->given_us < first_us)
		turns->given_us = first_us;
	else if (turns->given_us < last_us)
		turns->given_us += 1000000 / rate_now(turns, usual);
	if (turns->given_us > last_us)
		turns->given_us = last_us;
	return (unsigned)((turns->given_us - now_us) / 1000000);
}
