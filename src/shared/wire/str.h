/* SPDX-License-Identifier: MIT */
/*
 * A slice of somebody else's characters: pointer and length, no terminator, no
 * ownership. Parsers hand out slices of their input, so that nothing is copied
 * and nothing is allocated. A slice lives as long as the bytes that it points to.
 */
#ifndef TAUPE_WIRE_STR_H
#define TAUPE_WIRE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "taupe_profile.h"

/* A device counts in 32 bits; what is beyond them, of up to 20 digits, is read as the greatest. */
#ifdef TAUPE_DEVICE_ONLY
typedef uint32_t wire_number;
#define WIRE_NUMBER_MAX UINT32_MAX
#else
typedef uint64_t wire_number;
#define WIRE_NUMBER_MAX UINT64_MAX
#endif

struct str {
	const char *ptr; /* NULL: absent */
	size_t len;
};

/* A string literal as a slice. */
#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
/* A text for people that a program hands on and never reads; see taupe_profile.h. */
#ifdef TAUPE_WITHOUT_TEXTS
#define SAYS(literal) "?"
#else
#define SAYS(literal) literal
#endif
/* For printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).len, ((s).ptr ? (s).ptr : "")

/* A C string (NULL allowed) as a slice. */
static inline struct str
str_of(const char *text)
{
	return (struct str){text, text ? strlen(text) : 0};
}

static inline bool
str_equal(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Compare without regard to ASCII case (RFC 9110 section 5.1). */
bool str_equal_nocase(struct str a, struct str b);

/* The same, of a C string: shorter code than of a slice where it is a literal. */
#ifdef TAUPE_WITHOUT_FAST_PATHS
bool str_is(struct str s, const char *text);
#else
static inline bool
str_is(struct str s, const char *text)
{
	return str_equal(s, str_of(text));
}
#endif
bool str_is_nocase(struct str s, const char *text);

/* Is token one of the comma-separated members of list, ignoring case and blanks
 * (RFC 9110 section 5.6.1)? */
bool str_list_has(struct str list, struct str token);

/* Split s at the first sep: *head before it, *tail behind it. False, and *head
 * all of s with *tail absent, when there is none. */
bool str_split(struct str s, char sep, struct str *head, struct str *tail);

/* Does s consist of characters of the ranges alone? Two characters are a range, from and to:
 * "azAZ09--". An empty s does. */
bool str_only(struct str s, const char *ranges);

/* Is it without control characters but for tabs, and so within one line? */
bool str_is_line(struct str s);

/* Without the blanks around it. */
struct str str_trim(struct str s);

/* Parse a decimal number of 1 to 20 digits up to max: no sign, no blanks. */
bool str_to_number(struct str s, wire_number max, wire_number *out);

/* Copy s with a terminating NUL into out; false, and out "", if it does not fit. */
bool str_copy(struct str s, char *out, size_t cap);

#endif
