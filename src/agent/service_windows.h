/* SPDX-License-Identifier: MIT */
/*
 * The agent as a Windows service: --service install, start, stop, restart, reload, status and remove at
 * a console, and run, which the service manager calls.
 */
#ifndef TAUPE_AGENT_SERVICE_WINDOWS_H
#define TAUPE_AGENT_SERVICE_WINDOWS_H

/* In the service manager and the event log. */
#define SERVICE_NAME L"taupe-agent"

/* argv[1] is --service. An exit code; what is wrong was said. */
int service_main(int argc, char **argv);
void service_print_help(void);

/* Be the service, until it is stopped; argv has no --service. An exit code. */
int service_run(int argc, char **argv);

#endif
