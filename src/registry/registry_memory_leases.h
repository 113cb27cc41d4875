/* SPDX-License-Identifier: MIT */
/*
 * Leases, labels and sessions of the registry in memory: what stands, when it ends, and
 * what rests. Who may have what is decided in registry_memory.c, the only user.
 */
#ifndef TAUPE_REGISTRY_REGISTRY_MEMORY_LEASES_H
#define TAUPE_REGISTRY_REGISTRY_MEMORY_LEASES_H

#include "base/hash_map.h"
#include "registry/grant.h"
#include "registry/registry_answer.h"

/* A label and who has it: it is leased, or it rests after that. */
struct memory_lease {
	struct hash_node by_label;
	struct hash_node by_name; /* while it stands */
	struct memory_leases *leases;
	struct grant *grant; /* to the device's last session */
	struct timer timer;  /* standing: its end; else: the label's */
	bool standing : 1;   /* it is a lease; else the label rests */
	bool connected : 1;
	char name[]; /* the device's */
};

struct memory_leases {
	struct loop *loop;
	struct registry_answers *answers; /* for REGISTRY_SESSION */
	const char *relay_id;
	uint64_t quarantine_ms;
	struct hash_map by_name, by_label;
	struct memory_lease *of_port[65536];
	uint64_t last_epoch;
};

/* relay_id is kept, not copied. */
void memory_leases_init(struct memory_leases *leases, struct loop *loop,
    struct registry_answers *answers, const char *relay_id,
    uint64_t quarantine_ms);
void memory_leases_fini(struct memory_leases *leases);

/* The device's lease. NULL when there is none. */
struct memory_lease *memory_lease_find(
    const struct memory_leases *leases, const char *name);
/* Whose the label is, standing or resting. NULL: it is free. */
struct memory_lease *memory_lease_of_label(
    const struct memory_leases *leases, const char *label);

/*
 * Write a device's lease: the grant's label and ports and no others, its session, and the
 * time that is left. What the lease had before and has no more is released. Keeps the
 * grant. -1: no memory, nothing has changed. Precondition: no other lease has one of them.
 */
int memory_lease_write(struct memory_leases *leases, const char *name,
    struct grant *grant, bool connected, uint64_t remaining_ms);

/* A standing lease ends now: its ports are free, its label rests. */
void memory_lease_end(struct memory_lease *lease);

#endif
