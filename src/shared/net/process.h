/* SPDX-License-Identifier: MIT */
/* What a process may do and show: its user, and its memory. */
#ifndef TAUPE_NET_PROCESS_H
#define TAUPE_NET_PROCESS_H

#include <stdbool.h>

/*
 * The first thing that a program does, before it reads a secret. Nobody may have a look at the
 * memory: no core dump is written (RLIMIT_CORE and, on Linux, PR_SET_DUMPABLE, which a
 * core_pattern that is a program heeds), and no process of the same user may attach (ptrace(2),
 * /proc/PID/mem). What the program makes is nobody else's to write, whatever the umask.
 */
void process_begin(void);
/* Show the memory as far as the limits allow that we were started with: for debugging. */
void process_show_memory(void);

/*
 * Started as root, become this user for good, with the groups that are its own; on Linux,
 * keep_ports leaves the right to listen at ports below 1024 (CAP_NET_BIND_SERVICE). Before
 * a file is opened or made that is needed later, too, so that what the user may not read is
 * noticed at the start. user NULL: stay who we are, and warn if that is root. Started as
 * somebody else, user must be who we are. Returns EX_OK or an exit code; what is wrong was
 * logged.
 */
int process_become(const char *user, bool keep_ports);

#endif
