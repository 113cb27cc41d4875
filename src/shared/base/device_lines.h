/* SPDX-License-Identifier: MIT */
/*
 * The text of a device file as records: what a line may hold, and what all lines
 * together must keep (no name, label, host, port, fleet or token twice). Does no I/O: a file, a new text
 * before it becomes a file, and a fuzzer are read the same way.
 */
#ifndef TAUPE_BASE_DEVICE_LINES_H
#define TAUPE_BASE_DEVICE_LINES_H

#include "base/device_file.h"

/* Characters of a line, without its newline: all that a record may hold, escaped, is less. */
#define DEVICE_LINE_MAX 98304

struct device_line {
	unsigned number; /* from 1 */
	struct device_record record;
};

struct fleet_line {
	unsigned number;
	struct fleet_record record;
};

struct token_line {
	unsigned number;
	struct token_record record;
};

/* In the file's order; freed by device_lines_fini(). */
struct device_lines {
	struct device_line *items;
	size_t count;
	struct fleet_line *fleets;
	size_t n_fleets;
	struct token_line *tokens;
	size_t n_tokens;
};

/* The line of a device, fleet or token; NULL: there is none. */
const struct device_line *device_lines_find(
    const struct device_lines *lines, struct str name);
const struct fleet_line *device_lines_find_fleet(
    const struct device_lines *lines, struct str name);
const struct token_line *device_lines_find_token(
    const struct device_lines *lines, struct str name);

/* Read a whole text. -1 with *error filled, and nothing is left allocated. */
int device_lines_parse(struct device_lines *lines, struct str text,
    struct device_file_error *error);
void device_lines_fini(struct device_lines *lines);

/* Write the line of a record, without a newline. What the line that it replaces (old, one that was
 * read; empty: none) holds under keys that only a newer version knows stands at its end, as it
 * was. The caller asks w->full. */
void device_line_write(
    struct writer *w, const struct device_record *record, struct str old);
void fleet_line_write(
    struct writer *w, const struct fleet_record *record, struct str old);
void token_line_write(
    struct writer *w, const struct token_record *record, struct str old);

/* Cut the first line off the text, without its newline. False: the text is at its end. */
bool device_lines_next(struct str *text, struct str *line);

/* Fill an error. */
void device_file_error_set(struct device_file_error *error, unsigned line,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
