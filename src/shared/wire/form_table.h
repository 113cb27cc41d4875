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
typedef void (*form_put_cb)(const struct form_key *key, const void *object,
    struct writer *w, bool *first);
typedef bool (*form_check_cb)(struct str value);

struct form_key {
	const char *name;
	size_t offset; /* of the field in the object, for text and numbers */
	form_take_cb take;
	form_put_cb put;
	form_check_cb check; /* of text */
	uint64_t min, max;   /* of numbers */
	bool repeats;
	const char *error;
};

/* A field of type struct str, absent when the key is. */
#define FORM_TEXT(type, field, shape, says)                                    \
	{                                                                      \
		.name = #field, .offset = offsetof(struct type, field),        \
		.take = form_take_text, .put = form_put_text,                  \
		.check = (shape), .error = #field ": " says                    \
	}
/* A field of type uint64_t, 0 when the key is absent. */
#define FORM_NUMBER(type, field, least, most, says)                            \
	{                                                                      \
		.name = #field, .offset = offsetof(struct type, field),        \
		.take = form_take_number, .put = form_put_number,              \
		.min = (least), .max = (most), .error = #field ": " says       \
	}
/* A key that may repeat, with callbacks of its own. */
#define FORM_LIST(key, takes, puts, says)                                      \
	{                                                                      \
		.name = (key), .take = (takes), .put = (puts),                 \
		.repeats = true, .error = key ": " says                        \
	}

bool form_take_text(const struct form_key *key, void *object, struct str value);
void form_put_text(const struct form_key *key, const void *object,
    struct writer *w, bool *first);
bool form_take_number(
    const struct form_key *key, void *object, struct str value);
void form_put_number(const struct form_key *key, const void *object,
    struct writer *w, bool *first);
/* Write key=name:value, for lists of such. */
void form_put_named(const struct form_key *key, struct str name,
    struct str value, struct writer *w, bool *first);

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
