/* SPDX-License-Identifier: MIT */
/*
 * Visitors who come to a device's old place: another relay has the device now, its session
 * here has ended, and the proxies do not know yet, or the visitor was held when it left. They
 * are led to the listener where the device's route leads now, over this relay.
 */
#ifndef TAUPE_RELAY_HANDOVER_H
#define TAUPE_RELAY_HANDOVER_H

#include "relay/device.h"

/* The device has moved and has no session here: find out where its routes lead for the
 * services that somebody waits for, and lead them there. Does nothing for those that are
 * being looked for already. */
void handovers_seek(struct device *device);
/* Cut all (at the end of the process, when the registry calls back no more). */
void handovers_free_all(struct relay *relay);

#endif
