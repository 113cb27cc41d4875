/* SPDX-License-Identifier: MIT */
/* Events as JSON: the same object in a relay's API, at taupectl events and in webhooks. */
#ifndef TAUPE_ADMIN_EVENT_JSON_H
#define TAUPE_ADMIN_EVENT_JSON_H

#include <jansson.h>

#include "wire/str.h"

#define EVENT_PLACE_MAX 48 /* "1764567890123-0": where it stands, in order */

/* One field of an event: a number if it is one by its name, else text. What is no UTF-8 is left
 * out. */
void event_json_add(json_t *event, struct str key, struct str value);

/* Is the one place before the other? A place is a number, or two with a '-' between them. */
bool event_place_before(const char *a, const char *b);
bool event_place_valid(const char *place);

#endif
