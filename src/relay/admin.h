/* SPDX-License-Identifier: MIT */
/* What the operator can ask a relay over HTTP of itself: health, metrics, JSON. */
#ifndef TAUPE_RELAY_ADMIN_H
#define TAUPE_RELAY_ADMIN_H

#include "net/http_admin.h"

/* The paths of a relay, for http_admin_new() with a struct relay as its ctx. */
extern const struct http_admin_route relay_admin_routes[];

/* May anybody ask it? It says no more than whether the relay works. */
bool relay_admin_is_open(const struct http_admin_route *route);

#endif
