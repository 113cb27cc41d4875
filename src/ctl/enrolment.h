/* SPDX-License-Identifier: MIT */
/* --qr: what an installer types or scans on a device, in place of the secret alone. */
#ifndef TAUPE_CTL_ENROLMENT_H
#define TAUPE_CTL_ENROLMENT_H

#include "ctl/ctl.h"

#define ENROLMENT_RELAY_MAX 300

/* The relay's URL that devices begin with: the option, or else what a relay announces of
 * itself. Before anything is drawn: without one there is nothing to print. An exit code. */
int enrolment_find_relay(struct ctl *ctl, char relay[ENROLMENT_RELAY_MAX]);

/* Print it, or with --json the members uri and secret of json, which is taken; again: the device has
 * been set up before. An exit code. */
int enrolment_show(const struct ctl *ctl, json_t *json, const char *relay,
    const char *name, const char *secret, bool again);

#endif
