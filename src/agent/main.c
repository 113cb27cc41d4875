/* SPDX-License-Identifier: MIT */
/* taupe-agent; everything else is in libagent, so that tests link the real code. */
#include "config.h"

#include "agent/agent.h"

int
main(int argc, char **argv)
{
	return agent_main(argc, argv, NULL);
}
