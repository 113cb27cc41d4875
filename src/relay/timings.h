/* SPDX-License-Identifier: MIT */
/* How long agents and visitors have waited. All times are loop_now_us(). */
#ifndef TAUPE_RELAY_TIMINGS_H
#define TAUPE_RELAY_TIMINGS_H

#include "base/histogram.h"

/* What became of a visitor who was held. */
enum hold_outcome {
	HOLD_SERVED,	  /* the device was back: joined to a channel */
	HOLD_HANDED_OVER, /* led on to the relay that has it now */
	HOLD_FAILED,	  /* it was not back in time, or could not serve it */
	HOLD_OUTCOMES
};

struct timings {
	struct histogram connect; /* agents: accept to welcome */
	struct histogram
	    first_byte; /* visitors: arrival to the device's first byte */
	struct histogram hold[HOLD_OUTCOMES];
};

const char *hold_outcome_name(enum hold_outcome outcome);

/* It has lasted from then until now. */
void timing_add(struct histogram *histogram, uint64_t since_us);

#endif
