/* SPDX-License-Identifier: MIT */
/*
 * Devices whose state the registry does not have: because it was away when they changed,
 * or because it came back empty. They are written when it is there, a few at a time.
 */
#ifndef TAUPE_RELAY_BACKLOG_H
#define TAUPE_RELAY_BACKLOG_H

#include "relay/device.h"

void backlog_add(struct device *device);
/* Does nothing for a device that is not in it. */
void backlog_remove(struct device *device);
/* The registry has lost everything: all devices of this relay. */
void backlog_add_all(struct relay *relay);
/* Write on, as long as the registry is up: when it comes back, and with each announcement,
 * for what it has refused while it was up. */
void backlog_write(struct relay *relay);

#endif
