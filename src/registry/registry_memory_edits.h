/* SPDX-License-Identifier: MIT */
/*
 * What devices change in the devices file: they enrol, and have other secrets. Another writer may have
 * the file's lock, an operator's program, and the loop does not wait for it: such a change is tried
 * again for some seconds, and others wait behind it. For registry_memory.c alone.
 */
#ifndef TAUPE_REGISTRY_REGISTRY_MEMORY_EDITS_H
#define TAUPE_REGISTRY_REGISTRY_MEMORY_EDITS_H

#include "registry/registry_answer.h"
#include "registry/registry_memory_devices.h"

struct memory_edits {
	struct loop *loop;
	struct registry_answers *answers;
	struct memory_devices *devices;
	memory_devices_cb changed_cb; /* of each refresh that a change needs */
	void *ctx;
	struct timer timer; /* of those that wait */
	TAILQ_HEAD(, memory_edit) waiting;
};

void memory_edits_init(struct memory_edits *edits, struct loop *loop,
    struct registry_answers *answers, struct memory_devices *devices,
    memory_devices_cb changed_cb, void *ctx);
/* Those that wait are forgotten: no callback is made. */
void memory_edits_fini(struct memory_edits *edits);

/* As registry_ops has them. */
int memory_edits_enrol(struct memory_edits *edits,
    const struct enrolment *enrolment, registry_enrol_cb cb, void *ctx);
int memory_edits_rotate(struct memory_edits *edits,
    const struct rotation *rotation, registry_done_cb cb, void *ctx);

#endif
