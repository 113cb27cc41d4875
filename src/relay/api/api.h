/* SPDX-License-Identifier: MIT */
/*
 * The operator's API of a relay, /api/v1 (docs/openapi.json): who may do what, and doing it. What
 * has to ask the registry is done by a thread of its own, with a connection of its own, one call
 * after the other; the loop never waits for it.
 */
#ifndef TAUPE_RELAY_API_API_H
#define TAUPE_RELAY_API_API_H

#include "relay/relay.h"

struct api;

/* Serve at the relay's admin server, which the caller has made. NULL: no memory. */
struct api *api_new(struct relay *relay);
/* After the admin server. Waits for the call that is under way. */
void api_free(struct api **api);

#endif
