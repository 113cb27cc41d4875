/* SPDX-License-Identifier: MIT */
/*
 * Counting allocations, our own and libevent's, while the loop runs (outside of it the test
 * allocates what it needs itself): for tests that nothing is allocated. The program is
 * linked with $(COUNT_ALLOCATIONS), which leads our code here.
 */
#ifndef TAUPE_TESTS_NET_ALLOCATIONS_H
#define TAUPE_TESTS_NET_ALLOCATIONS_H

#include <stddef.h>

/* Count libevent's, too: before it is used. */
void allocations_begin(void);
/* How many there were so far. */
size_t allocations(void);
/* How many bytes of them are not freed. */
long allocated_bytes(void);

#endif
