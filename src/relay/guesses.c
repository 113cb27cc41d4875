/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <assert.h>

#include "base/sip_hash.h"
#include "net/crypto.h"
#include "relay/guesses.h"
#include "relay/sources.h"

/* What a bucket has is for a minute: guesses are dear where few may be made. */
#define RATE 1000 /* a second */
#define BURST (60 * RATE)

void
guesses_init(struct guesses *guesses)
{
	crypto_random(guesses->hash_key, sizeof(guesses->hash_key));
}

static int64_t
price_of(unsigned a_minute)
{
	assert(a_minute > 0 && a_minute <= GUESSES_MINUTE_MAX);
	return BURST / a_minute;
}

static struct guesser *
row_of(struct guesses *guesses, const uint64_t key[2])
{
	return guesses
	    ->rows[sip_hash(guesses->hash_key, key) & (GUESSES_ROWS - 1)];
}

static struct guesser *
find(struct guesser *row, const uint64_t key[2])
{
	for (size_t i = 0; i < GUESSES_OF_ROW; i++)
		if (row[i].bucket.at_ms != 0 && row[i].key[0] == key[0] &&
		    row[i].key[1] == key[1])
			return &row[i];
	return NULL;
}

static struct guesser *
make(struct guesser *row, const uint64_t key[2], uint64_t now_ms)
{
	struct guesser *oldest = row;

	for (size_t i = 1; i < GUESSES_OF_ROW; i++)
		if (row[i].bucket.at_ms < oldest->bucket.at_ms)
			oldest = &row[i];
	*oldest = (struct guesser){.key = {key[0], key[1]}};
	token_bucket_init(&oldest->bucket, RATE, BURST, now_ms);
	return oldest;
}

bool
guesses_may(struct guesses *guesses, unsigned a_minute,
    const struct address *from, uint64_t now_ms, unsigned *retry_after_s)
{
	int64_t price = price_of(a_minute);
	struct guesser *guesser, *row;
	uint64_t key[2];

	source_key(from, key);
	row = row_of(guesses, key);
	if ((guesser = find(row, key)) == NULL)
		guesser = make(row, key, now_ms);
	if (token_bucket_take(&guesser->bucket, price, now_ms))
		return true;
	*retry_after_s = 1 +
	    (unsigned)(token_bucket_wait_ms(&guesser->bucket, price, now_ms) /
		1000);
	return false;
}

void
guesses_was_right(struct guesses *guesses, unsigned a_minute,
    const struct address *from, uint64_t now_ms)
{
	struct guesser *guesser;
	uint64_t key[2];

	source_key(from, key);
	if ((guesser = find(row_of(guesses, key), key)) != NULL)
		token_bucket_charge(
		    &guesser->bucket, -price_of(a_minute), now_ms);
}
