/* SPDX-License-Identifier: MIT */
/*
 * What the dashboard draws and hears: this relay's load over the last hour, and a stream of
 * server-sent events that says each two seconds how it is now, and whether devices or relays of the
 * cluster have come or gone. The loop alone: it asks the registry nothing.
 */
#ifndef TAUPE_RELAY_API_LIVE_H
#define TAUPE_RELAY_API_LIVE_H

#include <jansson.h>

#include "relay/relay.h"

#define LIVE_VIEWERS_MAX 16

struct live;
struct http_request;

/* NULL: no memory. */
struct live *live_new(struct relay *relay);
void live_free(struct live **live);

/* A device or a relay has come or gone, here or elsewhere. live may be NULL. */
void live_note_change(struct live *live);

/* Take the request as a viewer, until it leaves or ten minutes are over: its browser comes again
 * then, and is asked anew who it is. False: there are too many. */
bool live_view(struct live *live, struct http_request **request);

/* {"every_ms": …, "points": [[at_ms, agents, visitors, bytes_in, bytes_out], …]}; bytes since the
 * relay's start. NULL: no memory. */
json_t *live_samples(const struct live *live);

#endif
