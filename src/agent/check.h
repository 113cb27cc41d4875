/* SPDX-License-Identifier: MIT */
/*
 * --check: the way to each relay and to the services, step by step, before an installer leaves the
 * site. It connects by the same code as the agent, and claims nothing: an agent that
 * runs beside it keeps its session.
 */
#ifndef TAUPE_AGENT_CHECK_H
#define TAUPE_AGENT_CHECK_H

#include "agent/settings.h"
#include "net/loop.h"

/* Print what is found. The exit code: EX_OK only if all is well. */
int check_run(struct loop *loop, struct settings *settings);

#endif
