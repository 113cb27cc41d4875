/* SPDX-License-Identifier: MIT */
/* Fleets and tokens in a devices file. */
#include "admin/record_json.h"
#include "admin/store_file.h"

/* Fleets. */

static int
add_fleet_cb(void *ctx, const struct fleet_record *record)
{
	return json_array_append_new(ctx, admin_fleet_json(record));
}

int
file_fleets(struct admin *admin, json_t *list)
{
	return file_read(admin, NULL, add_fleet_cb, list);
}

int
file_fleet_add(struct admin *admin, const struct fleet_record *record)
{
	struct device_file_error error;
	int code = file_need(admin);
	bool found;

	if (code != ADMIN_OK)
		return code;
	if (device_file_put_fleet(
		admin->devices_file, record, &found, &error) != 0)
		return file_fail(admin, &error, ADMIN_UNWRITABLE);
	return found ? admin_fail_fleet_exists(admin, record->name) : ADMIN_OK;
}

int
file_fleet_remove(struct admin *admin, const char *name)
{
	struct device_file_error error;
	int code = file_need(admin);
	bool found;

	if (code != ADMIN_OK)
		return code;
	if (device_file_remove_fleet(
		admin->devices_file, str_of(name), &found, &error) != 0)
		return file_fail(admin, &error, ADMIN_UNWRITABLE);
	return found ? ADMIN_OK : admin_fail_no_fleet(admin, name);
}

/* Tokens. */

int
file_token_add(struct admin *admin, const struct token_record *record)
{
	struct device_file_error error;
	int code = file_need(admin);
	bool found;

	if (code != ADMIN_OK)
		return code;
	if (device_file_put_token(
		admin->devices_file, record, &found, &error) != 0)
		return file_fail(admin, &error, ADMIN_UNWRITABLE);
	return found ? admin_fail_token_exists(admin, record->name) : ADMIN_OK;
}

int
file_token_remove(struct admin *admin, const char *name)
{
	struct device_file_error error;
	int code = file_need(admin);
	bool found;

	if (code != ADMIN_OK)
		return code;
	if (device_file_remove_token(
		admin->devices_file, str_of(name), &found, &error) != 0)
		return file_fail(admin, &error, ADMIN_UNWRITABLE);
	return found ? ADMIN_OK : admin_fail_no_token(admin, name);
}

static int
read_tokens(struct admin *admin, token_file_cb cb, void *ctx)
{
	struct device_file_error error;
	int code = file_need(admin);

	if (code != ADMIN_OK)
		return code;
	return device_file_read_tokens(admin->devices_file, cb, ctx, &error) ==
		0
	    ? ADMIN_OK
	    : file_fail(admin, &error, ADMIN_UNREADABLE);
}

static int
add_token_cb(void *ctx, const struct token_record *record)
{
	return json_array_append_new(ctx, admin_token_json(record));
}

int
file_tokens(struct admin *admin, json_t *list)
{
	return read_tokens(admin, add_token_cb, list);
}

struct token_search {
	const char *name;
	struct token_record *record;
	bool found;
};

static int
find_token_cb(void *ctx, const struct token_record *record)
{
	struct token_search *search = ctx;

	if (strcmp(record->name, search->name) == 0) {
		*search->record = *record;
		search->found = true;
	}
	return 0;
}

int
file_token(struct admin *admin, const char *name, struct token_record *record)
{
	struct token_search search = {name, record, false};
	int code = read_tokens(admin, find_token_cb, &search);

	if (code == ADMIN_OK && !search.found)
		code = admin_fail_no_token(admin, name);
	return code;
}
