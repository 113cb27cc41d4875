/* SPDX-License-Identifier: MIT */
/* What a relay that stands alone tells of itself, at its admin server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/ask_relay.h"
#include "admin/name_page.h"
#include "admin/record_json.h"
#include "admin/store_file.h"

/* The next page's beginning is behind this one's; an older relay has one page. False: it makes no sense. */
static bool
take_next(const json_t *answer, char after[DEVICE_NAME_MAX + 1])
{
	const char *next = json_string_value(json_object_get(answer, "next"));

	if (next == NULL) {
		after[0] = '\0';
		return true;
	}
	return device_name_valid(str_of(next)) && strcmp(next, after) > 0 &&
	    str_copy(str_of(next), after, DEVICE_NAME_MAX + 1);
}

/* Add the array of that name, page after page. */
static int
ask_pages(struct admin *admin, const char *path, const char *key, json_t *list)
{
	char after[DEVICE_NAME_MAX + 1] = "", whole[160 + 2 * DEVICE_NAME_MAX];
	int code;

	do {
		json_t *answer;

		snprintf(whole, sizeof(whole), "%s%climit=%d&after=%s", path,
		    strchr(path, '?') != NULL ? '&' : '?', NAME_PAGE_MAX,
		    after);
		if ((code = admin_ask_relay(admin, whole, &answer)) != ADMIN_OK)
			return code;
		if (!json_is_array(json_object_get(answer, key)) ||
		    !take_next(answer, after))
			code = admin_fail(admin, ADMIN_NONSENSE,
			    "the relay at %s tells of no %s", admin->relay,
			    key);
		else
			json_array_extend(list, json_object_get(answer, key));
		json_decref(answer);
	} while (code == ADMIN_OK && after[0] != '\0');
	return code;
}

/* Add the array of that name in an answer to a list. */
static int
ask_list(struct admin *admin, const char *path, const char *key, json_t *list)
{
	json_t *answer;
	int code = admin_ask_relay(admin, path, &answer);

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

int
file_relay_status(struct admin *admin, json_t **status)
{
	return admin_ask_relay(admin, "/api/v1/status", status);
}

int
file_relays(struct admin *admin, json_t *list)
{
	return ask_list(admin, "/api/v1/relays", "relays", list);
}

int
file_routes(struct admin *admin, json_t *list)
{
	return ask_pages(admin, "/api/v1/routes", "routes", list);
}

/* Devices. */

json_t *
file_find_named(const json_t *list, const char *name)
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
int
file_join(struct admin *admin, json_t *list)
{
	json_t *known = json_array(), *status = NULL, *device;
	size_t i;
	int code = ADMIN_OK;

	if (admin->relay != NULL) {
		code =
		    ask_pages(admin, "/api/v1/relay/devices", "devices", known);
		if (code == ADMIN_OK)
			code =
			    admin_ask_relay(admin, "/api/v1/status", &status);
		if (code == ADMIN_OK)
			json_array_foreach (list, i, device)
				join_device(device,
				    file_find_named(known,
					json_string_value(
					    json_object_get(device, "name"))),
				    status);
	}
	json_decref(status);
	json_decref(known);
	return code;
}

int
file_urls(struct admin *admin, const char *name, json_t **urls)
{
	char path[60 + DEVICE_NAME_MAX];
	json_t *known = json_array();
	int code;

	snprintf(path, sizeof(path), "/api/v1/relay/devices?search=%s", name);
	code = ask_pages(admin, path, "devices", known);
	*urls = code == ADMIN_OK
	    ? json_incref(json_object_get(file_find_named(known, name), "urls"))
	    : NULL;
	json_decref(known);
	return code;
}

/* A relay with another devices file knows nothing of it. */
int
file_join_one(struct admin *admin, json_t *device)
{
	static const char *const known_there[] = {
	    "online", "session", "lease", "urls", "counters", "last", NULL};
	char path[40 + DEVICE_NAME_MAX];
	json_t *known;
	int code;

	if (admin->relay == NULL)
		return ADMIN_OK;
	snprintf(path, sizeof(path), "/api/v1/devices/%s",
	    json_string_value(json_object_get(device, "name")));
	code = admin_ask_relay(admin, path, &known);
	if (code == ADMIN_OK)
		json_object_update_new(device, pick(known, known_there));
	else if (code == ADMIN_UNKNOWN)
		join_device(device, NULL, NULL);
	json_decref(known);
	return code == ADMIN_UNKNOWN ? ADMIN_OK : code;
}

int
file_traffic(struct admin *admin, const char *name, uint64_t minute,
    struct traffic_minute out[TRAFFIC_MINUTES])
{
	char path[40 + DEVICE_NAME_MAX];
	json_t *answer, *point;
	size_t i;
	int code;

	(void)minute;
	memset(out, 0, TRAFFIC_MINUTES * sizeof(*out));
	snprintf(path, sizeof(path), "/api/v1/devices/%s/traffic", name);
	if ((code = admin_ask_relay(admin, path, &answer)) != ADMIN_OK)
		return code;
	json_array_foreach (json_object_get(answer, "points"), i, point)
		if (i < TRAFFIC_MINUTES)
			out[i] = (struct traffic_minute){
			    (uint64_t)json_integer_value(
				json_array_get(point, 1)),
			    (uint64_t)json_integer_value(
				json_array_get(point, 2))};
	json_decref(answer);
	return ADMIN_OK;
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

int
file_status(struct admin *admin, json_t **status)
{
	json_t *problems = json_array();
	int code = admin_ask_relay(admin, "/api/v1/status", status);
	uint64_t devices;

	if (code == ADMIN_OK && admin->devices_file != NULL) {
		code = file_device_count(admin, &devices);
		json_object_set_new(
		    *status, "devices", json_integer((json_int_t)devices));
	}
	if (code == ADMIN_OK) {
		judge_relay(*status, problems);
	} else {
		json_decref(*status);
		*status = NULL;
	}
	json_decref(problems);
	return code;
}

int
file_gone(struct admin *admin, json_t *list)
{
	(void)list;
	return admin_fail(
	    admin, ADMIN_IMPOSSIBLE, "a relay that stands alone has no others");
}

int
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

int
file_events(struct admin *admin, const char *after, uint64_t wait_ms,
    struct event_page *page)
{
	struct timespec rest = {0, EVENTS_POLL_MS * 1000000L};
	char path[40 + EVENT_PLACE_MAX];
	json_t *answer;
	int code;

	snprintf(path, sizeof(path), "/api/v1/events?after=%s",
	    after != NULL ? after : "end");
	if ((code = admin_ask_relay(admin, path, &answer)) != ADMIN_OK)
		return code;
	code = take_page(admin, answer, page);
	json_decref(answer);
	if (code == ADMIN_OK && wait_ms > 0 && !page->missed &&
	    json_array_size(page->events) == 0)
		(void)nanosleep(&rest, NULL);
	return code;
}

int
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
