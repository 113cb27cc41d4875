/* SPDX-License-Identifier: MIT */
/*
 * What a device remembers of its last welcome, in the memory that the driver gave: the
 * label, the lease, the relay and its peers, as terminated strings one after the other.
 * What does not fit is left out, the most useful first.
 */
#ifndef TAUPE_SDK_MEMORY_H
#define TAUPE_SDK_MEMORY_H

#include "sdk/taupe.h"
#include "wire/control_msg.h"

struct memory {
	char *start; /* NULL: nothing can be remembered */
	uint32_t size, used;
	uint16_t lease, relay; /* where they begin; the label does at 0 */
	uint16_t peers;	       /* where the first begins */
	uint8_t n_peers;
};

void memory_init(struct memory *m, void *start, size_t size);

/* Remember a welcome's label, lease, relay and peers; the slices must not lie within the
 * memory. True when something is different from what was remembered. */
bool memory_set(struct memory *m, const struct control_msg *welcome);

/* Remember another lease. False when it is the same, or has no room: the old one stays. */
bool memory_set_lease(struct memory *m, struct str lease);

/* Each "" when there is none. */
const char *memory_label(const struct memory *m);
const char *memory_lease(const struct memory *m);
const char *memory_relay(const struct memory *m);
/* Precondition: index < m->n_peers. */
const char *memory_peer(const struct memory *m, unsigned index);

/* As one form-encoded line; decodes in place. What is remembered of networks is in it, too. */
void memory_write(const struct memory *m, struct writer *w);
WIRE_MUST_CHECK bool memory_read(struct memory *m,
    struct taupe_heartbeat *heartbeat, char *text, size_t len);

#endif
