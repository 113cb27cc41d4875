/* SPDX-License-Identifier: MIT */
/*
 * Reads a configuration: defaults, then the file, then the command line. Each source has
 * its own file; this one owns their order, and what a key is.
 */
#include "base/options.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/options_internal.h"

#define KEY_MAX 64

void
options_fail(struct options_reading *reading, const char *format, ...)
{
	va_list args;

	if (reading->failed)
		return;
	reading->failed = true;
	va_start(args, format);
	vsnprintf(reading->error, sizeof(reading->error), format, args);
	va_end(args);
}

const struct option_row *
options_find(const struct option_table *table, struct str key)
{
	for (const struct option_row *row = table->rows; row->key != NULL;
	     row++) {
		if (str_equal(str_of(row->key), key))
			return row;
	}
	return NULL;
}

/* Levenshtein's distance, with one row of his table. */
static size_t
edit_distance(struct str a, struct str b)
{
	size_t row[KEY_MAX + 1];

	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			size_t best = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[b.len];
}

const struct option_row *
options_closest(const struct option_table *table, struct str key)
{
	const struct option_row *closest = NULL;
	size_t best = key.len / 2 + 1; /* farther away is no misspelling */

	if (key.len > KEY_MAX)
		return NULL;
	for (const struct option_row *row = table->rows; row->key != NULL;
	     row++) {
		size_t distance;

		assert(strlen(row->key) <= KEY_MAX);
		distance = edit_distance(key, str_of(row->key));
		if (distance < best) {
			best = distance;
			closest = row;
		}
	}
	return closest;
}

bool
options_is_secret(const struct option_row *row)
{
	size_t len = strlen(row->key);

	if (len >= 5 && strcmp(row->key + len - 5, "_file") == 0)
		return false; /* names where the secret is */
	return strstr(row->key, "secret") != NULL ||
	    strstr(row->key, "enrolment_key") != NULL ||
	    strstr(row->key, "password") != NULL;
}

void
options_long_name(const struct option_row *row, char *out, size_t cap)
{
	snprintf(out, cap, "--%s", row->key);
	for (char *c = out; *c != '\0'; c++) {
		if (*c == '_')
			*c = '-';
	}
}

int
options_take(struct options_reading *reading, const struct option_row *row,
    enum option_source source, const char *value, char error[OPTION_ERROR_MAX])
{
	struct option_origin *origin =
	    &reading->origins[row - reading->table->rows];

	if (row->type == OPTION_LIST && origin->source != source)
		option_value_clear(row, reading->conf);
	origin->source = source;
	return option_value_set(row, reading->conf, value, error);
}

/* A default that its own row refuses is our bug. */
static void
take_defaults(struct options_reading *reading)
{
	const struct option_row *row = reading->table->rows;
	char error[OPTION_ERROR_MAX] = "";

	for (; row->key != NULL && !reading->failed; row++) {
		if (row->def == NULL)
			continue;
		if (option_value_set(row, reading->conf, row->def, error) != 0)
			options_fail(
			    reading, "the default of %s: %s", row->key, error);
		assert(!reading->failed);
	}
}

static size_t
count_rows(const struct option_table *table)
{
	size_t n = 0;

	while (table->rows[n].key != NULL)
		n++;
	return n;
}

/* Fill conf, or free all of it again and say in reading->error why not. */
static void
read_all(struct options_reading *reading, int argc, char **argv,
    struct options_command *command)
{
	const struct option_table *table = reading->table;

	*command = (struct options_command){COMMAND_RUN, NULL};
	reading->failed = false;
	reading->origins =
	    calloc(count_rows(table) + 1, sizeof(*reading->origins));
	memset(reading->conf, 0, table->struct_size);
	if (reading->origins == NULL) {
		options_fail(reading, "not enough memory");
		return;
	}
	options_scan_command(reading, argc, argv, command);
	if (!reading->failed &&
	    (command->what == COMMAND_RUN || command->what == COMMAND_CHECK ||
		command->what == COMMAND_CHECK_MORE)) {
		take_defaults(reading);
		if (command->file != NULL)
			options_read_file(reading, command->file, true);
		else if (table->default_file != NULL)
			options_read_file(reading, table->default_file, false);
		options_read_command(reading, argc, argv);
	}
	if (reading->failed)
		options_free(table, reading->conf);
	free(reading->origins);
}

enum options_result
options_load(
    const struct option_table *table, int argc, char **argv, void *conf)
{
	struct options_reading reading = {.table = table, .conf = conf};
	struct options_command command;
	bool right;

	/* what follows is half a command line */
	if (OPTIONS_HAVE_PAGES && argc > 1 &&
	    strcmp(argv[1], "--complete") == 0) {
		options_complete(table, argc - 1, argv + 1);
		return OPTIONS_EXIT;
	}
	read_all(&reading, argc, argv, &command);
	if (reading.failed) {
		log_complain(table->program, reading.error);
		return OPTIONS_ERROR;
	}
	switch (command.what) {
	case COMMAND_RUN:
		return OPTIONS_OK;
	case COMMAND_CHECK_MORE:
		*(bool *)(void *)((char *)conf + table->check_offset) = true;
		return OPTIONS_OK;
	case COMMAND_CHECK:
		right = table->check_all == NULL || table->check_all(conf);
		options_free(table, conf);
		if (!right)
			return OPTIONS_ERROR;
		printf("%s: the configuration is right\n", table->program);
		break;
	case COMMAND_HELP:
		options_print_help(table);
		break;
	case COMMAND_VERSION:
		options_print_version(table);
		break;
	case COMMAND_MAN:
		if (OPTIONS_HAVE_PAGES)
			options_print_man(table);
		break;
	case COMMAND_MAN_KEYS:
		if (OPTIONS_HAVE_PAGES)
			options_print_man_keys(table);
		break;
	case COMMAND_MAN_COMMANDS:
		if (OPTIONS_HAVE_PAGES)
			options_print_man_commands(table);
		break;
	}
	return OPTIONS_EXIT;
}

int
options_reload(
    const struct option_table *table, int argc, char **argv, void *conf)
{
	struct options_reading reading = {.table = table};
	struct options_command command;

	if ((reading.conf = malloc(table->struct_size)) == NULL) {
		log_error("configuration not read again",
		    LOG_S("error", log_errno()));
		return -1;
	}
	read_all(&reading, argc, argv, &command);
	if (reading.failed)
		log_error("configuration not read again",
		    LOG_S("error", reading.error));
	else
		memcpy(conf, reading.conf, table->struct_size);
	free(reading.conf);
	return reading.failed ? -1 : 0;
}

void
options_free(const struct option_table *table, void *conf)
{
	for (const struct option_row *row = table->rows; row->key != NULL;
	     row++)
		option_value_clear(row, conf);
	if (table->arguments != NULL)
		option_list_clear((struct option_list *)(void *)((char *)conf +
		    table->arguments_offset));
}
