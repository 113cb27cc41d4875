/* SPDX-License-Identifier: MIT */
/* The relay's page of metrics; docs/METRICS.md has the list. */
#ifndef TAUPE_RELAY_METRICS_H
#define TAUPE_RELAY_METRICS_H

#include <stdio.h>

struct relay;

/* As it is now. Whether all could be written is for fclose() to say. */
void relay_metrics_write(struct relay *relay, FILE *out);

#endif
