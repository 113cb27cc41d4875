/* SPDX-License-Identifier: MIT */
/*
 * The byte cursor. Every read and write goes through one bounds check, so that no
 * parser above does arithmetic on a length that it has not got.
 */
#include "wire/cursor.h"

void
reader_init(struct reader *r, const void *data, size_t len)
{
	r->at = data;
	r->end = len > 0 ? r->at + len : r->at;
	r->bad = false;
}

size_t
reader_left(const struct reader *r)
{
	return r->bad ? 0 : (size_t)(r->end - r->at);
}

const uint8_t *
reader_bytes(struct reader *r, size_t len)
{
	const uint8_t *at = r->at;

	if (r->bad || len > (size_t)(r->end - r->at)) {
		r->bad = true;
		return NULL;
	}
	if (len > 0)
		r->at += len;
	return at;
}

static uint64_t
number(struct reader *r, size_t len)
{
	const uint8_t *bytes = reader_bytes(r, len);
	uint64_t value = 0;

	if (bytes == NULL)
		return 0;
	for (size_t i = 0; i < len; i++)
		value = value << 8 | bytes[i];
	return value;
}

uint8_t
reader_u8(struct reader *r)
{
	return (uint8_t)number(r, 1);
}

uint16_t
reader_u16(struct reader *r)
{
	return (uint16_t)number(r, 2);
}

uint32_t
reader_u24(struct reader *r)
{
	return (uint32_t)number(r, 3);
}

uint64_t
reader_u64(struct reader *r)
{
	return number(r, 8);
}

struct reader
reader_sub(struct reader *r, size_t len)
{
	struct reader sub = {NULL, NULL, true};
	const uint8_t *bytes = reader_bytes(r, len);

	if (!r->bad)
		reader_init(&sub, bytes, len);
	return sub;
}

void
writer_init(struct writer *w, void *out, size_t cap)
{
	w->start = w->at = out;
	w->end = cap > 0 ? w->start + cap : w->start;
	w->full = w->in_list = false;
}

size_t
writer_len(const struct writer *w)
{
	return (size_t)(w->at - w->start);
}

char *
writer_reserve(struct writer *w, size_t len)
{
	char *at = w->at;

	if (w->full || len > (size_t)(w->end - at)) {
		w->full = true;
		return NULL;
	}
	w->at += len;
	return at;
}

void
writer_str(struct writer *w, struct str s)
{
	if (w->full || s.len > (size_t)(w->end - w->at)) {
		w->full = true;
	} else if (s.len > 0) {
		memcpy(w->at, s.ptr, s.len);
		w->at += s.len;
	}
}

void
writer_cstr(struct writer *w, const char *text)
{
	writer_str(w, str_of(text));
}

void
writer_char(struct writer *w, char c)
{
	writer_str(w, (struct str){&c, 1});
}

void
writer_line(struct writer *w, const char *text)
{
	w->full |= !str_only(str_of(text), " ~");
	writer_cstr(w, text);
}

/* Divide by ten as on paper, in digits of 16 bits, and return the rest: a small machine has no
 * division of 64 bits, and its library's is larger than many a file here. */
static unsigned
take_digit(uint64_t *number)
{
	uint64_t quotient = 0;
	uint32_t part = 0;

	for (int shift = 48; shift >= 0; shift -= 16) {
		part = part % 10 << 16 | (uint16_t)(*number >> shift);
		quotient |= (uint64_t)(part / 10) << shift;
	}
	*number = quotient;
	return part % 10;
}

/* The digits of number, and what stands already from at to end. */
static void
write_digits(struct writer *w, uint32_t number, char *at, const char *end)
{
	do {
		*--at = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	writer_str(w, (struct str){at, (size_t)(end - at)});
}

void
writer_u32(struct writer *w, uint32_t number)
{
	char digits[10];

	write_digits(
	    w, number, digits + sizeof(digits), digits + sizeof(digits));
}

void
writer_u64(struct writer *w, uint64_t number)
{
	char digits[20], *at = digits + sizeof(digits);

	while (number > UINT32_MAX)
		*--at = (char)('0' + take_digit(&number));
	write_digits(w, (uint32_t)number, at, digits + sizeof(digits));
}

void
writer_hex(struct writer *w, const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *bytes = data;

	if (len > (size_t)(w->end - w->at) / 2)
		w->full = true;
	for (size_t i = 0; i < len && !w->full; i++) {
		writer_char(w, digits[bytes[i] >> 4]);
		writer_char(w, digits[bytes[i] & 15]);
	}
}
