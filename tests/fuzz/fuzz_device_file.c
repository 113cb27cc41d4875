/* SPDX-License-Identifier: MIT */
/* A device file of any bytes; what was read is written, and reads the same, with all that is not
 * known. */
#include <stdlib.h>

#include "base/device_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The line of a record that is written in the place of an old one. Without keys to be kept there is
 * always room. */
static bool
rewrite(const struct device_record *record, struct str old,
    char room[DEVICE_LINE_MAX], struct str *text)
{
	struct writer w;

	writer_init(&w, room, DEVICE_LINE_MAX);
	device_line_write(&w, record, old);
	*text = (struct str){room, writer_len(&w)};
	return !w.full;
}

static bool
rewrite_fleet(const struct fleet_record *record, struct str old,
    char room[DEVICE_LINE_MAX], struct str *text)
{
	struct writer w;

	writer_init(&w, room, DEVICE_LINE_MAX);
	fleet_line_write(&w, record, old);
	*text = (struct str){room, writer_len(&w)};
	return !w.full;
}

static bool
rewrite_token(const struct token_record *record, struct str old,
    char room[DEVICE_LINE_MAX], struct str *text)
{
	struct writer w;

	writer_init(&w, room, DEVICE_LINE_MAX);
	token_line_write(&w, record, old);
	*text = (struct str){room, writer_len(&w)};
	return !w.full;
}

/* The next piece of a line whose key is not known, as it stands there. */
static bool
next_kept(struct str *line, struct str *piece, bool (*knows)(struct str key))
{
	char copy[DEVICE_LINE_MAX];
	struct form_reader form;
	struct form_pair pair;

	while (line->len > 0) {
		str_split(*line, '&', piece, line);
		memcpy(copy, piece->ptr, piece->len);
		form_reader_init(&form, copy, piece->len);
		if (form_next(&form, &pair) == WIRE_DONE && !knows(pair.key))
			return true;
	}
	return false;
}

static void
check_kept(struct str old, struct str new, bool (*knows)(struct str key))
{
	struct str a, b;

	while (next_kept(&old, &a, knows))
		if (!next_kept(&new, &b, knows) || !str_equal(a, b))
			abort();
	if (next_kept(&new, &b, knows))
		abort();
}

static struct str
line_at(struct str text, unsigned number)
{
	struct str line;

	for (unsigned i = 1; device_lines_next(&text, &line); i++)
		if (i == number)
			return line;
	abort();
}

static void
check_device(struct str text, const struct device_line *line)
{
	char first[DEVICE_LINE_MAX], second[DEVICE_LINE_MAX];
	struct str old = line_at(text, line->number), new, again;
	struct device_file_error error;
	struct device_lines lines;

	if (!rewrite(&line->record, (struct str){0}, first, &new))
		abort();
	if (!rewrite(&line->record, old, first, &new))
		return;
	check_kept(old, new, device_record_knows);
	if (device_lines_parse(&lines, new, &error) != 0 || lines.count != 1 ||
	    !rewrite(&lines.items[0].record, new, second, &again) ||
	    !str_equal(new, again))
		abort();
	device_lines_fini(&lines);
}

static void
check_fleet(struct str text, const struct fleet_line *line)
{
	char first[DEVICE_LINE_MAX], second[DEVICE_LINE_MAX];
	struct str old = line_at(text, line->number), new, again;
	struct device_file_error error;
	struct device_lines lines;

	if (!rewrite_fleet(&line->record, (struct str){0}, first, &new))
		abort();
	if (!rewrite_fleet(&line->record, old, first, &new))
		return;
	check_kept(old, new, fleet_record_knows);
	if (device_lines_parse(&lines, new, &error) != 0 ||
	    lines.n_fleets != 1 ||
	    !rewrite_fleet(&lines.fleets[0].record, new, second, &again) ||
	    !str_equal(new, again))
		abort();
	device_lines_fini(&lines);
}

static void
check_token(struct str text, const struct token_line *line)
{
	char first[DEVICE_LINE_MAX], second[DEVICE_LINE_MAX];
	struct str old = line_at(text, line->number), new, again;
	struct device_file_error error;
	struct device_lines lines;

	if (!rewrite_token(&line->record, (struct str){0}, first, &new))
		abort();
	if (!rewrite_token(&line->record, old, first, &new))
		return;
	check_kept(old, new, token_record_knows);
	if (device_lines_parse(&lines, new, &error) != 0 ||
	    lines.n_tokens != 1 ||
	    !rewrite_token(&lines.tokens[0].record, new, second, &again) ||
	    !str_equal(new, again))
		abort();
	device_lines_fini(&lines);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str text = {(const char *)data, len};
	struct device_file_error error;
	struct device_lines lines;

	if (device_lines_parse(&lines, text, &error) != 0)
		return 0;
	/* a few are enough: each costs two tables */
	for (size_t i = 0; i < lines.count && i < 4; i++)
		check_device(text, &lines.items[i]);
	for (size_t i = 0; i < lines.n_fleets && i < 4; i++)
		check_fleet(text, &lines.fleets[i]);
	for (size_t i = 0; i < lines.n_tokens && i < 4; i++)
		check_token(text, &lines.tokens[i]);
	device_lines_fini(&lines);
	return 0;
}
