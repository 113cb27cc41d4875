/* SPDX-License-Identifier: MIT */
/*
 * The record of something that has happened, as the registry keeps it: pairs of key and value,
 * packed. It knows nothing of relays; events.h makes them.
 */
#ifndef TAUPE_REGISTRY_HAPPENING_H
#define TAUPE_REGISTRY_HAPPENING_H

#include <sys/queue.h>

#include "base/log.h"

#define HAPPENING_FIELDS_MAX 24 /* of those that are given: who gives more has a bug */
#define HAPPENING_VALUE_MAX 255 /* bytes of one value: what is longer is cut */

struct registry;

struct happening {
	/* the registry's that keeps it */
	TAILQ_ENTRY(happening) link;
	struct registry *registry;
	uint64_t number;
	bool sent;
	size_t size; /* of the whole record in memory */
	char text[]; /* key, value, key, value …, each with its NUL; all of it printable ASCII */
};

TAILQ_HEAD(happening_list, happening);

struct happening_field {
	const char *key, *value;
};

/* As in a line of the log, a NULL string leaves its field out; at most HAPPENING_FIELDS_MAX. NULL: no
 * memory. */
struct happening *happening_new(const struct log_field *fields);
void happening_free(struct happening **event);

/* Go through the fields: begin with {0}. False: there are no more. */
bool happening_next_field(const struct happening *event, struct happening_field *field);
/* "": it has no such field. */
const char *happening_value(const struct happening *event, const char *key);

#endif
