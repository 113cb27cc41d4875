/* SPDX-License-Identifier: MIT */
/*
 * How often a source has come with something false: a token of the admin API, which is asked of the
 * registry, one after the other, where false ones would keep good ones waiting; or a service's
 * password. So many a minute are looked at from each source. The table has a fixed size: in each row,
 * which a source cannot choose, who was seen longest ago makes room.
 */
#ifndef TAUPE_RELAY_GUESSES_H
#define TAUPE_RELAY_GUESSES_H

#include "base/token_bucket.h"
#include "net/address.h"

#define GUESSES_ROWS 512 /* a power of two */
#define GUESSES_OF_ROW 8
#define GUESSES_MINUTE_MAX 60000

struct guesser {
	uint64_t key[2]; /* source_key() */
	struct token_bucket bucket; /* at_ms 0: nobody */
};

struct guesses {
	uint64_t hash_key[2];
	struct guesser rows[GUESSES_ROWS][GUESSES_OF_ROW];
};

/* The rest is zeros: nobody was here. */
void guesses_init(struct guesses *guesses);
/* May what comes from there be looked at? So many may a minute, and as many at once: 1 to
 * GUESSES_MINUTE_MAX. It counts as false until guesses_was_right(). False: *retry_after_s says when to
 * come again. now_ms > 0. */
bool guesses_may(struct guesses *guesses, unsigned a_minute,
    const struct address *from, uint64_t now_ms, unsigned *retry_after_s);
/* It was good, or nobody could tell; of as many a minute. */
void guesses_was_right(struct guesses *guesses, unsigned a_minute,
    const struct address *from, uint64_t now_ms);

#endif
