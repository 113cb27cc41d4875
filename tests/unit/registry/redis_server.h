/* SPDX-License-Identifier: MIT */
/* A real Redis on a unix socket in a folder of its own, and a way to look into it. */
#ifndef TAUPE_TESTS_RELAY_REDIS_SERVER_H
#define TAUPE_TESTS_RELAY_REDIS_SERVER_H

#include <stdbool.h>

#include "net/redis_sync.h"

/* Is the program installed? */
bool redis_server_exists(void);
/* Start it and wait until it answers; the test fails when it does not. */
void redis_server_start(void);
void redis_server_stop(void);
/* The same without and with its folder: as after a crash. */
void redis_server_kill(void);
void redis_server_run(void);
/* For a link to it. */
const struct redis_link_config *redis_server_config(void);

/* Ask, and get the answer as text: strings as they are, numbers in decimal, nil as "(nil)",
 * errors with a "!" before them, arrays as their elements joined by blanks. Valid until
 * the next call. */
const char *redis_ask(const char *format, ...);

#endif
