/* SPDX-License-Identifier: MIT */
/* Where a relay is, for those who come from outside as agents do. */
#ifndef TAUPE_CTL_RELAY_URL_H
#define TAUPE_CTL_RELAY_URL_H

#include "ctl/ctl.h"

#define RELAY_URL_MAX 300 /* bytes, the NUL included */

/* The option --relay, or else what the relay that has this device's session announces of itself, or with
 * NULL, and of a device that is nowhere, the first one. An exit code; says what is wrong. */
int relay_url_find(
    struct ctl *ctl, const char *device, char relay[RELAY_URL_MAX]);

#endif
