/* SPDX-License-Identifier: MIT */
/* Memory with an end that nobody can overlook. */
#ifndef TAUPE_TESTS_GUARD_H
#define TAUPE_TESTS_GUARD_H

#include <stddef.h>

/* So many bytes, a multiple of a page; touching the byte behind them ends the program. NULL: there are
 * none. They are never freed. */
void *guard_area(size_t size);

#endif
