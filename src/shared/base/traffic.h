/* SPDX-License-Identifier: MIT */
/* A device's bytes of the last hour, minute by minute, as they are drawn. */
#ifndef TAUPE_BASE_TRAFFIC_H
#define TAUPE_BASE_TRAFFIC_H

#include <stdint.h>

#define TRAFFIC_MINUTES 60
#define TRAFFIC_MINUTE_MS 60000

struct traffic_minute {
	uint64_t bytes_in, bytes_out; /* from visitors, and to them */
};

#endif
