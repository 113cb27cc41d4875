/* SPDX-License-Identifier: MIT */
/* A search from the front: most things are quick. */
#include "config.h"

#include "base/histogram.h"

const uint64_t histogram_bounds_us[HISTOGRAM_BOUNDS] = {1000, 2500, 5000, 10000,
    25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
    30000000, 60000000};

void
histogram_observe(struct histogram *histogram, uint64_t took_us)
{
	size_t i = 0;

	while (i < HISTOGRAM_BOUNDS && took_us > histogram_bounds_us[i])
		i++;
	histogram->counts[i]++;
	histogram->sum_us += took_us;
}
