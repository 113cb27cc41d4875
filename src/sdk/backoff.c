/* SPDX-License-Identifier: MIT */
/* Delays between attempts: docs/PROTOCOL.md section 7. */
#include "sdk/backoff.h"

#include "sdk/channel.h"

#define LONGEST_MS (1u << 30) /* twelve days */

static uint32_t
value_or(uint32_t value, uint32_t fallback)
{
	return value != 0 ? value : fallback;
}

uint32_t
backoff_min_ms(const struct taupe_config *config)
{
	return value_or(config->reconnect_min_ms, 1000);
}

uint32_t
backoff_max_ms(const struct taupe_config *config)
{
	uint32_t max = value_or(config->reconnect_max_ms, 60000),
		 min = backoff_min_ms(config);

	if (max < min)
		max = min;
	return max < LONGEST_MS ? max : LONGEST_MS;
}

uint32_t
backoff_reset_ms(const struct taupe_config *config)
{
	uint32_t reset = value_or(config->reconnect_reset_ms, 30000);

	return reset < LONGEST_MS ? reset : LONGEST_MS;
}

uint32_t
backoff_random(const struct taupe_config *config, uint32_t bound)
{
	uint32_t random;

	channel_random(config, &random, sizeof(random));
	return (uint32_t)((uint64_t)random * bound >> 32);
}

uint32_t
backoff_delay_ms(const struct taupe_config *config, unsigned failures)
{
	uint32_t bound = backoff_min_ms(config), max = backoff_max_ms(config);

	for (; failures > 0 && bound < max; failures--)
		bound *= 2; /* max is far from where that goes round */
	return backoff_random(config, bound < max ? bound : max);
}

uint32_t
backoff_long_ms(const struct taupe_config *config)
{
	uint32_t half = backoff_max_ms(config) / 2;

	return half + backoff_random(config, half + 1);
}
