/* SPDX-License-Identifier: MIT */
/*
 * The routes that a device or relay owns, and their removal. A label, port or further name may have
 * got a new holder before the old one's routes were removed: such a route leads to the new
 * one already, or will in a moment, and goes over to it instead of being removed.
 */
#ifndef TAUPE_REGISTRY_REGISTRY_REDIS_OWNED_H
#define TAUPE_REGISTRY_REGISTRY_REDIS_OWNED_H

#include "registry/registry_redis.h"

struct redis_owned_route {
	char key[ROUTE_KEY_MAX];
	bool leaves; /* set by the owner: it shall be removed */
	char heir[DEVICE_NAME_MAX +
	    1]; /* who has its name or port now; "": nobody else */
	bool is_further; /* host:HOST says that it is its own */
};

/* All zeros: none. */
struct redis_owned {
	size_t n;
	struct redis_owned_route *routes;
};

/* SMEMBERS owned:…; what was read before is forgotten. None leaves yet. */
bool redis_owned_read(struct redis_owned *owned, const redisReply *reply);
void redis_owned_fini(struct redis_owned *owned);

/* Watch and ask who has the names and ports of those that leave; the reader gets one
 * reply, for redis_owned_read_heirs(). False: there is nothing to ask. */
bool redis_owned_ask(struct redis_tx *tx, const struct redis_owned *owned,
    redis_tx_reply reader);
/* name: the owner. */
bool redis_owned_read_heirs(struct redis_tx *tx, struct redis_owned *owned,
    const char *name, const redisReply *reply);

/* Queue the removal of those that leave, with their events. The set itself is the
 * caller's. */
void redis_owned_queue(struct redis_tx *tx, const struct redis_owned *owned);

#endif
