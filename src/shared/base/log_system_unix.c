/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

#include "base/log_system.h"

/* where the C library looks for it */
#ifdef _PATH_LOG
#define DOOR _PATH_LOG
#else
#define DOOR "/dev/log"
#endif

static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};

const char *
log_system_missing(void)
{
	return NULL;
}

void
log_system_open(const char *program)
{
	openlog(program, LOG_PID | LOG_NDELAY, LOG_DAEMON);
	/* it may come later, and Android has none */
	if (access(DOOR, F_OK) != 0)
		fprintf(stderr,
		    "%s: log_syslog: there is no " DOOR
		    ": nothing is logged until there is\n",
		    program);
}

void
log_system_close(void)
{
	closelog();
}

void
log_system_write(enum log_level level, const char *line, size_t len)
{
	syslog(priorities[level], "%.*s", (int)len, line);
}
