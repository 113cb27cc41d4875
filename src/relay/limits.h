/* SPDX-License-Identifier: MIT */
/*
 * What one device may use: visitors at once, new visitors a second, bytes a second. It knows
 * nothing of how visitors are served; who serves them asks.
 */
#ifndef TAUPE_RELAY_LIMITS_H
#define TAUPE_RELAY_LIMITS_H

#include "net/flow.h"
#include "relay/device.h"

/* Have the limits that are configured now. What runs keeps the rate that it began with, if there
 * was none. -1: no memory. */
int device_limits_set(struct device *device);
void device_limits_free(struct device *device);

/* May one more visitor come? If not, that was counted and logged; *retry_after_s: when to come
 * again. */
bool device_admits_visitor(struct device *device, unsigned *retry_after_s);
/* May a visitor who waits begin? If not, device_serve() is called when one may. */
bool device_may_begin(struct device *device);
/* Is that what visitors wait for? */
bool device_is_slowed(const struct device *device);
/* The rate of its bytes; NULL: any. */
struct flow *device_flow(const struct device *device);

#endif
