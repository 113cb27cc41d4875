/* SPDX-License-Identifier: MIT */
#include "registry/registry_memory_history.h"

#include <inttypes.h>
#include <stdio.h>

#define KEPT 1000

void
memory_history_init(struct memory_history *history)
{
	*history = (struct memory_history){.began_ms = loop_wall_ms()};
	TAILQ_INIT(&history->list);
}

static void
forget_oldest(struct memory_history *history)
{
	struct happening *event = TAILQ_FIRST(&history->list);

	TAILQ_REMOVE(&history->list, event, link);
	history->n--;
	happening_free(&event);
}

void
memory_history_fini(struct memory_history *history)
{
	while (history->n > 0)
		forget_oldest(history);
}

void
memory_history_add(struct memory_history *history, struct happening *event)
{
	event->number = ++history->last;
	TAILQ_INSERT_TAIL(&history->list, event, link);
	if (++history->n > KEPT)
		forget_oldest(history);
}

static void
write_place(const struct memory_history *history, uint64_t number,
    char place[HISTORY_PLACE_MAX])
{
	snprintf(place, HISTORY_PLACE_MAX, "%" PRIu64 "-%" PRIu64,
	    history->began_ms, number);
}

/* The number that a place has here; 0: it is before all of them. *missed: it is of another process,
 * or what stood behind it is not kept any more. */
static uint64_t
number_of(const struct memory_history *history, const char *after, bool *missed)
{
	const struct happening *oldest = TAILQ_FIRST(&history->list);
	uint64_t ms = 0, number = 0;
	struct str head, tail;

	*missed = false;
	if (!str_split(str_of(after), '-', &head, &tail))
		return 0; /* a time, which the caller knows better than we */
	(void)str_to_number(head, UINT64_MAX, &ms);
	(void)str_to_number(tail, UINT64_MAX, &number);
	if (ms != history->began_ms || number > history->last) {
		*missed = true;
		return 0;
	}
	*missed = oldest != NULL && number + 1 < oldest->number;
	return number;
}

bool
memory_history_recall(const struct memory_history *history, const char *after,
    char end[HISTORY_PLACE_MAX], registry_recall_cb cb, void *ctx)
{
	char place[HISTORY_PLACE_MAX];
	const struct happening *event;
	uint64_t number = history->last;
	bool missed = false;
	int n = 0;

	if (after != NULL)
		number = number_of(history, after, &missed);
	TAILQ_FOREACH (event, &history->list, link) {
		if (event->number <= number)
			continue;
		if (n++ == HISTORY_PAGE)
			break;
		number = event->number;
		write_place(history, number, place);
		cb(ctx, place, event);
	}
	write_place(history, number, end);
	return missed;
}
