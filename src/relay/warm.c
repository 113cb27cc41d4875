/* SPDX-License-Identifier: MIT */
/*
 * What ran lately is one number, the most visits at once, which is halved for each
 * warm_decay that has passed. It is brought up to date when it is asked for, so that a
 * device at rest needs no timer.
 */
#include "config.h"

#include "relay/dig.h"
#include "relay/limits.h"
#include "relay/shared.h"
#include "relay/warm.h"

/* A shared channel takes who waits, or will. */
static bool
is_shared(const struct device *device)
{
	return (device->shared_dug && !device->shared_late) ||
	    shared_is_open(device);
}

/* Who needs a channel of their own. */
static size_t
count_busy(const struct device *device)
{
	return device->n_running + device->n_movers +
	    (is_shared(device) ? 0 : device->n_waiting);
}

static void
update_recent(struct device *device)
{
	uint64_t now_ms = loop_now_ms(device->relay->loop);
	uint64_t decay_ms = (uint64_t)device->relay->options.warm_decay_ms;
	uint64_t halvings = (now_ms - device->warm_since_ms) / decay_ms;
	size_t busy = count_busy(device);

	device->warm_recent =
	    halvings < 16 ? (uint16_t)(device->warm_recent >> halvings) : 0;
	device->warm_since_ms += halvings * decay_ms;
	if (busy >= device->warm_recent) {
		device->warm_recent =
		    busy < UINT16_MAX ? (uint16_t)busy : UINT16_MAX;
		device->warm_since_ms = now_ms;
	}
}

/* In all: running, idle and under way. */
static size_t
wanted(const struct device *device)
{
	const struct relay *relay = device->relay;
	size_t most = (size_t)relay->options.warm_max;
	size_t busy = count_busy(device), floor = device->warm_floor;
	size_t recent = device->warm_recent;

	if (floor == 0 || most == 0 || relay->phase != RELAY_RUNNING)
		return busy;
	if (device->mux_visits > 0)
		floor--; /* the shared one is the first of them */
	if (floor > most)
		floor = most;
	if (recent > most)
		recent = most;
	return busy + floor > recent ? busy + floor : recent;
}

/* One that is ready, or one for who waits. */
static bool
wants_shared(const struct device *device)
{
	const struct relay *relay = device->relay;

	return device->mux_visits > 0 && !device->shared_dug &&
	    !shared_is_there(device) &&
	    (device->n_waiting > 0 ||
		(device->warm_floor > 0 && relay->options.warm_max > 0 &&
		    relay->phase == RELAY_RUNNING));
}

_Static_assert(WARM_MAX <= UINT8_MAX, "warm_floor has room for it");

void
warm_set_floor(struct device *device, uint64_t channels)
{
	device->warm_floor = (uint8_t)channels;
}

void
warm_tend(struct device *device)
{
	size_t want, most;

	if (device->session == NULL || device->rides)
		return;
	if (wants_shared(device))
		(void)dig_start(device, true);
	update_recent(device);
	want = wanted(device);
	most = (size_t)device->relay->options.max_transfers;
	if (want > most) {
		device_lacks_transfers(device);
		want = most;
	}
	while (device->n_running + device->n_idle + device->n_digs < want)
		if (!dig_start(device, false))
			return;
}

bool
warm_is_plenty(struct device *device)
{
	update_recent(device);
	return device->n_running + device->n_idle > wanted(device);
}
