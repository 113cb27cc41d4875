/* SPDX-License-Identifier: MIT */
/* The names of devices, fleets and relays for the completion of shells. */
#ifndef TAUPE_CTL_NAMES_H
#define TAUPE_CTL_NAMES_H

#include "base/options.h"

/* Print those that begin so and may be the command's argument, a line each. argv is a command line
 * with the options that were given. It takes a fifth of a second at most, and says nothing when it
 * cannot: somebody is typing. */
void names_complete(const struct option_command *command, const char *begin,
    int argc, char **argv);

#endif
