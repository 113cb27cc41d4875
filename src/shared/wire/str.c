/* SPDX-License-Identifier: MIT */
/*
 * Comparing, splitting and reading slices. ASCII only and without the C library's
 * locale: what is a letter on the wire does not depend on where a program runs.
 */
#include "wire/str.h"

#define SATURATES (sizeof(wire_number) < sizeof(uint64_t))

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool
str_equal_nocase(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		if (lower(a.ptr[i]) != lower(b.ptr[i]))
			return false;
	}
	return true;
}

#ifdef TAUPE_WITHOUT_FAST_PATHS

bool
str_is(struct str s, const char *text)
{
	return str_equal(s, str_of(text));
}

#endif

bool
str_is_nocase(struct str s, const char *text)
{
	return str_equal_nocase(s, str_of(text));
}

struct str
str_trim(struct str s)
{
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
		s.ptr++;
		s.len--;
	}
	while (
	    s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

bool
str_list_has(struct str list, struct str token)
{
	struct str member, rest = list;
	bool more;

	do {
		more = str_split(rest, ',', &member, &rest);
		member = str_trim(member);
		if (member.len > 0 && str_equal_nocase(member, token))
			return true;
	} while (more);
	return false;
}

bool
str_split(struct str s, char sep, struct str *head, struct str *tail)
{
	const char *at = s.len > 0 ? memchr(s.ptr, sep, s.len) : NULL;

	if (at == NULL) {
		*head = s;
		*tail = (struct str){NULL, 0};
		return false;
	}
	*head = (struct str){s.ptr, (size_t)(at - s.ptr)};
	*tail = (struct str){at + 1, s.len - head->len - 1};
	return true;
}

static bool
in_ranges(char c, const char *ranges)
{
	for (; *ranges != '\0'; ranges += 2)
		if (c >= ranges[0] && c <= ranges[1])
			return true;
	return false;
}

bool
str_only(struct str s, const char *ranges)
{
	for (size_t i = 0; i < s.len; i++)
		if (!in_ranges(s.ptr[i], ranges))
			return false;
	return true;
}

static bool
is_line_char(char c)
{
	unsigned char byte = (unsigned char)c;

	return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
}

#ifdef TAUPE_WITHOUT_FAST_PATHS

static bool
word_is_text(const char *at)
{
	(void)at;
	return false;
}

#else

/* No control character in these eight? A false no for what has a tab. Each byte's highest bit tells:
 * it is set by taking 0x20 from what is less, and from what DEL leaves of itself 1. */
static bool
word_is_text(const char *at)
{
	const uint64_t ones = UINT64_MAX / 255, tops = ones << 7;
	uint64_t word, del;

	memcpy(&word, at, sizeof(word));
	del = word ^ ones * 0x7f;
	return ((((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) &
		   tops) == 0;
}

#endif

bool
str_is_line(struct str s)
{
	size_t i = 0;

	while (i < s.len) {
		if (s.len - i >= 8 && word_is_text(s.ptr + i))
			i += 8;
		else if (is_line_char(s.ptr[i]))
			i++;
		else
			return false;
	}
	return true;
}

bool
str_to_number(struct str s, wire_number max, wire_number *out)
{
	wire_number number = 0;

	if (s.len < 1 || s.len > 20)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned)(unsigned char)s.ptr[i] - '0';

		if (digit > 9)
			return false;
		if (number <= (WIRE_NUMBER_MAX - digit) / 10)
			number = number * 10 + digit;
		else if (SATURATES)
			number = WIRE_NUMBER_MAX;
		else
			return false;
	}
	if (number > max)
		return false;
	*out = number;
	return true;
}

bool
str_copy(struct str s, char *out, size_t cap)
{
	if (s.len >= cap) {
		if (cap > 0)
			out[0] = '\0';
		return false;
	}
	if (s.len > 0)
		memcpy(out, s.ptr, s.len);
	out[s.len] = '\0';
	return true;
}
