/* SPDX-License-Identifier: MIT */
/* An INI file of any bytes through the options table of a program. */
#ifndef TAUPE_TESTS_FUZZ_READ_TABLE_H
#define TAUPE_TESTS_FUZZ_READ_TABLE_H

#include <string.h>

#include "base/options_internal.h"
#include "require.h"

#define READ_ROWS_MAX 128

/* Into the zeroed struct at conf; false: something was wrong, and the error names where.
 * What was taken is freed by options_free() in both cases. */
static inline bool
read_table(const struct option_table *table, void *conf, const uint8_t *data,
    size_t len)
{
	struct option_origin origins[READ_ROWS_MAX] = {0};
	struct options_reading reading = {
	    .table = table, .conf = conf, .origins = origins};
	size_t n = 0;
	FILE *file;

	while (table->rows[n].key != NULL)
		n++;
	REQUIRE(n < READ_ROWS_MAX);
	/* fmemopen() of nothing is an error */
	if (len == 0 ||
	    (file = fmemopen((void *)(uintptr_t)data, len, "r")) == NULL)
		return false;
	options_read_stream(&reading, "input", file);
	fclose(file);
	if (reading.failed)
		REQUIRE(strncmp(reading.error, "input:", 6) == 0);
	return !reading.failed;
}

#endif
