/* SPDX-License-Identifier: MIT */
/*
 * Whether a relay keeps an agent or sends it to a better one. Pure decision: the view of
 * the relays comes from the registry, and what was redirected but has not shown up there
 * yet is remembered here, so that a crowd that arrives within one view is spread and not
 * sent to the same place.
 */
#ifndef TAUPE_RELAY_PLACEMENT_H
#define TAUPE_RELAY_PLACEMENT_H

#include "registry/registry.h"

#define PLACEMENT_HOPS_MAX 2 /* after so many redirects an agent is kept */

struct placement {
	struct {
		char id[RELAY_ID_MAX + 1];
		uint64_t n; /* agents sent there and not seen there yet */
		uint64_t expires_ms; /* then they are given up */
	} sent[RELAYS_MAX];
};

enum placement_verdict { PLACEMENT_KEEP, PLACEMENT_REDIRECT, PLACEMENT_FULL };

struct placement_question {
	const struct relay_info
	    *relays; /* the view, ourselves included or not */
	size_t n_relays;
	const struct relay_info
	    *self;	 /* ourselves, with those that are coming */
	uint64_t coming; /* of these: they stay, and have no session yet */
	uint64_t hops; /* redirects that the agent followed so far */
	bool returns;  /* it had a session, here or elsewhere */
	bool at_home;  /* it was here, and its routes lead here still */
	uint64_t now_ms, wall_ms;
	uint32_t random; /* any number: picks the candidates */
};

/* On PLACEMENT_REDIRECT *to is one of question->relays. PLACEMENT_FULL: we cannot take it
 * and nobody else can. A redirect is counted as sent. */
enum placement_verdict placement_decide(struct placement *placement,
    const struct placement_question *question, const struct relay_info **to);

/* The least loaded relay but ourselves that can take one more, for an agent that shall leave;
 * NULL: there is none. It is counted as sent. */
const struct relay_info *placement_choose(
    struct placement *placement, const struct placement_question *question);

/* A session has opened at that relay: one of those that were sent has arrived. */
void placement_arrived(struct placement *placement, const char *relay);

#endif
