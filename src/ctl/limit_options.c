/* SPDX-License-Identifier: MIT */
#include "ctl/limit_options.h"

#include <sysexits.h>

#include "admin/record_json.h"

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
	char error[OPTION_ERROR_MAX];

	if (admin_limit_parse(which, text, limit, error) != 0)
		return ctl_fail(EX_DATAERR, "%s: %s, or %s",
		    device_limit_rows[which].key, error,
		    admin_limit_unset(which));
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
		if (json_is_string(value))
			writer_cstr(&w, json_string_value(value));
		else
			writer_u64(&w, (uint64_t)json_integer_value(value));
	}
	*w.at = '\0';
	return out;
}
