/* SPDX-License-Identifier: MIT */
/*
 * What a relay knows of a device and the registry does not have in this form: of one that stands
 * alone, who is connected, what a lease has, and how the last sessions ended; of any, the URLs behind
 * the routes.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin/record_json.h"
#include "base/event_kind.h"
#include "registry/happening.h"
#include "relay/api/api_call.h"
#include "relay/counting.h"
#include "relay/device.h"
#include "relay/service.h"

#define LAST_KEPT 5 /* ends of its sessions, as in Redis */

static json_t *
urls_json(const struct device *device)
{
	json_t *urls = json_array();
	const struct service *service;

	LIST_FOREACH (service, &device->services, link) {
		char url[HOST_NAME_MAX + 20];
		struct writer w;

		writer_init(&w, url, sizeof(url));
		service_url_write(service, &w);
		json_array_append_new(urls, json_stringn(url, writer_len(&w)));
	}
	return urls;
}

static json_t *
session_json(const struct relay *relay, const struct device *device)
{
	const struct grant *grant = device->grant;
	json_t *session = json_pack("{s:I, s:s, s:s, s:s, s:I}", "epoch",
	    (json_int_t)grant->epoch, "relay", relay->self.id, "from",
	    grant_from(grant), "instance", grant_instance(grant), "since_ms",
	    (json_int_t)grant->since_ms);

	admin_take_heartbeats(session, grant->heartbeat_ms, grant->beat_bytes,
	    1000 * (uint64_t)grant->budget_kb);
	admin_take_down(session, grant->down);
	return session;
}

static json_t *
lease_json(const struct relay *relay, const struct device *device)
{
	json_t *ports = json_object();
	const struct service *service;

	LIST_FOREACH (service, &device->services, link)
		if (service->public_port != 0)
			json_object_set_new(ports, service->name,
			    json_integer(service->public_port));
	return json_pack("{s:s, s:o, s:I, s:s}", "label",
	    grant_label(device->grant), "ports", ports, "epoch",
	    (json_int_t)device->grant->epoch, "relay", relay->self.id);
}

/* What its visits have moved since it came here. */
static json_t *
counters_json(const struct device *device)
{
	const struct device_counters none = {0}, *totals = NULL;

	if (device != NULL)
		totals = counting_totals(device);
	if (totals == NULL)
		totals = &none;
	return json_pack("{s:I, s:I, s:I}", "visitors",
	    (json_int_t)totals->visitors, "bytes_in",
	    (json_int_t)totals->bytes_in, "bytes_out",
	    (json_int_t)totals->bytes_out);
}

struct ends {
	const char *device;
	json_t *list; /* the latest first */
};

static void
take_end_cb(void *ctx, const char *place, const struct happening *event)
{
	struct happening_field field = {0};
	struct ends *ends = ctx;
	json_t *end;

	(void)place;
	if (strcmp(happening_value(event, "kind"),
		event_kind_name(EVENT_DISCONNECT)) != 0 ||
	    strcmp(happening_value(event, "device"), ends->device) != 0)
		return;
	end = json_object();
	while (happening_next_field(event, &field))
		if (strcmp(field.key, "kind") != 0 &&
		    strcmp(field.key, "device") != 0)
			json_object_set_new(
			    end, field.key, json_string(field.value));
	json_array_insert_new(ends->list, 0, end);
	json_array_remove(ends->list, LAST_KEPT);
}

/* How its last sessions have ended, as far as that is remembered. */
static json_t *
last_json(const struct relay *relay, const char *name)
{
	struct ends ends = {name, json_array()};
	char place[HISTORY_PLACE_MAX] = "0", end[HISTORY_PLACE_MAX] = "";

	while (strcmp(place, end) != 0) {
		memcpy(end, place, sizeof(end));
		(void)relay->registry->ops->recall(
		    relay->registry, end, place, take_end_cb, &ends);
	}
	return ends.list;
}

void
api_add_history(struct relay *relay, json_t *json)
{
	const char *name = json_string_value(json_object_get(json, "name"));

	json_object_set_new(
	    json, "counters", counters_json(device_find(relay, str_of(name))));
	json_object_set_new(json, "last", last_json(relay, name));
}

void
api_add_presence(struct relay *relay, json_t *json)
{
	const char *name = json_string_value(json_object_get(json, "name"));
	const struct device *device = device_find(relay, str_of(name));
	bool online = device != NULL && device->session != NULL;

	json_object_set_new(json, "online", json_boolean(online));
	json_object_set_new(json, "session",
	    online ? session_json(relay, device) : json_null());
	json_object_set_new(json, "lease",
	    device != NULL ? lease_json(relay, device) : json_null());
	json_object_set_new(
	    json, "urls", device != NULL ? urls_json(device) : json_array());
}

static void
find_holder_cb(void *ctx, struct hash_node *node)
{
	const struct device *device = HASH_ENTRY(node, struct device, by_name);
	struct api_call *call = ctx;

	if (strcmp(grant_label(device->grant), call->label) == 0)
		(void)str_copy(
		    str_of(device->name), call->holder, sizeof(call->holder));
}

static void
find_holder(struct api_call *call, struct relay *relay)
{
	hash_map_each(&relay->devices, find_holder_cb, call);
}

bool
api_knows_holder(struct api_call *call, struct admin *admin, const char *label)
{
	if (redis_options_given(admin->registry) || label[0] == '\0')
		return true;
	if (!call->looked) {
		(void)str_copy(str_of(label), call->label, sizeof(call->label));
		call->look = find_holder;
		return false;
	}
	admin->label_holder = call->holder;
	return true;
}

/* "http/HOST", "sni/HOST" or "tcp/PORT". */
static void
write_url(const struct relay *relay, struct str route, struct writer *w)
{
	const struct relay_options *options = &relay->options;
	int64_t port = 0;
	struct str kind, place;

	(void)str_split(route, '/', &kind, &place);
	if (str_equal(kind, STR("tcp"))) {
		writer_cstr(w, "tcp://");
		writer_cstr(w, options->domain);
		writer_char(w, ':');
		writer_str(w, place);
		return;
	}
	if (str_equal(kind, STR("http"))) {
		writer_cstr(w, options->public_scheme ? "https://" : "http://");
		port = options->public_http_port;
	} else {
		writer_cstr(w, "https://");
		port = options->public_tls_port;
	}
	writer_str(w, place);
	if (port != 0) {
		writer_char(w, ':');
		writer_u64(w, (uint64_t)port);
	}
	writer_char(w, '/');
}

void
api_add_urls(struct relay *relay, json_t *device)
{
	json_t *urls = json_array(), *route;
	size_t i;

	json_array_foreach (json_object_get(device, "routes"), i, route) {
		const char *key =
		    json_string_value(json_object_get(route, "key"));
		char url[HOST_NAME_MAX + 40];
		struct writer w;

		writer_init(&w, url, sizeof(url));
		write_url(relay, str_of(key), &w);
		json_array_append_new(urls, json_stringn(url, writer_len(&w)));
	}
	json_object_set_new(device, "urls", urls);
}

bool
api_is_open(const struct admin *admin)
{
	return !redis_options_given(admin->registry) &&
	    admin->devices_file == NULL;
}

bool
api_answer_here(struct api_call *call, struct relay *relay)
{
	struct device_record record = {0};

	if (device_find(relay, str_of(call->name)) == NULL) {
		api_fail(call, 404, "not_found",
		    "GET the list of those that there are",
		    "the device %s is not here", call->name);
		return false;
	}
	memcpy(record.name, call->name, sizeof(record.name));
	api_answer(call, 200, admin_record_json(&record));
	return true;
}

void
api_page_of_memory(struct relay *relay, struct name_page *page, json_t *list)
{
	api_take_names_here(relay, page);
	for (size_t i = 0; i < page->count; i++) {
		struct device_record record = {0};

		(void)str_copy(
		    str_of(page->names[i]), record.name, sizeof(record.name));
		json_array_append_new(list, admin_record_json(&record));
	}
}
