/* SPDX-License-Identifier: MIT */
/*
 * The table for shells: "PROGRAM --complete WORD..." prints what the last word may become, so that
 * the scripts of the shells know nothing of options and commands, and cannot be out of date.
 */
#include <stdio.h>

#include "base/options_internal.h"

#define WORDS_MAX 3 /* noun, verb, argument */

struct completion {
	const struct option_table *table;
	int argc;
	char **
	    argv; /* argv[0] is no word, argv[argc - 1] is the one to complete */
	const char *begin;	      /* that one */
	const char *words[WORDS_MAX]; /* before it, without options */
	size_t n_words;
	bool options_ended; /* by "--" */
	/* The word before is an option that needs a value: its row, or that of no row. */
	const struct option_row *row;
	bool wants_file;
};

static bool
begins_with(const char *text, const char *begin)
{
	return strncmp(text, begin, strlen(begin)) == 0;
}

static void
print_candidate(const char *text, const char *help)
{
	printf("%s\t%.*s\n", text,
	    help != NULL ? (int)options_first_sentence(help) : 0,
	    help != NULL ? help : "");
}

/* "error|warn|info": those that begin so, with what stands before each. */
static void
complete_choice(const char *choices, const char *before, const char *begin)
{
	struct str rest = str_of(choices), choice;
	size_t len = strlen(begin);

	while (rest.len > 0) {
		(void)str_split(rest, '|', &choice, &rest);
		if (choice.len >= len && memcmp(choice.ptr, begin, len) == 0)
			printf("%s%.*s\t\n", before, STR_ARG(choice));
	}
}

static bool
is_file(const char *argument)
{
	return argument != NULL &&
	    (strcmp(argument, "FILE") == 0 || strstr(argument, "DIR") != NULL ||
		strstr(argument, "SOCKET") != NULL);
}

static void
complete_value(
    const struct option_row *row, const char *before, const char *begin)
{
	if (row->type == OPTION_CHOICE)
		complete_choice(row->choices, before, begin);
	else if (row->type == OPTION_BOOL)
		complete_choice("yes|no", before, begin);
	else if (is_file(row->argument))
		puts(":files");
}

/* The row of "--relay-url" (up to len characters), or NULL. */
static const struct option_row *
find_row(const struct option_table *table, const char *option, size_t len)
{
	char name[128];

	for (const struct option_row *row = table->rows; row->key != NULL;
	     row++) {
		options_long_name(row, name, sizeof(name));
		if (strlen(name) == len && memcmp(name, option, len) == 0)
			return row;
	}
	return NULL;
}

static void
complete_option(const struct completion *completion)
{
	const char *begin = completion->begin;
	char name[128];

	for (const struct option_row *row = completion->table->rows;
	     row->key != NULL; row++) {
		options_long_name(row, name, sizeof(name));
		if (begins_with(name, begin) && !options_is_secret(row))
			print_candidate(name, row->help);
	}
	for (size_t i = 0; options_common[i].name != NULL; i++) {
		snprintf(name, sizeof(name), "--%s", options_common[i].name);
		if (begins_with(name, begin))
			print_candidate(
			    name, options_common_help(completion->table, i));
	}
}

/* "--log-level=de" */
static bool
complete_joined(const struct completion *completion)
{
	const char *begin = completion->begin, *value = strchr(begin, '=');
	const struct option_row *row;
	char before[140];

	if (value == NULL)
		return false;
	value++;
	snprintf(before, sizeof(before), "%.*s", (int)(value - begin), begin);
	row = find_row(completion->table, begin, (size_t)(value - begin) - 1);
	if (row != NULL)
		complete_value(row, before, value);
	else if (strcmp(before, "--config=") == 0)
		puts(":files");
	return true;
}

static void
complete_argument(
    const struct completion *completion, const struct option_command *command)
{
	if (strchr(command->argument, '|') != NULL)
		complete_choice(command->argument, "", completion->begin);
	else if (is_file(command->argument))
		puts(":files");
	else if (completion->table->complete_argument != NULL)
		completion->table->complete_argument(command, completion->begin,
		    completion->argc - 1, completion->argv);
}

/* Is the noun the same as that of the command before? They stand together in the table. */
static bool
is_told(const struct option_table *table, size_t place)
{
	return place > 0 &&
	    strcmp(table->command_at(place)->noun,
		table->command_at(place - 1)->noun) == 0;
}

static void
complete_noun(const struct completion *completion, size_t place)
{
	const struct option_command *command =
	    completion->table->command_at(place);

	if (begins_with(command->noun, completion->begin) &&
	    !is_told(completion->table, place))
		print_candidate(command->noun,
		    command->verb == NULL ? command->help : NULL);
}

static void
complete_word(const struct completion *completion)
{
	const struct option_table *table = completion->table;
	const struct option_command *command;
	size_t n = completion->n_words;

	for (size_t i = 0; table->command_at != NULL &&
	     (command = table->command_at(i)) != NULL;
	     i++) {
		bool same =
		    n > 0 && strcmp(command->noun, completion->words[0]) == 0;
		size_t used = command->verb != NULL ? 2 : 1;

		if (n == 0)
			complete_noun(completion, i);
		else if (same && n == 1 && used == 2 &&
		    begins_with(command->verb, completion->begin))
			print_candidate(command->verb, command->help);
		else if (same && n == used && command->argument != NULL &&
		    (used == 1 ||
			strcmp(command->verb, completion->words[1]) == 0))
			complete_argument(completion, command);
	}
}

static void
take_option(struct completion *completion, const char *word)
{
	const struct option_row *row;

	if (strchr(word, '=') != NULL)
		return;
	row = find_row(completion->table, word, strlen(word));
	if (row != NULL && row->type != OPTION_BOOL)
		completion->row = row;
	completion->wants_file =
	    strcmp(word, "--config") == 0 || strcmp(word, "-c") == 0;
}

/* What the words before the last one are. */
static void
take_word(struct completion *completion, const char *word)
{
	if (completion->row != NULL || completion->wants_file) {
		completion->row = NULL;
		completion->wants_file = false;
	} else if (!completion->options_ended && strcmp(word, "--") == 0) {
		completion->options_ended = true;
	} else if (!completion->options_ended && word[0] == '-') {
		take_option(completion, word);
	} else if (completion->n_words < WORDS_MAX) {
		completion->words[completion->n_words++] = word;
	}
}

void
options_complete(const struct option_table *table, int argc, char **argv)
{
	struct completion completion = {.table = table,
	    .argc = argc,
	    .argv = argv,
	    .begin = argc > 1 ? argv[argc - 1] : ""};

	for (int i = 1; i + 1 < argc; i++)
		take_word(&completion, argv[i]);
	if (completion.row != NULL)
		complete_value(completion.row, "", completion.begin);
	else if (completion.wants_file)
		puts(":files");
	else if (completion.begin[0] != '-' || completion.options_ended)
		complete_word(&completion);
	else if (!complete_joined(&completion))
		complete_option(&completion);
}
