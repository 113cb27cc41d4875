/* SPDX-License-Identifier: MIT */
/*
 * What one device may use: visitors at once, new visitors a second, bytes a second. It knows
 * nothing of how visitors are served; who serves them asks.
 */
#ifndef TAUPE_RELAY_LIMITS_H
#define TAUPE_RELAY_LIMITS_H

#include "net/flow.h"
#include "relay/device.h"

/* Have the limits that are configured now, and in place of these the own ones that are set; own
 * NULL: those that it has. What runs without a rate keeps on without. -1: no memory. */
int device_limits_set(
    struct device *device, const struct own_limit own[DEVICE_LIMITS]);
void device_limits_free(struct device *device);

/* May one more visitor come? If not, that was counted and logged; *retry_after_s: when to come
 * again. */
bool device_admits_visitor(struct device *device, unsigned *retry_after_s);
/* May a visitor who waits begin? If not, device_serve() is called when one may. */
bool device_may_begin(struct device *device);
/* Is that what visitors wait for? */
bool device_is_slowed(const struct device *device);
/* It could do with another transfer channel, and has as many as it may. */
void device_lacks_transfers(struct device *device);
/* Its agent's frame was refused with this close code. */
void device_note_bad_frame(struct device *device, unsigned code);
/* The rate of its bytes; NULL: any. */
struct flow *device_flow(const struct device *device);

#endif
