/* SPDX-License-Identifier: MIT */
/* The clock is read once for each, which is a call into the vDSO. */
#include "config.h"

#include "net/loop.h"
#include "relay/timings.h"

const char *
hold_outcome_name(enum hold_outcome outcome)
{
	static const char *const names[HOLD_OUTCOMES] = {
	    [HOLD_SERVED] = "served",
	    [HOLD_HANDED_OVER] = "handed_over",
	    [HOLD_FAILED] = "failed",
	};

	return names[outcome];
}

void
timing_add(struct histogram *histogram, uint64_t since_us)
{
	histogram_observe(histogram, loop_now_us() - since_us);
}
