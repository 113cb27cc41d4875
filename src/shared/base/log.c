/* SPDX-License-Identifier: MIT */
/*
 * One event, one line of logfmt. Owns the quoting: whatever a peer managed to get into a
 * field, a line stays one line, every byte of it is printable ASCII, and a reader can
 * split it again. Knows nothing of what is logged.
 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/error_text.h"
#include "base/log_system.h"

#define LINE_MAX_BYTES 2000 /* the newline included */
#define CUT_MARK "\" cut=true"

/* A line under construction; there is always room for CUT_MARK and the newline. */
struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
	bool cut;
};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static struct {
	enum log_level level;
	bool to_syslog;
	log_writer *writer; /* NULL: stderr */
} log_target = {LOG_LEVEL_INFO, false, NULL};

void
log_setup(const char *program, enum log_level level, bool to_syslog)
{
	log_target.level = level;
	if (log_system_missing() != NULL)
		to_syslog =
		    false; /* who asks for it is told, and must see that */
	if (to_syslog && !log_target.to_syslog)
		log_system_open(program);
	else if (!to_syslog && log_target.to_syslog)
		log_system_close();
	log_target.to_syslog = to_syslog;
}

void
log_set_writer(log_writer *writer)
{
	log_target.writer = writer;
}

bool
log_level_parse(struct str name, enum log_level *level)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]);
	     i++) {
		if (str_equal(name, str_of(level_names[i]))) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

static void
line_add(struct line *line, const char *text, size_t len)
{
	if (line->cut)
		return;
	if (len > sizeof(line->text) - sizeof(CUT_MARK) - line->len) {
		line->cut = true;
		return;
	}
	memcpy(line->text + line->len, text, len);
	line->len += len;
}

static bool
needs_quotes(struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
			return true;
	}
	return value.len == 0;
}

static void
line_add_escaped(struct line *line, unsigned char c)
{
	char text[5];
	int len;

	switch (c) {
	case '\n':
		len = snprintf(text, sizeof(text), "\\n");
		break;
	case '\r':
		len = snprintf(text, sizeof(text), "\\r");
		break;
	case '\t':
		len = snprintf(text, sizeof(text), "\\t");
		break;
	case '"':
	case '\\':
		len = snprintf(text, sizeof(text), "\\%c", c);
		break;
	default:
		if (c < ' ' || c >= 0x7f)
			len = snprintf(text, sizeof(text), "\\x%02x", c);
		else
			len = snprintf(text, sizeof(text), "%c", c);
	}
	line_add(line, text, (size_t)len);
}

/* The closing quote of a value that was cut is part of CUT_MARK. */
static void
line_add_value(struct line *line, struct str value)
{
	if (!needs_quotes(value)) {
		/* quoted all the same when it will not fit, so that a cut looks one way */
		if (value.len <=
		    sizeof(line->text) - sizeof(CUT_MARK) - line->len) {
			line_add(line, value.ptr, value.len);
			return;
		}
	}
	line_add(line, "\"", 1);
	for (size_t i = 0; i < value.len && !line->cut; i++)
		line_add_escaped(line, (unsigned char)value.ptr[i]);
	line_add(line, "\"", 1);
}

static void
line_add_key(struct line *line, const char *key)
{
	line_add(line, " ", 1);
	line_add(line, key, strlen(key));
	line_add(line, "=", 1);
}

static void
line_add_field(struct line *line, const struct log_field *field)
{
	char number[24];
	int len;

	switch (field->type) {
	case LOG_FIELD_STR:
		if (field->text.ptr == NULL)
			return;
		line_add_key(line, field->key);
		line_add_value(line, field->text);
		return;
	case LOG_FIELD_U64:
		len = snprintf(number, sizeof(number), "%" PRIu64, field->u64);
		break;
	case LOG_FIELD_I64:
		len = snprintf(number, sizeof(number), "%" PRId64, field->i64);
		break;
	default:
		return;
	}
	line_add_key(line, field->key);
	line_add(line, number, (size_t)len);
}

static void
line_add_time(struct line *line)
{
	struct timespec now;
	struct tm tm;
	char text[40];
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	len += (size_t)snprintf(text + len, sizeof(text) - len, ".%03dZ ",
	    (int)(now.tv_nsec / 1000000));
	line_add(line, text, len);
}

/* End the line: the cut mark closes the value that did not fit. */
static void
line_end(struct line *line)
{
	unsigned quotes = 0;

	if (line->cut) {
		const char *mark = CUT_MARK;

		for (size_t i = 0; i < line->len; i++) {
			if (line->text[i] == '\\')
				i++;
			else if (line->text[i] == '"')
				quotes++;
		}
		if (quotes % 2 == 0)
			mark++; /* it was cut between two fields: nothing to close */
		memcpy(line->text + line->len, mark, strlen(mark));
		line->len += strlen(mark);
	}
	line->text[line->len++] = '\n';
}

static void
write_stderr(const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* nowhere left to say so */
		text += n;
		len -= (size_t)n;
	}
}

void
log_event(
    enum log_level level, const char *message, const struct log_field *fields)
{
	int saved = errno;
	struct line line;

	if (level > log_target.level)
		return;
	line.len = 0;
	line.cut = false;
	if (!log_target.to_syslog)
		line_add_time(&line);
	line_add(&line, "level=", 6);
	line_add(&line, level_names[level], strlen(level_names[level]));
	line_add(&line, " msg=", 5);
	line_add_value(&line, str_of(message));
	for (; fields->key != NULL; fields++)
		line_add_field(&line, fields);
	line_end(&line);
	if (log_target.to_syslog)
		log_system_write(level, line.text, line.len - 1);
	else if (log_target.writer != NULL)
		log_target.writer(level, line.text, line.len);
	else
		write_stderr(line.text, line.len);
	errno = saved;
}

const char *
log_errno(void)
{
	return error_text(errno);
}

void
log_complain(const char *program, const char *what)
{
	if (log_target.writer != NULL)
		log_error(what);
	else
		fprintf(stderr, "%s: %s\n", program, what);
}
