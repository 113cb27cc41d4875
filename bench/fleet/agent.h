/* SPDX-License-Identifier: MIT */
/* One agent of a fleet: a libtaupe session on one connection, and what it remembers. */
#ifndef TAUPE_BENCH_FLEET_AGENT_H
#define TAUPE_BENCH_FLEET_AGENT_H

#include "fleet/fleet.h"
#include "net/conn.h"
#include "net/tls.h"

#define AGENT_NAME_MAX 32

struct fleet_agent {
	struct fleet *fleet;
	struct conn conn;
	struct tls_context
	    *tls;	    /* NULL without ca_file; its own, as it remembers
				    the sessions that may be resumed */
	struct timer timer; /* until the session wants to be asked again */
	uint64_t down_ms;   /* since when it is not up */
	uint32_t way_ms;    /* how long it was down before its last welcome */
	bool up, welcomed;  /* now; ever */
	bool came;	    /* since it was last said that all are up */
	struct taupe_config config;
	struct taupe_session session;
	char name[AGENT_NAME_MAX];
	uint8_t buffer[1024];
	uint8_t memory[768];
};

/* -1: the configuration cannot be used, which was logged. */
int agent_init(struct fleet_agent *agent, struct fleet *fleet, size_t number);
/* Begin to connect. */
void agent_start(struct fleet_agent *agent);
void agent_fini(struct fleet_agent *agent);

/* Which of the fleet's agents it is. */
size_t agent_number(const struct fleet_agent *agent);
/* Connect to a relay from the agent's own address, as conn_connect(). */
int agent_dial(struct fleet_agent *agent, struct conn *conn,
    const struct taupe_relay *relay, const struct conn_ops *ops, void *owner);

#endif
