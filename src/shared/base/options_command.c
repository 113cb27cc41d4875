/* SPDX-License-Identifier: MIT */
/*
 * The command line as a source of configuration. Not getopt_long(): that has hidden
 * state, sorts argv and takes abbreviations, and a daemon reads its command line again at
 * each SIGHUP. Every key is a long option; a bool needs no value and has a --no- form.
 */
#include <stdio.h>

#include "base/options_internal.h"

/* One word of the command line that is an option. */
struct word {
	const struct option_row *row; /* NULL: one of the built-in ones */
	char builtin;		      /* as in the table below */
	const char *value;	      /* NULL: none was given */
	bool negated;
};

static const struct {
	const char *name, *letter;
	char builtin;
} builtins[] = {
    {"--config", "-c", 'c'},
    {"--check", NULL, 'K'},
    {"--check-config", NULL, 'k'},
    {"--help", "-h", 'h'},
    {"--version", "-V", 'V'},
#ifndef TAUPE_OPTIONS_WITHOUT_PAGES
    {"--help-man", NULL, 'm'},
    {"--help-man-keys", NULL, 'y'},
    {"--help-man-commands", NULL, 'd'},
#endif
};

static bool
find_builtin(struct str name, struct word *word)
{
	for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
		if (str_equal(name, str_of(builtins[i].name)) ||
		    (builtins[i].letter != NULL &&
			str_equal(name, str_of(builtins[i].letter)))) {
			word->builtin = builtins[i].builtin;
			return true;
		}
	}
	return false;
}

/* The row of "relay-url", or of a bool's "no-front". */
static const struct option_row *
find_row(const struct option_table *table, struct str name, bool *negated)
{
	char key[128];
	const struct option_row *row;

	*negated = false;
	if (memchr(name.ptr, '_', name.len) != NULL ||
	    !str_copy(name, key, sizeof(key)))
		return NULL;
	for (char *c = key; *c != '\0'; c++) {
		if (*c == '-')
			*c = '_';
	}
	if ((row = options_find(table, str_of(key))) != NULL)
		return row;
	if (strncmp(key, "no_", 3) == 0) {
		*negated = true;
		row = options_find(table, str_of(key + 3));
		return row != NULL && row->type == OPTION_BOOL ? row : NULL;
	}
	return NULL;
}

static void
fail_unknown(struct options_reading *reading, struct str name)
{
	const struct option_row *closest = NULL;
	char option[128];

	if (name.len > 2)
		closest = options_closest(
		    reading->table, (struct str){name.ptr + 2, name.len - 2});
	if (closest == NULL) {
		options_fail(reading, "%.*s: no such option (see --help)",
		    STR_ARG(name));
		return;
	}
	options_long_name(closest, option, sizeof(option));
	options_fail(reading, "%.*s: no such option; the closest one is %s",
	    STR_ARG(name), option);
}

/* Take argv[*at], and the value behind it if the option needs one; *at is left at the last
 * word that was used. False: it is no option, or *reading has failed. */
static bool
next_option(struct options_reading *reading, int argc, char **argv, int *at,
    struct word *word)
{
	struct str name, value;
	bool wants_value;

	*word = (struct word){NULL, 0, NULL, false};
	if (argv[*at][0] != '-' || argv[*at][1] == '\0')
		return false;
	if (str_split(str_of(argv[*at]), '=', &name, &value))
		word->value = value.ptr;
	if (!find_builtin(name, word)) {
		if (name.len == 2 && reading->table->short_flag.key != NULL &&
		    name.ptr[1] == reading->table->short_flag.letter)
			word->row = options_find(reading->table,
			    str_of(reading->table->short_flag.key));
		else if (name.len > 2 && name.ptr[1] == '-')
			word->row = find_row(reading->table,
			    (struct str){name.ptr + 2, name.len - 2},
			    &word->negated);
		if (word->row == NULL) {
			fail_unknown(reading, name);
			return false;
		}
	}
	wants_value =
	    word->row ? word->row->type != OPTION_BOOL : word->builtin == 'c';
	if (word->value == NULL && wants_value) {
		if (*at + 1 == argc) {
			options_fail(
			    reading, "%.*s: needs a value", STR_ARG(name));
			return false;
		}
		word->value = argv[++*at];
	} else if (word->value != NULL &&
	    (word->negated || (!wants_value && !word->row))) {
		options_fail(reading, "%.*s: takes no value", STR_ARG(name));
		return false;
	}
	return true;
}

void
options_scan_command(struct options_reading *reading, int argc, char **argv,
    struct options_command *command)
{
	struct word word;

	for (int at = 1; at < argc && strcmp(argv[at], "--") != 0; at++) {
		if (!next_option(reading, argc, argv, &at, &word)) {
			if (reading->failed)
				return;
			continue;
		}
		switch (word.builtin) {
		case 'c':
			command->file = word.value;
			break;
		case 'k':
			command->what = COMMAND_CHECK;
			break;
		case 'K':
			command->what = reading->table->check_more != NULL
			    ? COMMAND_CHECK_MORE
			    : COMMAND_CHECK;
			break;
		case 'h':
			command->what = COMMAND_HELP;
			return;
		case 'V':
			command->what = COMMAND_VERSION;
			return;
		case 'm':
			command->what = COMMAND_MAN;
			return;
		case 'y':
			command->what = COMMAND_MAN_KEYS;
			return;
		case 'd':
			command->what = COMMAND_MAN_COMMANDS;
			return;
		}
	}
}

static void
take_argument(struct options_reading *reading, const char *argument)
{
	const struct option_table *table = reading->table;

	if (table->arguments == NULL) {
		options_fail(reading,
		    "%s: only options are expected (see --help)", argument);
		return;
	}
	if (option_list_add(
		(struct option_list *)(void *)((char *)reading->conf +
		    table->arguments_offset),
		argument) != 0)
		options_fail(reading, "not enough memory");
}

static void
take_option(struct options_reading *reading, const struct word *word)
{
	const char *value = word->value;
	char error[OPTION_ERROR_MAX], option[128];

	options_long_name(word->row, option, sizeof(option));
	if (options_is_secret(word->row)) {
		options_fail(reading,
		    "%s: everybody on this machine can read a command line: "
		    "write %s = ... into the configuration file, and take "
		    "another one, since this one was seen",
		    option, word->row->key);
		return;
	}
	if (value == NULL)
		value = word->negated ? "no" : "yes";
	if (options_take(
		reading, word->row, OPTION_FROM_COMMAND, value, error) == 0)
		return;
	options_fail(reading, "%s=%.200s: %s", option, value, error);
}

void
options_read_command(struct options_reading *reading, int argc, char **argv)
{
	bool options_ended = false;
	struct word word;

	for (int at = 1; at < argc && !reading->failed; at++) {
		if (options_ended) {
			take_argument(reading, argv[at]);
		} else if (strcmp(argv[at], "--") == 0) {
			options_ended = true;
		} else if (next_option(reading, argc, argv, &at, &word)) {
			if (word.row != NULL)
				take_option(reading, &word);
		} else {
			take_argument(reading, argv[at]);
		}
	}
}
