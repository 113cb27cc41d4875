/* SPDX-License-Identifier: MIT */
/* "taupe-relay init DOMAIN": a first configuration for relays and what is around them. */
#ifndef TAUPE_RELAY_INIT_INIT_H
#define TAUPE_RELAY_INIT_INIT_H

/* argv[0] is "init". Returns the exit code. */
int init_main(int argc, char **argv);

#endif
