/* SPDX-License-Identifier: MIT */
/* The devices whose lease is at this relay, and the routes that lead to them: a page at a time, because
 * the loop makes it, and visitors wait meanwhile. */
#include "config.h"

#include <stdio.h>

#include "admin/record_json.h"
#include "relay/access.h"
#include "relay/api/api_call.h"
#include "relay/device.h"
#include "relay/service.h"

static void
add_device(json_t *list, struct device *device)
{
	struct service *service;
	json_t *urls = json_object(), *ports = json_object(), *json;

	LIST_FOREACH (service, &device->services, link) {
		char url[HOST_NAME_MAX + 20];
		struct writer w;

		writer_init(&w, url, sizeof(url));
		service_url_write(service, &w);
		json_object_set_new(
		    urls, service->name, json_stringn(url, writer_len(&w)));
		if (service->public_port != 0)
			json_object_set_new(ports, service->name,
			    json_integer(service->public_port));
	}
	json =
	    json_pack("{s:s, s:b, s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:o, "
		      "s:o}",
		"name", device->name, "online", device->session != NULL,
		"label", grant_label(device->grant), "epoch",
		(json_int_t)device->grant->epoch, "since_ms",
		(json_int_t)device->grant->since_ms, "from",
		grant_from(device->grant), "heartbeat_ms",
		(json_int_t)device->grant->heartbeat_ms, "beat_bytes",
		(json_int_t)device->grant->beat_bytes, "budget_bytes",
		1000 * (json_int_t)device->grant->budget_kb, "visitors",
		(json_int_t)device->n_visitors, "ports", ports, "urls", urls);
	admin_take_down(json, device->grant->down);
	json_array_append_new(list, json);
}

static void
add_routes(json_t *list, struct device *device)
{
	struct service *service;

	LIST_FOREACH (service, &device->services, link) {
		struct route route;

		if (!service_is_open(service))
			continue;
		service_route(service, &route);
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:s, s:s}", "key", route.key,
			"value", route.value, "device", device->name, "access",
			access_mode_of(service)));
	}
}

static void
take_device_cb(void *ctx, struct hash_node *node)
{
	struct device *device = HASH_ENTRY(node, struct device, by_name);
	struct name_page *page = ctx;

	if (name_page_matches(page, str_of(device->name)) ||
	    name_page_matches(page, str_of(grant_label(device->grant))))
		name_page_take(page, str_of(device->name));
}

void
api_take_names_here(struct relay *relay, struct name_page *page)
{
	hash_map_each(&relay->devices, take_device_cb, page);
}

json_t *
api_next_of(const struct name_page *page)
{
	return page->more ? json_string(page->names[page->count - 1])
			  : json_null();
}

static void
answer_page(struct api_call *call, struct relay *relay, const char *key,
    void (*add)(json_t *list, struct device *device))
{
	struct name_page *page = call->page;
	json_t *list = json_array();

	api_take_names_here(relay, page);
	for (size_t i = 0; i < page->count; i++)
		add(list, device_find(relay, str_of(page->names[i])));
	api_answer(call, 200,
	    json_pack("{s:o, s:o}", key, list, "next", api_next_of(page)));
}

void
api_devices_here(struct api_call *call, struct relay *relay)
{
	answer_page(call, relay, "devices", add_device);
}

void
api_routes_here(struct api_call *call, struct relay *relay)
{
	answer_page(call, relay, "routes", add_routes);
}
