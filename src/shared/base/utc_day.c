/* SPDX-License-Identifier: MIT */
/* By days since 1970, of which the proleptic Gregorian calendar has 146,097 in 400 years. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/utc_day.h"

#define DAY_MS UINT64_C(86400000)

static bool
is_leap(uint32_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static uint32_t
days_of_month(uint32_t year, uint32_t month)
{
	static const uint8_t days[] = {
	    31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

uint32_t
utc_day(uint64_t wall_ms)
{
	uint64_t left = wall_ms / DAY_MS;
	uint32_t year = 1970, month = 1;

	while (left >= (is_leap(year) ? 366u : 365u))
		left -= is_leap(year++) ? 366 : 365;
	while (left >= days_of_month(year, month))
		left -= days_of_month(year, month++);
	return (year * 100 + month) * 100 + (uint32_t)left + 1;
}

uint64_t
utc_day_begin_ms(uint32_t day)
{
	uint64_t days = day % 100 - 1;

	for (uint32_t year = 1970; year < day / 10000; year++)
		days += is_leap(year) ? 366 : 365;
	for (uint32_t month = 1; month < day / 100 % 100; month++)
		days += days_of_month(day / 10000, month);
	return days * DAY_MS;
}

uint32_t
utc_day_next(uint32_t day)
{
	return utc_day(utc_day_begin_ms(day) + DAY_MS);
}

uint32_t
utc_day_first_of_month(uint32_t day)
{
	return day - day % 100 + 1;
}

uint32_t
utc_day_first_of_next_month(uint32_t day)
{
	return day / 100 % 100 == 12 ? (day / 10000 + 1) * 10000 + 101
				     : utc_day_first_of_month(day) + 100;
}

bool
utc_day_parse(const char *text, uint32_t *day)
{
	char digits[9];
	uint32_t year, month, number;

	if (strlen(text) == 10 && text[4] == '-' && text[7] == '-')
		snprintf(digits, sizeof(digits), "%.4s%.2s%.2s", text, text + 5,
		    text + 8);
	else if (strlen(text) == 8)
		memcpy(digits, text, 9);
	else
		return false;
	if (strspn(digits, "0123456789") != 8)
		return false;
	number = 0;
	for (int i = 0; i < 8; i++)
		number = number * 10 + (uint32_t)(digits[i] - '0');
	year = number / 10000;
	month = number / 100 % 100;
	if (year < 1970 || month < 1 || month > 12 || number % 100 < 1 ||
	    number % 100 > days_of_month(year, month))
		return false;
	*day = number;
	return true;
}
