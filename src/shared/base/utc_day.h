/* SPDX-License-Identifier: MIT */
/* Days of the calendar in UTC, as numbers that people can read: 20261127. */
#ifndef TAUPE_BASE_UTC_DAY_H
#define TAUPE_BASE_UTC_DAY_H

#include <stdbool.h>
#include <stdint.h>

/* The day of this moment; milliseconds since 1970. */
uint32_t utc_day(uint64_t wall_ms);
/* When it begins, milliseconds since 1970. Precondition: it is a day. */
uint64_t utc_day_begin_ms(uint32_t day);
/* The day after it, the first of its month, and the first of the next one. */
uint32_t utc_day_next(uint32_t day);
uint32_t utc_day_first_of_month(uint32_t day);
uint32_t utc_day_first_of_next_month(uint32_t day);
/* "2026-11-27" or "20261127", from 1970 to 9999. False: it is none. */
bool utc_day_parse(const char *text, uint32_t *day);

#endif
