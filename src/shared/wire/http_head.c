/* SPDX-License-Identifier: MIT */
/*
 * Parses HTTP/1.1 heads line by line, from the beginning at every call: a head is
 * bounded and mostly comes in one piece, so there is no state to keep or to get wrong.
 */
#include "wire/http_head.h"

struct lines {
	const char *at, *end;
	struct http_head *head; /* where complaints go */
};

static enum wire_result
bad(struct http_head *head, unsigned status, const char *error)
{
	head->error = error;
	head->error_status = status;
	return WIRE_BAD;
}

/* The next line, without its CR LF. Says what is wrong with a line before its end is
 * there, so that a peer of another protocol is told at once. */
static enum wire_result
next_line(struct lines *lines, struct str *line)
{
	const char *at;

	for (at = lines->at; at < lines->end; at++) {
		unsigned char c = (unsigned char)*at;

		if (c == '\r') {
			if (at + 1 == lines->end)
				return WIRE_MORE;
			if (at[1] != '\n')
				return bad(lines->head, 400, SAYS("bare CR"));
			*line =
			    (struct str){lines->at, (size_t)(at - lines->at)};
			lines->at = at + 2;
			return WIRE_DONE;
		}
		if (c == '\n')
			return bad(lines->head, 400, SAYS("bare LF"));
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return bad(lines->head, 400, SAYS("control character"));
	}
	return WIRE_MORE;
}

/* RFC 9110 section 5.6.2 */
static bool
is_token(struct str s)
{
	return s.len > 0 && str_only(s, "^zAZ09-.#'*+!!||~~");
}

/* Looser than RFC 3986, since browsers are: visible ASCII but for '#'. */
static bool
is_target(struct str s)
{
	return s.len > 0 && s.ptr[0] == '/' && str_only(s, "$~!\"");
}

#ifndef TAUPE_DEVICE_ONLY

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

#endif

static enum wire_result
parse_version(struct str version, struct http_head *head)
{
#ifdef TAUPE_DEVICE_ONLY /* which answers nobody, and so may say the same of all others */
	if (version.len != 8 || memcmp(version.ptr, "HTTP/1.", 7) != 0 ||
	    (version.ptr[7] != '0' && version.ptr[7] != '1'))
		return bad(head, 0, SAYS("no HTTP version 1.0 or 1.1"));
#else
	if (version.len != 8 || memcmp(version.ptr, "HTTP/", 5) != 0 ||
	    !is_digit(version.ptr[5]) || version.ptr[6] != '.' ||
	    !is_digit(version.ptr[7]))
		return bad(head, 400, SAYS("no HTTP version"));
	if (version.ptr[5] != '1' || version.ptr[7] > '1')
		return bad(
		    head, 505, SAYS("HTTP version other than 1.0 and 1.1"));
#endif
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
parse_status_line(struct str line, struct http_head *head)
{
	struct str version, status;
	uint64_t number;

	if (!str_split(line, ' ', &version, &line) ||
	    !str_split(line, ' ', &status, &head->phrase))
		return bad(head, 400, SAYS("malformed status line"));
	if (parse_version(version, head) != WIRE_DONE)
		return WIRE_BAD;
	if (status.len != 3 || !str_to_u64(status, 599, &number) ||
	    number < 100)
		return bad(head, 400, SAYS("malformed status"));
	head->status = (unsigned)number;
	return WIRE_DONE;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static enum wire_result
parse_field(struct str line, struct http_head *head)
{
	struct http_field field;

	if (is_blank(line.ptr[0]))
		return bad(head, 400, SAYS("folded field"));
	if (!str_split(line, ':', &field.name, &field.value) ||
	    !is_token(field.name))
		return bad(head, 400, SAYS("malformed field"));
	if (head->n_fields == HTTP_FIELDS_MAX)
		return bad(head, 431, SAYS("too many fields"));
	while (field.value.len > 0 && is_blank(field.value.ptr[0])) {
		field.value.ptr++;
		field.value.len--;
	}
	while (field.value.len > 0 &&
	    is_blank(field.value.ptr[field.value.len - 1]))
		field.value.len--;
	head->fields[head->n_fields++] = field;
	return WIRE_DONE;
}

typedef enum wire_result (*first_line_cb)(
    struct str line, struct http_head *head);

static enum wire_result
parse_lines(struct lines *lines, first_line_cb first_line)
{
	struct http_head *head = lines->head;
	enum wire_result result;
	struct str line;

	if ((result = next_line(lines, &line)) != WIRE_DONE)
		return result;
	if ((result = first_line(line, head)) != WIRE_DONE)
		return result;
	while ((result = next_line(lines, &line)) == WIRE_DONE) {
		if (line.len == 0)
			return WIRE_DONE;
		if ((result = parse_field(line, head)) != WIRE_DONE)
			break;
	}
	return result;
}

static enum wire_result
parse(const char *in, size_t len, first_line_cb first_line,
    struct http_head *head, size_t *consumed)
{
	size_t bound = len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX;
	struct lines lines = {in, bound > 0 ? in + bound : in, head};
	enum wire_result result;

	memset(head, 0, sizeof(*head));
	result = parse_lines(&lines, first_line);
	if (result == WIRE_DONE)
		*consumed = (size_t)(lines.at - in);
	if (result == WIRE_MORE && len >= HTTP_HEAD_MAX)
		return lines.at == in
		    ? bad(head, 414, SAYS("first line too long"))
		    : bad(head, 431, SAYS("head too long"));
	return result;
}

enum wire_result
http_request_parse(
    const char *in, size_t len, struct http_head *head, size_t *consumed)
{
	return parse(in, len, parse_request_line, head, consumed);
}

enum wire_result
http_response_parse(
    const char *in, size_t len, struct http_head *head, size_t *consumed)
{
	enum wire_result result =
	    parse(in, len, parse_status_line, head, consumed);

	head->error_status = 0; /* a response is not answered */
	return result;
}

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

const char *
http_status_phrase(unsigned status)
{
	static const struct {
		unsigned status;
		const char *phrase;
	} phrases[] = {
	    {101, "Switching Protocols"},
	    {200, "OK"},
	    {201, "Created"},
	    {202, "Accepted"},
	    {204, "No Content"},
	    {302, "Found"},
	    {400, "Bad Request"},
	    {401, "Unauthorized"},
	    {403, "Forbidden"},
	    {404, "Not Found"},
	    {405, "Method Not Allowed"},
	    {408, "Request Timeout"},
	    {409, "Conflict"},
	    {410, "Gone"},
	    {413, "Content Too Large"},
	    {414, "URI Too Long"},
	    {421, "Misdirected Request"},
	    {426, "Upgrade Required"},
	    {429, "Too Many Requests"},
	    {431, "Request Header Fields Too Large"},
	    {500, "Internal Server Error"},
	    {501, "Not Implemented"},
	    {502, "Bad Gateway"},
	    {503, "Service Unavailable"},
	    {504, "Gateway Timeout"},
	    {505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
		if (phrases[i].status == status)
			return phrases[i].phrase;
	}
	return "Unknown";
}

void
http_write_field(struct writer *w, const char *name, struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		/* else a value could begin a field of its own */
		if (value.ptr[i] == '\r' || value.ptr[i] == '\n' ||
		    value.ptr[i] == '\0')
			w->full = true;
	}
	writer_cstr(w, name);
	writer_str(w, STR(": "));
	writer_str(w, value);
	writer_str(w, STR("\r\n"));
}
