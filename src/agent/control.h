/* SPDX-License-Identifier: MIT */
/*
 * The control channel's driver: does what taupe_session_next() says, hands in what comes,
 * and logs what it means. Two connections at most, one but for a move.
 */
#ifndef TAUPE_AGENT_CONTROL_H
#define TAUPE_AGENT_CONTROL_H

#include "agent/agent.h"

/* NULL: no memory, or a configuration that libtaupe refuses (logged). Reads the state file;
 * the first attempt is made from the loop. */
struct control *control_new(struct agent *agent);
void control_free(struct control **control);

/* The services, the secret or the relays have changed. */
void control_renew(struct control *control);
/* Settings have changed that no relay is told with the handshake. */
void control_act(struct control *control);
/* Say goodbye to the relay; control_is_closed() tells when that is done. */
void control_leave(struct control *control);
bool control_is_closed(const struct control *control);

/* Which session is up: a number of ours that no other session had; 0 when none is. */
uint64_t control_session(const struct control *control);

/* Send a message to the relay of the session that is up; else it is lost. */
void control_say(struct control *control, const char *text, size_t len);
/* See that the budget knows what the connections have cost by now. */
void control_count(struct control *control);
/* The interval of heartbeats; 0 when no session is up. */
uint32_t control_heartbeat_ms(const struct control *control);

#endif
