/* SPDX-License-Identifier: MIT */
/*
 * The table for people: --help, --version, and what the man pages tell of options, keys
 * and commands, so that what is written about one cannot differ from what it does.
 */
#include "config.h"

#include <ctype.h>
#include <stdio.h>

#include "base/options_internal.h"

const struct options_common options_common[] = {
    {"config", "FILE", "Read this file instead of the default one.", "c"},
    {"check-config", NULL,
	"Read the configuration, say what is wrong with it, and exit.", NULL},
    {"check", NULL, "The same as --check-config.", NULL},
    {"help", NULL, "Show this help and exit.", "h"},
    {"version", NULL, "Show the version and exit.", "V"},
    {NULL, NULL, NULL, NULL},
};

/* What an option of all programs does in this one. */
const char *
options_common_help(const struct option_table *table, size_t i)
{
	return table->check_more != NULL &&
		strcmp(options_common[i].name, "check") == 0
	    ? table->check_more
	    : options_common[i].help;
}

/* The choices, or the bounds of a number; a text's length is told when it is wrong. */
static bool
allowed_write(const struct option_row *row, char *out, size_t cap)
{
	switch (row->type) {
	case OPTION_CHOICE:
		option_value_allowed(row, out, cap);
		return true;
	case OPTION_INT:
	case OPTION_SIZE:
	case OPTION_DURATION:
		return option_value_range(row, out, cap);
	default:
		return false;
	}
}

/* "Allowed: 0s to 1m. Default: 5s.", or nothing. */
static void
facts_write(const struct option_row *row, char *out, size_t cap)
{
	char allowed[OPTION_ERROR_MAX];
	size_t len = 0;

	out[0] = '\0';
	if (allowed_write(row, allowed, sizeof(allowed)))
		len = (size_t)snprintf(out, cap, "Allowed: %s. ", allowed);
	if (row->type == OPTION_LIST && len < cap)
		len += (size_t)snprintf(
		    out + len, cap - len, "May be given more than once. ");
	if (options_is_secret(row) && len < cap)
		len += (size_t)snprintf(
		    out + len, cap - len, "In the configuration file only. ");
	/* a switch is off unless it is given: that goes without saying */
	if (row->def != NULL && len < cap &&
	    !(row->type == OPTION_BOOL && strcmp(row->def, "no") == 0))
		len += (size_t)snprintf(
		    out + len, cap - len, "Default: %s. ", row->def);
	if (len > 0 && len < cap)
		out[len - 1] = '\0';
}

/* A sentence ends where the next one begins. */
static bool
sentence_ends(const char *text)
{
	return *text == '.' && text[1] == ' ' &&
	    isupper((unsigned char)text[2]);
}

size_t
options_first_sentence(const char *text)
{
	size_t len = 0;

	while (text[len] != '\0' && !sentence_ends(text + len))
		len++;
	return text[len] != '\0' ? len + 1 : len;
}

/* Print words filled to 80 columns, each line indented. */
static void
print_filled(const char *text, size_t size, size_t indent)
{
	const char *end = text + size;
	size_t column = 0;

	while (text < end) {
		size_t len = strcspn(text, " ");

		if (column == 0)
			column = (size_t)printf("%*s", (int)indent, "");
		else if (column + 1 + len > 79)
			column = (size_t)printf("\n%*s", (int)indent, "") - 1;
		else
			column += (size_t)printf(" ");
		column += (size_t)printf("%.*s", (int)len, text);
		text += len + strspn(text + len, " ");
	}
	if (column > 0)
		printf("\n");
}

static void
print_text(const char *text)
{
	print_filled(text, strlen(text), 10);
}

static void
print_commands(const struct option_table *table)
{
	const struct option_command *command;

	if (table->command_at == NULL)
		return;
	for (size_t i = 0; (command = table->command_at(i)) != NULL; i++) {
		printf("  %s%s%s%s%s\n", command->noun,
		    command->verb ? " " : "",
		    command->verb ? command->verb : "",
		    command->argument ? " " : "",
		    command->argument ? command->argument : "");
		print_filled(
		    command->help, options_first_sentence(command->help), 10);
	}
	printf("\n");
}

void
options_print_help(const struct option_table *table)
{
	char option[128], facts[2 * OPTION_ERROR_MAX];

	printf("Usage: %s [OPTION]...%s%s\n%s\n\n", table->program,
	    table->arguments ? " " : "",
	    table->arguments ? table->arguments : "", table->synopsis);
	print_commands(table);
	printf("Every option is also a key of the section [%s] of the "
	       "configuration file\n"
	       "(%s); --relay-url is relay_url there.\n"
	       "The command line wins. Durations are 250ms, 30s, 5m, 12h or "
	       "7d, sizes\n65536, 64k, 16M or 1G.\n\n",
	    table->section,
	    table->default_file ? table->default_file : "--config FILE");
	for (size_t i = 0; options_common[i].name != NULL; i++) {
		printf("  %s%s%s--%s%s%s\n",
		    options_common[i].letter ? "-" : "",
		    options_common[i].letter ? options_common[i].letter : "",
		    options_common[i].letter ? ", " : "",
		    options_common[i].name,
		    options_common[i].argument ? " " : "",
		    options_common[i].argument ? options_common[i].argument
					       : "");
		print_text(options_common_help(table, i));
	}
	for (const struct option_row *row = table->rows; row->key != NULL;
	     row++) {
		options_long_name(row, option, sizeof(option));
		printf("  %s%s%s\n", option, row->argument ? " " : "",
		    row->argument ? row->argument : "");
		print_text(row->help);
		facts_write(row, facts, sizeof(facts));
		print_text(facts);
	}
}

void
options_print_version(const struct option_table *table)
{
	printf("%s %s\n", table->program, PACKAGE_VERSION);
}

/* Text of ours in mdoc: a backslash, and what would be a macro at a line's begin. */
static void
print_mdoc(const char *text)
{
	if (*text == '.' || *text == '\'')
		printf("\\&");
	for (; *text != '\0'; text++) {
		if (*text == '\\')
			printf("\\e");
		else
			putchar(*text);
		/* one sentence, one line, as mdoc wants it */
		if (sentence_ends(text)) {
			putchar('\n');
			text++;
		}
	}
	putchar('\n');
}

/* A name's hyphens are what is typed, no typographer's. */
static void
print_man_name(const char *name)
{
	for (; *name != '\0'; name++)
		printf("%s%c", *name == '-' ? "\\" : "", *name);
}

/* An argument is quoted: words like "Ta" in it would be macros. */
static void
print_man_item(const char *letter, const char *name, const char *argument)
{
	printf(".It ");
	if (letter != NULL)
		printf("Fl %s , ", letter);
	printf("Fl \\-");
	print_man_name(name);
	if (argument != NULL)
		printf(" Ar \"%s\"", argument);
	putchar('\n');
}

static void
print_man_help(const struct option_row *row)
{
	char facts[2 * OPTION_ERROR_MAX];

	print_mdoc(row->help);
	facts_write(row, facts, sizeof(facts));
	if (facts[0] != '\0')
		print_mdoc(facts);
}

void
options_print_man(const struct option_table *table)
{
	char option[128];

	printf(".Bl -tag -width Ds\n");
	for (size_t i = 0; options_common[i].name != NULL; i++) {
		print_man_item(options_common[i].letter, options_common[i].name,
		    options_common[i].argument);
		print_mdoc(options_common_help(table, i));
	}
	for (const struct option_row *row = table->rows; row->key != NULL;
	     row++) {
		options_long_name(row, option, sizeof(option));
		print_man_item(NULL, option + 2, row->argument);
		print_man_help(row);
	}
	printf(".El\n");
}

void
options_print_man_keys(const struct option_table *table)
{
	printf(".Bl -tag -width Ds\n");
	for (const struct option_row *row = table->rows; row->key != NULL;
	     row++) {
		printf(".It Cm %s No = Ar \"%s\"\n", row->key,
		    row->argument ? row->argument : "yes|no");
		print_man_help(row);
	}
	printf(".El\n");
}

void
options_print_man_commands(const struct option_table *table)
{
	const struct option_command *command;

	if (table->command_at == NULL)
		return;
	printf(".Bl -tag -width Ds\n");
	for (size_t i = 0; (command = table->command_at(i)) != NULL; i++) {
		printf(".It Cm \"");
		print_man_name(command->noun);
		if (command->verb != NULL) {
			putchar(' ');
			print_man_name(command->verb);
		}
		putchar('"');
		if (command->argument != NULL)
			printf(" Ar \"%s\"", command->argument);
		putchar('\n');
		print_mdoc(command->help);
	}
	printf(".El\n");
}
