/* SPDX-License-Identifier: MIT */
/*
 * What ran lately is one number, the most visits at once, which is halved for each
 * warm_decay that has passed. It is brought up to date when it is asked for, so that a
 * device at rest needs no timer.
 */
#include "config.h"

#include "relay/dig.h"
#include "relay/warm.h"

static size_t
count_busy(const struct device *device)
{
	return device->n_running + device->n_waiting;
}

static void
update_recent(struct device *device)
{
	uint64_t now_ms = loop_now_ms(device->relay->loop);
	uint64_t decay_ms = (uint64_t)device->relay->options.warm_decay_ms;
	uint64_t halvings = (now_ms - device->warm.since_ms) / decay_ms;
	size_t busy = count_busy(device);

	device->warm.recent =
	    halvings < 16 ? (uint16_t)(device->warm.recent >> halvings) : 0;
	device->warm.since_ms += halvings * decay_ms;
	if (busy >= device->warm.recent) {
		device->warm.recent =
		    busy < UINT16_MAX ? (uint16_t)busy : UINT16_MAX;
		device->warm.since_ms = now_ms;
	}
}

/* In all: running, idle and under way. */
static size_t
wanted(const struct device *device)
{
	const struct relay *relay = device->relay;
	size_t most = (size_t)relay->options.warm_max;
	size_t busy = count_busy(device), floor = device->warm.floor;
	size_t recent = device->warm.recent;

	if (floor == 0 || most == 0 || relay->phase != RELAY_RUNNING)
		return busy;
	if (floor > most)
		floor = most;
	if (recent > most)
		recent = most;
	return busy + floor > recent ? busy + floor : recent;
}

void
warm_set_floor(struct device *device, uint64_t channels)
{
	device->warm.floor = (uint16_t)channels;
}

void
warm_tend(struct device *device)
{
	size_t want;

	if (device->session == NULL)
		return;
	update_recent(device);
	want = wanted(device);
	while (device->n_running + device->n_idle + device->n_digs < want)
		if (!dig_start(device))
			return;
}

bool
warm_is_plenty(struct device *device)
{
	update_recent(device);
	return device->n_running + device->n_idle > wanted(device);
}
