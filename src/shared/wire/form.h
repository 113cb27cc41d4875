/* SPDX-License-Identifier: MIT */
/*
 * The one grammar of taupe's handshake parameters, control messages and device file:
 * form-encoded lists of key=value (application/x-www-form-urlencoded, WHATWG URL
 * section 5.1). Keys may repeat; their order is kept; who does not know a key skips it.
 */
#ifndef TAUPE_WIRE_FORM_H
#define TAUPE_WIRE_FORM_H

#include "wire/cursor.h"
#include "wire/result.h"

struct form_reader {
	char *at, *end;
};

struct form_pair {
	struct str key, value; /* decoded; value empty when there was no '=' */
};

/* Read text[0..len). The text is decoded in place: it is read once. */
void form_reader_init(struct form_reader *r, char *text, size_t len);

/*
 * The next pair: WIRE_DONE. At the end of the list: WIRE_MORE. WIRE_BAD: an empty key,
 * a '%' without two hexadecimal digits, or a character (raw or decoded) outside
 * 0x20..0x7e. Empty pieces between two '&' are skipped.
 */
WIRE_MUST_CHECK enum wire_result form_next(struct form_reader *r, struct form_pair *pair);

/* Append key=value, with '&' before it unless it is the first pair in this writer, which holds
 * one list. Escapes what must be escaped and no more:
 * letters, digits and -._~:/,@[]$!*()' stand as they are, blank becomes %20. */
void form_put(struct writer *w, const char *key, struct str value);
/* Append more to the value that was put last. */
void form_put_more(struct writer *w, struct str value);
void form_put_number(struct writer *w, const char *key, wire_number value);

#endif
