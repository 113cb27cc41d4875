/* SPDX-License-Identifier: MIT */
/* A device file of any bytes; what was read is written, and reads the same. */
#include <stdlib.h>

#include "base/device_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct str
text_of(const struct device_record *record, char text[DEVICE_LINE_MAX])
{
	struct writer w;

	writer_init(&w, text, DEVICE_LINE_MAX);
	device_line_write(&w, record);
	if (w.full)
		abort();
	return (struct str){text, writer_len(&w)};
}

static void
check_round_trip(const struct device_record *record)
{
	char first[DEVICE_LINE_MAX], second[DEVICE_LINE_MAX];
	struct str text = text_of(record, first);
	struct device_file_error error;
	struct device_lines again;

	if (device_lines_parse(&again, text, &error) != 0 || again.count != 1 ||
	    !str_equal(text, text_of(&again.items[0].record, second)))
		abort();
	device_lines_fini(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct device_file_error error;
	struct device_lines lines;

	if (device_lines_parse(
		&lines, (struct str){(const char *)data, len}, &error) != 0)
		return 0;
	/* a few are enough: each costs two tables */
	for (size_t i = 0; i < lines.count && i < 4; i++)
		check_round_trip(&lines.items[i].record);
	device_lines_fini(&lines);
	return 0;
}
