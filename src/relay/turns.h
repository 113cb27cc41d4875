/* SPDX-License-Identifier: MIT */
/*
 * When those may come again who were sent away because there are too many: each behind the one
 * before, at the rate at which agents get in. A crowd that came back at the same time would find as
 * many as before, and then nobody at the door. Times are of any one clock that never goes back.
 */
#ifndef TAUPE_RELAY_TURNS_H
#define TAUPE_RELAY_TURNS_H

#include <stdint.h>

/* Nobody is told to come sooner, and nobody later. */
#define TURNS_FIRST_S 2
#define TURNS_LAST_S 30
/* Those for whom that is too soon are told times that are so far apart. */
#define TURNS_SPREAD_S 10
/* So long what was seen says something. */
#define TURNS_KNOWN_S 60

/* Begins as all zeros. */
struct turns {
	uint64_t begun_ms; /* counting those of */
	uint64_t last_ms;  /* and that was the last of them */
	uint32_t in;	   /* so many, for about a second */
	uint32_t rate;	   /* a second, of those before */
	uint64_t rate_ms;  /* when it was last known */
	uint64_t given_us; /* the last turn */
};

/* One got its name while there was a crowd that had to wait: so many can. */
void turns_count(struct turns *turns, uint64_t now_ms);
/* In how many seconds one that is sent away may come again. usual (from 1) is how many are thought
 * to get in in a second, where it was not seen lately. */
unsigned turns_next_s(struct turns *turns, uint32_t usual, uint64_t now_ms);

#endif
