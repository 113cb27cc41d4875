/* SPDX-License-Identifier: MIT */
/* How the service is installed: its folder, its account, when it starts. */
#ifndef TAUPE_AGENT_SERVICE_SETUP_WINDOWS_H
#define TAUPE_AGENT_SERVICE_SETUP_WINDOWS_H

/* Install it, to be run with these options. An exit code; what is wrong was said. */
int service_setup_install(int argc, char **argv);
/* Take away what install wrote beside the service itself. */
void service_setup_forget(void);

#endif
