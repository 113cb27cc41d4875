/* SPDX-License-Identifier: MIT */
/*
 * How often a source has come to the admin API with a token that is false. Whether one is good is
 * asked of the registry, one after the other, where false ones would keep good ones waiting: so
 * tokens that are not known are looked at so many a minute from each source. The table has a fixed
 * size: who was seen longest ago makes room.
 */
#ifndef TAUPE_RELAY_API_GUESSES_H
#define TAUPE_RELAY_API_GUESSES_H

#include "base/token_bucket.h"
#include "net/address.h"

#define GUESSES_SOURCES 256
#define GUESSES_MINUTE 30 /* and as many at once */

struct guesser {
	uint64_t key[2]; /* source_key() */
	struct token_bucket bucket;
};

/* All zeros: nobody was here. */
struct guesses {
	struct guesser list[GUESSES_SOURCES];
	size_t n;
};

/* May a token from there be looked at? It counts as false until guesses_was_right(). False:
 * *retry_after_s says when to come again. */
bool guesses_may(struct guesses *guesses, const struct address *from,
    uint64_t now_ms, unsigned *retry_after_s);
/* It was good, or nobody could tell. */
void guesses_was_right(
    struct guesses *guesses, const struct address *from, uint64_t now_ms);

#endif
