/* SPDX-License-Identifier: MIT */
/*
 * What a session asks the search for the longest interval, when the driver has given one
 * (taupe_heartbeat_init()). It is reached through a table, so that a driver that keeps to the
 * relay's interval does not link it.
 */
#ifndef TAUPE_SDK_HEARTBEAT_H
#define TAUPE_SDK_HEARTBEAT_H

#include "sdk/taupe.h"
#include "wire/cursor.h"

#define HEARTBEAT_MIN_MS 100u /* a relay that wants more often gets this */

/* The relay's terms, on the connection over that network; least and most are 0 when it knows no
 * interval but its own. */
struct heartbeat_terms {
	uint32_t network;
	uint32_t base_ms, least_ms, most_ms;
};

struct taupe_heartbeat_ops {
	/* A session stands on these terms. */
	void (*begin)(struct taupe_heartbeat *h,
	    const struct heartbeat_terms *terms, uint64_t now_ms);
	/* A heartbeat after an interval was answered; proven: by the relay itself, and nothing else
	 * was said in that time. */
	void (*answered)(
	    struct taupe_heartbeat *h, uint32_t interval_ms, bool proven);
	/* One was not, and the link is lost. */
	void (*lost)(
	    struct taupe_heartbeat *h, uint32_t interval_ms, uint64_t now_ms);
	/* What is to be kept now. */
	uint32_t (*interval)(const struct taupe_heartbeat *h);
	/* May the next heartbeat do without the relay's answer? */
	bool (*is_quiet)(const struct taupe_heartbeat *h);
	/* network=ID:GOOD:BAD, one pair for each; take gets one value. */
	void (*put)(
	    const struct taupe_heartbeat *h, struct writer *w);
	bool (*take)(struct taupe_heartbeat *h, struct str value);
};

#endif
