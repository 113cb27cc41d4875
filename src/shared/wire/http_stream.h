/* SPDX-License-Identifier: MIT */
/*
 * The requests of a connection, one behind the other: where each ends (RFC 9112 sections 6 and
 * 7.1). Whoever looks at every request has to know that exactly as the server behind it does:
 * what the two could read differently is refused, so that no request hides in another one's body.
 * It sees the bytes of a body, and changes and keeps none.
 */
#ifndef TAUPE_WIRE_HTTP_STREAM_H
#define TAUPE_WIRE_HTTP_STREAM_H

#include "wire/http_head.h"

#define HTTP_CHUNK_LINE_MAX 256 /* bytes of a chunk's first line, its CR LF included */

/* What comes next. */
enum http_part {
	HTTP_HEAD,     /* of a request */
	HTTP_BODY,     /* bytes to be passed on as they are */
	HTTP_TRAILERS, /* fields behind a chunked body, and an empty line */
	HTTP_SWITCH,   /* the client wants another protocol: the answer says what follows */
	HTTP_TUNNEL    /* another protocol */
};

struct http_stream {
	uint64_t left; /* bytes of the body, or of its chunk */
	uint16_t line_len;
	uint8_t part;  /* enum http_part */
	uint8_t chunk; /* where in a chunked body */
	bool chunked;
	bool begun; /* there was a request */
};

void http_stream_init(struct http_stream *stream);

/*
 * A head has come, as http_request_parse() took it: what follows it? 0, or the status to refuse
 * it with and *error, a static text. Precondition: HTTP_HEAD is next. HTTP_SWITCH follows only the
 * first request of a connection, one of HTTP/1.1 without a body that asks for another protocol than HTTP:
 * on every other one its Upgrade must not be passed on (RFC 9110 section 7.8 lets us ignore it).
 */
WIRE_MUST_CHECK unsigned http_stream_begin(struct http_stream *stream,
    const struct http_head *head, const char **error);

/* Go over a body's bytes. *passed are right and may be passed on. WIRE_MORE: all, and there is more to
 * come. WIRE_DONE: what is behind them is something else. WIRE_BAD: they are no chunk. Precondition:
 * HTTP_BODY is next. */
WIRE_MUST_CHECK enum wire_result http_stream_body(
    struct http_stream *stream, const char *in, size_t len, size_t *passed);

/* The trailer section was taken. */
void http_stream_end_trailers(struct http_stream *stream);

/* The answer to HTTP_SWITCH is known. */
void http_stream_switched(struct http_stream *stream, bool yes);

/* Does an answer switch the protocol? Looks at its head, byte for byte, and at those of interim ones
 * before it. */
struct http_switch {
	uint16_t status;
	uint16_t at; /* in the status line; beyond its status, irrelevant */
	uint8_t blank; /* bytes of the head's last empty line that have come */
};

/* WIRE_DONE: *yes says whether it does. WIRE_BAD: it is no HTTP/1.x answer. */
WIRE_MUST_CHECK enum wire_result http_switch_look(
    struct http_switch *look, const char *in, size_t len, bool *yes);

#endif
