/* SPDX-License-Identifier: MIT */
/* A fuzz target's assertion, which no build option switches off. */
#ifndef TAUPE_TESTS_FUZZ_REQUIRE_H
#define TAUPE_TESTS_FUZZ_REQUIRE_H

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(condition)                                                     \
	do {                                                                   \
		if (!(condition)) {                                            \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__,     \
			    #condition);                                       \
			abort();                                               \
		}                                                              \
	} while (0)

#endif
