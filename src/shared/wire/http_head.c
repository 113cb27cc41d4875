/* SPDX-License-Identifier: MIT */
/*
 * Parses HTTP/1.1 heads line by line, from the beginning at every call: a head is
 * bounded and mostly comes in one piece, so there is no state to keep or to get wrong.
 */
#include "wire/http_head.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The next line of *rest, without its CR LF; *rest goes on behind it. Says what is wrong with a
 * line before its end is there, so that a peer of another protocol is told at once. */
static enum wire_result
next_line(struct str *rest, struct str *line)
{
	bool whole = str_split(*rest, '\n', line, rest);

	if (line->len > 0 && line->ptr[line->len - 1] == '\r')
		line->len--;
	else if (whole)
		return WIRE_BAD;
	if (!str_is_line(*line))
		return WIRE_BAD;
	return whole ? WIRE_DONE : WIRE_MORE;
}

#define BAD_LINE SAYS("control character, or a line without CR LF at its end")

/* RFC 9110 section 5.6.2 */
static bool
is_token(struct str s)
{
	return s.len > 0 && str_only(s, "^zAZ09-.#'*+!!||~~");
}

static bool
split_field(struct str line, struct str *name, struct str *value)
{
	if (!str_split(line, ':', name, value))
		return false;
	*value = str_trim(*value);
	return is_token(*name);
}

#define BAD_FIELD SAYS("malformed field")

/* ---- requests ---- */

static enum wire_result
bad(struct http_head *head, unsigned status, const char *error)
{
	head->error = error;
	head->error_status = status;
	return WIRE_BAD;
}

/* Looser than RFC 3986, since browsers are: visible ASCII but for '#'. */
static bool
is_target(struct str s)
{
	if (s.len == 0 || s.ptr[0] != '/')
		return false;
	for (size_t i = 1; i < s.len; i++)
		if (s.ptr[i] <= ' ' || s.ptr[i] > '~' || s.ptr[i] == '#')
			return false;
	return true;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static enum wire_result
parse_version(struct str version, struct http_head *head)
{
	if (version.len != 8 || memcmp(version.ptr, "HTTP/", 5) != 0 ||
	    !is_digit(version.ptr[5]) || version.ptr[6] != '.' ||
	    !is_digit(version.ptr[7]))
		return bad(head, 400, SAYS("no HTTP version"));
	if (version.ptr[5] != '1' || version.ptr[7] > '1')
		return bad(
		    head, 505, SAYS("HTTP version other than 1.0 and 1.1"));
	head->minor = (unsigned)(version.ptr[7] - '0');
	return WIRE_DONE;
}

static enum wire_result
parse_request_line(struct str line, struct http_head *head)
{
	struct str version;

	if (!str_split(line, ' ', &head->method, &line) ||
	    !str_split(line, ' ', &head->target, &version) ||
	    !is_token(head->method))
		return bad(head, 400, SAYS("malformed request line"));
	if (parse_version(version, head) != WIRE_DONE)
		return WIRE_BAD;
	if (!is_target(head->target))
		return bad(head, 400, SAYS("request target is not a path"));
	(void)str_split(head->target, '?', &head->path, &head->query);
	return WIRE_DONE;
}

static enum wire_result
parse_field(struct str line, struct http_head *head)
{
	struct http_field *field = &head->fields[head->n_fields];

	if (head->n_fields == HTTP_FIELDS_MAX)
		return bad(head, 431, SAYS("too many fields"));
	if (!split_field(line, &field->name, &field->value))
		return bad(head, 400, BAD_FIELD);
	head->n_fields++;
	return WIRE_DONE;
}

static enum wire_result
parse_lines(struct str *rest, struct http_head *head)
{
	enum wire_result result,
	    (*parse)(struct str, struct http_head *) = parse_request_line;
	struct str line;

	while ((result = next_line(rest, &line)) == WIRE_DONE) {
		if (line.len == 0 && parse == parse_field)
			return WIRE_DONE;
		if (parse(line, head) != WIRE_DONE)
			return WIRE_BAD;
		parse = parse_field;
	}
	return result == WIRE_BAD ? bad(head, 400, BAD_LINE) : WIRE_MORE;
}

enum wire_result
http_request_parse(
    const char *in, size_t len, struct http_head *head, size_t *consumed)
{
	struct str rest = {in, len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX};
	enum wire_result result;

	memset(head, 0, offsetof(struct http_head, fields));
	result = parse_lines(&rest, head);
	if (result == WIRE_DONE)
		*consumed = (size_t)(rest.ptr - in);
	if (result == WIRE_MORE && len >= HTTP_HEAD_MAX)
		return head->method.ptr == NULL
		    ? bad(head, 414, SAYS("first line too long"))
		    : bad(head, 431, SAYS("head too long"));
	return result;
}

#ifndef TAUPE_DEVICE_ONLY
static enum wire_result
parse_trailers(struct str *rest, struct http_head *head)
{
	enum wire_result result;
	struct str line;

	while ((result = next_line(rest, &line)) == WIRE_DONE) {
		if (line.len == 0)
			return WIRE_DONE;
		if (parse_field(line, head) != WIRE_DONE)
			return WIRE_BAD;
	}
	return result == WIRE_BAD ? bad(head, 400, BAD_LINE) : WIRE_MORE;
}

enum wire_result
http_trailers_parse(
    const char *in, size_t len, struct http_head *head, size_t *consumed)
{
	struct str rest = {in, len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX};
	enum wire_result result;

	memset(head, 0, offsetof(struct http_head, fields));
	result = parse_trailers(&rest, head);
	if (result == WIRE_DONE)
		*consumed = (size_t)(rest.ptr - in);
	if (result == WIRE_MORE && len >= HTTP_HEAD_MAX)
		return bad(head, 431, "trailers too long");
	return result;
}
#endif

struct str
http_field_get(const struct http_head *head, const char *name)
{
	struct str value = {NULL, 0}, wanted = str_of(name);

	for (size_t i = 0; i < head->n_fields; i++) {
		if (!str_equal_nocase(head->fields[i].name, wanted))
			continue;
		if (value.ptr != NULL)
			return (struct str){NULL, 0};
		value = head->fields[i].value;
	}
	return value;
}

size_t
http_field_count(const struct http_head *head, const char *name)
{
	struct str wanted = str_of(name);
	size_t count = 0;

	for (size_t i = 0; i < head->n_fields; i++)
		count += str_equal_nocase(head->fields[i].name, wanted);
	return count;
}

bool
http_list_has(const struct http_head *head, const char *name, const char *token)
{
	struct str wanted = str_of(name);

	for (size_t i = 0; i < head->n_fields; i++) {
		if (str_equal_nocase(head->fields[i].name, wanted) &&
		    str_list_has(head->fields[i].value, str_of(token)))
			return true;
	}
	return false;
}

/* ---- answers ---- */

static bool
take_status(struct http_answer *answer, struct str line)
{
	wire_number status;

	/* "HTTP/1.1 101 Switching Protocols"; the phrase may be empty */
	if (line.len < 13 || memcmp(line.ptr, "HTTP/1.", 7) != 0 ||
	    (line.ptr[7] != '0' && line.ptr[7] != '1') || line.ptr[8] != ' ' ||
	    line.ptr[12] != ' ' ||
	    !str_to_number((struct str){line.ptr + 9, 3}, 599, &status))
		return false;
	answer->minor = (unsigned)(line.ptr[7] - '0');
	answer->status = (unsigned)status;
	return status >= 100;
}

/* What is left out is NULL, which is no field's name. */
static const char *const answer_names[] = {
    [HTTP_UPGRADE] = "Upgrade",
    [HTTP_ACCEPT] = "Sec-WebSocket-Accept",
    [HTTP_PROTOCOL] = "Sec-WebSocket-Protocol",
    [HTTP_EXTENSIONS] = "Sec-WebSocket-Extensions",
    [HTTP_RETRY_AFTER] = "Retry-After",
#ifndef TAUPE_WITHOUT_REDIRECTS
    [HTTP_LOCATION] = "Location",
#endif
#ifndef TAUPE_WITHOUT_TEXTS
    [HTTP_CONTENT_TYPE] = "Content-Type",
    [HTTP_CONTENT_LENGTH] = "Content-Length",
#endif
};

static bool
take_field(struct http_answer *answer, struct str line)
{
	struct str name, value;

	if (!split_field(line, &name, &value))
		return false;
	if (str_is_nocase(name, "Connection") &&
	    str_list_has(value, STR("upgrade")))
		answer->upgrades = true;
	for (size_t i = 0; i < COUNT(answer_names); i++)
		if (str_is_nocase(name, answer_names[i]))
			answer->fields[i] =
			    answer->fields[i].ptr == NULL ? value : STR("");
	return true;
}

enum wire_result
http_answer_parse(
    const char *in, size_t len, struct http_answer *answer, size_t *consumed)
{
	struct str rest = {in, len}, line;
	enum wire_result result;

	memset(answer, 0, sizeof(*answer));
	while ((result = next_line(&rest, &line)) == WIRE_DONE) {
		if (answer->status == 0) {
			if (take_status(answer, line))
				continue;
			answer->error = SAYS("malformed status line");
			return WIRE_BAD;
		}
		if (line.len == 0) {
			*consumed = (size_t)(rest.ptr - in);
			return WIRE_DONE;
		}
		if (!take_field(answer, line)) {
			answer->error = BAD_FIELD;
			return WIRE_BAD;
		}
	}
	answer->error = BAD_LINE;
	return result;
}
