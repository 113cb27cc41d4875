/* SPDX-License-Identifier: MIT */
/*
 * Where the running agent is asked how it stands, and told what its device's owner allows: a local socket, for
 * programs of its own user. A question is one line, a form with op = status, allow (ms, perhaps service)
 * or deny (perhaps service). The answer is lines of forms: first error, or what is true of the agent as
 * a whole, then one for each service, and last end=1.
 */
#ifndef TAUPE_AGENT_COMMAND_DOOR_H
#define TAUPE_AGENT_COMMAND_DOOR_H

#include "agent/agent.h"

#define COMMAND_LINE_MAX 512	/* bytes of a question */
#define COMMAND_ANSWER_MAX 16384 /* of an answer */
#define COMMAND_FOREVER_MS UINT64_C(31536000000) /* the longest consent: a year */

struct command_door;

/* NULL: there is none, which was logged: the agent does without. */
struct command_door *command_door_new(struct agent *agent);
void command_door_free(struct command_door **door);

#endif
