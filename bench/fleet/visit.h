/* SPDX-License-Identifier: MIT */
/* A transfer channel whose service is a fixed HTTP answer: the agent's name. */
#ifndef TAUPE_BENCH_FLEET_VISIT_H
#define TAUPE_BENCH_FLEET_VISIT_H

#include "fleet/agent.h"

/* Dig a channel for an id. NULL: it will serve, and free itself at its end; else why not. */
const char *visit_dig(struct fleet_agent *agent,
    const struct taupe_relay *relay, const char *id);
/* End them all, for good. */
void visits_free(struct fleet *fleet);

#endif
