/* SPDX-License-Identifier: MIT */
/* What each device has done since the registry was told: visits and their payload. */
#ifndef TAUPE_RELAY_COUNTING_H
#define TAUPE_RELAY_COUNTING_H

#include "relay/device.h"

/* Add to its counters (flushed with each announcement). */
void counting_add(struct device *device, uint64_t visitors, uint64_t bytes_in,
    uint64_t bytes_out);
/* Add payload to its counters and the relay's. */
void counting_add_payload(
    struct device *device, uint64_t bytes_in, uint64_t bytes_out);
/* Bytes of the relay's day that the registry was not asked to add yet. */
uint64_t counting_waits(const struct device *device);
/* Since it came to this relay; NULL: nobody has visited it. */
const struct device_counters *counting_totals(const struct device *device);
/* Ask the registry to add what was counted to its own, that of visits which are running as well.
 * What it refuses is added to what is counted meanwhile, and goes with the next flush. What is
 * counted from now on is this day's. */
void counting_flush(struct relay *relay, uint32_t day);
/* Has the registry all of it, or is there no use in waiting? */
bool counting_is_done(const struct relay *relay);
/* The operator has removed the device, and with it its counters: it gets none again. */
void counting_end(struct device *device);
/* The device is going; what it has done stays until it is written. */
void counting_leave(struct device *device);
/* At the end of the process, when the registry calls back no more. */
void counting_free_all(struct relay *relay);

#endif
