/* SPDX-License-Identifier: MIT */
/* A device's own limits on the command line, and for people. */
#ifndef TAUPE_CTL_LIMIT_OPTIONS_H
#define TAUPE_CTL_LIMIT_OPTIONS_H

#include "ctl/ctl.h"

#define LIMITS_TEXT_MAX 384

/* Was any of them given on the command line? */
bool device_limits_given(const struct ctl_options *options);
/* What was given, as changes. */
int device_limits_take(const struct ctl_options *options,
    struct limit_change changes[DEVICE_LIMITS]);

/* The object of those that are set, as "max_visitors 5, device_rate 1000"; "" when empty. Returns out. */
const char *device_limits_text(const json_t *limits, char out[LIMITS_TEXT_MAX]);

#endif
