/* SPDX-License-Identifier: MIT */
/* "taupe-agent setup": what taupectl device add --qr has printed becomes the agent's configuration. */
#ifndef TAUPE_AGENT_SETUP_H
#define TAUPE_AGENT_SETUP_H

#include "base/options.h"

extern const struct option_table setup_option_table;

/* argv[0] is "setup". Returns the exit code. */
int setup_main(int argc, char **argv);

/* What each system has in its own way: read a line that is not shown while it is typed, of up to cap - 1
 * bytes, -1 at the end of the input; give a new file to the user that the agent runs as, where it
 * is root who sets it up, -1 with errno; do the work, whose result is returned, while whoever ends us from
 * outside waits until it is done. */
int setup_read_line(char *out, size_t cap);
int setup_give(const char *path);
int setup_undisturbed(int (*work)(void *ctx), void *ctx);

#endif
