/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "relay/busiest.h"

#define VISIT_WEIGHT                                                           \
	4096 /* bytes that a visit counts for, when devices are compared */

void
busiest_clear(struct busiest *busiest)
{
	busiest->n = 0;
}

static uint64_t
weight_of(const struct device_counters *delta)
{
	return delta->visitors * VISIT_WEIGHT + delta->bytes_in +
	    delta->bytes_out;
}

void
busiest_offer(struct busiest *busiest, const char *name,
    const struct device_counters *delta)
{
	uint64_t weight = weight_of(delta);
	size_t at = busiest->n;
	struct busy_device *place;

	if (weight == 0)
		return;
	while (at > 0 && weight_of(&busiest->list[at - 1].delta) < weight)
		at--;
	if (at == BUSIEST_MAX)
		return;
	if (busiest->n < BUSIEST_MAX)
		busiest->n++;
	place = &busiest->list[at];
	memmove(place + 1, place, (busiest->n - 1 - at) * sizeof(*place));
	snprintf(place->name, sizeof(place->name), "%s", name);
	place->delta = *delta;
}

const char *
busiest_text(const struct busiest *busiest, char out[BUSIEST_TEXT_MAX])
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < busiest->n; i++) {
		const struct busy_device *device = &busiest->list[i];

		len += (size_t)snprintf(out + len, BUSIEST_TEXT_MAX - len,
		    "%s%s:%llu:%llu:%llu", i > 0 ? "," : "", device->name,
		    (unsigned long long)device->delta.visitors,
		    (unsigned long long)device->delta.bytes_in,
		    (unsigned long long)device->delta.bytes_out);
	}
	return out;
}
