/* SPDX-License-Identifier: MIT */
/*
 * Logging in logfmt, one line an event, to stderr or syslog:
 *   2026-01-31T12:00:00.123Z level=info msg="session opened" device=alice epoch=7
 * The message is fixed text, what varies stands in fields. Secrets are never a field.
 */
#ifndef TAUPE_BASE_LOG_H
#define TAUPE_BASE_LOG_H

#include "wire/str.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log_field {
	const char *key; /* NULL ends a list */
	enum { LOG_FIELD_STR, LOG_FIELD_U64, LOG_FIELD_I64 } type;
	struct str text;
	uint64_t u64;
	int64_t i64;
};

/* Fields: a C string, a slice, an unsigned and a signed number. A NULL string and an
 * absent slice leave their field out. */
#define LOG_S(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_STR, .text = str_of(v)})
#define LOG_STR(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_STR, .text = (v)})
#define LOG_U(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_U64, .u64 = (v)})
#define LOG_I(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_I64, .i64 = (v)})

/* log_info("session opened", LOG_S("device", name), LOG_U("epoch", epoch)); */
#define log_error(...) log_at_(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_at_(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_at_(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at_(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_at_(level, message, ...) \
	log_event(level, message, (const struct log_field[]){__VA_ARGS__ __VA_OPT__(,){.key = NULL}})

/* Choose where lines go and from which level on; before it, info and up to stderr. */
void log_setup(const char *program, enum log_level level, bool to_syslog);

/* Have lines that would go to stderr go here instead; NULL: to stderr again. A line ends with its
 * newline. */
typedef void log_writer(enum log_level level, const char *line, size_t len);
void log_set_writer(log_writer *writer);

/* "error", "warn", "info", "debug" */
bool log_level_parse(struct str name, enum log_level *level);

/* Write one line. Values are quoted where logfmt needs it, control characters escaped,
 * and the line is cut at 2,000 characters. errno is left as it was. */
void log_event(enum log_level level, const char *message, const struct log_field *fields);

/* errno's text, for a field: LOG_S("error", log_errno()). */
const char *log_errno(void);

/* What is wrong with a command line or a configuration, to whoever has started the program: on
 * stderr as it stands, or in the log where that has a writer. */
void log_complain(const char *program, const char *what);

#endif
