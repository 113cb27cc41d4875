/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 heads (RFC 9112 sections 2 to 5), strict and bounded: what a lenient parser
 * would guess about is refused here, so that we and a proxy in front of us can never read
 * the same bytes differently. Of a request's fields many ask, each about its own, so that
 * they are all kept; of an answer's it is known which matter.
 */
#ifndef TAUPE_WIRE_HTTP_HEAD_H
#define TAUPE_WIRE_HTTP_HEAD_H

#include "wire/cursor.h"
#include "wire/result.h"

#define HTTP_HEAD_MAX 8192 /* bytes of a head, its last empty line included */
#define HTTP_FIELDS_MAX 48

struct http_field {
	struct str name, value; /* value without blanks around it */
};

struct http_head {
	struct str method, target;
	struct str path, query; /* target split at its '?'; query absent when none */
	unsigned minor; /* HTTP/1.minor: 0 or 1 */
	const char *error; /* on WIRE_BAD: a static string, what was wrong */
	unsigned error_status; /* on WIRE_BAD: 400, 414, 431 or 505 */
	size_t n_fields;
	struct http_field fields[HTTP_FIELDS_MAX];
};

/*
 * Parse the head at the start of in; the slices in *head point into in. *consumed is
 * the head's length, set on WIRE_DONE only. WIRE_MORE only while the head is not whole
 * and len < HTTP_HEAD_MAX; a head that is already wrong is WIRE_BAD at once where that
 * can be told from its complete lines. Refused: bare CR or LF, NUL and control
 * characters, obs-fold, blanks before the colon, empty names, an HTTP version other
 * than 1.0 and 1.1, a request target that does not start with '/' (asterisk, authority
 * and absolute forms included), more than HTTP_FIELDS_MAX fields.
 */
WIRE_MUST_CHECK enum wire_result http_request_parse(const char *in, size_t len,
    struct http_head *head, size_t *consumed);
/* The same of a trailer section (RFC 9112 section 7.1.2): fields alone, and the empty line. */
#ifndef TAUPE_DEVICE_ONLY
WIRE_MUST_CHECK enum wire_result http_trailers_parse(const char *in, size_t len,
    struct http_head *head, size_t *consumed);
#endif
/* The only field of that name (any case): absent when there is none, or more than one. */
struct str http_field_get(const struct http_head *head, const char *name);
/* How many fields of that name there are. */
size_t http_field_count(const struct http_head *head, const char *name);

/* Is token a member of the list that all fields of that name make together (RFC 9110
 * section 5.3)? Ignores case. */
bool http_list_has(
    const struct http_head *head, const char *name, const char *token);

/* The fields of an answer that a client asks about. */
enum http_answer_field {
	HTTP_UPGRADE,
	HTTP_ACCEPT,	 /* Sec-WebSocket-Accept, and so on */
	HTTP_PROTOCOL,
	HTTP_EXTENSIONS,
	HTTP_RETRY_AFTER,
	HTTP_LOCATION,
	HTTP_CONTENT_TYPE,
	HTTP_CONTENT_LENGTH,
	HTTP_ANSWER_FIELDS
};

struct http_answer {
	unsigned status;
	unsigned minor; /* HTTP/1.minor: 0 or 1 */
	bool upgrades; /* "upgrade" is in the list that all Connection fields make together */
	/* absent when there is none, or when taupe_profile.h leaves out what it is for; empty when
	 * there are several */
	struct str fields[HTTP_ANSWER_FIELDS];
	const char *error; /* on WIRE_BAD: a static string, what was wrong */
};

/* As http_request_parse(), of an answer, but for the bounds: how long a head may be is the caller's
 * business, so that WIRE_MORE comes at any length, and there may be any number of fields. */
WIRE_MUST_CHECK enum wire_result http_answer_parse(const char *in, size_t len,
    struct http_answer *answer, size_t *consumed);

/* The phrase for a status that taupe sends: "Not Found", … ("Unknown" for others). */
const char *http_status_phrase(unsigned status);

/* "name: value\r\n". A value with CR, LF or NUL in it sets w->full: it would be more
 * than one field. */
void http_write_field(struct writer *w, const char *name, struct str value);

#endif
