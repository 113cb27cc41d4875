/* SPDX-License-Identifier: MIT */
/*
 * A byte cursor with a sticky error: after the first read past the end or write
 * past the room it does nothing more, and the caller asks once, at the end. A write
 * goes in whole or not at all.
 */
#ifndef TAUPE_WIRE_CURSOR_H
#define TAUPE_WIRE_CURSOR_H

#include "wire/str.h"

struct reader {
	const uint8_t *at, *end;
	bool bad; /* something was read that is not there */
};

struct writer {
	char *start, *at, *end;
	bool full; /* something was written that has no room */
	bool in_list; /* form_put() has put a pair */
};

void reader_init(struct reader *r, const void *data, size_t len);
size_t reader_left(const struct reader *r);
/* Big-endian numbers; 0 once the cursor is bad. */
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u24(struct reader *r);
uint64_t reader_u64(struct reader *r);
/* The next len bytes, or NULL. */
const uint8_t *reader_bytes(struct reader *r, size_t len);
/* A cursor over the next len bytes, bad if they are not all there. */
struct reader reader_sub(struct reader *r, size_t len);

/* Write into out[0..cap). */
void writer_init(struct writer *w, void *out, size_t cap);
/* Bytes written so far. */
size_t writer_len(const struct writer *w);
void writer_str(struct writer *w, struct str s);
/* So many bytes, which the caller fills at once. NULL: there is no room for them. */
char *writer_reserve(struct writer *w, size_t len);
void writer_cstr(struct writer *w, const char *text);
void writer_char(struct writer *w, char c);
/* The same; what is no visible ASCII character and no blank, with which it might go on in a line of
 * its own, sets w->full. */
void writer_line(struct writer *w, const char *text);
/* In decimal. */
void writer_u32(struct writer *w, uint32_t number);
void writer_u64(struct writer *w, uint64_t number);
void writer_hex(struct writer *w, const void *data, size_t len); /* in lower case */

#endif
