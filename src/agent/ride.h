/* SPDX-License-Identifier: MIT */
/*
 * Visits that ride on a control link (docs/PROTOCOL.md section 5.9): the link's connection is
 * read here then, and what is about no visit is handed to the control channel's driver.
 */
#ifndef TAUPE_AGENT_RIDE_H
#define TAUPE_AGENT_RIDE_H

#include "agent/agent.h"

struct ride;

struct ride_ops {
	/* The session reports something that is about no visit. */
	void (*event)(void *owner, const struct taupe_event *event);
	/* taupe_session_next() has to be asked. Comes from the loop. */
	void (*act)(void *owner);
	/* The connection has ended or failed: free the ride, and close it. */
	void (*lost)(void *owner, const char *reason);
};

/* Room for libtaupe's part of so many on each link, from malloc; NULL: no memory. */
struct taupe_visit *ride_places(size_t visits);

/* Take over the connection of a link that stands, its callbacks included. NULL: no memory. */
struct ride *ride_new(struct agent *agent, struct taupe_session *session,
    unsigned link, struct conn *conn, const struct ride_ops *ops, void *owner);
/* Has anything been said of a visit since the last question? */
bool ride_took_visits(struct ride *ride);
/* After an event: if the link is not up any more, reset what runs on it, since none of its services
 * may be read any more. */
void ride_settle(struct ride *ride);
/* Reset what runs on it. The connection is the owner's to close. Clears the pointer. */
void ride_free(struct ride **ride, const char *reason);

#endif
