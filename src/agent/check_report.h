/* SPDX-License-Identifier: MIT */
/* What a check has found, a line for each step, for people or as JSON. */
#ifndef TAUPE_AGENT_CHECK_REPORT_H
#define TAUPE_AGENT_CHECK_REPORT_H

#include <stdbool.h>
#include <stdint.h>

struct check_report {
	bool json;
	unsigned n_lines;
	const char *step; /* the last one */
	int result; /* an exit code: that of the first step that failed */
};

/* A step is right; ms: what it took, UINT64_MAX when that says nothing. */
void check_report_ok(struct check_report *report, const char *step,
    uint64_t ms, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* It was not done. */
void check_report_skip(struct check_report *report, const char *step,
    const char *format, ...) __attribute__((format(printf, 3, 4)));
/* It failed: why, and what to ask for, of whom. */
void check_report_failed(struct check_report *report, const char *step,
    uint64_t ms, int result, const char *why, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* The last line. */
void check_report_end(const struct check_report *report);

#endif
