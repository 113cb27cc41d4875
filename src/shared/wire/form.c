/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes form-encoded lists. Decoding never makes text longer, so it is
 * done where the text lies.
 */
#include "wire/form.h"

void
form_reader_init(struct form_reader *r, char *text, size_t len)
{
	r->at = text;
	r->end = len > 0 ? text + len : text;
}

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

/* The character at *at, which is before end; -1 when it is malformed. */
static int
decode_char(char **at, const char *end)
{
	char c = *(*at)++;
	int high, low;

	if (c == '+')
		return ' ';
	if (c != '%')
		return (unsigned char)c;
	if (end - *at < 2)
		return -1;
	high = hex_digit((*at)[0]);
	low = hex_digit((*at)[1]);
	*at += 2;
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Decode text[0..len) in place. */
static bool
decode(char *text, size_t len, struct str *out)
{
	char *at = text, *to;
	const char *end = text + len;

#ifndef TAUPE_WITHOUT_FAST_PATHS
	while (at < end && (unsigned char)(*at - 0x20) <= 0x7e - 0x20 &&
	    *at != '%' && *at != '+')
		at++; /* stands as it is, and where it is */
#endif
	to = at;
	while (at < end) {
		int c = decode_char(&at, end);

		if (c < 0x20 || c > 0x7e)
			return false;
		*to++ = (char)c;
	}
	*out = (struct str){text, (size_t)(to - text)};
	return true;
}

enum wire_result
form_next(struct form_reader *r, struct form_pair *pair)
{
	char *start, *end, *equals;
	size_t left;

	while (r->at < r->end && *r->at == '&')
		r->at++;
	if (r->at == r->end)
		return WIRE_MORE;
	start = r->at;
	left = (size_t)(r->end - start);
	end = memchr(start, '&', left);
	if (end == NULL)
		end = r->end;
	r->at = end;
	equals = memchr(start, '=', (size_t)(end - start));
	if (equals == NULL)
		equals = end;
	pair->value = (struct str){end, 0};
	if (!decode(start, (size_t)(equals - start), &pair->key) ||
	    pair->key.len == 0)
		return WIRE_BAD;
	if (equals < end &&
	    !decode(equals + 1, (size_t)(end - equals - 1), &pair->value))
		return WIRE_BAD;
	return WIRE_DONE;
}

/* Letters, digits and -._~:/,@[]$!*()' : a bit for each byte below 128. */
static bool
stands_as_it_is(unsigned char c)
{
	static const uint32_t sets[] = {
	    0x00000000, 0x07fff792, 0xafffffff, 0x47fffffe};

	return c < 128 && (sets[c / 32] >> (c % 32) & 1) != 0;
}

static void
put_escaped(struct writer *w, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";

	writer_char(w, '%');
	writer_char(w, digits[c >> 4]);
	writer_char(w, digits[c & 15]);
}

#ifdef TAUPE_WITHOUT_FAST_PATHS

void
form_put_more(struct writer *w, struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (stands_as_it_is((unsigned char)text.ptr[i]))
			writer_char(w, text.ptr[i]);
		else
			put_escaped(w, (unsigned char)text.ptr[i]);
}

#else

/* In runs: hardly anything has to be escaped. */
void
form_put_more(struct writer *w, struct str text)
{
	size_t start = 0, i;

	for (i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (stands_as_it_is(c))
			continue;
		writer_str(w, (struct str){text.ptr + start, i - start});
		put_escaped(w, c);
		start = i + 1;
	}
	if (start < i)
		writer_str(w, (struct str){text.ptr + start, i - start});
}

#endif

void
form_put(struct writer *w, const char *key, struct str value)
{
	if (w->in_list)
		writer_char(w, '&');
	w->in_list = true;
	form_put_more(w, str_of(key));
	writer_char(w, '=');
	form_put_more(w, value);
}

void
form_put_number(struct writer *w, const char *key, wire_number value)
{
	form_put(w, key, (struct str){NULL, 0});
#ifdef TAUPE_DEVICE_ONLY
	writer_u32(w, value);
#else
	writer_u64(w, value);
#endif
}
