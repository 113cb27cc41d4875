/* SPDX-License-Identifier: MIT */
/*
 * Requests are read line by line, and of a line only as much is kept as the fields that count
 * need. Answers are written anew for each piece from where the last one ended: that costs some
 * time, and no memory.
 */
#include "http.h"

#include <string.h>

#include "text.h"

enum state { READING, ANSWERING, DONE };
enum method { GET, HEAD, OTHER };

void
http_begin(struct http *h)
{
	memset(h, 0, sizeof(*h));
	h->state = READING;
	h->first = true;
}

/* ---- requests ---- */

static void
refuse(struct http *h, uint16_t status)
{
	if (h->status == 0)
		h->status = status;
	h->keep = false; /* where the next request begins is not sure */
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The value of the line, if it is the field of that name, in lower case; else NULL. */
static char *
field(char *line, const char *name)
{
	char *value = line;

	for (; *name != '\0'; name++, value++)
		if (lower(*value) != *name)
			return NULL;
	if (*value++ != ':')
		return NULL;
	while (*value == ' ' || *value == '\t')
		value++;
	for (char *at = value; *at != '\0'; at++)
		*at = lower(*at);
	return value;
}

/* Is token a member of the list? */
static bool
lists(const char *list, const char *token)
{
	size_t len = strlen(token);

	while (*list != '\0') {
		size_t member = strcspn(list, ", \t");

		if (member == len && memcmp(list, token, len) == 0)
			return true;
		list += member;
		list += strspn(list, ", \t");
	}
	return false;
}

static bool
parse_length(const char *text, uint32_t *length)
{
	uint32_t number = 0;

	if (*text == '\0' || strlen(text) > 9)
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		number = number * 10 + (uint32_t)(*text - '0');
	}
	*length = number;
	return true;
}

static void
take_request_line(struct http *h)
{
	char *target = strchr(h->line, ' '), *version;

	h->keep = true;
	if (h->too_long) {
		refuse(h, 414);
		return;
	}
	version = target != NULL ? strchr(target + 1, ' ') : NULL;
	if (version == NULL || target == h->line || target[1] != '/' ||
	    strncmp(version + 1, "HTTP/", 5) != 0) {
		refuse(h, 400);
		return;
	}
	*target++ = *version++ = '\0';
	h->old = strcmp(version, "HTTP/1.0") == 0;
	if (!h->old && strcmp(version, "HTTP/1.1") != 0)
		refuse(h, 505);
	h->keep = !h->old && h->keep;
	h->method = strcmp(h->line, "GET") == 0 ? GET
	    : strcmp(h->line, "HEAD") == 0	? HEAD
						: OTHER;
	target[strcspn(target, "?")] = '\0';
	h->page = site_find(target);
}

static void
take_field(struct http *h)
{
	const char *value;

	if (h->line[0] == ' ' || h->line[0] == '\t' || h->line[0] == ':' ||
	    (!h->too_long && strchr(h->line, ':') == NULL)) {
		refuse(h, 400);
	} else if (field(h->line, "host") != NULL) {
		if (h->host)
			refuse(h, 400);
		h->host = true;
	} else if ((value = field(h->line, "content-length")) != NULL) {
		if (h->has_length || h->too_long ||
		    !parse_length(value, &h->body_left))
			refuse(h, 400);
		else if (h->body_left > HTTP_BODY_MAX)
			refuse(h, 413);
		h->has_length = true;
	} else if (field(h->line, "transfer-encoding") != NULL) {
		refuse(h, 501); /* its end cannot be told */
	} else if ((value = field(h->line, "connection")) != NULL) {
		if (h->too_long || lists(value, "close"))
			h->keep = false;
		else if (h->status == 0 && h->old && lists(value, "keep-alive"))
			h->keep = true;
	}
}

static void answer(struct http *h);

/* A line without its end. */
static void
take_line(struct http *h)
{
	h->line[h->line_len] = '\0';
	if (h->first && h->line_len == 0) {
		/* RFC 9112 section 2.2: such lines before a request mean nothing */
	} else if (h->first) {
		take_request_line(h);
		h->first = false;
	} else if (h->line_len == 0) {
		answer(h);
	} else {
		take_field(h);
	}
	h->line_len = 0;
	h->too_long = false;
}

static void
take_char(struct http *h, char c)
{
	if (++h->head_len > HTTP_HEAD_MAX) {
		refuse(h, 431);
		answer(h);
		return;
	}
	if (c == '\n') {
		if (h->line_len > 0 && h->line[h->line_len - 1] == '\r')
			h->line_len--;
		take_line(h);
	} else if (c == '\0') {
		refuse(h, 400);
	} else if (h->line_len < HTTP_LINE_MAX) {
		h->line[h->line_len++] = c;
	} else if (c != '\r') {
		h->too_long = true;
	}
}

size_t
http_take(struct http *h, const char *data, size_t len)
{
	size_t done = 0;

	while (done < len && h->state == READING) {
		if (h->first && h->body_left > 0) { /* the last request's */
			h->body_left--;
			done++;
		} else {
			take_char(h, data[done++]);
		}
	}
	return h->state == DONE ? len : done;
}

/* ---- answers ---- */

static const char *
phrase(unsigned status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 413:
		return "Content Too Large";
	case 414:
		return "URI Too Long";
	case 431:
		return "Request Header Fields Too Large";
	case 501:
		return "Not Implemented";
	default:
		return "HTTP Version Not Supported";
	}
}

static void
write_body(const struct http *h, struct text *t)
{
	if (h->status == 200)
		h->page->write(&h->moment, t);
	else
		site_write_error(h->status, phrase(h->status), t);
}

static void
write_head(const struct http *h, uint32_t body_len, struct text *t)
{
	text_put(t, "HTTP/1.1 ");
	text_number(t, h->status);
	text_put(t, " ");
	text_put(t, phrase(h->status));
	text_put(t, "\r\nContent-Type: ");
	text_put(t, h->status == 200 ? h->page->type : SITE_ERROR_TYPE);
	text_put(t, "\r\nContent-Length: ");
	text_number(t, body_len);
	text_put(t, "\r\nCache-Control: no-store\r\n");
	if (h->status == 405)
		text_put(t, "Allow: GET, HEAD\r\n");
	if (!h->keep)
		text_put(t, "Connection: close\r\n");
	else if (h->old)
		text_put(t, "Connection: keep-alive\r\n");
	text_put(t, "\r\n");
}

/* The request is whole: decide what the answer is, and how long. */
static void
answer(struct http *h)
{
	struct text body = {.size = 0}, head = {.size = 0};

	if (!h->old && !h->host)
		refuse(h, 400);
	if (h->status == 0)
		h->status = h->method == OTHER ? 405
		    : h->page == NULL	       ? 404
					       : 200;
	h->keep = h->keep && !h->last;
	if (h->status == 200)
		site_look(h->page, &h->moment);
	write_body(h, &body);
	write_head(h, body.at, &head);
	h->at = 0;
	h->length = head.at + (h->method == HEAD ? 0 : body.at);
	h->state = ANSWERING;
}

static void
end_answer(struct http *h)
{
	uint32_t body_left = h->body_left;

	if (!h->keep) {
		h->state = DONE;
		return;
	}
	http_begin(h);
	h->body_left = body_left;
}

size_t
http_answer(struct http *h, char *out, size_t size)
{
	struct text body = {.size = 0}, t = {.from = h->at, .out = out};

	if (h->state != ANSWERING)
		return 0;
	t.size = h->length - h->at < size ? h->length - h->at : (uint32_t)size;
	write_body(h, &body);
	write_head(h, body.at, &t);
	write_body(h, &t);
	h->at += t.len;
	if (h->at == h->length)
		end_answer(h);
	return t.len;
}

bool
http_has_answer(const struct http *h)
{
	return h->state == ANSWERING;
}

bool
http_is_idle(const struct http *h)
{
	return h->state == READING && h->first && h->line_len == 0;
}

void
http_be_last(struct http *h)
{
	h->last = true;
}

bool
http_is_done(const struct http *h)
{
	return h->state == DONE;
}
