/* SPDX-License-Identifier: MIT */
/*
 * Replies are text for people, of which each HAProxy version says a little more: what
 * is looked for is found by its name, and what is not known is skipped.
 */
#include <stdlib.h>

#include "net/hap_reply.h"

#define FIRST_ROOM 4096

void
hap_reply_fini(struct hap_reply *reply)
{
	free(reply->text);
	memset(reply, 0, sizeof(*reply));
}

void
hap_reply_reset(struct hap_reply *reply)
{
	reply->len = 0;
	reply->seen = 0;
}

static int
make_room(struct hap_reply *reply, size_t len)
{
	size_t room = reply->room == 0 ? FIRST_ROOM : reply->room;
	char *text;

	if (len > HAP_REPLY_MAX - reply->len)
		return -1;
	while (room - reply->len < len)
		room *= 2;
	if (room == reply->room)
		return 0;
	text = realloc(reply->text, room);
	if (text == NULL)
		return -1;
	reply->text = text;
	reply->room = room;
	return 0;
}

/* Where "\n> " begins, at a line's start or after payload prompts; len: nowhere. */
static size_t
find_end(const struct hap_reply *reply)
{
	size_t i = reply->seen;

	for (; i + 3 <= reply->len; i++)
		if (memcmp(reply->text + i, "\n> ", 3) == 0)
			return i;
	return reply->len;
}

static struct str
trim(struct str text)
{
	while (text.len >= 2 && memcmp(text.ptr, "+ ", 2) == 0)
		text = (struct str){text.ptr + 2, text.len - 2};
	while (text.len > 0 && (text.ptr[0] == '\n' || text.ptr[0] == '\r'))
		text = (struct str){text.ptr + 1, text.len - 1};
	while (text.len > 0 && strchr("\r\n ", text.ptr[text.len - 1]) != NULL)
		text.len--;
	return text;
}

enum wire_result
hap_reply_feed(
    struct hap_reply *reply, const char *data, size_t len, struct str *text)
{
	size_t end;

	if (len == 0)
		return WIRE_MORE;
	if (memchr(data, '\0', len) != NULL || make_room(reply, len) != 0)
		return WIRE_BAD;
	memcpy(reply->text + reply->len, data, len);
	reply->len += len;
	end = find_end(reply);
	if (end == reply->len) {
		reply->seen = reply->len < 2 ? 0 : reply->len - 2;
		return WIRE_MORE;
	}
	if (end + 3 != reply->len)
		return WIRE_BAD;
	*text = trim((struct str){reply->text, end});
	return WIRE_DONE;
}

static bool
next_line(struct str *text, struct str *line)
{
	struct str rest;

	if (text->len == 0)
		return false;
	if (!str_split(*text, '\n', line, &rest))
		rest = (struct str){NULL, 0};
	*text = rest;
	if (line->len > 0 && line->ptr[line->len - 1] == '\r')
		line->len--;
	return true;
}

static bool
has_prefix(struct str text, struct str prefix)
{
	return text.len >= prefix.len &&
	    memcmp(text.ptr, prefix.ptr, prefix.len) == 0;
}

static struct str
without(struct str text, size_t n)
{
	return (struct str){text.ptr + n, text.len - n};
}

/* The value of "Name: value"; false when the line is another one. */
static bool
field_of(struct str line, struct str name, struct str *value)
{
	if (!has_prefix(line, name))
		return false;
	*value = without(line, name.len);
	return true;
}

/* The digits at the start of *text, which moves behind them. */
static bool
take_number(struct str *text, uint64_t max, uint64_t *number)
{
	size_t n = 0;

	while (n < text->len && text->ptr[n] >= '0' && text->ptr[n] <= '9')
		n++;
	if (!str_to_number((struct str){text->ptr, n}, max, number))
		return false;
	*text = without(*text, n);
	return true;
}

/* "2.6.12-1+deb12u4", "2.9-dev3" */
static bool
parse_version(struct str text, struct hap_info *info)
{
	uint64_t major, minor;

	if (text.len >= sizeof(info->version))
		text.len = sizeof(info->version) - 1;
	if (!str_copy(text, info->version, sizeof(info->version)))
		return false;
	if (!take_number(&text, 999, &major) || !has_prefix(text, STR(".")))
		return false;
	text = without(text, 1);
	if (!take_number(&text, 999, &minor))
		return false;
	info->major = (unsigned)major;
	info->minor = (unsigned)minor;
	return true;
}

bool
hap_info_parse(struct str text, struct hap_info *info)
{
	bool has_pid = false, has_version = false;
	struct str line, value;

	memset(info, 0, sizeof(*info));
	while (next_line(&text, &line)) {
		if (field_of(line, STR("Pid: "), &value))
			has_pid = str_to_number(value, INT32_MAX, &info->pid);
		else if (field_of(line, STR("Version: "), &value))
			has_version = parse_version(value, info);
		else if (field_of(line, STR("Stopping: "), &value))
			info->stopping = !str_equal(value, STR("0"));
		else if (field_of(line, STR("Start_time_sec: "), &value) &&
		    !str_to_number(value, UINT64_MAX, &info->start_s))
			return false;
	}
	return has_pid && has_version;
}

/* "1 (/path/http.map) pattern loaded from … curr_ver=0 next_ver=0 entry_cnt=12": a file
 * that is not named with an absolute path (an ACL's "", a built-in list) is none of
 * ours, and ours have no parenthesis in their names. */
static bool
parse_map_line(struct str line, struct hap_map_line *out)
{
	struct str count = STR("entry_cnt="), id, rest, file;
	uint64_t number;
	size_t i;

	if (!str_split(line, ' ', &id, &rest) ||
	    !str_to_number(id, INT32_MAX, &number))
		return false;
	if (!has_prefix(rest, STR("(")) ||
	    !str_split(without(rest, 1), ')', &file, &rest))
		return false;
	memset(out, 0, sizeof(*out));
	out->file = file;
	for (i = rest.len; i-- > 0;) {
		struct str at = without(rest, i);

		if (!has_prefix(at, count))
			continue;
		at = without(at, count.len);
		out->has_entries = take_number(&at, SIZE_MAX, &out->entries);
		break;
	}
	return true;
}

bool
hap_map_line_next(struct str *text, struct hap_map_line *line)
{
	struct str one;

	while (next_line(text, &one))
		if (parse_map_line(one, line))
			return true;
	return false;
}

bool
hap_version_parse(struct str text, uint64_t *version)
{
	struct str value;

	return field_of(text, STR("New version created: "), &value) &&
	    str_to_number(value, UINT32_MAX, version);
}

bool
hap_value_parse(struct str text, struct str *value)
{
	struct str mark = STR(", value=\""), found = STR("found=yes"), rest;
	bool is_found = false;
	size_t i;

	*value = (struct str){NULL, 0};
	if (!has_prefix(text, STR("type=")))
		return false;
	for (i = 0; i < text.len; i++) {
		rest = without(text, i);
		if (has_prefix(rest, found))
			is_found = true;
		if (is_found && has_prefix(rest, mark))
			return str_split(
			    without(rest, mark.len), '"', value, &rest);
	}
	return !is_found;
}
