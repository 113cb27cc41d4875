/* SPDX-License-Identifier: MIT */
/* Texts from peers become printable here, once, so that nobody who shows them has to care. */
#include "registry/happening.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_MAX 24

/* A field's value as text: number has room for one. */
static struct str
value_of(const struct log_field *field, char number[NUMBER_MAX])
{
	if (field->type == LOG_FIELD_STR)
		return field->text;
	if (field->type == LOG_FIELD_U64)
		snprintf(number, NUMBER_MAX, "%" PRIu64, field->u64);
	else
		snprintf(number, NUMBER_MAX, "%" PRId64, field->i64);
	return str_of(number);
}

static size_t
kept_len(struct str value)
{
	return value.len < HAPPENING_VALUE_MAX ? value.len
					       : HAPPENING_VALUE_MAX;
}

static char *
put(char *to, struct str text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		*to++ = c >= 0x20 && c <= 0x7e ? (char)c : '?';
	}
	*to++ = '\0';
	return to;
}

struct happening *
happening_new(const struct log_field *fields)
{
	char number[NUMBER_MAX];
	size_t size = offsetof(struct happening, text), n = 0;
	const struct log_field *field;
	struct happening *event;
	struct str value;
	char *to;

	for (field = fields; field->key != NULL; field++) {
		value = value_of(field, number);
		if (value.ptr == NULL)
			continue;
		size += strlen(field->key) + 1 + kept_len(value) + 1;
		n++;
	}
	assert(n <= HAPPENING_FIELDS_MAX);
	if ((event = malloc(size)) == NULL)
		return NULL;
	*event = (struct happening){.size = size};
	to = event->text;
	for (field = fields; field->key != NULL; field++) {
		value = value_of(field, number);
		if (value.ptr == NULL)
			continue;
		to = put(to, str_of(field->key), strlen(field->key));
		to = put(to, value, kept_len(value));
	}
	return event;
}

void
happening_free(struct happening **happening)
{
	free(*happening);
	*happening = NULL;
}

static const char *
after(const char *text)
{
	return text + strlen(text) + 1;
}

bool
happening_next_field(
    const struct happening *event, struct happening_field *field)
{
	const char *end = (const char *)event + event->size;

	field->key = field->key == NULL ? event->text : after(field->value);
	if (field->key == end)
		return false;
	field->value = after(field->key);
	return true;
}

const char *
happening_value(const struct happening *event, const char *key)
{
	struct happening_field field = {0};

	while (happening_next_field(event, &field))
		if (strcmp(field.key, key) == 0)
			return field.value;
	return "";
}
