/* SPDX-License-Identifier: MIT */
/*
 * Where the agent may go: the candidates for a connection in their order, and the rules
 * for a place that a relay names (docs/PROTOCOL.md sections 6 and 7). The secret is sent
 * to no place that these functions do not approve.
 */
#ifndef TAUPE_SDK_PLACES_H
#define TAUPE_SDK_PLACES_H

#include "sdk/memory.h"
#include "wire/url.h"

/* Parse a base URL: ws or wss, and a host name that fits HOST_NAME_MAX. */
WIRE_MUST_CHECK bool place_parse(struct str text, struct url *url);

/* Is it the same door: scheme, host and port? */
bool place_equal(const struct url *a, const struct url *b);

/* What the list of candidates depends on, besides configuration and memory. */
struct place_order {
	uint8_t first_peer; /* where the round of the peers begins: random */
	bool relay_last;    /* the last relay sent us away: try it last */
};

/* The candidate at index, no door twice; false: there are no more. */
WIRE_MUST_CHECK bool place_candidate(const struct taupe_config *config,
    const struct memory *memory, struct place_order order, unsigned index,
    struct url *url);

/* May a connection follow a redirect or a move to this place? `secure`: the connection
 * that says so has TLS. NULL: yes; else a static text that says why not. */
WIRE_MUST_CHECK const char *place_refusal(const struct taupe_config *config,
    const struct memory *memory, const struct url *url, bool secure);

#endif
