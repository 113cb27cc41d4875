/* SPDX-License-Identifier: MIT */
#include "relay/init/init_template.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/wipe.h"
#include "relay/embedded.h"

char *
init_text(const char *format, ...)
{
	va_list args;
	char *text = NULL;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0 || (text = malloc((size_t)len + 1)) == NULL)
		return NULL;
	va_start(args, format);
	vsnprintf(text, (size_t)len + 1, format, args);
	va_end(args);
	return text;
}

void
init_template_begin(struct init_template *t, const char *name,
    const char *separator, const char *header)
{
	const struct embedded *source = embedded_find(name);
	const char *from = source->text, *end = source->text + source->len;

	/* its first paragraph says to copy it */
	if (header != NULL)
		while (from + 1 < end && !(from[0] == '\n' && from[1] == '\n'))
			from++;
	from += header != NULL; /* which has ended its line */
	t->separator = separator;
	t->text =
	    init_text("%s%.*s", header ? header : "", (int)(end - from), from);
}

/* Put by in place of len characters at a place, from which the text is not looked at again. */
static void
splice(struct init_template *t, const char *at, size_t len, const char *by)
{
	char *text =
	    init_text("%.*s%s%s", (int)(at - t->text), t->text, by, at + len);

	wipe(t->text, strlen(t->text));
	free(t->text);
	t->text = text;
}

/* Does the line begin so? */
static bool
begins(const char *line, const char *comment, const char *key,
    const char *separator)
{
	size_t comment_len = strlen(comment), key_len = strlen(key);

	return strncmp(line, comment, comment_len) == 0 &&
	    strncmp(line + comment_len, key, key_len) == 0 &&
	    strncmp(line + comment_len + key_len, separator,
		strlen(separator)) == 0;
}

static const char *
find_line(const struct init_template *t, const char *comment, const char *key)
{
	const char *line = t->text;

	while (*line != '\0' && !begins(line, comment, key, t->separator)) {
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return *line != '\0' ? line : NULL;
}

void
init_template_set(struct init_template *t, const char *key, const char *value)
{
	const char *line;
	char *made;

	if (t->text == NULL)
		return;
	line = find_line(t, "", key);
	if (value == NULL) {
		if (line != NULL)
			splice(t, line, 0, "# ");
		return;
	}
	if (line == NULL)
		line = find_line(t, "# ", key);
	if (line == NULL)
		line = find_line(t, "#", key);
	made = init_text(
	    "%s%s%s%s", key, t->separator, value, line != NULL ? "" : "\n");
	if (line == NULL)
		line = t->text + strlen(t->text);
	splice(t, line, strcspn(line, "\n"), made ? made : "");
	if (made == NULL) {
		free(t->text);
		t->text = NULL;
	}
	free(made);
}

void
init_template_replace(struct init_template *t, const char *what, const char *by)
{
	const char *at;

	if (t->text == NULL)
		return;
	at = strstr(t->text, what);
	assert(at != NULL);
	splice(t, at, strlen(what), by);
}
