/* SPDX-License-Identifier: MIT */
/*
 * The routes that a relay of this address has left behind when it ended: its devices are not back
 * yet, and the proxy still leads their visitors here. Each such port is kept for the service whose
 * it was, or that device's visitors would reach another device's service.
 */
#ifndef TAUPE_RELAY_INHERITED_H
#define TAUPE_RELAY_INHERITED_H

#include "relay/relay.h"

void inherited_init(struct relay *relay);
void inherited_fini(struct relay *relay);

/* A route as it stands in the registry, or as it was changed now: REGISTRY_ROUTE. One that leads
 * here is kept while the registry is read; one that leads here no longer is not ours. */
void inherited_note(struct relay *relay, const struct registry_event *event);
/* From now on nothing is kept that was not before: services come. What nobody came back for is
 * kept as long as a lease may last. */
void inherited_complete(struct relay *relay);

/* Is a port kept for it? */
bool inherited_has(const struct relay *relay, const char *key);
/* The port to which this route leads, which is the caller's now; 0: none was kept, or another
 * route leads there, too. */
uint16_t inherited_claim(struct relay *relay, const char *key);
/* The same in two steps, for who has several routes that lead to one port: where the route leads that is
 * kept no more, 0: none was; and may the port be the caller's, to which so many of them led? */
uint16_t inherited_take(struct relay *relay, const char *key);
bool inherited_free(struct relay *relay, uint16_t port, unsigned times);

#endif
