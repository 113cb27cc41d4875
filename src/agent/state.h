/* SPDX-License-Identifier: MIT */
/*
 * What outlives the agent: libtaupe's line, and what was spent of the budget, in the state file.
 * What cannot be read or written is logged here, and costs the lease at most.
 */
#ifndef TAUPE_AGENT_STATE_H
#define TAUPE_AGENT_STATE_H

#include "agent/agent.h"

struct state {
	struct agent *agent;
	struct taupe_session *session;
	uint64_t stored_ms; /* loop clock */
	bool unwritable;    /* was said */
};

/* Take what the file has. Once, before the session's first step. */
void state_restore(struct state *state, struct agent *agent,
    struct taupe_session *session);
void state_store(struct state *state);
/* Store what was spent, if there is a budget, or what could not be written: when that was not tried
 * for an hour, or now. */
void state_store_spent(struct state *state, bool now);

#endif
