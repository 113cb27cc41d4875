/* SPDX-License-Identifier: MIT */
#include "registry/registry_memory_traffic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct device_traffic {
	struct hash_node by_name;
	TAILQ_ENTRY(device_traffic) link;
	uint64_t last; /* minute that it had bytes in */
	/* each at its number's remainder; those in use are the hour up to the last */
	struct traffic_minute minutes[TRAFFIC_MINUTES];
	char name[];
};

static struct str
name_of(const struct hash_node *node)
{
	return str_of(HASH_ENTRY(node, struct device_traffic, by_name)->name);
}

void
memory_traffic_init(struct memory_traffic *traffic)
{
	hash_map_init(&traffic->by_name, name_of);
	TAILQ_INIT(&traffic->list);
}

static void
forget(struct memory_traffic *traffic, struct device_traffic *device)
{
	hash_map_remove(&traffic->by_name, &device->by_name);
	TAILQ_REMOVE(&traffic->list, device, link);
	free(device);
}

void
memory_traffic_fini(struct memory_traffic *traffic)
{
	while (!TAILQ_EMPTY(&traffic->list))
		forget(traffic, TAILQ_FIRST(&traffic->list));
	hash_map_fini(&traffic->by_name);
}

static struct device_traffic *
find(const struct memory_traffic *traffic, const char *name)
{
	struct hash_node *node = hash_map_find(&traffic->by_name, str_of(name));

	return node != NULL ? HASH_ENTRY(node, struct device_traffic, by_name)
			    : NULL;
}

/* Those that had nothing for an hour have nothing to be drawn. */
static bool
make_room(struct memory_traffic *traffic, uint64_t minute)
{
	struct device_traffic *quietest;

	while ((quietest = TAILQ_FIRST(&traffic->list)) != NULL &&
	    quietest->last + TRAFFIC_MINUTES <= minute)
		forget(traffic, quietest);
	return traffic->by_name.count < MEMORY_TRAFFIC_MAX;
}

/* NULL: there is no room for it, or no memory. */
static struct device_traffic *
make(struct memory_traffic *traffic, const char *name, uint64_t minute)
{
	size_t size = strlen(name) + 1;
	struct device_traffic *device;

	if (!make_room(traffic, minute))
		return NULL;
	device = calloc(1, offsetof(struct device_traffic, name) + size);
	if (device == NULL)
		return NULL;
	memcpy(device->name, name, size);
	device->last = minute;
	if (hash_map_insert(&traffic->by_name, &device->by_name) != 0) {
		free(device);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&traffic->list, device, link);
	return device;
}

/* The minutes up to this one begin with nothing. */
static void
go_on(struct device_traffic *device, uint64_t minute)
{
	if (minute >= device->last + TRAFFIC_MINUTES)
		memset(device->minutes, 0, sizeof(device->minutes));
	else
		for (uint64_t m = device->last + 1; m <= minute; m++)
			device->minutes[m % TRAFFIC_MINUTES] =
			    (struct traffic_minute){0};
	if (minute > device->last)
		device->last = minute;
}

void
memory_traffic_add(struct memory_traffic *traffic, const char *name,
    uint64_t minute, uint64_t bytes_in, uint64_t bytes_out)
{
	struct device_traffic *device;
	struct traffic_minute *place;

	if (bytes_in == 0 && bytes_out == 0)
		return;
	device = find(traffic, name);
	if (device == NULL && (device = make(traffic, name, minute)) == NULL)
		return; /* a gap in a picture */
	go_on(device, minute);
	place = &device->minutes[device->last % TRAFFIC_MINUTES];
	place->bytes_in += bytes_in;
	place->bytes_out += bytes_out;
	TAILQ_REMOVE(&traffic->list, device, link);
	TAILQ_INSERT_TAIL(&traffic->list, device, link);
}

void
memory_traffic_read(const struct memory_traffic *traffic, const char *name,
    uint64_t minute, struct traffic_minute out[TRAFFIC_MINUTES])
{
	const struct device_traffic *device = find(traffic, name);
	uint64_t first = minute - (TRAFFIC_MINUTES - 1);

	memset(out, 0, TRAFFIC_MINUTES * sizeof(*out));
	for (uint64_t m = first; device != NULL && m <= minute; m++)
		if (m <= device->last && m + TRAFFIC_MINUTES > device->last)
			out[m - first] = device->minutes[m % TRAFFIC_MINUTES];
}
