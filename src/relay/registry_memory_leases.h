/* SPDX-License-Identifier: MIT */
/*
 * Leases, labels and sessions of the registry in memory: what stands, when it ends, and
 * what rests. Who may have what is decided in registry_memory.c, the only user.
 */
#ifndef TAUPE_RELAY_REGISTRY_MEMORY_LEASES_H
#define TAUPE_RELAY_REGISTRY_MEMORY_LEASES_H

#include "base/hash_map.h"
#include "relay/registry_answer.h"

struct memory_lease {
	struct hash_node node;
	struct memory_leases *leases;
	char name[DEVICE_NAME_MAX + 1];
	struct lease lease;
	struct session_info session; /* the last one */
	bool connected;
	struct timer end;
};

/* A label that is leased, or rests. */
struct memory_label {
	struct hash_node node;
	struct memory_leases *leases;
	char label[LABEL_MAX + 1];
	char device[DEVICE_NAME_MAX + 1];
	struct memory_lease *lease; /* NULL: it rests until the timer fires */
	struct timer rest;
};

struct memory_leases {
	struct loop *loop;
	struct registry_answers *answers; /* for REGISTRY_SESSION */
	uint64_t quarantine_ms;
	struct hash_map by_name, labels;
	struct memory_lease *of_port[65536];
	uint64_t last_epoch;
};

void memory_leases_init(struct memory_leases *leases, struct loop *loop,
    struct registry_answers *answers, uint64_t quarantine_ms);
void memory_leases_fini(struct memory_leases *leases);

/* NULL when there is none. */
struct memory_lease *memory_lease_find(
    const struct memory_leases *leases, const char *name);
struct memory_label *memory_label_find(
    const struct memory_leases *leases, const char *label);

/*
 * Write a device's lease: this label and these ports and no others, this session, and
 * the time that is left. What the lease had before and has no more is released. -1: no
 * memory, nothing has changed. Precondition: no other lease has one of them.
 */
int memory_lease_write(struct memory_leases *leases, const char *name,
    const struct lease *lease, const struct session_info *session,
    bool connected, uint64_t remaining_ms);

/* The lease ends now: its ports are free, its label rests. */
void memory_lease_end(struct memory_lease *lease);

#endif
