/* SPDX-License-Identifier: MIT */
/* The id is the relay's, the time of its start and a number that grows: whoever reads an event twice
 * knows that it is one. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "registry/happening.h"
#include "relay/events.h"
#include "relay/relay.h"

#define ID_MAX (RELAY_ID_MAX + 48)

/* False: it is not kept. */
static bool
keep(struct relay *relay, enum event_kind kind, const char *device,
    const struct log_field *fields)
{
	struct log_field all[HAPPENING_FIELDS_MAX + 1];
	size_t n = 0;
	struct happening *event;
	char id[ID_MAX];

	snprintf(id, sizeof(id), "%s-%" PRIu64 "-%" PRIu64, relay->self.id,
	    relay->self.since_ms, ++relay->n_events);
	all[n++] = LOG_S("kind", event_kind_name(kind));
	all[n++] = LOG_S("id", id);
	all[n++] = LOG_U("at_ms", loop_wall_ms());
	all[n++] = LOG_S("relay", relay->self.id);
	all[n++] = LOG_S("device", device);
	for (; fields->key != NULL && n < HAPPENING_FIELDS_MAX; fields++)
		all[n++] = *fields;
	all[n].key = NULL;
	event = happening_new(all);
	return event != NULL &&
	    relay->registry->ops->happened(relay->registry, event);
}

static void
note_loss(struct relay *relay)
{
	relay->counters.events_lost++;
	relay->events_untold++;
}

void
event_emit_fields(struct relay *relay, enum event_kind kind, const char *device,
    const struct log_field *fields)
{
	if (relay->registry == NULL)
		return; /* at the end of the process */
	if (relay->events_untold > 0 &&
	    keep(relay, EVENT_LOST, NULL,
		(const struct log_field[]){
		    LOG_U("times", relay->events_untold), {.key = NULL}}))
		relay->events_untold = 0;
	if (!keep(relay, kind, device, fields))
		note_loss(relay);
}
