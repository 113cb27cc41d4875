/* SPDX-License-Identifier: MIT */
/* What is said to the agent that runs: taupe-agent status, allow and deny. */
#ifndef TAUPE_AGENT_COMMAND_H
#define TAUPE_AGENT_COMMAND_H

#include "agent/settings.h"

/* NULL, or that there is no such command, or what is wrong with its words. */
const char *command_check(const struct option_list *words);
/* Ask, and print the answer: an exit code; what is wrong was said. */
int command_run(const struct settings *settings);
/* As an option_table wants it. */
const struct option_command *command_at(size_t place);

#endif
