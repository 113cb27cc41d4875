/* SPDX-License-Identifier: MIT */
/* What the tests of net share: running a loop until something has happened. */
#ifndef TAUPE_TESTS_NET_SUPPORT_H
#define TAUPE_TESTS_NET_SUPPORT_H

#include "net/address.h"
#include "net/loop.h"

/* Run the loop until *counter is at least so high; the test fails after ten seconds. */
void run_until(struct loop *loop, const int *counter, int at_least);
/* Run the loop for some turns, for a test that something does not happen. */
void run_for_ms(struct loop *loop, uint64_t ms);

/* "127.0.0.1:0" and the like; the test fails when it is malformed. */
struct address address_from(const char *text);
/* A blocking socket, connected; the test fails when it cannot be. */
int dial(const struct address *to);
/* How many descriptors are open, to find those that leak. */
int open_descriptors(void);

#endif
