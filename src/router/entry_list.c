/* SPDX-License-Identifier: MIT */
/* An empty list gives its memory back if it was a big one: a burst is no reason to stay
 * big. */
#include <stdlib.h>
#include <string.h>

#include "router/entry_list.h"

#define FIRST_ROOM 64
#define KEEP_ROOM 4096

int
entry_list_push(struct entry_list *list, struct route_entry *entry)
{
	size_t room = list->room == 0 ? FIRST_ROOM : list->room * 2;
	struct route_entry **items;

	if (list->end == list->room && list->first > list->room / 2) {
		memmove(list->items, list->items + list->first,
		    entry_list_count(list) * sizeof(*list->items));
		list->end -= list->first;
		list->first = 0;
	}
	if (list->end == list->room) {
		items = realloc(list->items, room * sizeof(*items));
		if (items == NULL)
			return -1;
		list->items = items;
		list->room = room;
	}
	list->items[list->end++] = entry;
	return 0;
}

struct route_entry *
entry_list_shift(struct entry_list *list)
{
	struct route_entry *entry;

	if (list->first == list->end)
		return NULL;
	entry = list->items[list->first++];
	if (list->first == list->end) {
		list->first = list->end = 0;
		if (list->room > KEEP_ROOM)
			entry_list_fini(list);
	}
	return entry;
}

void
entry_list_fini(struct entry_list *list)
{
	free(list->items);
	memset(list, 0, sizeof(*list));
}
