/* SPDX-License-Identifier: MIT */
/*
 * Form-encoded lists to and from structs, by table: one row for each key says where its
 * value goes, what shape it has and what to tell a peer who got it wrong. Decoding and
 * encoding walk the same rows, so that they cannot drift apart. Knows no key itself.
 */
#ifndef TAUPE_WIRE_FORM_TABLE_H
#define TAUPE_WIRE_FORM_TABLE_H

#include "wire/form.h"

struct form_key;

/* Put value into object; false when it has the wrong shape or there is no room. */
typedef bool (*form_take_cb)(
    const struct form_key *key, void *object, struct str value);
/* Write the key as often as it is set in object. */
typedef void (*form_put_cb)(
    const struct form_key *key, const void *object, struct writer *w);
typedef bool (*form_check_cb)(struct str value);

enum form_kind {
	FORM_KIND_TEXT,
	FORM_KIND_NUMBER,
	FORM_KIND_OWN, /* with callbacks of its own */
	FORM_KIND_LIST /* the same, and the key may repeat */
};

struct form_own {
	form_take_cb take;
	form_put_cb put; /* NULL: it is never written */
};

/* A row is small: a microcontroller has it in its flash. */
struct form_key {
	const char *name;
#ifndef TAUPE_WITHOUT_TEXTS
	const char *error;
#endif
	union {
		form_check_cb check;	    /* of text */
		uint32_t max;		    /* of numbers, see below */
		const struct form_own *own; /* of what has its own */
	} of;
	unsigned offset : 12; /* of the field in the object, for text and numbers */
	unsigned min : 12;    /* of numbers */
	unsigned shift : 5;   /* a number's greatest value is max << shift; 0: any */
	unsigned kind : 3;    /* enum form_kind */
};

#ifdef TAUPE_WITHOUT_TEXTS
#define FORM_ERROR(says)
#else
#define FORM_ERROR(says) .error = (says),
#endif

/* A field of type struct str, absent when the key is. */
#define FORM_TEXT(type, field, shape, says)                                    \
	{                                                                      \
		.name = #field, FORM_ERROR(#field ": " says)               \
		.of.check = (shape), .offset = offsetof(struct type, field),   \
		.kind = FORM_KIND_TEXT                                         \
	}
/* A bound that is beyond what is counted bounds nothing: a device, which counts in 32 bits, takes all
 * that is greater (lease_ms, visit) for the greatest of its numbers, see str_to_number(). */
#define FORM_MOST(most, by)                                                    \
	((wire_number)(most) << (by) >> (by) == (most) ? (most) : 0)
/* A field of type wire_number, 0 when the key is absent; from least to most << by. */
#define FORM_SHIFTED(type, field, least, most, by, says)                       \
	{                                                                      \
		.name = #field, FORM_ERROR(#field ": " says)               \
		.of.max = FORM_MOST(most, by),                                 \
		.offset = offsetof(struct type, field),                        \
		.min = (least), .shift = (by), .kind = FORM_KIND_NUMBER        \
	}
#define FORM_NUMBER(type, field, least, most, says)                            \
	FORM_SHIFTED(type, field, least, most, 0, says)
#define FORM_ANY_NUMBER(type, field, least, says)                              \
	FORM_SHIFTED(type, field, least, 0, 0, says)
/* A key that may repeat, with callbacks of its own. */
#define FORM_LIST(key, owns, says)                                             \
	{                                                                      \
		.name = (key), FORM_ERROR(key ": " says) .of.own = (owns),  \
		.kind = FORM_KIND_LIST                                         \
	}

/* Write key=name:value, for lists of such. */
void form_put_named(const struct form_key *key, struct str name,
    struct str value, struct writer *w);

/* Is it that name? Most are told apart by their first character. Precondition: text.len > 0. */
static inline bool
form_is(struct str text, const char *name)
{
	return text.ptr[0] == name[0] && str_is(text, name);
}

/* 1..max visible characters, no blank among them: a check for text. */
bool form_visible(struct str value, size_t max);

/* The bit of a row in a set of seen keys: tables have at most 32 rows. */
#define FORM_BIT(row) (1u << (row))

/*
 * Take the pairs of text[0..len), in place, into object; keys that no row names are
 * skipped; *seen becomes the set of rows whose key was there. WIRE_BAD for bad grammar
 * alone: a wrong value leaves the first complaint in *error (else NULL) and WIRE_DONE,
 * since whether it matters may depend on what comes after it.
 */
WIRE_MUST_CHECK enum wire_result form_table_decode(const struct form_key *keys,
    size_t n_keys, char *text, size_t len, void *object, unsigned *seen,
    const char **error);

/* Write what is set in object, in the order of the rows. The caller asks w->full. */
void form_table_encode(const struct form_key *keys, size_t n_keys,
    const void *object, struct writer *w);

#endif
