/* SPDX-License-Identifier: MIT */
/*
 * A configuration that explains itself, with values put in: the examples hold a line for each
 * key, as it is or as a comment, and keep their explanations. Knows lines, not what they mean.
 */
#ifndef TAUPE_RELAY_INIT_INIT_TEMPLATE_H
#define TAUPE_RELAY_INIT_INIT_TEMPLATE_H

#include "wire/str.h"

struct init_template {
	char *text; /* NULL: there was no memory at some time */
	const char *separator; /* between a key and its value: " = " or " " */
};

/* Begin with a file of the tree (embedded.h), which must be one. With a header, that line
 * stands in place of its first paragraph. */
void init_template_begin(struct init_template *t, const char *name,
    const char *separator, const char *header);
/* Give the key this value: in its line, else in the first one where it is a comment, else in a
 * line at the end. value NULL: its line becomes a comment. */
void init_template_set(
    struct init_template *t, const char *key, const char *value);
/* Replace the first occurrence, which must be there. */
void init_template_replace(
    struct init_template *t, const char *what, const char *by);

/* printf() into memory from malloc; NULL: no memory. */
char *init_text(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif
