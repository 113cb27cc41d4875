/* SPDX-License-Identifier: MIT */
/*
 * A relay that stands alone: its devices are in a file, what it does with them is asked
 * of its admin server.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "admin/admin_internal.h"
#include "admin/name_page.h"
#include "admin/record_json.h"
#include "base/device_file.h"
#include "net/http_get.h"

static int
fail_file(struct admin *admin, const struct device_file_error *error, int code)
{
	if (error->line > 0)
		return admin_fail(admin, ADMIN_INVALID, "%s:%u: %s",
		    admin->devices_file, error->line, error->text);
	return admin_fail(
	    admin, code, "%s: %s", admin->devices_file, error->text);
}

static int
need_file(struct admin *admin)
{
	if (admin->devices_file != NULL)
		return ADMIN_OK;
	return admin_fail(admin, ADMIN_NOT_GIVEN,
	    "--devices-file FILE is missing: the devices of a relay that "
	    "stands alone");
}

/* The admin server. */

static int
parse_answer(
    struct admin *admin, const struct http_get_answer *answer, json_t **json)
{
	json_error_t error;

	if (answer->status != 200)
		return admin_fail(admin, ADMIN_DOWN,
		    "the relay at %s answers with status %d", admin->relay,
		    answer->status);
	*json = json_loadb(answer->body, answer->len, 0, &error);
	if (!json_is_object(*json)) {
		json_decref(*json);
		return admin_fail(admin, ADMIN_NONSENSE,
		    "the relay at %s gave no JSON object: %s", admin->relay,
		    error.text);
	}
	return ADMIN_OK;
}

static int
ask_relay(struct admin *admin, const char *path, json_t **json)
{
	char error[HTTP_GET_ERROR_MAX];
	struct http_get_answer answer;
	struct address address;
	int code;

	*json = NULL;
	if (admin->relay == NULL)
		return admin_fail(admin, ADMIN_NOT_GIVEN,
		    "--admin ADDRESS:PORT is missing: the admin_listen of "
		    "the relay that stands alone");
	(void)address_parse(
	    str_of(admin->relay), &address); /* checked with the option */
	if (http_get(&address, path,
		(uint64_t)admin->registry->redis_timeout_ms, &answer,
		error) != 0)
		return admin_fail(admin, ADMIN_DOWN,
		    "the relay's admin server at %s: %s", admin->relay, error);
	code = parse_answer(admin, &answer, json);
	free(answer.body);
	return code;
}

/* Add the array of that name in an answer to a list. */
static int
ask_list(struct admin *admin, const char *path, const char *key, json_t *list)
{
	json_t *answer;
	int code = ask_relay(admin, path, &answer);

	if (code != ADMIN_OK)
		return code;
	if (!json_is_array(json_object_get(answer, key)))
		code = admin_fail(admin, ADMIN_NONSENSE,
		    "the relay at %s tells of no %s", admin->relay, key);
	else
		json_array_extend(list, json_object_get(answer, key));
	json_decref(answer);
	return code;
}

static int
file_relays(struct admin *admin, json_t *list)
{
	return ask_list(admin, "/api/v1/relays", "relays", list);
}

static int
file_routes(struct admin *admin, json_t *list)
{
	return ask_list(admin, "/api/v1/routes", "routes", list);
}

/* Devices. */

static int
add_record_cb(void *ctx, const struct device_record *record)
{
	return json_array_append_new(ctx, admin_record_json(record));
}

/* Either callback may be NULL. */
static int
read_file(struct admin *admin, device_file_cb device_cb, fleet_file_cb fleet_cb,
    json_t *list)
{
	struct device_file_error error;
	int code = need_file(admin);

	if (code != ADMIN_OK)
		return code;
	if (device_file_read(
		admin->devices_file, device_cb, fleet_cb, list, &error) == 0)
		return ADMIN_OK;
	return error.text[0] != '\0'
	    ? fail_file(admin, &error, ADMIN_UNREADABLE)
	    : admin_fail_memory(admin);
}

static json_t *
find_named(const json_t *list, const char *name)
{
	json_t *device;
	size_t i;

	json_array_foreach (list, i, device) {
		const char *at =
		    json_string_value(json_object_get(device, "name"));

		if (at != NULL && strcmp(at, name) == 0)
			return device;
	}
	return NULL;
}

/* The members of these names that an object has. */
static json_t *
pick(const json_t *from, const char *const *keys)
{
	json_t *object = json_object();

	for (; *keys != NULL; keys++)
		if (json_object_get(from, *keys) != NULL)
			json_object_set(
			    object, *keys, json_object_get(from, *keys));
	return object;
}

/* What the relay knows of a device, in the form of the Redis store. */
static void
join_device(json_t *device, const json_t *known, const json_t *relay)
{
	static const char *const of_session[] = {
	    "epoch", "since_ms", "from", NULL};
	static const char *const of_lease[] = {"label", "ports", NULL};
	bool online = json_is_true(json_object_get(known, "online"));
	json_t *session = online ? pick(known, of_session) : json_null();

	if (online) {
		json_object_set(session, "relay", json_object_get(relay, "id"));
		admin_take_heartbeats(session,
		    admin_number(known, "heartbeat_ms"),
		    admin_number(known, "beat_bytes"),
		    admin_number(known, "budget_bytes"));
		if (json_object_get(known, "down") != NULL)
			json_object_set(
			    session, "down", json_object_get(known, "down"));
	}
	json_object_set_new(device, "online", json_boolean(online));
	json_object_set_new(device, "session", session);
	json_object_set_new(device, "lease",
	    json_is_object(known) ? pick(known, of_lease) : json_null());
	if (json_object_get(known, "urls") != NULL)
		json_object_set(device, "urls", json_object_get(known, "urls"));
}

/* With an admin server we know who is connected, without one we do not. */
static int
join_relay(struct admin *admin, json_t *list)
{
	json_t *known = json_array(), *status = NULL, *device;
	size_t i;
	int code = ADMIN_OK;

	if (admin->relay != NULL) {
		code =
		    ask_list(admin, "/api/v1/relay/devices", "devices", known);
		if (code == ADMIN_OK)
			code = ask_relay(admin, "/api/v1/status", &status);
		if (code == ADMIN_OK)
			json_array_foreach (list, i, device)
				join_device(device,
				    find_named(known,
					json_string_value(
					    json_object_get(device, "name"))),
				    status);
	}
	json_decref(status);
	json_decref(known);
	return code;
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
	int code = read_file(admin, add_record_cb, NULL, records);

	if (code == ADMIN_OK)
		code = sort_into(admin, records, list);
	if (code == ADMIN_OK)
		code = join_relay(admin, list);
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
	int code = need_file(admin);
	json_t *device;
	size_t i;

	if (code == ADMIN_OK && read_page(admin, page, &records, &error) != 0)
		code = error.text[0] != '\0'
		    ? fail_file(admin, &error, ADMIN_UNREADABLE)
		    : admin_fail_memory(admin);
	json_array_foreach (records.list, i, device)
		if (json_is_object(device)) /* or it has gone meanwhile */
			json_array_append(list, device);
	json_decref(records.list);
	return code;
}

static int
file_device(struct admin *admin, const char *name, json_t **device)
{
	json_t *list = json_array();
	int code = file_devices(admin, list);

	if (code == ADMIN_OK &&
	    (*device = json_incref(find_named(list, name))) == NULL)
		code = admin_fail(admin, ADMIN_UNKNOWN, "%s names no device %s",
		    admin->devices_file, name);
	json_decref(list);
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

		if (label != NULL && strcmp(label, record->label) == 0)
			return admin_fail_reserved(admin, "label", label, name);
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
	int code = read_file(admin, add_record_cb, NULL, list);
	bool found = code == ADMIN_OK && find_named(list, record->name) != NULL;

	if (code == ADMIN_OK && !found)
		code = check_free(admin, list, record);
	json_decref(list);
	if (code != ADMIN_OK)
		return code;
	/* somebody may have been faster, so it is asked again under the lock */
	if (!found &&
	    device_file_put(admin->devices_file, record, &found, &error) != 0)
		return fail_file(admin, &error, ADMIN_UNWRITABLE);
	return found ? admin_fail_exists(admin, record->name) : ADMIN_OK;
}

/* The end of a change to the device of that name. */
static int
changed(struct admin *admin, const char *name, int result, bool found,
    const struct device_file_error *error)
{
	if (result != 0)
		return fail_file(admin, error, ADMIN_UNWRITABLE);
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

static int
change_device(
    struct admin *admin, const char *name, device_file_edit edit, void *ctx)
{
	struct device_file_error error;
	int code = need_file(admin), result;
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
	return change_device(admin, name, ask_rotation_cb, NULL);
}

static int
file_device_set_secret(struct admin *admin, const char *name,
    const uint8_t secret_sha256[SECRET_HASH_LEN])
{
	uint8_t sha256[SECRET_HASH_LEN];

	memcpy(sha256, secret_sha256, SECRET_HASH_LEN);
	return change_device(admin, name, set_secret_cb, sha256);
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

	return change_device(admin, name, set_limits_cb, &limits);
}

static int
file_device_kick(struct admin *admin, const char *name)
{
	return admin_fail(admin, ADMIN_IMPOSSIBLE,
	    "a relay that stands alone is told by its API to end a session: "
	    "POST /api/v1/devices/%s/kick",
	    name);
}

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

static int
file_device_change_access(
    struct admin *admin, const char *name, admin_access_edit edit, void *ctx)
{
	struct access_change change = {admin, edit, ctx, ADMIN_OK};
	int code = change_device(admin, name, change_access_cb, &change);

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

static int
file_device_access(
    struct admin *admin, const char *name, struct access **access)
{
	struct reading_access reading = {.name = name};
	struct device_file_error error;
	int code = need_file(admin);

	if (code != ADMIN_OK)
		return code;
	if (device_file_read(admin->devices_file, read_access_cb, NULL,
		&reading, &error) != 0)
		return fail_file(admin, &error, ADMIN_UNREADABLE);
	*access = reading.access;
	if (reading.found)
		return ADMIN_OK;
	return admin_fail(admin, ADMIN_UNKNOWN, "%s names no device %s",
	    admin->devices_file, name);
}

static int
file_service_url(struct admin *admin, const char *name,
    const struct access_rule *rule, char *url, size_t cap)
{
	const char *found;
	json_t *device;
	int code;

	if (admin->relay == NULL)
		return admin_fail(admin, ADMIN_NOT_GIVEN,
		    "the host name of %s is not known: give --admin "
		    "ADDRESS:PORT, the admin_listen of the relay, or --url "
		    "https://HOST",
		    name);
	code = file_device(admin, name, &device);
	if (code != ADMIN_OK)
		return code;
	found = json_string_value(
	    json_object_get(json_object_get(device, "urls"), rule->service));
	if (found == NULL || strncmp(found, "http", 4) != 0)
		code = admin_fail(admin, ADMIN_INVALID,
		    "%s is not here with an http service %s: is the device "
		    "connected, and does it offer that? Or give --url "
		    "https://HOST; of a tcp or tls service, --relay "
		    "wss://RELAY",
		    name, rule->service);
	else
		snprintf(url, cap, "%s", found);
	json_decref(device);
	return code;
}

static int
file_device_remove(struct admin *admin, const char *name)
{
	struct device_file_error error;
	int code = need_file(admin), result;
	bool found;

	if (code != ADMIN_OK)
		return code;
	result = device_file_remove(
	    admin->devices_file, str_of(name), &found, &error);
	return changed(admin, name, result, found, &error);
}

/* Fleets. */

static int
add_fleet_cb(void *ctx, const struct fleet_record *record)
{
	return json_array_append_new(ctx, admin_fleet_json(record));
}

static int
file_fleets(struct admin *admin, json_t *list)
{
	return read_file(admin, NULL, add_fleet_cb, list);
}

static int
file_fleet_add(struct admin *admin, const struct fleet_record *record)
{
	struct device_file_error error;
	int code = need_file(admin);
	bool found;

	if (code != ADMIN_OK)
		return code;
	if (device_file_put_fleet(
		admin->devices_file, record, &found, &error) != 0)
		return fail_file(admin, &error, ADMIN_UNWRITABLE);
	return found ? admin_fail_fleet_exists(admin, record->name) : ADMIN_OK;
}

static int
file_fleet_remove(struct admin *admin, const char *name)
{
	struct device_file_error error;
	int code = need_file(admin);
	bool found;

	if (code != ADMIN_OK)
		return code;
	if (device_file_remove_fleet(
		admin->devices_file, str_of(name), &found, &error) != 0)
		return fail_file(admin, &error, ADMIN_UNWRITABLE);
	return found ? ADMIN_OK : admin_fail_no_fleet(admin, name);
}

/* Tokens. */

static int
file_token_add(struct admin *admin, const struct token_record *record)
{
	struct device_file_error error;
	int code = need_file(admin);
	bool found;

	if (code != ADMIN_OK)
		return code;
	if (device_file_put_token(
		admin->devices_file, record, &found, &error) != 0)
		return fail_file(admin, &error, ADMIN_UNWRITABLE);
	return found ? admin_fail_token_exists(admin, record->name) : ADMIN_OK;
}

static int
file_token_remove(struct admin *admin, const char *name)
{
	struct device_file_error error;
	int code = need_file(admin);
	bool found;

	if (code != ADMIN_OK)
		return code;
	if (device_file_remove_token(
		admin->devices_file, str_of(name), &found, &error) != 0)
		return fail_file(admin, &error, ADMIN_UNWRITABLE);
	return found ? ADMIN_OK : admin_fail_no_token(admin, name);
}

static int
read_tokens(struct admin *admin, token_file_cb cb, void *ctx)
{
	struct device_file_error error;
	int code = need_file(admin);

	if (code != ADMIN_OK)
		return code;
	return device_file_read_tokens(admin->devices_file, cb, ctx, &error) ==
		0
	    ? ADMIN_OK
	    : fail_file(admin, &error, ADMIN_UNREADABLE);
}

static int
add_token_cb(void *ctx, const struct token_record *record)
{
	return json_array_append_new(ctx, admin_token_json(record));
}

static int
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

static int
file_token(struct admin *admin, const char *name, struct token_record *record)
{
	struct token_search search = {name, record, false};
	int code = read_tokens(admin, find_token_cb, &search);

	if (code == ADMIN_OK && !search.found)
		code = admin_fail_no_token(admin, name);
	return code;
}

/* The relay sees what has become of its file. */
static void
file_audit(struct admin *admin, const char *what, const char *object, int code)
{
	(void)admin;
	(void)what;
	(void)object;
	(void)code;
}

/* Status. */

static void
judge_relay(json_t *status, json_t *problems)
{
	bool draining = json_is_true(json_object_get(status, "draining")),
	     up = json_is_true(json_object_get(status, "registry_up"));

	if (draining)
		json_array_append_new(problems,
		    json_string("the relay is draining: no agent can connect"));
	if (!up)
		json_array_append_new(problems,
		    json_string("the relay does not reach its registry"));
	json_object_set_new(status, "serving", json_boolean(!draining));
	json_object_set(status, "problems", problems);
}

static int
file_status(struct admin *admin, json_t **status)
{
	json_t *problems = json_array(), *devices = json_array();
	int code = ask_relay(admin, "/api/v1/status", status);

	if (code == ADMIN_OK && admin->devices_file != NULL) {
		code = read_file(admin, add_record_cb, NULL, devices);
		json_object_set_new(*status, "devices",
		    json_integer((json_int_t)json_array_size(devices)));
	}
	if (code == ADMIN_OK) {
		judge_relay(*status, problems);
	} else {
		json_decref(*status);
		*status = NULL;
	}
	json_decref(devices);
	json_decref(problems);
	return code;
}

static int
file_gone(struct admin *admin, json_t *list)
{
	(void)list;
	return admin_fail(
	    admin, ADMIN_IMPOSSIBLE, "a relay that stands alone has no others");
}

static int
count_cb(void *ctx, const struct device_record *record)
{
	(void)record;
	++*(uint64_t *)ctx;
	return 0;
}

static int
file_device_count(struct admin *admin, uint64_t *count)
{
	struct device_file_error error;
	int code = need_file(admin);

	*count = 0;
	if (code == ADMIN_OK &&
	    device_file_read(
		admin->devices_file, count_cb, NULL, count, &error) != 0)
		code = fail_file(admin, &error, ADMIN_UNREADABLE);
	return code;
}

static int
file_relay_drain(struct admin *admin, const char *id, bool drain)
{
	(void)id;
	(void)drain;
	return admin_fail(admin, ADMIN_IMPOSSIBLE,
	    "a relay that stands alone has no other to move its agents to: to "
	    "let its visits finish and stop it, send it SIGTERM");
}

#define EVENTS_POLL_MS 500

static int
take_page(struct admin *admin, json_t *answer, struct event_page *page)
{
	const char *end = json_string_value(json_object_get(answer, "end"));

	if (!json_is_array(json_object_get(answer, "events")) || end == NULL ||
	    !event_place_valid(end))
		return admin_fail(admin, ADMIN_NONSENSE,
		    "the relay at %s tells of no events", admin->relay);
	json_array_extend(page->events, json_object_get(answer, "events"));
	(void)str_copy(str_of(end), page->end, sizeof(page->end));
	page->missed = json_is_true(json_object_get(answer, "missed"));
	return ADMIN_OK;
}

static int
file_events(struct admin *admin, const char *after, uint64_t wait_ms,
    struct event_page *page)
{
	struct timespec rest = {0, EVENTS_POLL_MS * 1000000L};
	char path[40 + EVENT_PLACE_MAX];
	json_t *answer;
	int code;

	snprintf(path, sizeof(path), "/api/v1/events?after=%s",
	    after != NULL ? after : "end");
	if ((code = ask_relay(admin, path, &answer)) != ADMIN_OK)
		return code;
	code = take_page(admin, answer, page);
	json_decref(answer);
	if (code == ADMIN_OK && wait_ms > 0 && !page->missed &&
	    json_array_size(page->events) == 0)
		(void)nanosleep(&rest, NULL);
	return code;
}

static int
file_usage(struct admin *admin, const char *name, uint32_t from, uint32_t to,
    json_t *list)
{
	(void)name;
	(void)from;
	(void)to;
	(void)list;
	return admin_fail(admin, ADMIN_IMPOSSIBLE,
	    "usage is kept in Redis: a relay that stands alone counts from its "
	    "start (/metrics of its admin_listen)");
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
    .devices = file_devices,
    .usage = file_usage,
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
