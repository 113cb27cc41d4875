/* SPDX-License-Identifier: MIT */
/*
 * The web server's side of one connection: bytes of requests in, bytes of answers out, in pieces
 * of any size, with no buffer for either. Knows HTTP/1.1 (RFC 9112) and not how its bytes travel;
 * what there is to see is site.c's.
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "site.h"

#define HTTP_LINE_MAX 96 /* characters of a line that are looked at */
#define HTTP_HEAD_MAX 8192
#define HTTP_BODY_MAX 65536 /* bytes of a request's body that are read past */

struct http {
	uint8_t state;
	uint8_t method;
	uint8_t line_len;
	bool too_long; /* the line did not fit */
	bool first;    /* the line is the request line */
	bool keep;     /* the connection, after this answer */
	bool last;     /* whatever the visitor would like */
	bool old;      /* HTTP/1.0 */
	bool host;     /* there was a Host field */
	bool has_length; /* there was a Content-Length field */
	uint16_t status;
	uint16_t head_len;   /* of the request, so far */
	uint32_t body_left;  /* of the request */
	uint32_t at, length; /* in the answer, head and body */
	const struct site_page *page;
	struct site_moment moment; /* what the answer shows does not change while it is sent */
	char line[HTTP_LINE_MAX + 1];
};

void http_begin(struct http *h);
/* Take data[0..len): how much of it was taken. The rest is to be given again after the answer. */
size_t http_take(struct http *h, const char *data, size_t len);
/* The next bytes of the answer, at most size; 0: there are none. */
size_t http_answer(struct http *h, char *out, size_t size);
bool http_has_answer(const struct http *h);
/* Nothing is under way: a request has not begun. */
bool http_is_idle(const struct http *h);
/* Let the answer that comes, or is under way, be the last one. */
void http_be_last(struct http *h);
/* Is the connection to be ended? */
bool http_is_done(const struct http *h);

#endif
