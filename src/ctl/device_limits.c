/* SPDX-License-Identifier: MIT */
/* What a value may be is asked of the same table that the relay reads records by. */
#include "ctl/device_limits.h"

#include <stdio.h>
#include <sysexits.h>

#include "base/option_value.h"

#define DEFAULT "default" /* the relay's option again */

bool
device_limits_given(const struct ctl_options *options)
{
	for (int i = 0; i < DEVICE_LIMITS; i++)
		if (options->limits[i] != NULL)
			return true;
	return false;
}

static int
take(enum device_limit which, const char *text, struct own_limit *limit)
{
	const struct device_limit_row *allowed = &device_limit_rows[which];
	const struct option_row row = {
	    .key = allowed->key,
	    .type = which == DEVICE_RATE ? OPTION_SIZE : OPTION_INT,
	    .min = allowed->min,
	    .max = allowed->max,
	};
	char error[OPTION_ERROR_MAX];

	*limit = (struct own_limit){0};
	if (strcmp(text, DEFAULT) == 0)
		return EX_OK;
	if (option_value_set(&row, &limit->value, text, error) != 0)
		return ctl_fail(
		    EX_DATAERR, "%s: %s, or " DEFAULT, allowed->key, error);
	limit->is_set = true;
	return EX_OK;
}

int
device_limits_take(const struct ctl_options *options,
    struct limit_change changes[DEVICE_LIMITS])
{
	int code = EX_OK;

	for (int i = 0; code == EX_OK && i < DEVICE_LIMITS; i++) {
		changes[i] = (struct limit_change){0};
		if (options->limits[i] == NULL)
			continue;
		changes[i].given = true;
		code = take(
		    (enum device_limit)i, options->limits[i], &changes[i].to);
	}
	return code;
}

json_t *
device_limits_json(const struct own_limit limits[DEVICE_LIMITS])
{
	json_t *object = json_object();

	for (int i = 0; i < DEVICE_LIMITS; i++)
		if (limits[i].is_set)
			json_object_set_new(object, device_limit_rows[i].key,
			    json_integer((json_int_t)limits[i].value));
	return object;
}

const char *
device_limits_text(const json_t *limits, char out[LIMITS_TEXT_MAX])
{
	struct writer w;

	writer_init(&w, out, LIMITS_TEXT_MAX - 1);
	for (int i = 0; i < DEVICE_LIMITS; i++) {
		const char *key = device_limit_rows[i].key;
		const json_t *value = json_object_get(limits, key);

		if (value == NULL)
			continue;
		if (writer_len(&w) > 0)
			writer_cstr(&w, ", ");
		writer_cstr(&w, key);
		writer_cstr(&w, " ");
		writer_u64(&w, (uint64_t)json_integer_value(value));
	}
	*w.at = '\0';
	return out;
}
