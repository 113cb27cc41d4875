/* SPDX-License-Identifier: MIT */
/*
 * How long things took: so many within each bound. The bounds are fixed, the same for all, from a
 * millisecond to a minute, so that relays can be added up; one more costs a few comparisons and no
 * memory.
 */
#ifndef TAUPE_BASE_HISTOGRAM_H
#define TAUPE_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS 15

struct histogram {
	/* of those that took no longer than the bound and longer than the one before; the last:
	 * longer than all */
	uint64_t counts[HISTOGRAM_BOUNDS + 1];
	uint64_t sum_us;
};

/* In microseconds, each larger than the one before. */
extern const uint64_t histogram_bounds_us[HISTOGRAM_BOUNDS];

void histogram_observe(struct histogram *histogram, uint64_t took_us);

#endif
