/* SPDX-License-Identifier: MIT */
/* A table is kept whole until it is printed, because its widths are known last. */
#include "ctl/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "ctl/ctl.h"
#include "net/loop.h"

#define CELL_MAX 600

void
table_init(struct table *table, const char *const *headings)
{
	*table = (struct table){0};
	while (headings[table->n_columns] != NULL)
		table->n_columns++;
	for (size_t i = 0; i < table->n_columns; i++)
		table_add(table, headings[i]);
}

void
table_add(struct table *table, const char *text)
{
	char *copy = strdup(text != NULL && text[0] != '\0' ? text : "-");

	if (table->n_cells == table->cap) {
		size_t cap = table->cap * 2 + 64;
		char **cells = realloc(table->cells, cap * sizeof(*cells));

		if (cells == NULL) {
			free(copy);
			table->failed = 1;
			return;
		}
		table->cells = cells;
		table->cap = cap;
	}
	if (copy == NULL)
		table->failed = 1;
	else
		table->cells[table->n_cells++] = copy;
}

void
table_addf(struct table *table, const char *format, ...)
{
	char text[CELL_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	table_add(table, text);
}

static void
print_row(char **cells, const int *widths, size_t n)
{
	for (size_t i = 0; i + 1 < n; i++)
		printf("%-*s  ", widths[i], cells[i]);
	printf("%s\n", cells[n - 1]);
}

int
table_print(struct table *table)
{
	int widths[TABLE_COLUMNS_MAX] = {0}, failed = table->failed;

	for (size_t i = 0; i < table->n_cells; i++) {
		int len = (int)strlen(table->cells[i]),
		    *width = &widths[i % table->n_columns];

		*width = len > *width ? len : *width;
	}
	for (size_t i = 0; !failed && i + table->n_columns <= table->n_cells;
	     i += table->n_columns)
		print_row(table->cells + i, widths, table->n_columns);
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	free(table->cells);
	return failed ? ctl_fail_memory() : EX_OK;
}

void
report_line(const char *key, const char *value)
{
	printf(
	    "%-10s %s\n", key, value != NULL && value[0] != '\0' ? value : "-");
}

const char *
report_duration(uint64_t ms, char out[REPORT_TEXT_MAX])
{
	uint64_t s = ms / 1000, m = s / 60, h = m / 60, d = h / 24;

	if (d > 0)
		snprintf(out, REPORT_TEXT_MAX, "%" PRIu64 "d %" PRIu64 "h", d,
		    h % 24);
	else if (h > 0)
		snprintf(out, REPORT_TEXT_MAX, "%" PRIu64 "h %" PRIu64 "m", h,
		    m % 60);
	else if (m > 0)
		snprintf(out, REPORT_TEXT_MAX, "%" PRIu64 "m %" PRIu64 "s", m,
		    s % 60);
	else
		snprintf(out, REPORT_TEXT_MAX, "%" PRIu64 "s", s);
	return out;
}

const char *
report_age(uint64_t wall_ms, char out[REPORT_TEXT_MAX])
{
	uint64_t now_ms = loop_wall_ms();

	if (wall_ms == 0)
		return "-";
	return report_duration(now_ms > wall_ms ? now_ms - wall_ms : 0, out);
}

const char *
report_expiry(uint64_t wall_ms, char out[REPORT_TEXT_MAX])
{
	uint64_t now_ms = loop_wall_ms();

	if (wall_ms == 0)
		return "never";
	return wall_ms > now_ms ? report_duration(wall_ms - now_ms, out)
				: "expired";
}

const char *
report_bytes(uint64_t bytes, char out[REPORT_TEXT_MAX])
{
	static const char *const units[] = {
	    "B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	snprintf(out, REPORT_TEXT_MAX, unit ? "%.1f %s" : "%.0f %s", value,
	    units[unit]);
	return out;
}

const char *
report_traffic(uint64_t bytes, char out[REPORT_TEXT_MAX])
{
	if (bytes < 1000000)
		snprintf(out, REPORT_TEXT_MAX, "%.0f kB", (double)bytes / 1e3);
	else if (bytes < 1000000000)
		snprintf(out, REPORT_TEXT_MAX, "%.2f MB", (double)bytes / 1e6);
	else
		snprintf(out, REPORT_TEXT_MAX, "%.2f GB", (double)bytes / 1e9);
	return out;
}

const char *
report_ports(const json_t *ports, char *out, size_t cap)
{
	struct writer w;
	const char *service;
	json_t *port;

	writer_init(&w, out, cap - 1);
	json_object_foreach ((json_t *)(uintptr_t)ports, service, port) {
		if (writer_len(&w) > 0)
			writer_char(&w, ',');
		writer_cstr(&w, service);
		writer_char(&w, ':');
		writer_u64(&w, (uint64_t)json_integer_value(port));
	}
	out[writer_len(&w)] = '\0';
	return out;
}

const char *
report_str(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

uint64_t
report_u64(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

uint64_t
report_number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	uint64_t number;

	if (!json_is_string(value))
		return report_u64(object, key);
	return str_to_number(
		   str_of(json_string_value(value)), INT64_MAX, &number)
	    ? number
	    : 0;
}

int
report_bool(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

int
report_list(const json_t *list, const struct list_view *view, bool as_json)
{
	struct table table;
	json_t *object;
	size_t i;

	if (as_json)
		return report_json(json_pack("{s:O}", view->member, list));
	table_init(&table, view->headings);
	json_array_foreach (list, i, object)
		view->add_row(&table, object);
	return table_print(&table);
}

int
report_json(json_t *json)
{
	char *text = json != NULL ? json_dumps(json, JSON_INDENT(2)) : NULL;

	json_decref(json);
	if (text == NULL)
		return ctl_fail_memory();
	puts(text);
	free(text);
	return EX_OK;
}
