/* SPDX-License-Identifier: MIT */
/* The router's page of metrics; docs/METRICS.md has the list. */
#ifndef TAUPE_ROUTER_ROUTER_METRICS_H
#define TAUPE_ROUTER_ROUTER_METRICS_H

#include <stdio.h>

struct router;

/* As it is now. Whether all could be written is for fclose() to say. */
void router_metrics_write(const struct router *router, FILE *out);

#endif
