/* SPDX-License-Identifier: MIT */
/*
 * One value of the configuration: from text into its place in the struct, and back into
 * the words that tell a person what is allowed. Knows rows, not where a value comes from.
 */
#ifndef TAUPE_BASE_OPTION_VALUE_H
#define TAUPE_BASE_OPTION_VALUE_H

#include "base/options.h"

#define OPTION_ERROR_MAX 400 /* bytes of an error's text, the NUL included */

/*
 * Parse text as the row says and store it; a string replaces the one before, a list grows
 * by one. -1 with error filled: why it is wrong and what is allowed; the place is not
 * touched then.
 */
int option_value_set(const struct option_row *row, void *conf, const char *text,
    char error[OPTION_ERROR_MAX]);

/* Free what the place holds and make it empty. */
void option_value_clear(const struct option_row *row, void *conf);

/* The bounds of a number: "1s to 10m". False: it has none. */
bool option_value_range(const struct option_row *row, char *out, size_t cap);

/* What is allowed: "a duration, 1s to 10m (250ms, 30s, 5m, 12h, 7d)". */
void option_value_allowed(const struct option_row *row, char *out, size_t cap);

/* Add a copy of item. -1: no memory. */
int option_list_add(struct option_list *list, const char *item);
void option_list_clear(struct option_list *list);

#endif
