/* SPDX-License-Identifier: MIT */
/*
 * The driver of a transfer channel for one visit at a time: digs it, then joins visit after
 * visit with a service. libtaupe says what the frames mean, the pump moves the bytes.
 */
#ifndef TAUPE_AGENT_TRANSFER_H
#define TAUPE_AGENT_TRANSFER_H

#include "agent/agent.h"

/* Dig a channel to relay for an id of TAUPE_EVENT_OPEN that came in this session (a number
 * of control_session()). NULL, or why it cannot be done. */
const char *transfer_dig(struct agent *agent, const struct taupe_relay *relay,
    const char *id, uint64_t session);

/* Close the channels that rest and belong to no session that is up. */
void transfers_close_stale(struct agent *agent);
/* Close those that rest, or all. */
void transfers_close(struct agent *agent, bool running_too);

/* For shared channels: the relay has said its last word there about the visit that moved here,
 * after bytes_in bytes of it. */
void transfer_go_on(struct transfer *transfer, uint64_t bytes_in);
/* The same, but the shared channel was lost before: the visit is reset. */
void transfer_lose_origin(struct transfer *transfer);

#endif
