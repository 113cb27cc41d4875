/* SPDX-License-Identifier: MIT */
/* Showing answers to people: aligned columns, times and numbers in words. */
#ifndef TAUPE_CTL_REPORT_H
#define TAUPE_CTL_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define TABLE_COLUMNS_MAX 10
#define REPORT_TEXT_MAX 64

struct table {
	size_t n_columns, n_cells, cap;
	char **cells; /* row by row, the headings first */
	int failed;   /* no memory */
};

/* headings end with NULL. */
void table_init(struct table *table, const char *const *headings);
/* Add the next cell; NULL and "" are shown as "-". */
void table_add(struct table *table, const char *text);
void table_addf(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Print on standard output and free. Returns an exit code. */
int table_print(struct table *table);

/* How a list looks: what it is called in JSON, and as a table: the headings, which end with NULL, and a
 * row of each object. */
struct list_view {
	const char *member;
	const char *const *headings;
	void (*add_row)(struct table *table, const json_t *object);
};

/* Show a list as it is in JSON, or as a table. Returns an exit code. */
int report_list(const json_t *list, const struct list_view *view, bool as_json);

/* Print a line of one thing's description; NULL and "" are shown as "-". */
void report_line(const char *key, const char *value);

/* "3d 4h", "12m 5s"; returns out. */
const char *report_duration(uint64_t ms, char out[REPORT_TEXT_MAX]);
/* How long ago that was on the wall clock; "-" for 0. */
const char *report_age(uint64_t wall_ms, char out[REPORT_TEXT_MAX]);
/* How long until then, "expired", or "never" for 0. */
const char *report_expiry(uint64_t wall_ms, char out[REPORT_TEXT_MAX]);
/* "1.2 MiB" */
const char *report_bytes(uint64_t bytes, char out[REPORT_TEXT_MAX]);
/* "1.2 MB", as providers of mobile networks count */
const char *report_traffic(uint64_t bytes, char out[REPORT_TEXT_MAX]);
/* {"ssh": 20022} as "ssh:20022,…"; returns out. */
const char *report_ports(const json_t *ports, char *out, size_t cap);

/* Fields of an answer; NULL, 0 and false when they are not there or of another type. */
const char *report_str(const json_t *object, const char *key);
uint64_t report_u64(const json_t *object, const char *key);
/* The same of a number that may be written as a text, as Redis has it. */
uint64_t report_number(const json_t *object, const char *key);
int report_bool(const json_t *object, const char *key);

/* Print and free. Returns an exit code. */
int report_json(json_t *json);

#endif
