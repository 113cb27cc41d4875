/* SPDX-License-Identifier: MIT */
#include "base/fleet_record.h"

bool
fleet_pattern_valid(struct str pattern)
{
	for (size_t i = 0; i < pattern.len; i++) {
		char c = pattern.ptr[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && c != '.' && c != '_' &&
		    c != '-' && c != '*' && c != '?')
			return false;
	}
	return pattern.len <= FLEET_PATTERN_MAX;
}

/* After a mismatch the last '*' takes one character more: earlier ones need not, since what
 * they could take, this one can. */
bool
fleet_pattern_fits(const char *pattern, const char *name)
{
	const char *star = NULL, *from = NULL;

	if (*pattern == '\0')
		return true;
	while (*name != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			from = name;
		} else if (*pattern == '?' || *pattern == *name) {
			pattern++;
			name++;
		} else if (star != NULL) {
			pattern = star;
			name = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static bool
set_known(
    struct fleet_record *record, struct str key, struct str value, bool *known)
{
	*known = true;
	if (str_equal(key, STR("fleet")))
		return device_name_valid(value) &&
		    str_copy(value, record->name, sizeof(record->name));
	if (str_equal(key, STR("key_sha256")))
		return secret_hash_parse(value, record->key_sha256);
	if (str_equal(key, STR("max")))
		return str_to_number(value, UINT32_MAX, &record->max);
	if (str_equal(key, STR("used")))
		return str_to_number(value, UINT32_MAX, &record->used);
	if (str_equal(key, STR("expires_ms")))
		return str_to_number(value, INT64_MAX, &record->expires_ms);
	if (str_equal(key, STR("created_ms")))
		return str_to_number(value, INT64_MAX, &record->created_ms);
	if (str_equal(key, STR("pattern")))
		return fleet_pattern_valid(value) &&
		    str_copy(value, record->pattern, sizeof(record->pattern));
	*known = false;
	return true;
}

bool
fleet_record_set(struct fleet_record *record, struct str key, struct str value)
{
	bool known;

	return set_known(record, key, value, &known);
}

bool
fleet_record_knows(struct str key)
{
	struct fleet_record none = {0};
	bool known;

	(void)set_known(&none, key, STR(""), &known);
	return known;
}
