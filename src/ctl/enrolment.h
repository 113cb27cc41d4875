/* SPDX-License-Identifier: MIT */
/* --qr: what an installer types or scans on a device, in place of the secret alone. */
#ifndef TAUPE_CTL_ENROLMENT_H
#define TAUPE_CTL_ENROLMENT_H

#include "ctl/ctl.h"

/* Print it, or with --json the members uri and secret of json, which is taken; again: the device has
 * been set up before. An exit code. */
int enrolment_show(const struct ctl *ctl, json_t *json, const char *relay,
    const char *name, const char *secret, bool again);

#endif
