/* SPDX-License-Identifier: MIT */
/*
 * Which bytes the devices of a relay that stands alone had in the last hour: of those alone that had
 * any. There is room for a number of them; while all of it is taken by devices that had some lately,
 * others are not remembered.
 */
#ifndef TAUPE_REGISTRY_REGISTRY_MEMORY_TRAFFIC_H
#define TAUPE_REGISTRY_REGISTRY_MEMORY_TRAFFIC_H

#include <sys/queue.h>

#include "base/hash_map.h"
#include "base/traffic.h"

#define MEMORY_TRAFFIC_MAX 1000 /* devices; 1 kB each */

TAILQ_HEAD(device_traffic_list, device_traffic);

struct memory_traffic {
	struct hash_map by_name;
	struct device_traffic_list
	    list; /* who has been quiet for longest first */
};

void memory_traffic_init(struct memory_traffic *traffic);
void memory_traffic_fini(struct memory_traffic *traffic);
/* Minutes are since 1970; one that is before the device's last counts for that. */
void memory_traffic_add(struct memory_traffic *traffic, const char *name,
    uint64_t minute, uint64_t bytes_in, uint64_t bytes_out);
/* The hour that ends with this minute, the oldest first. */
void memory_traffic_read(const struct memory_traffic *traffic, const char *name,
    uint64_t minute, struct traffic_minute out[TRAFFIC_MINUTES]);

#endif
