/* SPDX-License-Identifier: MIT */
/*
 * A token bucket: a rate a second, and a burst that it may run ahead by. It has no clock: the
 * caller brings the time. It may be in debt, for what was known only afterwards.
 */
#ifndef TAUPE_BASE_TOKEN_BUCKET_H
#define TAUPE_BASE_TOKEN_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#define TOKEN_RATE_MAX INT64_C(1000000000000) /* and the largest burst */

struct token_bucket {
	int64_t level;	/* thousandths of a token; below 0: debt */
	uint64_t at_ms; /* when that was so */
	int64_t rate;	/* tokens a second, at least 1 */
	int64_t burst;	/* tokens, at least 1 */
};

/* Begin full. */
void token_bucket_init(
    struct token_bucket *bucket, int64_t rate, int64_t burst, uint64_t now_ms);
/* Have another rate and burst from now on; what is there stays, as far as it fits. */
void token_bucket_set(
    struct token_bucket *bucket, int64_t rate, int64_t burst, uint64_t now_ms);
/* Whole tokens that are there; 0 in debt. */
int64_t token_bucket_level(struct token_bucket *bucket, uint64_t now_ms);
/* Take so many, if they are there. */
bool token_bucket_take(
    struct token_bucket *bucket, int64_t tokens, uint64_t now_ms);
/* Take so many, there or not; negative: give back. */
void token_bucket_charge(
    struct token_bucket *bucket, int64_t tokens, uint64_t now_ms);
/* After how long so many (at most the burst) are there. */
uint64_t token_bucket_wait_ms(
    struct token_bucket *bucket, int64_t tokens, uint64_t now_ms);

#endif
