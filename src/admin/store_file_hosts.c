/* SPDX-License-Identifier: MIT */
/* Further host names in a devices file, which is read again under its lock before it is written: no two
 * lines have the same. */
#include "admin/host_admin.h"
#include "admin/store_file.h"

/* The relay. */

int
file_domain(struct admin *admin, char domain[HOST_NAME_MAX + 1])
{
	json_t *status = NULL;
	const char *found = admin->domain;
	int code = ADMIN_OK;

	domain[0] = '\0';
	if (found == NULL) {
		code = file_relay_status(admin, &status);
		found = json_string_value(json_object_get(status, "domain"));
	}
	if (code == ADMIN_OK && found != NULL)
		(void)str_copy(str_of(found), domain, HOST_NAME_MAX + 1);
	json_decref(status);
	if (code == ADMIN_NOT_GIVEN || (code == ADMIN_OK && found == NULL))
		return admin_fail(admin, ADMIN_NOT_GIVEN,
		    "the domain that devices' names are under is not known: "
		    "give --admin ADDRESS:PORT, the admin_listen of the relay, "
		    "or --domain");
	return code;
}

/* Agents come to a listener of their own, where no name is asked for. */
int
file_relay_of_host(
    struct admin *admin, const char *host, char relay[DEVICE_NAME_MAX + 1])
{
	(void)admin;
	(void)host;
	relay[0] = '\0';
	return ADMIN_OK;
}

/* One name. */

struct host_search {
	const char *host;
	char *name;
	struct device_host *found;
	bool is_found;
};

static int
match_host_cb(void *ctx, const struct device_record *record)
{
	struct host_search *search = ctx;
	const struct device_host *host =
	    device_hosts_find(record->hosts, str_of(search->host));

	if (host != NULL) {
		*search->found = *host;
		memcpy(search->name, record->name, sizeof(record->name));
		search->is_found = true;
	}
	return 0;
}

int
file_host(struct admin *admin, const char *host,
    char name[DEVICE_NAME_MAX + 1], struct device_host *found)
{
	struct host_search search = {host, name, found, false};
	int code = file_read(admin, match_host_cb, NULL, &search);

	return code == ADMIN_OK && !search.is_found
	    ? admin_fail_no_host(admin, host)
	    : code;
}

/* Has another line that host or label? It would be refused with the number of a line that is not there yet. */
struct free_check {
	struct admin *admin;
	const char *name;
	const struct device_host *host;
	struct str label;
	int code;
};

static bool
takes_label(const struct device_record *record, struct str label)
{
	if (str_is(label, record->label))
		return true;
	for (size_t i = 0; record->hosts != NULL && i < record->hosts->n; i++)
		if (str_equal(
			device_host_label(&record->hosts->items[i]), label))
			return true;
	return false;
}

static int
check_free_cb(void *ctx, const struct device_record *record)
{
	struct free_check *check = ctx;
	char label[LABEL_MAX + 1];

	if (check->code != ADMIN_OK)
		return 0;
	if (device_hosts_find(record->hosts, str_of(check->host->host)) != NULL)
		check->code = admin_fail_reserved(
		    check->admin, "host", check->host->host, record->name);
	else if (check->label.ptr != NULL &&
	    strcmp(record->name, check->name) != 0 &&
	    takes_label(record, check->label)) {
		(void)str_copy(check->label, label, sizeof(label));
		check->code = admin_fail_reserved(
		    check->admin, "label", label, record->name);
	}
	return 0;
}

/* A device that the relay knows, and that has the label now; "": none has. */
static int
ask_holder(struct admin *admin, const char *label,
    char holder[DEVICE_NAME_MAX + 1])
{
	json_t *devices = json_array(), *device;
	int code = admin->store->devices(admin, devices);
	size_t i;

	json_array_foreach (devices, i, device) {
		const char *leased = json_string_value(json_object_get(
		    json_object_get(device, "lease"), "label"));

		if (leased != NULL && strcmp(leased, label) == 0)
			(void)str_copy(str_of(json_string_value(
					   json_object_get(device, "name"))),
			    holder, DEVICE_NAME_MAX + 1);
	}
	json_decref(devices);
	return code;
}

int
file_check_leased(struct admin *admin, const char *name, const char *label)
{
	char holder[DEVICE_NAME_MAX + 1] = "";
	int code = ADMIN_OK;

	if (admin->label_holder != NULL)
		(void)str_copy(
		    str_of(admin->label_holder), holder, sizeof(holder));
	else if (admin->relay != NULL)
		code = ask_holder(admin, label, holder);
	if (code != ADMIN_OK || holder[0] == '\0' || strcmp(holder, name) == 0)
		return code;
	return admin_fail(admin, ADMIN_TAKEN,
	    "label %s is leased to the device %s: choose another one, or wait "
	    "until its lease has ended",
	    label, holder);
}

/* Of an alias: nobody has it, not even the device itself for a name of its own. */
static int
check_label(struct admin *admin, const char *name, const char *host,
    const char *label)
{
	if (admin->label_holder != NULL && strcmp(admin->label_holder, name) == 0)
		return admin_fail_own_name(admin, host);
	return file_check_leased(admin, name, label);
}

struct host_change {
	struct admin *admin;
	const struct device_host *host;
	int code;
};

static bool
add_host_cb(void *ctx, struct device_record *record)
{
	struct host_change *change = ctx;

	if (record->hosts != NULL && record->hosts->n >= HOSTS_MAX)
		change->code =
		    admin_fail_hosts_full(change->admin, record->name);
	else if (device_hosts_put(&record->hosts, change->host) != 0)
		change->code = admin_fail_memory(change->admin);
	return change->code == ADMIN_OK;
}

static int
change_hosts(struct admin *admin, const char *name,
    const struct device_host *host, device_file_edit edit)
{
	struct host_change change = {admin, host, ADMIN_OK};
	int code = file_change_device(admin, name, edit, &change);

	return code != ADMIN_OK ? code : change.code;
}

int
file_host_add(
    struct admin *admin, const char *name, const struct device_host *host)
{
	struct free_check check = {
	    admin, name, host, device_host_label(host), ADMIN_OK};
	char label[LABEL_MAX + 1];
	int code = file_read(admin, check_free_cb, NULL, &check);

	if (code == ADMIN_OK)
		code = check.code;
	if (code == ADMIN_OK && check.label.ptr != NULL &&
	    str_copy(check.label, label, sizeof(label)))
		code = check_label(admin, name, host->host, label);
	return code == ADMIN_OK
	    ? change_hosts(admin, name, host, add_host_cb)
	    : code;
}

/* Is it the very one that was looked at? */
static bool
is_same(struct host_change *change, const struct device_record *record)
{
	const struct device_host *now = device_hosts_find(
	    record->hosts, str_of(change->host->host));

	if (now != NULL && strcmp(now->token, change->host->token) == 0 &&
	    now->created_ms == change->host->created_ms)
		return true;
	change->code =
	    admin_fail_host_changed(change->admin, change->host->host);
	return false;
}

static bool
prove_cb(void *ctx, struct device_record *record)
{
	struct host_change *change = ctx;

	if (is_same(change, record) &&
	    device_hosts_put(&record->hosts, change->host) != 0)
		change->code = admin_fail_memory(change->admin);
	return change->code == ADMIN_OK;
}

int
file_host_prove(
    struct admin *admin, const char *name, const struct device_host *host)
{
	return change_hosts(admin, name, host, prove_cb);
}

static bool
remove_cb(void *ctx, struct device_record *record)
{
	struct host_change *change = ctx;

	if (is_same(change, record) &&
	    device_hosts_remove(
		&record->hosts, str_of(change->host->host)) != 0)
		change->code = admin_fail_memory(change->admin);
	return change->code == ADMIN_OK;
}

int
file_host_remove(
    struct admin *admin, const char *name, const struct device_host *host)
{
	return change_hosts(admin, name, host, remove_cb);
}

static int
add_hosts_cb(void *ctx, const struct device_record *record)
{
	for (size_t i = 0; record->hosts != NULL && i < record->hosts->n; i++)
		if (json_array_append_new(ctx,
			admin_host_json(
			    record->name, &record->hosts->items[i])) != 0)
			return -1;
	return 0;
}

int
file_hosts(struct admin *admin, json_t *list)
{
	return file_read(admin, add_hosts_cb, NULL, list);
}
