/* SPDX-License-Identifier: MIT */
/*
 * A page of metrics in Prometheus' text format 0.0.4. A family is begun once, and its samples
 * follow; names and help are ours, values of labels may be anything.
 */
#ifndef TAUPE_BASE_METRICS_PAGE_H
#define TAUPE_BASE_METRICS_PAGE_H

#include <inttypes.h>
#include <stdio.h>

#include "base/histogram.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

void metrics_family(
    FILE *out, const char *name, enum metric_type type, const char *help);

/* label NULL: the sample has none. */
void metrics_sample(FILE *out, const char *name, const char *label,
    const char *text, uint64_t value);
void metrics_sample_real(FILE *out, const char *name, const char *label,
    const char *text, double value);
void metrics_sample_histogram(FILE *out, const char *name, const char *label,
    const char *text, const struct histogram *histogram);

/* A family of one sample. */
void metrics_counter(
    FILE *out, const char *name, const char *help, uint64_t value);
void metrics_gauge(
    FILE *out, const char *name, const char *help, uint64_t value);

#endif
