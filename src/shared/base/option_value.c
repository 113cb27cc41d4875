/* SPDX-License-Identifier: MIT */
/*
 * The types of configuration values. Every type has a parser, and one function says for
 * all of them what would have been right.
 */
#include "base/option_value.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/wipe.h"

struct unit {
	const char *suffix;
	int64_t factor;
};

/* the largest first: the first one that divides a number is the one to print it with */
static const struct unit duration_units[] = {{"d", 86400000}, {"h", 3600000},
    {"m", 60000}, {"s", 1000}, {"ms", 1}, {"", 1000}};
static const struct unit size_units[] = {{"G", 1 << 30}, {"M", 1 << 20},
    {"k", 1 << 10}, {"", 1}, {"K", 1 << 10}, {"g", 1 << 30}, {"m", 1 << 20}};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool
has_bounds(const struct option_row *row)
{
	return row->min != 0 || row->max != 0;
}

static bool
parse_with_unit(
    const char *text, const struct unit *units, size_t n, int64_t *out)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t number;

	if (!str_to_number((struct str){text, digits}, INT64_MAX, &number))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(text + digits, units[i].suffix) == 0) {
			if (number > (uint64_t)(INT64_MAX / units[i].factor))
				return false;
			*out = (int64_t)number * units[i].factor;
			return true;
		}
	}
	return false;
}

static bool
parse_int(const char *text, int64_t *out)
{
	bool negative = text[0] == '-';
	uint64_t number;

	if (!str_to_number(str_of(text + negative), INT64_MAX, &number))
		return false;
	*out = negative ? -(int64_t)number : (int64_t)number;
	return true;
}

static bool
parse_bool(const char *text, bool *out)
{
	static const char *const words[][2] = {
	    {"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};

	for (size_t i = 0; i < COUNT(words); i++) {
		for (int value = 0; value < 2; value++) {
			if (str_equal_nocase(
				str_of(text), str_of(words[i][value]))) {
				*out = value;
				return true;
			}
		}
	}
	return false;
}

static bool
parse_choice(const char *text, const char *choices, int *out)
{
	struct str rest = str_of(choices), choice;

	for (int place = 0; rest.len > 0; place++) {
		str_split(rest, '|', &choice, &rest);
		if (str_equal(choice, str_of(text))) {
			*out = place;
			return true;
		}
	}
	return false;
}

/* A number as it would be written: 65536 bytes are 64k, 1500 ms are 1500ms. */
static void
write_number(
    const struct option_row *row, int64_t number, char *out, size_t cap)
{
	const struct unit *unit =
	    row->type == OPTION_SIZE ? size_units : duration_units;

	if (row->type == OPTION_INT || number == 0) {
		snprintf(out, cap, "%" PRId64 "%s", number,
		    row->type == OPTION_DURATION ? "s" : "");
		return;
	}
	while (number % unit->factor != 0)
		unit++;
	snprintf(
	    out, cap, "%" PRId64 "%s", number / unit->factor, unit->suffix);
}

bool
option_value_range(const struct option_row *row, char *out, size_t cap)
{
	char min[32], max[32];

	if (!has_bounds(row))
		return false;
	write_number(row, row->min, min, sizeof(min));
	write_number(row, row->max, max, sizeof(max));
	if (row->max == INT64_MAX)
		snprintf(out, cap, "%s or more", min);
	else
		snprintf(out, cap, "%s to %s", min, max);
	return true;
}

static void
allowed_number(const struct option_row *row, const char *what,
    const char *examples, char *out, size_t cap)
{
	char range[80];

	if (option_value_range(row, range, sizeof(range)))
		snprintf(out, cap, "%s, %s%s", what, range, examples);
	else
		snprintf(out, cap, "%s%s", what, examples);
}

static void
allowed_text(const struct option_row *row, char *out, size_t cap)
{
	if (!has_bounds(row) || (row->min == 0 && row->max == INT64_MAX))
		snprintf(out, cap, "any text");
	else if (row->max == 0 || row->max == INT64_MAX)
		snprintf(out, cap, "%" PRId64 " characters or more", row->min);
	else
		snprintf(out, cap, "%" PRId64 " to %" PRId64 " characters",
		    row->min, row->max);
}

static void
allowed_choices(const char *choices, char *out, size_t cap)
{
	struct str rest = str_of(choices), choice;
	size_t len = 0;

	out[0] = '\0';
	while (rest.len > 0 && len < cap) {
		str_split(rest, '|', &choice, &rest);
		len += (size_t)snprintf(out + len, cap - len, "%s%.*s",
		    len == 0	       ? ""
			: rest.len > 0 ? ", "
				       : " or ",
		    STR_ARG(choice));
	}
}

void
option_value_allowed(const struct option_row *row, char *out, size_t cap)
{
	switch (row->type) {
	case OPTION_BOOL:
		snprintf(out, cap, "yes or no");
		return;
	case OPTION_INT:
		allowed_number(row, "a whole number", "", out, cap);
		return;
	case OPTION_SIZE:
		allowed_number(row, "a number of bytes",
		    " (65536, 64k, 16M, 1G)", out, cap);
		return;
	case OPTION_DURATION:
		allowed_number(
		    row, "a duration", " (250ms, 30s, 5m, 12h, 7d)", out, cap);
		return;
	case OPTION_CHOICE:
		allowed_choices(row->choices, out, cap);
		return;
	case OPTION_STRING:
	case OPTION_LIST:
		allowed_text(row, out, cap);
		return;
	}
	assert(!"a type that does not exist");
}

static int
refuse(const struct option_row *row, char error[OPTION_ERROR_MAX])
{
	char allowed[OPTION_ERROR_MAX - 16];

	option_value_allowed(row, allowed, sizeof(allowed));
	snprintf(error, OPTION_ERROR_MAX, "allowed: %s", allowed);
	return -1;
}

static int
set_number(const struct option_row *row, int64_t *place, const char *text,
    char error[OPTION_ERROR_MAX])
{
	int64_t number = 0;
	bool ok;

	if (row->type == OPTION_INT)
		ok = parse_int(text, &number);
	else if (row->type == OPTION_SIZE)
		ok = parse_with_unit(
		    text, size_units, COUNT(size_units), &number);
	else
		ok = parse_with_unit(
		    text, duration_units, COUNT(duration_units), &number);
	if (!ok ||
	    (has_bounds(row) && (number < row->min || number > row->max)))
		return refuse(row, error);
	*place = number;
	return 0;
}

static int
check_text(const struct option_row *row, const char *text,
    char error[OPTION_ERROR_MAX])
{
	int64_t len = (int64_t)strlen(text);
	const char *allowed;

	if (len < row->min || (row->max != 0 && len > row->max))
		return refuse(row, error);
	if (row->check != NULL && (allowed = row->check(text)) != NULL) {
		snprintf(error, OPTION_ERROR_MAX, "allowed: %s", allowed);
		return -1;
	}
	return 0;
}

static int
set_string(const struct option_row *row, char **place, const char *text,
    char error[OPTION_ERROR_MAX])
{
	char *copy = NULL;

	if (text[0] != '\0') {
		if (check_text(row, text, error) != 0)
			return -1;
		if ((copy = strdup(text)) == NULL) {
			snprintf(error, OPTION_ERROR_MAX, "not enough memory");
			return -1;
		}
	}
	wipe_text(place);
	*place = copy;
	return 0;
}

static int
set_list(const struct option_row *row, struct option_list *place,
    const char *text, char error[OPTION_ERROR_MAX])
{
	if (text[0] == '\0') {
		option_list_clear(place);
		return 0;
	}
	if (check_text(row, text, error) != 0)
		return -1;
	if (option_list_add(place, text) != 0) {
		snprintf(error, OPTION_ERROR_MAX, "not enough memory");
		return -1;
	}
	return 0;
}

int
option_value_set(const struct option_row *row, void *conf, const char *text,
    char error[OPTION_ERROR_MAX])
{
	void *place = (char *)conf + row->offset;

	switch (row->type) {
	case OPTION_BOOL:
		return parse_bool(text, place) ? 0 : refuse(row, error);
	case OPTION_INT:
	case OPTION_SIZE:
	case OPTION_DURATION:
		return set_number(row, place, text, error);
	case OPTION_CHOICE:
		return parse_choice(text, row->choices, place)
		    ? 0
		    : refuse(row, error);
	case OPTION_STRING:
		return set_string(row, place, text, error);
	case OPTION_LIST:
		return set_list(row, place, text, error);
	}
	assert(!"a type that does not exist");
	return -1;
}

void
option_value_clear(const struct option_row *row, void *conf)
{
	void *place = (char *)conf + row->offset;
	char **text = place;

	if (row->type == OPTION_STRING)
		wipe_text(text); /* some are secrets */
	else if (row->type == OPTION_LIST)
		option_list_clear(place);
}

int
option_list_add(struct option_list *list, const char *item)
{
	char **items = realloc(list->items, (list->count + 1) * sizeof(*items));

	if (items == NULL)
		return -1;
	list->items = items;
	if ((items[list->count] = strdup(item)) == NULL)
		return -1;
	list->count++;
	return 0;
}

void
option_list_clear(struct option_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct option_list){NULL, 0};
}
