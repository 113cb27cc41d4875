/* SPDX-License-Identifier: MIT */
/* Questions on the terminal, for what the command line has not said. */
#ifndef TAUPE_RELAY_INIT_INIT_ASK_H
#define TAUPE_RELAY_INIT_INIT_ASK_H

#include "relay/init/init_options.h"

/* Fill in what was not said. EX_OK, or an exit code when the terminal has ended. */
int init_ask(struct init_options *options);

#endif
