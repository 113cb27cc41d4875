/* SPDX-License-Identifier: MIT */
/* The walk over a table's rows, and what the kinds of rows do. */
#include "wire/form_table.h"

static bool
take_number(const struct form_key *key, wire_number *field, struct str value)
{
	wire_number max = (wire_number)key->of.max << key->shift, number;

	if (!str_to_number(value, max != 0 ? max : WIRE_NUMBER_MAX, &number) ||
	    number < key->min)
		return false;
	*field = number;
	return true;
}

static bool
take(const struct form_key *key, void *object, struct str value)
{
	void *field = (char *)object + key->offset;

	switch (key->kind) {
	case FORM_KIND_TEXT:
		if (!key->of.check(value))
			return false;
		*(struct str *)field = value;
		return true;
	case FORM_KIND_NUMBER:
		return take_number(key, field, value);
	default:
		return key->of.own->take(key, object, value);
	}
}

static void
put(const struct form_key *key, const void *object, struct writer *w)
{
	const void *field = (const char *)object + key->offset;
	const struct str *text = field;
	const wire_number *number = field;

	switch (key->kind) {
	case FORM_KIND_TEXT:
		if (text->ptr != NULL)
			form_put(w, key->name, *text);
		break;
	case FORM_KIND_NUMBER:
		if (*number > 0)
			form_put_number(w, key->name, *number);
		break;
	default:
		if (key->of.own->put != NULL)
			key->of.own->put(key, object, w);
		break;
	}
}

void
form_put_named(const struct form_key *key, struct str name, struct str value,
    struct writer *w)
{
	form_put(w, key->name, name);
	writer_char(w, ':');
	form_put_more(w, value);
}

bool
form_visible(struct str value, size_t max)
{
	return value.len > 0 && value.len <= max && str_only(value, "!~");
}

static const struct form_key *
find_key(const struct form_key *keys, size_t n_keys, struct str name)
{
	for (size_t i = 0; i < n_keys; i++) {
		if (form_is(name, keys[i].name))
			return &keys[i];
	}
	return NULL;
}

static const char *
error_of(const struct form_key *key)
{
#ifdef TAUPE_WITHOUT_TEXTS
	(void)key;
	return SAYS("");
#else
	return key->error;
#endif
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
		if ((*seen & FORM_BIT(key - keys)) &&
		    key->kind != FORM_KIND_LIST)
			wrong = SAYS("a key that must not repeat does");
		else if (!take(key, object, pair.value))
			wrong = error_of(key);
		if (*error == NULL)
			*error = wrong;
		*seen |= FORM_BIT(key - keys);
	}
	if (result == WIRE_MORE)
		return WIRE_DONE;
	*error = SAYS("malformed form encoding");
	return WIRE_BAD;
}

void
form_table_encode(const struct form_key *keys, size_t n_keys,
    const void *object, struct writer *w)
{
	for (size_t i = 0; i < n_keys; i++)
		put(&keys[i], object, w);
}
