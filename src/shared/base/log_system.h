/* SPDX-License-Identifier: MIT */
/* The log that the system keeps for all its programs: syslog, where there is one. */
#ifndef TAUPE_BASE_LOG_SYSTEM_H
#define TAUPE_BASE_LOG_SYSTEM_H

#include "base/log.h"

/* NULL, or why there is none here and what to do instead. */
const char *log_system_missing(void);

/* Once, until it is closed again: what is wrong with it is said on stderr. */
void log_system_open(const char *program);
void log_system_close(void);
/* One line, without its newline. */
void log_system_write(enum log_level level, const char *line, size_t len);

#endif
