/* SPDX-License-Identifier: MIT */
/*
 * What a control link's connection costs, for the budget: asks the system, as often as somebody
 * wants to know, and says where the system does not.
 */
#ifndef TAUPE_AGENT_METER_H
#define TAUPE_AGENT_METER_H

#include "agent/agent.h"

struct meter {
	struct agent *agent;
	unsigned link;
	bool ipv6;	       /* what it is connected by */
	uint64_t failed_bytes; /* cost by a dial in vain, not counted yet */
};

void meter_init(struct meter *meter, struct agent *agent, unsigned link);
/* A connection to this host begins, by a proxy or not. */
void meter_begin(struct meter *meter, const struct conn *conn, const char *host,
    bool by_proxy);
/* Count what it has cost by now; of_visits: since the last time it was theirs. A connection that is
 * not open costs nothing. */
void meter_count(struct meter *meter, const struct conn *conn, bool of_visits);
/* Count what attempts to connect have cost in vain. */
void meter_count_failed(struct meter *meter);

#endif
