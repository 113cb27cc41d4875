/* SPDX-License-Identifier: MIT */
/*
 * The driver of a shared channel: digs it, and joins many visits at once with their services.
 * libtaupe says what the frames mean, the mux moves the bytes.
 */
#ifndef TAUPE_AGENT_SHARED_H
#define TAUPE_AGENT_SHARED_H

#include "agent/visit.h"

struct shared_visit;

/* Prepare the agent's own part of it. */
void shared_init(struct agent *agent);

/* As transfer_dig(), for an event that says `shared` and so many visits. */
const char *shared_dig(struct agent *agent, const struct taupe_relay *relay,
    const char *id, uint64_t session, size_t visits);

/* As transfers_close_stale() and transfers_close(). */
void shared_close_stale(struct agent *agent);
void shared_close(struct agent *agent, bool running_too);

/*
 * Visit number `stream` of the shared channel with this id goes on at another place: *to, which
 * belongs to heir and gets its connection. What is here of it lives until the relay's last word
 * has come on the shared channel: heir then hears transfer_go_on(), or transfer_lose_origin(),
 * and must forget it. NULL: it cannot move, and the relay was told.
 */
struct shared_visit *shared_move(struct agent *agent, const char *id,
    uint32_t stream, struct visit *to, struct transfer *heir);
/* Its service is gone: what still comes for it is thrown away. */
void shared_leave(struct shared_visit *visit);
/* So is its heir, who hears nothing more. Clears the pointer. */
void shared_forget(struct shared_visit **visit);

#endif
