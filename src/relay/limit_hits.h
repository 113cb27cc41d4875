/* SPDX-License-Identifier: MIT */
/*
 * That a limit was hit is counted each time, and logged once a second at most: whoever hits it a
 * thousand times a second must not fill the log as well.
 */
#ifndef TAUPE_RELAY_LIMIT_HITS_H
#define TAUPE_RELAY_LIMIT_HITS_H

#include <stdbool.h>

#include "relay/counters.h"

/* What was hit, and not logged yet; logged, and told by no event yet. */
struct hits {
	uint64_t said_ms, told_ms; /* 0: never */
	uint32_t count, untold;
};

/* One more. True: log it now; *times: how many since the last line, this one included. */
bool hits_due(struct hits *hits, uint64_t now_ms, uint32_t *times);

/* The times of that line were logged. True: tell it now, as an event, which comes once a minute at
 * most, or one device would fill the history; *times: how many since the last one. */
bool hits_tell(struct hits *hits, uint64_t now_ms, uint32_t *times);

/* The limits that are no device's. Their names are those of the options, their counters stand in
 * limit_hits.c. */
enum limit {
	LIMIT_MAX_HANDSHAKES,
	LIMIT_HANDSHAKE_TIMEOUT,
	LIMIT_CLAIMS,
	LIMIT_MAX_HEAD,
	LIMIT_MAX_MESSAGE,
	LIMIT_MAX_SERVICES,
	LIMIT_SOURCE_HANDSHAKES,
	LIMIT_SOURCE_HANDSHAKE_RATE,
	LIMIT_SOURCE_AUTH_RATE,
	LIMIT_SOURCE_VISITORS,
	LIMIT_SOURCE_VISITOR_RATE,
	LIMIT_SOURCE_GUESSES,
	LIMIT_MAX_SOURCES,
	LIMIT_COUNT
};

struct limit_hits {
	struct counters *counters;
	/* an event is due */
	void (*tell_cb)(void *ctx, const char *limit, const char *who,
	    uint32_t times);
	void *ctx;
	struct hits hits[LIMIT_COUNT];
};

/* Count it; the line names the last who hit it: an address, or a device. */
void limit_hit(struct limit_hits *hits, enum limit limit, const char *who,
    uint64_t now_ms);

#endif
