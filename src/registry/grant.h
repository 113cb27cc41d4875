/* SPDX-License-Identifier: MIT */
/*
 * What a device was granted, packed for keeping: its lease, and the session that it was
 * granted to. The wide structs of registry.h have room for the longest of everything, and
 * are for passing on; a relay keeps a hundred thousand of these, of some 70 bytes each.
 */
#ifndef TAUPE_REGISTRY_GRANT_H
#define TAUPE_REGISTRY_GRANT_H

#include "registry/registry.h"

struct grant {
	uint64_t epoch;	   /* of the session, and so of the lease */
	uint64_t since_ms; /* wall clock */
	char *down; /* the services that are down, as the agent says; NULL: none */
	/* what the agent says of its heartbeats; 0: nothing */
	uint32_t heartbeat_ms;
	uint32_t budget_kb; /* kilobytes in 30 days; 0: none */
	uint16_t beat_bytes;
	uint8_t n_keepers;
	uint8_t n_ports;
	char text[]; /* label, instance, from; then the ports, each a number of two bytes
	                and its service; all texts end with a NUL */
};

/* NULL: no memory. The lease's own epoch is not kept, it is the session's; nor is the
 * session's relay, which is the keeper's own. */
struct grant *grant_new(
    const struct lease *lease, const struct session_info *session);

/* It never changes, but for what the agent says, so that the device and the registry can keep the same one:
 * each of them drops it when it is done with it. */
struct grant *grant_keep(struct grant *grant);
/* Clears the pointer; frees what nobody else keeps. May be NULL. */
void grant_drop(struct grant **grant);

/* False: so it was already. */
bool grant_set_heartbeat(struct grant *grant, uint32_t heartbeat_ms,
    uint64_t beat_bytes, uint64_t budget_bytes);

/* names: "web,ssh", up to DOWN_TEXT_MAX; "": none. False: so it was already, or there is no memory. */
bool grant_set_down(struct grant *grant, const char *names);

/* What the agent has said of its heartbeats and services. */
void grant_take_said(struct grant *grant, const struct grant *from);

const char *grant_label(const struct grant *grant);
const char *grant_instance(const struct grant *grant);
const char *grant_from(const struct grant *grant);

/* The wide forms. */
void grant_lease(const struct grant *grant, struct lease *lease);
void grant_session(const struct grant *grant, const char *relay_id,
    struct session_info *session);

#endif
