/* SPDX-License-Identifier: MIT */
/*
 * Parses and writes the lines of a device file. The checks over all lines sort pointers
 * to the records, so that a file of a hundred thousand devices is read in a blink.
 */
#include "base/device_lines.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
device_file_error_set(
    struct device_file_error *error, unsigned line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	error->line = line;
}

bool
device_lines_next(struct str *text, struct str *line)
{
	if (text->len == 0)
		return false;
	str_split(*text, '\n', line, text);
	return true;
}

/* Read one line, a copy of which is decoded in place. */
static int
parse_line(
    struct device_line *line, struct str text, struct device_file_error *error)
{
	bool has_name = false, has_secret = false;
	char copy[DEVICE_LINE_MAX];
	struct form_reader form;
	struct form_pair pair;
	enum wire_result result;

	if (text.len > sizeof(copy)) {
		device_file_error_set(error, line->number,
		    "longer than %d characters", DEVICE_LINE_MAX);
		return -1;
	}
	memcpy(copy, text.ptr, text.len);
	form_reader_init(&form, copy, text.len);
	while ((result = form_next(&form, &pair)) == WIRE_DONE) {
		bool is_name = str_equal(pair.key, STR("name"));
		bool is_secret = str_equal(pair.key, STR("secret_sha256"));

		if ((is_name && has_name) || (is_secret && has_secret) ||
		    !device_record_set(&line->record, pair.key, pair.value)) {
			device_file_error_set(error, line->number,
			    "the value of %.*s is malformed, or given twice",
			    STR_ARG(pair.key));
			return -1;
		}
		has_name = has_name || is_name;
		has_secret = has_secret || is_secret;
	}
	if (result == WIRE_BAD || !has_name || !has_secret) {
		device_file_error_set(error, line->number, "%s",
		    result == WIRE_BAD
			? "no list of key=value joined by &"
			: "a device needs name= and secret_sha256=");
		return -1;
	}
	return 0;
}

static int
lines_grow(struct device_lines *lines, size_t *room)
{
	size_t more = *room ? *room * 2 : 16;
	struct device_line *items =
	    realloc(lines->items, more * sizeof(*items));

	if (items == NULL)
		return -1;
	lines->items = items;
	*room = more;
	return 0;
}

static int
compare_names(const void *a, const void *b)
{
	const struct device_line *const *x = a, *const *y = b;

	return strcmp((*x)->record.name, (*y)->record.name);
}

static int
compare_labels(const void *a, const void *b)
{
	const struct device_line *const *x = a, *const *y = b;

	return strcmp((*x)->record.label, (*y)->record.label);
}

/* Complain at the later one of two lines. */
static void
say_twice(struct device_file_error *error, const struct device_line *a,
    const struct device_line *b, const char *what, const char *value)
{
	const struct device_line *first = a->number < b->number ? a : b;
	const struct device_line *second = a->number < b->number ? b : a;

	device_file_error_set(error, second->number,
	    "%s %s stands in line %u already (device %s)", what, value,
	    first->number, first->record.name);
}

static int
check_names_and_labels(
    const struct device_lines *lines, struct device_file_error *error)
{
	const struct device_line **sorted =
	    calloc(lines->count, sizeof(*sorted));
	int result = 0;

	if (sorted == NULL) {
		device_file_error_set(error, 0, "not enough memory");
		return -1;
	}
	for (size_t i = 0; i < lines->count; i++)
		sorted[i] = &lines->items[i];
	qsort(sorted, lines->count, sizeof(*sorted), compare_names);
	for (size_t i = 1; result == 0 && i < lines->count; i++) {
		if (compare_names(&sorted[i - 1], &sorted[i]) == 0) {
			say_twice(error, sorted[i - 1], sorted[i], "the name",
			    sorted[i]->record.name);
			result = -1;
		}
	}
	qsort(sorted, lines->count, sizeof(*sorted), compare_labels);
	for (size_t i = 1; result == 0 && i < lines->count; i++) {
		if (sorted[i]->record.label[0] != '\0' &&
		    compare_labels(&sorted[i - 1], &sorted[i]) == 0) {
			say_twice(error, sorted[i - 1], sorted[i], "the label",
			    sorted[i]->record.label);
			result = -1;
		}
	}
	free(sorted);
	return result;
}

static int
check_ports(const struct device_lines *lines, struct device_file_error *error)
{
	/* place + 1 of the line that has the port */
	size_t *holder = calloc(UINT16_MAX + 1, sizeof(*holder));
	int result = 0;

	if (holder == NULL) {
		device_file_error_set(error, 0, "not enough memory");
		return -1;
	}
	for (size_t i = 0; result == 0 && i < lines->count; i++) {
		const struct device_line *line = &lines->items[i];

		for (size_t j = 0; result == 0 && j < line->record.n_ports;
		     j++) {
			uint16_t port = line->record.ports[j].port;
			char text[8];

			if (holder[port] != 0) {
				snprintf(
				    text, sizeof(text), "%u", (unsigned)port);
				say_twice(error,
				    &lines->items[holder[port] - 1], line,
				    "the port", text);
				result = -1;
			}
			holder[port] = i + 1;
		}
	}
	free(holder);
	return result;
}

int
device_lines_parse(struct device_lines *lines, struct str text,
    struct device_file_error *error)
{
	unsigned number = 0;
	size_t room = 0;
	struct str line;

	*lines = (struct device_lines){NULL, 0};
	while (device_lines_next(&text, &line)) {
		struct device_line *item;

		number++;
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		if (lines->count == room && lines_grow(lines, &room) != 0) {
			device_file_error_set(error, 0, "not enough memory");
			goto fail;
		}
		item = &lines->items[lines->count];
		memset(item, 0, sizeof(*item));
		item->number = number;
		if (parse_line(item, line, error) != 0)
			goto fail;
		lines->count++;
	}
	if (lines->count > 0 &&
	    (check_names_and_labels(lines, error) != 0 ||
		check_ports(lines, error) != 0))
		goto fail;
	return 0;
fail:
	device_lines_fini(lines);
	return -1;
}

void
device_lines_fini(struct device_lines *lines)
{
	free(lines->items);
	*lines = (struct device_lines){NULL, 0};
}

void
device_line_write(struct writer *w, const struct device_record *record)
{
	char hash[2 * SECRET_HASH_LEN];
	bool first = true;
	struct writer value;

	form_put(w, &first, "name", str_of(record->name));
	writer_init(&value, hash, sizeof(hash));
	writer_hex(&value, record->secret_sha256, SECRET_HASH_LEN);
	form_put(w, &first, "secret_sha256", (struct str){hash, sizeof(hash)});
	if (record->label[0] != '\0')
		form_put(w, &first, "label", str_of(record->label));
	for (size_t i = 0; i < record->n_ports; i++) {
		char port[SERVICE_NAME_MAX + 8];

		writer_init(&value, port, sizeof(port));
		service_port_write(&value, &record->ports[i]);
		form_put(
		    w, &first, "port", (struct str){port, writer_len(&value)});
	}
	for (int i = 0; i < DEVICE_LIMITS; i++)
		if (record->limits[i].is_set)
			form_put_u64(w, &first, device_limit_rows[i].key,
			    (uint64_t)record->limits[i].value);
}
