/* SPDX-License-Identifier: MIT */
/* What the tests of the wire layer share. */
#ifndef TAUPE_TESTS_WIRE_SUPPORT_H
#define TAUPE_TESTS_WIRE_SUPPORT_H

#include <check.h>

#include "wire/str.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/*
 * A writable copy of data whose last byte lies right before an inaccessible page: who
 * reads one byte too many dies. Valid until the next call with the same slot; len at
 * most GUARD_MAX.
 */
#define GUARD_MAX 32768
#define GUARD_SLOTS 2
char *guard_copy(unsigned slot, const void *data, size_t len);

/* Does s hold exactly this text? A NULL text means an absent slice. */
bool slice_is(struct str s, const char *text);

/* Run the tests as one suite; returns main()'s result. */
int run_suite(const char *name, const TTest *const tests[], size_t n_tests);

#endif
