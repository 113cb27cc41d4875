/* SPDX-License-Identifier: MIT */
/* Nothing is kept but where we are: a number, a few flags, and a place in a chunk. */
#include "wire/http_stream.h"

enum { /* struct http_stream: chunk */
	CHUNK_SIZE,	 /* its first digit is next */
	CHUNK_MORE_SIZE, /* another digit, or what is behind them */
	CHUNK_EXTENSION,
	CHUNK_LINE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR, /* behind the data */
	CHUNK_DATA_LF
};

void
http_stream_init(struct http_stream *stream)
{
	memset(stream, 0, sizeof(*stream));
	stream->part = HTTP_HEAD;
}

/* ---- what follows a head ---- */

static unsigned
refuse(const char **error, unsigned status, const char *text)
{
	*error = text;
	return status;
}

/* A request with both lengths, or with two, is how one is hidden in another. */
static unsigned
find_length(struct http_stream *stream, const struct http_head *head,
    const char **error)
{
	size_t codings = http_field_count(head, "Transfer-Encoding");
	size_t lengths = http_field_count(head, "Content-Length");
	wire_number length = 0;

	if (codings > 0 && (lengths > 0 || codings > 1 || head->minor == 0))
		return refuse(error, 400,
		    SAYS("Transfer-Encoding twice, with Content-Length, or in "
			 "HTTP/1.0"));
	if (codings > 0 &&
	    !str_is_nocase(
		http_field_get(head, "Transfer-Encoding"), "chunked"))
		return refuse(error, 501,
		    SAYS("a transfer coding other than chunked"));
	if (lengths > 0 &&
	    !str_to_number(http_field_get(head, "Content-Length"),
		WIRE_NUMBER_MAX / 2, &length))
		return refuse(
		    error, 400, SAYS("Content-Length twice, or no number"));
	stream->chunked = codings > 0;
	stream->chunk = CHUNK_SIZE;
	stream->line_len = 0;
	stream->left = length;
	return 0;
}

/* HTTP in another version, or within TLS (RFC 2817), would bring requests that nobody looks at. */
static bool
names_http(struct str protocols)
{
	struct str protocol;

	while (protocols.ptr != NULL) {
		(void)str_split(protocols, ',', &protocol, &protocols);
		protocol = str_trim(protocol);
		if (protocol.len >= 2 &&
		    (str_is_nocase((struct str){protocol.ptr, 2}, "h2") ||
			str_is_nocase((struct str){protocol.ptr, 2}, "h3")))
			return true;
		if (protocol.len >= 3 &&
		    str_is_nocase((struct str){protocol.ptr, 3}, "tls"))
			return true;
		if (protocol.len >= 4 &&
		    str_is_nocase((struct str){protocol.ptr, 4}, "http"))
			return true;
	}
	return false;
}

static bool
may_switch(const struct http_stream *stream, const struct http_head *head)
{
	return !stream->begun && !stream->chunked && stream->left == 0 &&
	    head->minor == 1 && http_list_has(head, "Connection", "upgrade") &&
	    http_field_count(head, "Expect") == 0 &&
	    http_field_count(head, "Upgrade") == 1 &&
	    !names_http(http_field_get(head, "Upgrade"));
}

unsigned
http_stream_begin(struct http_stream *stream, const struct http_head *head,
    const char **error)
{
	unsigned status = find_length(stream, head, error);

	if (status != 0)
		return status;
	if (may_switch(stream, head))
		stream->part = HTTP_SWITCH;
	else if (stream->chunked || stream->left > 0)
		stream->part = HTTP_BODY;
	else
		stream->part = HTTP_HEAD;
	stream->begun = true;
	return 0;
}

void
http_stream_end_trailers(struct http_stream *stream)
{
	stream->part = HTTP_HEAD;
}

void
http_stream_switched(struct http_stream *stream, bool yes)
{
	stream->part = yes ? HTTP_TUNNEL : HTTP_HEAD;
}

/* ---- a body ---- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* One more character of a chunk's size, or the first behind it. */
static bool
take_size(struct http_stream *stream, char c)
{
	int digit = hex_digit(c);

	if (digit >= 0) {
		if (stream->left >> 58 != 0)
			return false;
		stream->left = stream->left << 4 | (unsigned)digit;
		stream->chunk = CHUNK_MORE_SIZE;
		return true;
	}
	if (stream->chunk == CHUNK_SIZE || (c != '\r' && c != ';'))
		return false;
	stream->chunk = c == ';' ? CHUNK_EXTENSION : CHUNK_LINE_LF;
	return true;
}

static bool
take_extension(struct http_stream *stream, char c)
{
	if (c == '\r')
		stream->chunk = CHUNK_LINE_LF;
	return c == '\r' || c == '\t' || (c >= ' ' && c <= '~');
}

/* One character of what is around the data. */
static bool
take_framing(struct http_stream *stream, char c)
{
	switch (stream->chunk) {
	case CHUNK_SIZE:
	case CHUNK_MORE_SIZE:
		return ++stream->line_len <= HTTP_CHUNK_LINE_MAX - 1 &&
		    take_size(stream, c);
	case CHUNK_EXTENSION:
		return ++stream->line_len <= HTTP_CHUNK_LINE_MAX - 1 &&
		    take_extension(stream, c);
	case CHUNK_LINE_LF:
		stream->line_len = 0;
		stream->chunk = CHUNK_DATA;
		if (stream->left == 0)
			stream->part = HTTP_TRAILERS;
		return c == '\n';
	case CHUNK_DATA_CR:
		stream->chunk = CHUNK_DATA_LF;
		return c == '\r';
	default:
		stream->chunk = CHUNK_SIZE;
		return c == '\n';
	}
}

static size_t
take_data(struct http_stream *stream, size_t len)
{
	size_t taken = len < stream->left ? len : (size_t)stream->left;

	stream->left -= taken;
	return taken;
}

static enum wire_result
take_chunks(
    struct http_stream *stream, const char *in, size_t len, size_t *passed)
{
	while (*passed < len) {
		if (stream->chunk == CHUNK_DATA) {
			*passed += take_data(stream, len - *passed);
			if (stream->left == 0)
				stream->chunk = CHUNK_DATA_CR;
			continue;
		}
		if (!take_framing(stream, in[*passed]))
			return WIRE_BAD;
		++*passed;
		if (stream->part != HTTP_BODY)
			return WIRE_DONE;
	}
	return WIRE_MORE;
}

enum wire_result
http_stream_body(
    struct http_stream *stream, const char *in, size_t len, size_t *passed)
{
	*passed = 0;
	if (stream->chunked)
		return take_chunks(stream, in, len, passed);
	*passed = take_data(stream, len);
	if (stream->left > 0)
		return WIRE_MORE;
	stream->part = HTTP_HEAD;
	return WIRE_DONE;
}

/* ---- an answer ---- */

/* A character of "HTTP/1.1 101 ", as far as that goes. */
static bool
take_status(struct http_switch *look, char c)
{
	static const char line[] = "HTTP/1.";
	unsigned at = look->at++;

	if (at < sizeof(line) - 1)
		return c == line[at];
	if (at == 7)
		return c == '0' || c == '1';
	if (at == 8)
		return c == ' ';
	if (c < '0' || c > '9')
		return false;
	look->status = (uint16_t)(look->status * 10 + (c - '0'));
	return true;
}

#define STATUS_END 12 /* of the status line's first three words */

/* Is the head over? A server may end its lines with LF alone. */
static bool
take_line(struct http_switch *look, char c)
{
	if (c == '\n')
		look->blank++;
	else if (c != '\r')
		look->blank = 0;
	return look->blank == 2;
}

enum wire_result
http_switch_look(
    struct http_switch *look, const char *in, size_t len, bool *yes)
{
	for (size_t i = 0; i < len; i++) {
		if (look->at < STATUS_END) {
			if (!take_status(look, in[i]))
				return WIRE_BAD;
			if (look->at < STATUS_END)
				continue;
			*yes = look->status == 101;
			if (*yes || look->status / 100 != 1)
				return WIRE_DONE;
		} else if (take_line(look, in[i])) {
			memset(look, 0, sizeof(*look)); /* that was an interim answer */
		}
	}
	return WIRE_MORE;
}
