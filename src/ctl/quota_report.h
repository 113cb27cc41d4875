/* SPDX-License-Identifier: MIT */
/* What of a device's quotas is used, for people. */
#ifndef TAUPE_CTL_QUOTA_REPORT_H
#define TAUPE_CTL_QUOTA_REPORT_H

#include "ctl/ctl.h"

/* A line for each quota among its limits (of the store's answer about it); nothing if it has none. */
int quota_report(struct ctl *ctl, const char *name, const json_t *limits);

#endif
