/* SPDX-License-Identifier: MIT */
/*
 * What the files of the options module share: one reading of the configuration, from the
 * defaults over the file to the command line. For options*.c alone.
 */
#ifndef TAUPE_BASE_OPTIONS_INTERNAL_H
#define TAUPE_BASE_OPTIONS_INTERNAL_H

#include <stdio.h>

#include "base/option_value.h"

/* What configure's --enable-small leaves out, as a constant (see agent/profile.h): what man pages and a
 * shell's completion are made of, which no device has a use for. */
enum options_profile {
#ifdef TAUPE_OPTIONS_WITHOUT_PAGES
	OPTIONS_HAVE_PAGES = false
#else
	OPTIONS_HAVE_PAGES = true
#endif
};

/* Where a row's value stands; later ones win. */
enum option_source {
	OPTION_FROM_DEFAULT,
	OPTION_FROM_FILE,
	OPTION_FROM_COMMAND
};

struct option_origin {
	enum option_source source;
	unsigned line; /* in the file */
};

/* One reading. The first error is kept, the others are not looked for. */
struct options_reading {
	const struct option_table *table;
	void *conf;
	struct option_origin *origins; /* one a row */
	bool failed;
	char error[OPTION_ERROR_MAX +
	    700]; /* "file:line: key = value: allowed: ..." */
};

void options_fail(struct options_reading *reading, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The row of a key, or NULL. */
const struct option_row *options_find(
    const struct option_table *table, struct str key);
/* The known key that is nearest in spelling, or NULL when none is near. */
const struct option_row *options_closest(
    const struct option_table *table, struct str key);

/* Take a value from this source: the first one of a source replaces what came before it.
 * -1 with error filled. */
int options_take(struct options_reading *reading, const struct option_row *row,
    enum option_source source, const char *value, char error[OPTION_ERROR_MAX]);

/* May the value be repeated in a message? */
bool options_is_secret(const struct option_row *row);

/* The name of a row's long option, "--relay-url". */
void options_long_name(const struct option_row *row, char *out, size_t cap);

/* Read the file. A file that is not there is fine unless it must be. */
void options_read_file(
    struct options_reading *reading, const char *name, bool must_exist);
/* Read an open file; its name is for messages. */
void options_read_stream(
    struct options_reading *reading, const char *name, FILE *file);

/* What the command line says before any value is taken. */
struct options_command {
	enum {
		COMMAND_RUN,
		COMMAND_CHECK,
		COMMAND_CHECK_MORE,
		COMMAND_HELP,
		COMMAND_VERSION,
		COMMAND_MAN,
		COMMAND_MAN_KEYS,
		COMMAND_MAN_COMMANDS
	} what;
	const char *file; /* --config */
};

/* Look at every option's name. */
void options_scan_command(struct options_reading *reading, int argc,
    char **argv, struct options_command *command);
/* Take the values, after the file's. */
void options_read_command(
    struct options_reading *reading, int argc, char **argv);

/* The options that every program has; the last one has no name. */
struct options_common {
	const char *name, *argument, *help;
	const char *letter;
};
extern const struct options_common options_common[];
/* What the one at that place does in this program. */
const char *options_common_help(const struct option_table *table, size_t place);

/* How many characters of the text are its first sentence. */
size_t options_first_sentence(const char *text);

/* For the completion of shells: print what the last of these words may become, a line each, with a
 * tab and what it is about behind it. A line ":files" says: files. */
void options_complete(const struct option_table *table, int argc, char **argv);

void options_print_help(const struct option_table *table);
void options_print_version(const struct option_table *table);
/* Parts of man pages, in mdoc: of the program's its options and its commands, of its
 * configuration's the keys. */
void options_print_man(const struct option_table *table);
void options_print_man_commands(const struct option_table *table);
void options_print_man_keys(const struct option_table *table);

#endif
