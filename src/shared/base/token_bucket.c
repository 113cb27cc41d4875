/* SPDX-License-Identifier: MIT */
/* A thousandth of a token is what a rate of one brings in a millisecond: no fractions. */
#include "base/token_bucket.h"

#define MILLI 1000
#define DEBT_MAX TOKEN_RATE_MAX

static void
refill(struct token_bucket *bucket, uint64_t now_ms)
{
	int64_t full = bucket->burst * MILLI, lacking = full - bucket->level;
	uint64_t passed_ms =
	    now_ms > bucket->at_ms ? now_ms - bucket->at_ms : 0;

	bucket->at_ms = now_ms;
	if (lacking <= 0 || passed_ms >= (uint64_t)(lacking / bucket->rate) + 1)
		bucket->level = full;
	else
		bucket->level += bucket->rate * (int64_t)passed_ms;
	if (bucket->level > full)
		bucket->level = full;
}

void
token_bucket_init(
    struct token_bucket *bucket, int64_t rate, int64_t burst, uint64_t now_ms)
{
	*bucket = (struct token_bucket){
	    .level = burst * MILLI,
	    .at_ms = now_ms,
	    .rate = rate,
	    .burst = burst,
	};
}

void
token_bucket_set(
    struct token_bucket *bucket, int64_t rate, int64_t burst, uint64_t now_ms)
{
	refill(bucket, now_ms);
	bucket->rate = rate;
	bucket->burst = burst;
	if (bucket->level > burst * MILLI)
		bucket->level = burst * MILLI;
}

int64_t
token_bucket_level(struct token_bucket *bucket, uint64_t now_ms)
{
	refill(bucket, now_ms);
	return bucket->level > 0 ? bucket->level / MILLI : 0;
}

bool
token_bucket_take(struct token_bucket *bucket, int64_t tokens, uint64_t now_ms)
{
	if (token_bucket_level(bucket, now_ms) < tokens)
		return false;
	bucket->level -= tokens * MILLI;
	return true;
}

void
token_bucket_charge(
    struct token_bucket *bucket, int64_t tokens, uint64_t now_ms)
{
	refill(bucket, now_ms);
	bucket->level -= tokens * MILLI;
	if (bucket->level < -DEBT_MAX * MILLI)
		bucket->level = -DEBT_MAX * MILLI;
	if (bucket->level > bucket->burst * MILLI)
		bucket->level = bucket->burst * MILLI;
}

uint64_t
token_bucket_wait_ms(
    struct token_bucket *bucket, int64_t tokens, uint64_t now_ms)
{
	int64_t lacking;

	refill(bucket, now_ms);
	lacking = tokens * MILLI - bucket->level;
	return lacking <= 0
	    ? 0
	    : (uint64_t)((lacking + bucket->rate - 1) / bucket->rate);
}
