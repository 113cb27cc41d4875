/* SPDX-License-Identifier: MIT */
/* There is no syslog; what a service logs goes where src/agent/service_log_windows.c says. */
#include "config.h"

#include "base/log_system.h"

const char *
log_system_missing(void)
{
	return "there is no syslog on Windows: leave it out, and read the "
	       "service's log in %ProgramData%\\taupe\\agent.log";
}

void
log_system_open(const char *program)
{
	(void)program;
}

void
log_system_close(void)
{
}

void
log_system_write(enum log_level level, const char *line, size_t len)
{
	(void)level;
	(void)line;
	(void)len;
}
