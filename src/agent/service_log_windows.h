/* SPDX-License-Identifier: MIT */
/*
 * Where a service says something: a file that everybody can find, and for what is wrong the event
 * log as well, where administrators look first.
 */
#ifndef TAUPE_AGENT_SERVICE_LOG_WINDOWS_H
#define TAUPE_AGENT_SERVICE_LOG_WINDOWS_H

#define SERVICE_LOG_NAME "agent.log" /* in %ProgramData%\taupe */

/* Have the log's lines go there from now on. Where the file cannot be opened, to the event log
 * alone. */
void service_log_begin(void);

/* Make the event log show our lines as they are; or forget it again. */
void service_log_register(void);
void service_log_unregister(void);

#endif
