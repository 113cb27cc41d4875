/* SPDX-License-Identifier: MIT */
/*
 * How many agents may be on their way in at once. Let in as they come, a crowd that is more than
 * the relay and its registry get through makes all wait until they give up: the work is done for
 * agents that have gone, who come again, and the crowd never ends. So no more are on their way than
 * have come through in the time of a turn lately. Who is turned away is told when to come again,
 * each behind the one before. Knows nothing of agents: times are of any one clock that never goes
 * back, in milliseconds.
 */
#ifndef TAUPE_RELAY_TURNSTILE_H
#define TAUPE_RELAY_TURNSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So long it may take until an agent is through. */
#define TURNSTILE_TURN_MS 2000
/* That many may be on their way, however slow it goes. */
#define TURNSTILE_FEWEST 128
/* Nobody is told to wait for longer. */
#define TURNSTILE_LATEST_MS 30000
/* Of a second, in which those that are through are counted. */
#define TURNSTILE_SLOTS 4

/* Begins as all zeros. */
struct turnstile {
	size_t inside; /* on their way */
	uint64_t
	    crowd_ms;  /* since when there were never fewer than the fewest */
	uint64_t slot; /* the number of the newest slot */
	uint32_t through[TURNSTILE_SLOTS];
	uint32_t rate;		/* a second; it bounds while it is valid */
	uint64_t rate_until_ms; /* a crowd says so of it */
	uint64_t turn_us; /* that the last one was given who was turned away */
};

/* May one more come in? True: it is on its way, until turnstile_leave(). most (from 1) is what the
 * operator allows, whatever the rate. */
bool turnstile_enter(struct turnstile *turnstile, size_t most, uint64_t now_ms);
/* One that came in is through, whatever came of it, or has to wait for something else than us; or
 * (not through) it has given up, which says nothing of how many can. Precondition: one is on its
 * way. */
void turnstile_leave(
    struct turnstile *turnstile, bool through, uint64_t now_ms);
/* In how many seconds (from 2) one that is turned away may try again. */
unsigned turnstile_next_turn_s(
    struct turnstile *turnstile, size_t most, uint64_t now_ms);

#endif
