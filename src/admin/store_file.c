/* SPDX-License-Identifier: MIT */
/*
 * A relay that stands alone: its devices are in a file, what it does with them is asked
 * of its admin server (store_file_relay.c).
 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/ask_relay.h"
#include "admin/host_admin.h"
#include "admin/name_page.h"
#include "admin/record_json.h"
#include "admin/store_file.h"

int
file_fail(struct admin *admin, const struct device_file_error *error, int code)
{
	if (error->line > 0)
		return admin_fail(admin, ADMIN_BAD_FILE, "%s:%u: %s",
		    admin->devices_file, error->line, error->text);
	return admin_fail(
	    admin, code, "%s: %s", admin->devices_file, error->text);
}

int
file_need(struct admin *admin)
{
	if (admin->devices_file != NULL)
		return ADMIN_OK;
	return admin_fail(admin, ADMIN_NOT_GIVEN,
	    "--devices-file FILE is missing: the devices of a relay that "
	    "stands alone");
}

/* Devices. */

static int
add_record_cb(void *ctx, const struct device_record *record)
{
	return json_array_append_new(ctx, admin_record_json(record));
}

int
file_read(struct admin *admin, device_file_cb device_cb, fleet_file_cb fleet_cb,
    void *ctx)
{
	struct device_file_error error;
	int code = file_need(admin);

	if (code != ADMIN_OK)
		return code;
	if (device_file_read(
		admin->devices_file, device_cb, fleet_cb, ctx, &error) == 0)
		return ADMIN_OK;
	return error.text[0] != '\0'
	    ? file_fail(admin, &error, ADMIN_UNREADABLE)
	    : admin_fail_memory(admin);
}

static int
compare_devices(const void *a, const void *b)
{
	const json_t *const *left = a, *const *right = b;

	return strcmp(json_string_value(json_object_get(*left, "name")),
	    json_string_value(json_object_get(*right, "name")));
}

static int
sort_into(struct admin *admin, const json_t *from, json_t *list)
{
	size_t n = json_array_size(from), i;
	json_t **sorted = calloc(n + 1, sizeof(*sorted)), *device;

	if (sorted == NULL)
		return admin_fail_memory(admin);
	json_array_foreach (from, i, device)
		sorted[i] = device;
	qsort(sorted, n, sizeof(*sorted), compare_devices);
	for (i = 0; i < n; i++)
		json_array_append(list, sorted[i]);
	free(sorted);
	return ADMIN_OK;
}

static int
file_devices(struct admin *admin, json_t *list)
{
	json_t *records = json_array();
	int code = file_read(admin, add_record_cb, NULL, records);

	if (code == ADMIN_OK)
		code = sort_into(admin, records, list);
	if (code == ADMIN_OK)
		code = file_join(admin, list);
	json_decref(records);
	return code;
}

/* A page: first which names, then their records. */

static int
take_name_cb(void *ctx, const struct device_record *record)
{
	struct name_page *page = ctx;

	if (name_page_matches(page, str_of(record->name)) ||
	    (record->label[0] != '\0' &&
		name_page_matches(page, str_of(record->label))))
		name_page_take(page, str_of(record->name));
	return 0;
}

struct page_records {
	const struct name_page *page;
	json_t *list;
};

static int
take_record_cb(void *ctx, const struct device_record *record)
{
	const struct page_records *records = ctx;
	long at = name_page_find(records->page, record->name);

	if (at < 0)
		return 0;
	return json_array_set_new(
	    records->list, (size_t)at, admin_record_json(record));
}

static int
read_page(struct admin *admin, struct name_page *page,
    struct page_records *records, struct device_file_error *error)
{
	if (device_file_read(
		admin->devices_file, take_name_cb, NULL, page, error) != 0)
		return -1;
	for (size_t i = 0; i < page->count; i++)
		json_array_append_new(records->list, json_null());
	return device_file_read(
	    admin->devices_file, take_record_cb, NULL, records, error);
}

static int
file_device_page(struct admin *admin, struct name_page *page, json_t *list)
{
	struct page_records records = {page, json_array()};
	struct device_file_error error;
	int code = file_need(admin);
	json_t *device;
	size_t i;

	if (code == ADMIN_OK && read_page(admin, page, &records, &error) != 0)
		code = error.text[0] != '\0'
		    ? file_fail(admin, &error, ADMIN_UNREADABLE)
		    : admin_fail_memory(admin);
	json_array_foreach (records.list, i, device)
		if (json_is_object(device)) /* or it has gone meanwhile */
			json_array_append(list, device);
	json_decref(records.list);
	return code;
}

struct record_search {
	const char *name;
	json_t *list;
};

static int
take_named_cb(void *ctx, const struct device_record *record)
{
	const struct record_search *search = ctx;

	return strcmp(record->name, search->name) == 0
	    ? json_array_append_new(search->list, admin_record_json(record))
	    : 0;
}

int
file_device(struct admin *admin, const char *name, json_t **device)
{
	struct record_search search = {name, json_array()};
	int code = file_read(admin, take_named_cb, NULL, &search);

	*device = NULL;
	if (code == ADMIN_OK && json_array_size(search.list) == 0)
		code = admin_fail(admin, ADMIN_UNKNOWN, "%s names no device %s",
		    admin->devices_file, name);
	if (code == ADMIN_OK)
		code = file_join_one(admin, json_array_get(search.list, 0));
	if (code == ADMIN_OK)
		*device = json_incref(json_array_get(search.list, 0));
	json_decref(search.list);
	return code;
}

static bool
wants_port(const struct device_record *record, json_int_t port)
{
	for (size_t i = 0; i < record->n_ports; i++)
		if (record->ports[i].port == port)
			return true;
	return false;
}

/* Is one of its further names that label under the cluster's own domain? */
static bool
has_alias(const json_t *device, const char *label)
{
	json_t *host;
	size_t i;

	json_array_foreach (json_object_get(device, "hosts"), i, host) {
		struct str first, rest;

		if (strcmp(json_string_value(json_object_get(host, "proof")),
			host_proof_name(HOST_ALIAS)) != 0)
			continue;
		str_split(str_of(json_string_value(
			      json_object_get(host, "host"))),
		    '.', &first, &rest);
		if (str_is(first, label))
			return true;
	}
	return false;
}

/* Is what we want to reserve another one's? The file would refuse it, too, but with the
 * number of a line that is not there yet. */
static int
check_free(
    struct admin *admin, const json_t *list, const struct device_record *record)
{
	const char *service;
	char number[24];
	json_t *device, *port;
	size_t i;

	json_array_foreach (list, i, device) {
		const char *name = json_string_value(
			       json_object_get(device, "name")),
			   *label = json_string_value(
			       json_object_get(device, "label"));

		if ((label != NULL && strcmp(label, record->label) == 0) ||
		    has_alias(device, record->label))
			return admin_fail_reserved(
			    admin, "label", record->label, name);
		json_object_foreach (
		    json_object_get(device, "ports"), service, port)
			if (wants_port(record, json_integer_value(port))) {
				snprintf(number, sizeof(number), "%lld",
				    (long long)json_integer_value(port));
				return admin_fail_reserved(
				    admin, "port", number, name);
			}
	}
	return ADMIN_OK;
}

static int
file_device_add(struct admin *admin, const struct device_record *record)
{
	json_t *list = json_array();
	struct device_file_error error;
	int code = file_read(admin, add_record_cb, NULL, list);
	bool found = code == ADMIN_OK && file_find_named(list, record->name) != NULL;

	if (code == ADMIN_OK && !found)
		code = check_free(admin, list, record);
	if (code == ADMIN_OK && !found && record->label[0] != '\0')
		code = file_check_leased(admin, record->name, record->label);
	json_decref(list);
	if (code != ADMIN_OK)
		return code;
	/* somebody may have been faster, so it is asked again under the lock */
	if (!found &&
	    device_file_put(admin->devices_file, record, &found, &error) != 0)
		return file_fail(admin, &error, ADMIN_UNWRITABLE);
	return found ? admin_fail_exists(admin, record->name) : ADMIN_OK;
}

/* The end of a change to the device of that name. */
static int
changed(struct admin *admin, const char *name, int result, bool found,
    const struct device_file_error *error)
{
	if (result != 0)
		return file_fail(admin, error, ADMIN_UNWRITABLE);
	if (!found)
		return admin_fail(admin, ADMIN_UNKNOWN, "%s names no device %s",
		    admin->devices_file, name);
	return ADMIN_OK;
}

static bool
ask_rotation_cb(void *ctx, struct device_record *record)
{
	(void)ctx;
	return str_copy(
	    STR(ROTATION_ASKED), record->rotation, sizeof(record->rotation));
}

static bool
set_secret_cb(void *ctx, struct device_record *record)
{
	memcpy(record->secret_sha256, ctx, SECRET_HASH_LEN);
	record->rotation[0] = '\0'; /* there is another one already */
	return true;
}

int
file_change_device(
    struct admin *admin, const char *name, device_file_edit edit, void *ctx)
{
	struct device_file_error error;
	int code = file_need(admin), result;
	bool found;

	if (code != ADMIN_OK)
		return code;
	result = device_file_change(
	    admin->devices_file, str_of(name), edit, ctx, true, &found, &error);
	return changed(admin, name, result, found, &error);
}

static int
file_device_rotate(struct admin *admin, const char *name)
{
	return file_change_device(admin, name, ask_rotation_cb, NULL);
}

static int
file_device_set_secret(struct admin *admin, const char *name,
    const uint8_t secret_sha256[SECRET_HASH_LEN])
{
	uint8_t sha256[SECRET_HASH_LEN];

	memcpy(sha256, secret_sha256, SECRET_HASH_LEN);
	return file_change_device(admin, name, set_secret_cb, sha256);
}

struct new_limits {
	const struct limit_change *changes;
};

static bool
set_limits_cb(void *ctx, struct device_record *record)
{
	const struct new_limits *limits = ctx;

	device_limits_change(record->limits, limits->changes);
	return true;
}

static int
file_device_set_limits(struct admin *admin, const char *name,
    const struct limit_change changes[DEVICE_LIMITS])
{
	struct new_limits limits = {changes};

	return file_change_device(admin, name, set_limits_cb, &limits);
}

static int
file_device_kick(struct admin *admin, const char *name)
{
	char path[40 + DEVICE_NAME_MAX];
	json_t *answer;
	int code;

	snprintf(path, sizeof(path), "/api/v1/devices/%s/kick", name);
	code = admin_tell_relay(admin, path, &answer);
	json_decref(answer);
	return code;
}

static int
file_device_remove(struct admin *admin, const char *name)
{
	struct device_file_error error;
	int code = file_need(admin), result;
	bool found;

	if (code != ADMIN_OK)
		return code;
	result = device_file_remove(
	    admin->devices_file, str_of(name), &found, &error);
	return changed(admin, name, result, found, &error);
}

/* The relay sees what has become of its file. */
static int
file_audit(struct admin *admin, const char *what, const char *object, int code)
{
	(void)admin;
	(void)what;
	(void)object;
	(void)code;
	return ADMIN_OK;
}

static int
count_cb(void *ctx, const struct device_record *record)
{
	(void)record;
	++*(uint64_t *)ctx;
	return 0;
}

int
file_device_count(struct admin *admin, uint64_t *count)
{
	struct device_file_error error;
	int code = file_need(admin);

	*count = 0;
	if (code == ADMIN_OK &&
	    device_file_read(
		admin->devices_file, count_cb, NULL, count, &error) != 0)
		code = file_fail(admin, &error, ADMIN_UNREADABLE);
	return code;
}

const struct store file_store = {
    .device_add = file_device_add,
    .device_rotate = file_device_rotate,
    .device_set_secret = file_device_set_secret,
    .device_set_limits = file_device_set_limits,
    .device_kick = file_device_kick,
    .device_remove = file_device_remove,
    .device_page = file_device_page,
    .device_access = file_device_access,
    .device_change_access = file_device_change_access,
    .service_url = file_service_url,
    .domain = file_domain,
    .relay_of_host = file_relay_of_host,
    .host_add = file_host_add,
    .host = file_host,
    .host_prove = file_host_prove,
    .host_remove = file_host_remove,
    .hosts = file_hosts,
    .devices = file_devices,
    .usage = file_usage,
    .traffic = file_traffic,
    .device = file_device,
    .fleet_add = file_fleet_add,
    .fleet_remove = file_fleet_remove,
    .fleets = file_fleets,
    .token_add = file_token_add,
    .token_remove = file_token_remove,
    .token = file_token,
    .tokens = file_tokens,
    .relays = file_relays,
    .gone = file_gone,
    .device_count = file_device_count,
    .relay_drain = file_relay_drain,
    .routes = file_routes,
    .status = file_status,
    .audit = file_audit,
    .events = file_events,
};
