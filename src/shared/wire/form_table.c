/* SPDX-License-Identifier: MIT */
/* The walk over a table's rows, and the two kinds of fields that most rows have. */
#include "wire/form_table.h"

bool
form_take_text(const struct form_key *key, void *object, struct str value)
{
	struct str *field = (void *)((char *)object + key->offset);

	if (!key->check(value))
		return false;
	*field = value;
	return true;
}

void
form_put_text(const struct form_key *key, const void *object, struct writer *w,
    bool *first)
{
	const struct str *field =
	    (const void *)((const char *)object + key->offset);

	if (field->ptr != NULL)
		form_put(w, first, key->name, *field);
}

bool
form_take_number(const struct form_key *key, void *object, struct str value)
{
	uint64_t *field = (void *)((char *)object + key->offset);

	return str_to_u64(value, key->max, field) && *field >= key->min;
}

void
form_put_number(const struct form_key *key, const void *object,
    struct writer *w, bool *first)
{
	const uint64_t *field =
	    (const void *)((const char *)object + key->offset);

	if (*field > 0)
		form_put_u64(w, first, key->name, *field);
}

void
form_put_named(const struct form_key *key, struct str name, struct str value,
    struct writer *w, bool *first)
{
	form_put(w, first, key->name, name);
	writer_char(w, ':');
	form_put_more(w, value);
}

bool
form_visible(struct str value, size_t max)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] < 0x21 || value.ptr[i] > 0x7e)
			return false;
	}
	return value.len > 0 && value.len <= max;
}

static const struct form_key *
find_key(const struct form_key *keys, size_t n_keys, struct str name)
{
	for (size_t i = 0; i < n_keys; i++) {
		if (keys[i].name[0] == name.ptr[0] &&
		    str_equal(name, str_of(keys[i].name)))
			return &keys[i];
	}
	return NULL;
}

enum wire_result
form_table_decode(const struct form_key *keys, size_t n_keys, char *text,
    size_t len, void *object, unsigned *seen, const char **error)
{
	struct form_reader reader;
	struct form_pair pair;
	enum wire_result result;

	*seen = 0;
	*error = NULL;
	form_reader_init(&reader, text, len);
	while ((result = form_next(&reader, &pair)) == WIRE_DONE) {
		const struct form_key *key = find_key(keys, n_keys, pair.key);
		const char *wrong = NULL;

		if (key == NULL)
			continue;
		if ((*seen & FORM_BIT(key - keys)) && !key->repeats)
			wrong = "a key that must not repeat does";
		else if (!key->take(key, object, pair.value))
			wrong = key->error;
		if (*error == NULL)
			*error = wrong;
		*seen |= FORM_BIT(key - keys);
	}
	if (result == WIRE_MORE)
		return WIRE_DONE;
	*error = "malformed form encoding";
	return WIRE_BAD;
}

void
form_table_encode(const struct form_key *keys, size_t n_keys,
    const void *object, struct writer *w)
{
	bool first = true;

	for (size_t i = 0; i < n_keys; i++)
		keys[i].put(&keys[i], object, w, &first);
}
