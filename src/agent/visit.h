/* SPDX-License-Identifier: MIT */
/*
 * One visit's service, whichever sort of channel the visit comes on: dialled where our own
 * configuration says, its connection, the moment after which "opened" is said, its log lines
 * and its end. A service that is gone while bytes for it are still queued is written out
 * by the farewells.
 */
#ifndef TAUPE_AGENT_VISIT_H
#define TAUPE_AGENT_VISIT_H

#include "agent/agent.h"

struct visit_ops {
	/* The service is connected (error NULL), or it is not. Comes from the loop only. */
	void (*dialled)(void *owner, const char *error);
	/* Nothing else has said so in time: say that it was opened. */
	void (*opened)(void *owner);
	/* It is connected, and is to end at once, at both ends. */
	void (*cut)(void *owner, const char *reason);
};

struct visit {
	LIST_ENTRY(visit) link; /* in agent->visits, while it runs */
	struct agent *agent;
	const struct visit_ops *ops;
	void *owner;
	struct dial *dial;  /* NULL: it is connected, or over */
	struct timer timer; /* of "opened" */
	struct conn service;
	uint64_t began_ms;
	uint64_t bytes_in, bytes_out; /* before it moved here */
	bool running;
	bool introduces; /* the visitor to the service: that wants a PROXY header */
	char service_name[SERVICE_NAME_MAX + 1];
	char from[ADDRESS_TEXT_MAX];
};

void visit_init(struct visit *visit, struct agent *agent,
    const struct visit_ops *ops, void *owner);
/* Begin as a TAUPE_STEP_OPEN says. NULL, or why it cannot be: refuse it. */
const char *visit_begin(struct visit *visit, const struct taupe_step *step);
/* Its service has said something: that says "opened" as well. */
void visit_answered(struct visit *visit);
/* Go on with a connected visit at another place, where `to` was initialised; `from` is over,
 * without a word. False: its connection is lost, `to` does not run. */
bool visit_move(struct visit *to, struct visit *from);
/* Log that it is refused. */
void visit_report_refusal(const struct visit *visit, const char *reason);
/* End all that run of a service, at both ends. From the loop only. */
void visits_end(struct agent *agent, const char *service, const char *reason);
/* Part from the service, gently or with a reset; so many bytes were moved for it. */
void visit_end(struct visit *visit, bool reset, const char *reason,
    uint64_t bytes_in, uint64_t bytes_out);

#endif
