/* SPDX-License-Identifier: MIT */
/* INI files, as inih has them but for continued lines, which no reader of ours lets through. */
#include "config.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/ini.h"
#include "base/wipe.h"

#define INI_LINE_MAX 4096
#define SECTION_MAX 50
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

static char *
skip_blanks(char *at)
{
	while (isspace((unsigned char)*at))
		at++;
	return at;
}

static char *
trim(char *text)
{
	size_t len;

	text = skip_blanks(text);
	len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	text[len] = '\0';
	return text;
}

/* The first of these characters, or the ; of a comment, or the end. */
static char *
find_or_comment(char *text, const char *chars)
{
	bool after_blank = false;

	for (; *text != '\0' && strchr(chars, *text) == NULL; text++) {
		if (after_blank && *text == ';')
			break;
		after_blank = isspace((unsigned char)*text);
	}
	return text;
}

/* False: the line is nothing that there is. */
static bool
take_section(char *line, char section[SECTION_MAX])
{
	char *end = find_or_comment(line + 1, "]");
	size_t len = (size_t)(end - line) - 1;

	if (*end != ']')
		return false;
	if (len >= SECTION_MAX)
		len = SECTION_MAX - 1;
	memcpy(section, line + 1, len);
	section[len] = '\0';
	return true;
}

static bool
take_pair(char *line, const char *section, ini_handler handler, void *user)
{
	char *value = find_or_comment(line, "=:");

	if (*value != '=' && *value != ':')
		return false;
	*value++ = '\0';
	*find_or_comment(value, "") = '\0';
	return handler(user, section, trim(line), trim(value)) != 0;
}

static bool
take_line(
    char *line, char section[SECTION_MAX], ini_handler handler, void *user)
{
	line = trim(line);
	switch (*line) {
	case '\0':
	case ';':
	case '#':
		return true;
	case '[':
		return take_section(line, section);
	default:
		return take_pair(line, section, handler, user);
	}
}

int
ini_parse_stream(
    ini_reader reader, void *stream, ini_handler handler, void *user)
{
	char *line = malloc(INI_LINE_MAX), section[SECTION_MAX] = "";
	const size_t mark = strlen(BYTE_ORDER_MARK);
	int number = 0, bad = 0;

	if (line == NULL)
		return -1;
	while (reader(line, INI_LINE_MAX, stream) != NULL) {
		bool marked =
		    ++number == 1 && strncmp(line, BYTE_ORDER_MARK, mark) == 0;

		if (!take_line(
			line + (marked ? mark : 0), section, handler, user) &&
		    bad == 0)
			bad = number;
	}
	wipe(line, INI_LINE_MAX); /* there may be a secret in it */
	free(line);
	return bad;
}
