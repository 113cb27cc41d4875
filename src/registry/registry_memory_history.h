/* SPDX-License-Identifier: MIT */
/* What has happened at a relay that stands alone: the latest of it, in its memory. */
#ifndef TAUPE_REGISTRY_REGISTRY_MEMORY_HISTORY_H
#define TAUPE_REGISTRY_REGISTRY_MEMORY_HISTORY_H

#include "registry/happening.h"
#include "registry/registry.h"

struct memory_history {
	struct happening_list list; /* the oldest first */
	size_t n;
	uint64_t began_ms, last; /* places are "BEGAN_MS-NUMBER", of one process */
};

void memory_history_init(struct memory_history *history);
void memory_history_fini(struct memory_history *history);
/* Takes the event. */
void memory_history_add(struct memory_history *history, struct happening *event);
/* As registry_ops.recall. */
bool memory_history_recall(const struct memory_history *history,
    const char *after, char end[HISTORY_PLACE_MAX], registry_recall_cb cb,
    void *ctx);

#endif
