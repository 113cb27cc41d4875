/* SPDX-License-Identifier: MIT */
/* A growing list of route entries, which can also be taken from the front. */
#ifndef TAUPE_ROUTER_ENTRY_LIST_H
#define TAUPE_ROUTER_ENTRY_LIST_H

#include <stddef.h>

struct route_entry;

/* All zero is an empty one. */
struct entry_list {
	struct route_entry **items;
	size_t first, end, room; /* items[first..end) */
};

/* -1: no memory. */
int entry_list_push(struct entry_list *list, struct route_entry *entry);
/* NULL when it is empty. */
struct route_entry *entry_list_shift(struct entry_list *list);
void entry_list_fini(struct entry_list *list);

static inline size_t
entry_list_count(const struct entry_list *list)
{
	return list->end - list->first;
}

#endif
