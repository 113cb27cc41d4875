/* SPDX-License-Identifier: MIT */
/*
 * How many transfer channels a device shall have: its running visits and those who wait
 * need one each, its agent may want some kept ready besides, and where many visits ran
 * lately, many will be wanted again. A channel that is ready saves the next visitor the
 * round trips of digging one.
 */
#ifndef TAUPE_RELAY_WARM_H
#define TAUPE_RELAY_WARM_H

#include "relay/device.h"

/* The agent wants so many idle channels kept; 0: none is dug ahead of need. */
void warm_set_floor(struct device *device, uint64_t channels);
/* Ask for the channels that are missing, those that are under way counted. To be called
 * when a channel was taken, when a visitor waits, and with the agent's heartbeat: channels
 * may be lost unnoticed, and an agent that closes them must not be asked in a circle. */
void warm_tend(struct device *device);
/* Does it have more channels than it shall have? */
bool warm_is_plenty(struct device *device);

#endif
