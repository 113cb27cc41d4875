/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "relay/api/guesses.h"
#include "relay/sources.h"

/* A bucket's rate is a whole number a second, which is slower for dearer guesses. */
#define RATE 1
#define PRICE (60 * RATE / GUESSES_MINUTE)
#define BURST (PRICE * GUESSES_MINUTE)

static struct guesser *
find(struct guesses *guesses, const uint64_t key[2])
{
	for (size_t i = 0; i < guesses->n; i++)
		if (guesses->list[i].key[0] == key[0] &&
		    guesses->list[i].key[1] == key[1])
			return &guesses->list[i];
	return NULL;
}

static struct guesser *
make(struct guesses *guesses, const uint64_t key[2], uint64_t now_ms)
{
	struct guesser *oldest = &guesses->list[0];

	if (guesses->n < GUESSES_SOURCES)
		oldest = &guesses->list[guesses->n++];
	else
		for (size_t i = 1; i < guesses->n; i++)
			if (guesses->list[i].bucket.at_ms <
			    oldest->bucket.at_ms)
				oldest = &guesses->list[i];
	*oldest = (struct guesser){.key = {key[0], key[1]}};
	token_bucket_init(&oldest->bucket, RATE, BURST, now_ms);
	return oldest;
}

bool
guesses_may(struct guesses *guesses, const struct address *from,
    uint64_t now_ms, unsigned *retry_after_s)
{
	struct guesser *guesser;
	uint64_t key[2];

	source_key(from, key);
	guesser = find(guesses, key);
	if (guesser == NULL)
		guesser = make(guesses, key, now_ms);
	if (token_bucket_take(&guesser->bucket, PRICE, now_ms))
		return true;
	*retry_after_s = 1 +
	    (unsigned)(token_bucket_wait_ms(&guesser->bucket, PRICE, now_ms) /
		1000);
	return false;
}

void
guesses_was_right(
    struct guesses *guesses, const struct address *from, uint64_t now_ms)
{
	struct guesser *guesser;
	uint64_t key[2];

	source_key(from, key);
	if ((guesser = find(guesses, key)) != NULL)
		token_bucket_charge(&guesser->bucket, -PRICE, now_ms);
}
