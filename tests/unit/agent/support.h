/* SPDX-License-Identifier: MIT */
/* What the tests of the agent share. */
#ifndef TAUPE_TESTS_AGENT_SUPPORT_H
#define TAUPE_TESTS_AGENT_SUPPORT_H

#include <check.h>
#include <stdint.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A fresh folder that is removed, with what is in it, when the program ends. */
const char *test_folder(void);
/* folder/name, in a static buffer of its own for each of four calls. */
const char *test_path(const char *name);
/* Make a file with this text and mode. */
void test_file(const char *path, const char *text, unsigned mode);

/* A listening socket on 127.0.0.1 with this backlog, that accepts nobody. */
int listen_on_loopback(int backlog, uint16_t *port);

int run_suite(const char *name, const TTest *const tests[], size_t n_tests);

#endif
