/* SPDX-License-Identifier: MIT */
/*
 * Configuration as a typed table: each row has a key, a type, a default, a unit, bounds
 * and one sentence. The table reads the INI file and the command line, gives --help and
 * what the man pages tell of options, keys and commands, and the error for a bad value (file,
 * line, key, what is allowed). Every key is also a long option: key relay_url is --relay-url.
 */
#ifndef TAUPE_BASE_OPTIONS_H
#define TAUPE_BASE_OPTIONS_H

#include "wire/str.h"

enum option_type {
	OPTION_BOOL,     /* bool: yes, no, true, false, on, off, 1, 0 */
	OPTION_INT,      /* int64_t */
	OPTION_SIZE,     /* int64_t bytes: 65536, 64k, 16M, 1G */
	OPTION_DURATION, /* int64_t ms: 250ms, 30s, 5m, 12h, 7d; a bare number is seconds */
	OPTION_STRING,   /* char *, NULL when not set and without a default */
	OPTION_CHOICE,   /* int: place of the value in the row's choices */
	OPTION_LIST      /* struct option_list: one entry each time that the key is given */
};

struct option_list {
	char **items;
	size_t count;
};

struct option_row {
	const char *key;
	enum option_type type;
	size_t offset;           /* of the value in the configuration struct */
	const char *def;         /* default as text; NULL: none */
	int64_t min, max;        /* numbers; for strings and lists: length of a value; both 0:
				  * no bounds (sizes and durations are never negative) */
	const char *choices;     /* OPTION_CHOICE: "error|warn|info|debug" */
	/* Checks a string's or list item's meaning: NULL if it is right, else what is allowed. */
	const char *(*check)(const char *value);
	const char *argument;    /* for --help: "SECONDS", "FILE", "ADDRESS:PORT" */
	const char *help;        /* one sentence; that a list may be repeated is added */
};

/* One of a program's commands, such as "device add NAME". */
struct option_command {
	const char *noun, *verb; /* verb NULL: the noun is the whole command */
	/* The word behind them, "NAME", or one of some, "bash|zsh"; NULL: none. */
	const char *argument;
	const char *help;        /* --help tells its first sentence, the man page all */
};

struct option_table {
	const char *program;     /* "taupe-relay" */
	const char *synopsis;    /* one sentence for --help */
	const char *section;     /* the INI file's section, "relay" */
	const char *default_file; /* read if it exists; may be NULL */
	const struct option_row *rows; /* ends with a row whose key is NULL */
	/* A flag that has a letter of its own, and the letter: 'f' for -f; key NULL: none */
	struct {
		const char *key;
		char letter;
	} short_flag;
	size_t struct_size;
	/* For --check-config, what no row can tell alone: false, and it was logged what is wrong with the
	 * whole, which no file beside it is needed for. conf stays the table's. May be NULL. */
	bool (*check_all)(void *conf);
	/* For --help: what --check looks at besides, which is the program's own affair: options_load()
	 * says OPTIONS_OK, and sets the bool at check_offset. NULL: --check is --check-config. */
	const char *check_more;
	size_t check_offset;
	/* What a command line may hold besides options, for --help ("COMMAND [NAME]..."), and
	 * the offset of the struct option_list that gets it. NULL: nothing. */
	const char *arguments;
	size_t arguments_offset;
	/* The commands that these words may be, for --help and the man page: the one at a place
	 * from 0 on, NULL behind the last. May be NULL. */
	const struct option_command *(*command_at)(size_t place);
	/* For the completion of shells: print the arguments of this command that begin so, a line
	 * each, soon. argv is a command line with the options that were given so far. May be NULL. */
	void (*complete_argument)(const struct option_command *command,
	    const char *begin, int argc, char **argv);
};

enum options_result {
	OPTIONS_OK,
	OPTIONS_EXIT,  /* --help, --version, --help-man…, --complete, --check or --check-config was
			* answered: exit 0 */
	OPTIONS_ERROR  /* said on stderr what, where and what is allowed: exit EX_CONFIG */
};

/*
 * Fill the struct at conf (struct_size bytes, contents ignored) with the defaults, then
 * the file (--config FILE, else default_file), then the other options; the command line
 * wins, and a list given there replaces the file's. An unknown key or section in the
 * file is an error that names the closest known key, and so is a key given twice that is
 * no list. An empty value unsets a string and empties a list. After OPTIONS_OK the caller
 * frees with options_free(); after the others nothing is left allocated. argv is not kept
 * and not changed.
 *
 * A key whose name holds "secret", "password" or "enrolment_key" (and does not end in "_file") is a secret:
 * its value is repeated in no message, the command line may not have it (an error), and a
 * file with it that others may read is warned of. Memory that values stood in is wiped.
 */
enum options_result options_load(const struct option_table *table, int argc, char **argv,
    void *conf);

/* Read everything again as options_load() did, for SIGHUP, into a second struct (contents
 * ignored): the caller takes from it what may change while it runs, and frees the one that
 * it does not keep. -1 when there is an error, which was logged; conf is not touched then. */
int options_reload(const struct option_table *table, int argc, char **argv, void *conf);

void options_free(const struct option_table *table, void *conf);

#endif
