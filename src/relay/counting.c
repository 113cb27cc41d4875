/* SPDX-License-Identifier: MIT */
/*
 * Counters are added up here and go to the registry with each announcement. A device has one
 * such write under way at a time for each day; what the registry refuses waits for the next one. What is under
 * way when the registry goes away counts as written: rather too few than twice.
 */
#include "config.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "relay/busiest.h"
#include "relay/counting.h"
#include "relay/quota.h"
#include "relay/session.h"
#include "relay/visitor.h"

/* What a device has done that is not in the registry yet. It stays for a while when the device is
 * gone, and for the next time when all is written. */
struct uncounted {
	LIST_ENTRY(uncounted) link; /* in relay->uncounted */
	struct device *device; /* NULL: it is gone, or counts for another day */
	struct device_counters delta;
	uint32_t day;
	bool asked;   /* the registry has not answered yet */
	bool removed; /* by the operator: nothing is added any more */
	char name[];
};

/* Of a device that is here, or was visited. */
struct tally {
	struct device_counters totals; /* since it came here */
	struct uncounted
	    *uncounted; /* of the relay's day; NULL: all is written */
};

static void
forget(struct uncounted *uncounted)
{
	if (uncounted->device != NULL)
		uncounted->device->tally->uncounted = NULL;
	LIST_REMOVE(uncounted, link);
	free(uncounted);
}

static struct uncounted *
uncounted_new(struct device *device)
{
	size_t size = strlen(device->name) + 1;
	struct uncounted *uncounted =
	    calloc(1, offsetof(struct uncounted, name) + size);

	if (uncounted == NULL)
		return NULL;
	memcpy(uncounted->name, device->name, size);
	uncounted->device = device;
	uncounted->day = device->relay->day;
	LIST_INSERT_HEAD(&device->relay->uncounted, uncounted, link);
	return uncounted;
}

/* What was counted on another day stays that day's, and goes when its turn has come. */
static void
leave_day(struct tally *tally)
{
	tally->uncounted->device = NULL;
	tally->uncounted = NULL;
}

/* Of the relay's day. NULL: no memory. */
static struct uncounted *
uncounted_of(struct device *device)
{
	struct tally *tally = device->tally;

	if (tally == NULL &&
	    (tally = device->tally = calloc(1, sizeof(*tally))) == NULL)
		return NULL;
	if (tally->uncounted != NULL &&
	    tally->uncounted->day != device->relay->day)
		leave_day(tally);
	if (tally->uncounted == NULL)
		tally->uncounted = uncounted_new(device);
	return tally->uncounted;
}

static void
add_counters(struct device_counters *to, const struct device_counters *more)
{
	to->visitors += more->visitors;
	to->bytes_in += more->bytes_in;
	to->bytes_out += more->bytes_out;
}

void
counting_add(struct device *device, uint64_t visitors, uint64_t bytes_in,
    uint64_t bytes_out)
{
	const struct device_counters more = {visitors, bytes_in, bytes_out};

	struct uncounted *uncounted = uncounted_of(device);

	quota_count(device, bytes_in + bytes_out);
	if (device->session != NULL)
		session_count(device->session, visitors, bytes_in, bytes_out);
	if (uncounted == NULL)
		return; /* a gap in a statistic */
	add_counters(&uncounted->delta, &more);
	add_counters(&device->tally->totals, &more);
}

uint64_t
counting_waits(const struct device *device)
{
	const struct tally *tally = device->tally;

	return tally != NULL && tally->uncounted != NULL &&
		tally->uncounted->day == device->relay->day
	    ? tally->uncounted->delta.bytes_in +
		tally->uncounted->delta.bytes_out
	    : 0;
}

const struct device_counters *
counting_totals(const struct device *device)
{
	return device->tally != NULL ? &device->tally->totals : NULL;
}

void
counting_add_payload(
    struct device *device, uint64_t bytes_in, uint64_t bytes_out)
{
	if (bytes_in == 0 && bytes_out == 0)
		return;
	device->relay->counters.bytes_in += bytes_in;
	device->relay->counters.bytes_out += bytes_out;
	counting_add(device, 0, bytes_in, bytes_out);
}

static void
counted_cb(void *ctx, const struct device_counters *refused)
{
	struct uncounted *uncounted = ctx;

	uncounted->asked = false;
	add_counters(&uncounted->delta, refused);
}

static bool
is_all_counted(const struct device_counters *delta)
{
	return delta->visitors == 0 && delta->bytes_in == 0 &&
	    delta->bytes_out == 0;
}

static void
flush(struct relay *relay, struct uncounted *uncounted)
{
	if (uncounted->asked)
		return; /* the rest waits for the answer */
	if (uncounted->removed || is_all_counted(&uncounted->delta)) {
		forget(uncounted);
		return;
	}
	busiest_offer(&relay->busiest, uncounted->name, &uncounted->delta);
	uncounted->asked =
	    relay->registry->ops->count(relay->registry, uncounted->name,
		uncounted->day, &uncounted->delta, counted_cb, uncounted);
}

void
counting_flush(struct relay *relay, uint32_t day)
{
	struct uncounted *uncounted, *next;

	visitors_count(relay); /* until now it was the day before */
	relay->day = day;
	/* it would only refuse them */
	if (relay->registry->ops->trouble(relay->registry) != NULL)
		return;
	for (uncounted = LIST_FIRST(&relay->uncounted); uncounted != NULL;
	     uncounted = next) {
		next = LIST_NEXT(uncounted, link);
		flush(relay, uncounted);
	}
}

bool
counting_is_done(const struct relay *relay)
{
	return LIST_EMPTY(&relay->uncounted) ||
	    relay->registry->ops->trouble(relay->registry) != NULL;
}

void
counting_end(struct device *device)
{
	struct uncounted *uncounted =
	    uncounted_of(device); /* for its visits that end now */

	if (uncounted != NULL)
		uncounted->removed = true;
}

void
counting_leave(struct device *device)
{
	struct tally *tally = device->tally;

	if (tally == NULL)
		return;
	if (tally->uncounted != NULL)
		tally->uncounted->device = NULL;
	free(tally);
	device->tally = NULL;
}

void
counting_free_all(struct relay *relay)
{
	while (!LIST_EMPTY(&relay->uncounted))
		forget(LIST_FIRST(&relay->uncounted));
}
