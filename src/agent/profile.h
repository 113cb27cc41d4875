/* SPDX-License-Identifier: MIT */
/*
 * What configure's --enable-small leaves out of the agent, as constants: what an `if` excludes is
 * compiled all the same, so that it cannot rot, and then dropped.
 */
#ifndef TAUPE_AGENT_PROFILE_H
#define TAUPE_AGENT_PROFILE_H

#include <stdbool.h>

enum agent_profile {
/* what an installer and a device's owner have besides visits: the check of the way, the socket,
 * services that are told who the visitor is */
#ifdef TAUPE_AGENT_WITHOUT_TOOLS
	AGENT_HAS_TOOLS = false
#else
	AGENT_HAS_TOOLS = true
#endif
};

#endif
