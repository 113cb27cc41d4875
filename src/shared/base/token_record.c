/* SPDX-License-Identifier: MIT */
#include "base/token_record.h"

static const char *const roles[] = {[TOKEN_READ] = "read",
    [TOKEN_OPERATE] = "operate",
    [TOKEN_ADMIN] = "admin"};

enum token_role
token_role_parse(struct str text)
{
	for (int i = TOKEN_READ; i <= TOKEN_ADMIN; i++)
		if (str_equal(text, str_of(roles[i])))
			return (enum token_role)i;
	return TOKEN_NONE;
}

const char *
token_role_name(enum token_role role)
{
	return role == TOKEN_NONE ? "none" : roles[role];
}

static bool
set_known(
    struct token_record *record, struct str key, struct str value, bool *known)
{
	*known = true;
	if (str_equal(key, STR("token")))
		return device_name_valid(value) &&
		    str_copy(value, record->name, sizeof(record->name));
	if (str_equal(key, STR("sha256")))
		return secret_hash_parse(value, record->sha256);
	if (str_equal(key, STR("role")))
		return (record->role = token_role_parse(value)) != TOKEN_NONE;
	if (str_equal(key, STR("expires_ms")))
		return str_to_number(value, INT64_MAX, &record->expires_ms);
	if (str_equal(key, STR("created_ms")))
		return str_to_number(value, INT64_MAX, &record->created_ms);
	*known = false;
	return true;
}

bool
token_record_set(struct token_record *record, struct str key, struct str value)
{
	bool known;

	return set_known(record, key, value, &known);
}

bool
token_record_knows(struct str key)
{
	struct token_record none = {0};
	bool known;

	(void)set_known(&none, key, STR(""), &known);
	return known;
}
