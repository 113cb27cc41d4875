/* SPDX-License-Identifier: MIT */
/* The ports of a plan: do they keep clear of each other, and of what runs here already? */
#ifndef TAUPE_RELAY_INIT_INIT_PORTS_H
#define TAUPE_RELAY_INIT_INIT_PORTS_H

#include "relay/init/init_plan.h"

/* Exit codes of sysexits; what is wrong was said. */
int init_ports_check(const struct init_plan *plan);
int init_ports_probe(const struct init_plan *plan);

#endif
