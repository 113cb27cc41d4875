/* SPDX-License-Identifier: MIT */
/*
 * Further names of the services of devices that are here: what the operator has given them beside
 * the name that their label makes. Those that are proved lead to the service of their device,
 * while it offers that.
 */
#ifndef TAUPE_RELAY_HOSTS_H
#define TAUPE_RELAY_HOSTS_H

#include "relay/device.h"

void hosts_init(struct relay *relay);
void hosts_fini(struct relay *relay);

/* Have these names from now on; NULL: none. *changed: they are others than before. -1: no memory,
 * and it has those of before. */
int hosts_set(
    struct device *device, struct device_hosts *records, bool *changed);
/* Have none any more. */
void hosts_forget(struct device *device);

/* The http or tls service behind a normalised host name; NULL: none. */
struct service *hosts_find(const struct relay *relay, struct str host);
/* Those of a device's names that lead to this service: call with *at 0 first. NULL: no more. */
const char *hosts_next(const struct service *service, size_t *at);

#endif
