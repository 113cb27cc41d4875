/* SPDX-License-Identifier: MIT */
/* Which devices are busiest, for metrics with a bound on how many there are. */
#ifndef TAUPE_RELAY_RANKING_H
#define TAUPE_RELAY_RANKING_H

#include "relay/device.h"

/*
 * The n devices that have moved most bytes, most first; among equals the one whose name comes first.
 * Devices that nobody has visited are none of them. *count: how many there are. The list is the
 * caller's to free; NULL: there is none, or no memory.
 */
const struct device **devices_ranked(
    struct relay *relay, size_t n, size_t *count);

#endif
