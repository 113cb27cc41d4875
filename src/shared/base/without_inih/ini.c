/* SPDX-License-Identifier: MIT */
/* An INI file, line by line: [section], key = value, and comments, which begin a line with # or ;
 * or end one with a ; behind a blank. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#define LINE_MAX_BYTES 4096
#define SECTION_MAX 50

static char *
skip_blanks(char *at)
{
	while (*at != '\0' && isspace((unsigned char)*at))
		at++;
	return at;
}

static char *
cut_blanks(char *text)
{
	size_t len = strlen(text);

	while (len > 0 && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	return text;
}

/* The first of these characters, or the comment that ends the line, or its end. */
static char *
find(char *at, const char *characters)
{
	bool behind_blank = false;

	while (*at != '\0' && strchr(characters, *at) == NULL &&
	    !(behind_blank && *at == ';')) {
		behind_blank = isspace((unsigned char)*at) != 0;
		at++;
	}
	return at;
}

/* Of "[section]"; false: it is none. */
static bool
take_section(char *line, char section[SECTION_MAX])
{
	char *end = find(line + 1, "]");

	if (*end != ']')
		return false;
	*end = '\0';
	snprintf(section, SECTION_MAX, "%s", line + 1);
	return true;
}

/* False: there is no key in it, or it was not taken. */
static bool
take_key(char *line, const char *section, ini_handler handler, void *ctx)
{
	char *value, *end = find(line, "=:");

	if (*end != '=' && *end != ':')
		return false;
	*end = '\0';
	value = end + 1;
	*find(value, "") = '\0';
	return handler(ctx, section, cut_blanks(line),
		   cut_blanks(skip_blanks(value))) != 0;
}

static bool
take_line(char *line, char section[SECTION_MAX], ini_handler handler, void *ctx)
{
	line = cut_blanks(skip_blanks(line));
	switch (*line) {
	case '\0':
	case '#':
	case ';':
		return true;
	case '[':
		return take_section(line, section);
	default:
		return take_key(line, section, handler, ctx);
	}
}

int
ini_parse_stream(
    ini_reader reader, void *stream, ini_handler handler, void *ctx)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	char section[SECTION_MAX] = "", *line = malloc(LINE_MAX_BYTES);
	int number = 0, wrong = 0;

	if (line == NULL)
		return -2;
	while (reader(line, LINE_MAX_BYTES, stream) != NULL) {
		char *begin = line;

		number++;
		if (number == 1 && strncmp(line, byte_order_mark, 3) == 0)
			begin += 3;
		if (!take_line(begin, section, handler, ctx) && wrong == 0)
			wrong = number;
	}
	free(line);
	return wrong;
}
