/* SPDX-License-Identifier: MIT */
/* Rules and share links in a devices file. */
#include <stdio.h>

#include "admin/store_file.h"

struct access_change {
	struct admin *admin;
	admin_access_edit edit;
	void *ctx;
	int code;
};

static bool
change_access_cb(void *ctx, struct device_record *record)
{
	struct access_change *change = ctx;

	change->code =
	    change->edit(change->admin, &record->access, change->ctx);
	return change->code == ADMIN_OK;
}

int
file_device_change_access(
    struct admin *admin, const char *name, admin_access_edit edit, void *ctx)
{
	struct access_change change = {admin, edit, ctx, ADMIN_OK};
	int code = file_change_device(admin, name, change_access_cb, &change);

	return code != ADMIN_OK ? code : change.code;
}

struct reading_access {
	const char *name;
	struct access *access;
	bool found;
};

static int
read_access_cb(void *ctx, const struct device_record *record)
{
	struct reading_access *reading = ctx;

	if (strcmp(record->name, reading->name) == 0) {
		reading->found = true;
		reading->access = access_keep(record->access);
	}
	return 0;
}

int
file_device_access(
    struct admin *admin, const char *name, struct access **access)
{
	struct reading_access reading = {.name = name};
	struct device_file_error error;
	int code = file_need(admin);

	if (code != ADMIN_OK)
		return code;
	if (device_file_read(admin->devices_file, read_access_cb, NULL,
		&reading, &error) != 0)
		return file_fail(admin, &error, ADMIN_UNREADABLE);
	*access = reading.access;
	if (reading.found)
		return ADMIN_OK;
	return admin_fail(admin, ADMIN_UNKNOWN, "%s names no device %s",
	    admin->devices_file, name);
}

int
file_service_url(struct admin *admin, const char *name,
    const struct access_rule *rule, char *url, size_t cap)
{
	json_t *device = NULL, *urls;
	const char *found;
	int code;

	if (admin->relay == NULL)
		return admin_fail(admin, ADMIN_NOT_GIVEN,
		    "the host name of %s is not known: give --admin "
		    "ADDRESS:PORT, the admin_listen of the relay, or --url "
		    "https://HOST",
		    name);
	code = file_device(admin, name, &device);
	json_decref(device);
	if (code != ADMIN_OK || (code = file_urls(admin, name, &urls)) != ADMIN_OK)
		return code;
	found = json_string_value(json_object_get(urls, rule->service));
	if (found == NULL || strncmp(found, "http", 4) != 0)
		code = admin_fail(admin, ADMIN_INVALID,
		    "%s is not here with an http service %s: is the device "
		    "connected, and does it offer that? Or give --url "
		    "https://HOST; of a tcp or tls service, --relay "
		    "wss://RELAY",
		    name, rule->service);
	else
		snprintf(url, cap, "%s", found);
	json_decref(urls);
	return code;
}
