/* SPDX-License-Identifier: MIT */
/*
 * Does the session that holds a device's name still live? Asked of a session here by a ping, of
 * one at another relay through the registry; and what another relay asks of ours is answered.
 * Knows nothing of who wants to have the name.
 */
#ifndef TAUPE_RELAY_HOLDER_PROBE_H
#define TAUPE_RELAY_HOLDER_PROBE_H

#include "relay/session.h"

struct holder_probe {
	struct session_info holder; /* whom it asks; stays when it has ended */
	/* the rest is its own */
	struct relay *relay;
	struct probe probe; /* of a session here */
	struct timer timer; /* of one elsewhere */
	bool elsewhere;	    /* and its relay was asked */
	void (*cb)(void *ctx, bool alive);
	void *ctx;
};

/* Belongs to the caller, as does ctx. It asks nobody yet. */
void holder_probe_init(struct holder_probe *probe, struct relay *relay,
    void (*cb)(void *ctx, bool alive), void *ctx);
/* Ask whether this holder (copied) of a name (read during the call only) lives: cb(ctx, alive),
 * once, perhaps before this returns; no answer in time is that it does not. A session here that
 * does not live has been closed by then. The callback may free the probe, and may start it again.
 * Precondition: it asks nobody. */
void holder_probe_start(struct holder_probe *probe, const char *name,
    const struct session_info *holder);
/* News (ALIVE or SESSION) of the name that it asks about: it may be the answer, and the probe may be
 * gone then. Other news, and news while it asks nobody, change nothing. */
void holder_probe_notice(
    struct holder_probe *probe, const struct registry_event *event);
/* Ask no longer: the callback is not called. Nothing where it asks nobody. */
void holder_probe_cancel(struct holder_probe *probe);

/* Another relay asks (a PROBE from the registry): ask the session, if it is ours, and say through
 * the registry that it lives. One that does not is closed, which is news by itself; where there is
 * no memory nothing is said either. */
void holder_probe_answer(
    struct relay *relay, const struct registry_event *event);

#endif
