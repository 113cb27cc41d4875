/* SPDX-License-Identifier: MIT */
/*
 * The devices that had the most visits and bytes lately, for whoever watches: a short list that
 * the relay announces, so that nobody has to read the counters of all devices.
 */
#ifndef TAUPE_RELAY_BUSIEST_H
#define TAUPE_RELAY_BUSIEST_H

#include "base/device_record.h"
#include "registry/registry.h"

#define BUSIEST_MAX 20 /* devices */
/* "NAME:VISITORS:BYTES_IN:BYTES_OUT," of each, and a NUL */
#define BUSIEST_TEXT_MAX (BUSIEST_MAX * (DEVICE_NAME_MAX + 3 * 21 + 1) + 1)

struct busiest {
	size_t n;
	struct busy_device {
		char name[DEVICE_NAME_MAX + 1];
		struct device_counters delta;
	} list[BUSIEST_MAX]; /* the busiest first */
};

/* Forget them: another time begins. */
void busiest_clear(struct busiest *busiest);
/* This device has done that. It is kept if it is one of the busiest. */
void busiest_offer(struct busiest *busiest, const char *name,
    const struct device_counters *delta);
/* "alice:3:1200:99000,bob:1:80:512", or "". Returns out. */
const char *busiest_text(
    const struct busiest *busiest, char out[BUSIEST_TEXT_MAX]);

#endif
