/* SPDX-License-Identifier: MIT */
/* An INI file of any bytes through a table that has every type. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/options_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct conf {
	bool flag;
	int64_t number, size, duration;
	char *text;
	int choice;
	struct option_list list;
};

static const struct option_row rows[] = {
    {.key = "flag", .type = OPTION_BOOL, .offset = offsetof(struct conf, flag)},
    {.key = "number",
	.type = OPTION_INT,
	.offset = offsetof(struct conf, number),
	.min = -10,
	.max = 1000},
    {.key = "size", .type = OPTION_SIZE, .offset = offsetof(struct conf, size)},
    {.key = "duration",
	.type = OPTION_DURATION,
	.offset = offsetof(struct conf, duration),
	.min = 1,
	.max = 86400000},
    {.key = "text_secret",
	.type = OPTION_STRING,
	.offset = offsetof(struct conf, text),
	.min = 2,
	.max = 100},
    {.key = "choice",
	.type = OPTION_CHOICE,
	.offset = offsetof(struct conf, choice),
	.choices = "one|two|three"},
    {.key = "list", .type = OPTION_LIST, .offset = offsetof(struct conf, list)},
    {0},
};

static const struct option_table table = {
    .program = "fuzz",
    .section = "fuzz",
    .rows = rows,
    .struct_size = sizeof(struct conf),
};

/* What was taken keeps the bounds of its row. */
static void
check_conf(const struct conf *conf)
{
	if (conf->number < -10 || conf->number > 1000 || conf->size < 0 ||
	    conf->duration < 0 || conf->duration > 86400000 ||
	    conf->choice < 0 || conf->choice > 2 ||
	    (conf->text != NULL && strlen(conf->text) < 2))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct option_origin origins[sizeof(rows) / sizeof(rows[0])] = {0};
	struct conf conf = {0};
	struct options_reading reading = {
	    .table = &table, .conf = &conf, .origins = origins};
	FILE *file;

	/* fmemopen() of nothing is an error */
	if (len == 0 ||
	    (file = fmemopen((void *)(uintptr_t)data, len, "r")) == NULL)
		return 0;
	options_read_stream(&reading, "input", file);
	fclose(file);
	check_conf(&conf);
	if (reading.failed && strncmp(reading.error, "input:", 6) != 0)
		abort();
	options_free(&table, &conf);
	return 0;
}
