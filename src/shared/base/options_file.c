/* SPDX-License-Identifier: MIT */
/*
 * The INI file as a source of configuration, read with inih. inih tells neither a handler
 * the line it is at nor anybody that it cut a long line in two, so the lines are counted
 * and measured by the reader that hands them to it. A key's value ends with its line.
 */
#include "config.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error_text.h"
#include "base/file.h"
#include "base/options_internal.h"
#include "base/private_file.h"
#include "base/wipe.h"

struct ini_source {
	struct options_reading *reading;
	const char *path;
	FILE *file;
	unsigned line;
};

static void
fail_line(struct ini_source *source, const char *what)
{
	options_fail(
	    source->reading, "%s:%u: %s", source->path, source->line, what);
}

/* Read a line without its newline; -1 at the end of the file. Text that does not fit is an
 * error. */
static int
read_line(struct ini_source *source, char *out, int cap)
{
	int c, len = 0;

	while ((c = getc(source->file)) != EOF && c != '\n') {
		if ((c < ' ' && c != '\t' && c != '\r') || c == 0x7f) {
			fail_line(
			    source, "a control character; allowed: plain text");
			return -1;
		}
		if (len == 0 && (c == ' ' || c == '\t'))
			continue; /* for inih, an indented line continues the one before */
		if (len == cap - 1) {
			options_fail(source->reading,
			    "%s:%u: the line is too long; allowed: up to %d "
			    "characters",
			    source->path, source->line, cap - 1);
			return -1;
		}
		out[len++] = (char)c;
	}
	out[len] = '\0';
	return c == EOF && len == 0 ? -1 : len;
}

/* The reader that inih calls, like fgets(). The buffer is inih's, and freed behind the last
 * call: what was in it may be a secret. */
static char *
reader_cb(char *out, int cap, void *ctx)
{
	struct ini_source *source = ctx;
	int len;

	wipe(out, (size_t)cap);
	if (source->reading->failed)
		return NULL;
	source->line++;
	/* room for the newline */
	if ((len = read_line(source, out, cap - 1)) < 0)
		return NULL;
	out[len] = '\n';
	out[len + 1] = '\0';
	return out;
}

static void
fail_unknown(struct ini_source *source, const char *key)
{
	const struct option_row *closest =
	    options_closest(source->reading->table, str_of(key));

	if (closest != NULL)
		options_fail(source->reading,
		    "%s:%u: %s: no such key; the closest one is %s",
		    source->path, source->line, key, closest->key);
	else
		options_fail(source->reading,
		    "%s:%u: %s: no such key (see --help)", source->path,
		    source->line, key);
}

static void
take_key(struct ini_source *source, const char *key, const char *value)
{
	struct options_reading *reading = source->reading;
	const struct option_row *row =
	    options_find(reading->table, str_of(key));
	struct option_origin *origin;
	char error[OPTION_ERROR_MAX];

	if (row == NULL) {
		fail_unknown(source, key);
		return;
	}
	origin = &reading->origins[row - reading->table->rows];
	if (row->type != OPTION_LIST && origin->source == OPTION_FROM_FILE) {
		options_fail(reading,
		    "%s:%u: %s: stands in line %u already; allowed: once",
		    source->path, source->line, key, origin->line);
		return;
	}
	origin->line = source->line;
	if (options_take(reading, row, OPTION_FROM_FILE, value, error) == 0)
		return;
	if (options_is_secret(row))
		options_fail(reading, "%s:%u: %s: %s", source->path,
		    source->line, key, error);
	else
		options_fail(reading, "%s:%u: %s = %.200s: %s", source->path,
		    source->line, key, value, error);
}

/* inih's handler: 0 is an error. */
static int
handler_cb(void *ctx, const char *section, const char *key, const char *value)
{
	struct ini_source *source = ctx;
	const char *known = source->reading->table->section;

	if (source->reading->failed)
		return 0;
	if (section[0] == '\0')
		options_fail(source->reading,
		    "%s:%u: %s: stands before the section [%s]", source->path,
		    source->line, key, known);
	else if (strcmp(section, known) != 0)
		options_fail(source->reading,
		    "%s:%u: [%s]: no such section; allowed: [%s]", source->path,
		    source->line, section, known);
	else
		take_key(source, key, value);
	return !source->reading->failed;
}

/* Debian's inih is configurable at run time; others have 200 characters. */
static void
allow_long_lines(void)
{
#if HAVE_DECL_INI_MAX_LINE && HAVE_DECL_INI_USE_STACK
	ini_use_stack = false;
	ini_allow_realloc = false;
	ini_initial_alloc = 4096;
	ini_max_line = 4096;
#endif
}

void
options_read_stream(
    struct options_reading *reading, const char *name, FILE *file)
{
	struct ini_source source = {reading, name, file, 0};
	int bad_line;

	allow_long_lines();
	bad_line = ini_parse_stream(reader_cb, &source, handler_cb, &source);
	/* inih goes on behind a line that it cannot read: what we found may be later */
	if (bad_line > 0 && (unsigned)bad_line < source.line)
		reading->failed = false;
	if (bad_line > 0)
		options_fail(reading,
		    "%s:%d: neither a [section] nor key = value nor a # "
		    "comment",
		    name, bad_line);
	else if (bad_line < 0)
		options_fail(reading, "%s: not enough memory", name);
	if (ferror(file))
		options_fail(
		    reading, "%s: cannot be read: %s", name, error_text(errno));
}

/* A file in which a secret stands should be nobody else's to read. */
static void
judge_mode(const struct options_reading *reading, const char *path, int fd)
{
	const struct option_row *row = reading->table->rows;

	for (size_t i = 0; row[i].key != NULL; i++)
		if (options_is_secret(&row[i]) &&
		    reading->origins[i].source == OPTION_FROM_FILE) {
			private_file_judge(row[i].key, path, fd);
			return;
		}
}

static void
read_open_file(struct options_reading *reading, const char *path, FILE *file)
{
	struct stat st;

	if (fstat(fileno(file), &st) != 0) {
		options_fail(
		    reading, "%s: cannot be read: %s", path, error_text(errno));
	} else if (S_ISDIR(st.st_mode)) {
		options_fail(
		    reading, "%s: is a folder; allowed: an INI file", path);
	} else {
		options_read_stream(reading, path, file);
		if (!reading->failed)
			judge_mode(reading, path, fileno(file));
	}
}

/* NULL with errno. */
static FILE *
open_file(const char *path)
{
	int fd = path != NULL ? file_open_read(path) : -1;
	FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;

	if (fd >= 0 && file == NULL)
		close(fd);
	return file;
}

void
options_read_file(
    struct options_reading *reading, const char *name, bool must_exist)
{
	char *path = file_path(name);
	FILE *file = open_file(path);
	char buffer[BUFSIZ]; /* one that can be wiped */

	if (file == NULL) {
		if (must_exist || errno != ENOENT)
			options_fail(reading, "%s: cannot be opened: %s",
			    path != NULL ? path : name, error_text(errno));
		free(path);
		return;
	}
	(void)setvbuf(file, buffer, _IOFBF, sizeof(buffer));
	read_open_file(reading, path, file);
	fclose(file);
	free(path);
	wipe(buffer, sizeof(buffer));
}
