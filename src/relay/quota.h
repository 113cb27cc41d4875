/* SPDX-License-Identifier: MIT */
/*
 * What a device may move on a day and in a month (UTC), and what happens when it has: an event,
 * a low rate, or nobody may visit it until the period ends. What all relays have counted comes
 * from the registry when the device does, and now and then; this relay counts on from there.
 */
#ifndef TAUPE_RELAY_QUOTA_H
#define TAUPE_RELAY_QUOTA_H

#include "relay/device.h"
#include "relay/page.h"

/* Its record has these. -1: no memory. */
int quota_set(
    struct device *device, const struct own_limit own[DEVICE_LIMITS]);
/* The device is going. */
void quota_leave(struct device *device);
/* At the end of the process, when the registry calls back no more. */
void quotas_free_all(struct relay *relay);

/* Its visits have moved so much on the relay's day. */
void quota_count(struct device *device, uint64_t bytes);
/* May it be visited? If not, the page that says why, and when the period ends. */
bool quota_admits(
    const struct device *device, enum page *page, unsigned *retry_after_s);
/* Has it a rate because of its quota? Bytes a second. */
bool quota_rate(const struct device *device, int64_t *rate);
/* Act, and ask the registry where that is due; called after each counting_flush(). */
void quotas_tend(struct relay *relay);

#endif
