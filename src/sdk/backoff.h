/* SPDX-License-Identifier: MIT */
/*
 * How long to wait before the next attempt: full jitter, so that a hundred thousand
 * agents that lost the same relay do not come back in the same second.
 */
#ifndef TAUPE_SDK_BACKOFF_H
#define TAUPE_SDK_BACKOFF_H

#include "sdk/taupe.h"

/* Defaults of the configuration, in milliseconds. */
uint32_t backoff_min_ms(const struct taupe_config *config);
uint32_t backoff_max_ms(const struct taupe_config *config);
uint32_t backoff_reset_ms(const struct taupe_config *config);

/* Random below bound (> 0). */
uint32_t backoff_random(const struct taupe_config *config, uint32_t bound);
/* After so many failures: random from 0 to min * 2^failures, at most the longest delay. */
uint32_t backoff_delay_ms(const struct taupe_config *config, unsigned failures);
/* When coming back soon is of no use: random from half the longest delay to all of it. */
uint32_t backoff_long_ms(const struct taupe_config *config);

#endif
