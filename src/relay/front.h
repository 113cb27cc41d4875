/* SPDX-License-Identifier: MIT */
/*
 * The built-in front: visitors connect to the relay itself, which looks at the Host of
 * their first request (and at the later ones: requests.h), or at the server name of their TLS hello, and joins them to that
 * device. For a relay without a proxy in front; it reads the same routes that a router
 * would hand to one.
 */
#ifndef TAUPE_RELAY_FRONT_H
#define TAUPE_RELAY_FRONT_H

#include "relay/relay.h"

#define FRONT_LISTENERS_MAX 16

/* Listen on these addresses. NULL with errno: *failed is the one that cannot be bound. */
struct front *front_new(struct relay *relay, const struct address *addresses,
    size_t n, const struct address **failed);
void front_free(struct front **front);
/* Somebody has come to a door that leads past the front: take them in as at its own. Takes the
 * descriptor. */
void front_take(struct front *front, int fd, const struct address *peer);
/* No more new visitors. */
void front_stop(struct front *front);
/* The address of its i-th listener. */
void front_address(
    const struct front *front, size_t i, struct address *address);

#endif
