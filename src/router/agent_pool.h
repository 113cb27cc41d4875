/* SPDX-License-Identifier: MIT */
/*
 * The host names that all relays share for agents that do not know one yet, such as
 * relay.example.com. HAProxy cannot be told "any of these" by a map, so relay.map gets a
 * row of slots, "any/0" to "any/63", with the relays dealt out over them, and the
 * common host says ROUTE_ANY: HAProxy's configuration then takes a slot at random. A new
 * relay changes some slots and no configuration. Share links are led to a relay by the same slots,
 * so they are there without a common host, too.
 */
#ifndef TAUPE_ROUTER_AGENT_POOL_H
#define TAUPE_ROUTER_AGENT_POOL_H

#include "net/loop.h"
#include "router/route_table.h"

#define AGENT_POOL_SLOTS 64 /* haproxy.cfg says the same: rand(64) */

struct agent_pool;

/* hosts[0..n) are kept, not copied. NULL: no memory. */
struct agent_pool *agent_pool_new(
    struct loop *loop, struct route_table *table, char *const *hosts, size_t n);
void agent_pool_free(struct agent_pool **pool);

/* A route changed; the slots follow before the loop's next turn. */
void agent_pool_note(struct agent_pool *pool, const struct route_entry *entry);

#endif
