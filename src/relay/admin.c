/* SPDX-License-Identifier: MIT */
/* Each path is one function that makes its answer from the relay as it is now. */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/record_json.h"
#include "relay/access.h"
#include "relay/admin.h"
#include "relay/device.h"
#include "relay/metrics.h"
#include "relay/service.h"

static void
reply_text(struct http_reply *reply, int status, const char *text)
{
	reply->status = status;
	reply->body = strdup(text);
	reply->len = reply->body != NULL ? strlen(text) : 0;
}

static void
reply_json(struct http_reply *reply, json_t *json)
{
	reply->body = json != NULL ? json_dumps(json, JSON_INDENT(2)) : NULL;
	json_decref(json);
	reply->status = reply->body != NULL ? 200 : 500;
	reply->len = reply->body != NULL ? strlen(reply->body) : 0;
}

static void
healthz_cb(void *ctx, const char *query, struct http_reply *reply)
{
	(void)ctx;
	(void)query;
	reply_text(reply, 200, "ok\n");
}

static void
readyz_cb(void *ctx, const char *query, struct http_reply *reply)
{
	struct relay *relay = ctx;
	const char *trouble = relay->registry->ops->trouble(relay->registry);
	char text[100];

	(void)query;
	if (relay->self.draining) {
		reply_text(reply, 503, "draining\n");
	} else if (trouble != NULL) {
		snprintf(text, sizeof(text), "%s\n", trouble);
		reply_text(reply, 503, text);
	} else {
		reply_text(reply, 200, "ready\n");
	}
}

static void
metrics_cb(void *ctx, const char *query, struct http_reply *reply)
{
	FILE *out = open_memstream(&reply->body, &reply->len);

	(void)query;
	reply->status = 500;
	if (out == NULL)
		return;
	relay_metrics_write(ctx, out);
	if (fclose(out) == 0)
		reply->status = 200;
}

static json_t *
relay_json(const struct relay_info *info)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:b, s:I}", "id",
	    info->id, "url", info->url, "address", info->address, "agents",
	    (json_int_t)info->agents, "visitors", (json_int_t)info->visitors,
	    "weight", (json_int_t)info->weight, "capacity",
	    (json_int_t)info->capacity, "draining", info->draining, "since_ms",
	    (json_int_t)info->since_ms);
}

static void
relays_cb(void *ctx, const char *query, struct http_reply *reply)
{
	struct relay *relay = ctx;
	const struct relay_info *relays;
	size_t n = relay->registry->ops->relays(relay->registry, &relays), i;
	json_t *list = json_array();

	(void)query;
	for (i = 0; i < n; i++)
		json_array_append_new(list, relay_json(&relays[i]));
	reply_json(reply, json_pack("{s:o}", "relays", list));
}

static void
add_routes_cb(void *ctx, struct hash_node *node)
{
	struct device *device = HASH_ENTRY(node, struct device, by_name);
	struct service *service;

	LIST_FOREACH (service, &device->services, link) {
		struct route route;

		if (!service_is_open(service))
			continue;
		service_route(service, &route);
		json_array_append_new(ctx,
		    json_pack("{s:s, s:s, s:s, s:s}", "key", route.key,
			"value", route.value, "device", device->name, "access",
			access_mode_of(service)));
	}
}

static void
routes_cb(void *ctx, const char *query, struct http_reply *reply)
{
	struct relay *relay = ctx;
	json_t *list = json_array();

	(void)query;
	hash_map_each(&relay->devices, add_routes_cb, list);
	reply_json(reply, json_pack("{s:o}", "routes", list));
}

static void
add_device_cb(void *ctx, struct hash_node *node)
{
	struct device *device = HASH_ENTRY(node, struct device, by_name);
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
	json_array_append_new(ctx, json);
}

static void
devices_cb(void *ctx, const char *query, struct http_reply *reply)
{
	struct relay *relay = ctx;
	json_t *list = json_array();

	(void)query;
	hash_map_each(&relay->devices, add_device_cb, list);
	reply_json(reply, json_pack("{s:o}", "devices", list));
}

static void
status_cb(void *ctx, const char *query, struct http_reply *reply)
{
	struct relay *relay = ctx;
	const char *const *names = counters_names();
	uint64_t values[COUNTERS_FLAT];
	json_t *counters = json_object(), *status;
	const struct relay_facts *facts = &relay->facts;
	int i;

	(void)query;
	counters_values(&relay->counters, values);
	for (i = 0; i < COUNTERS_FLAT; i++)
		json_object_set_new(
		    counters, names[i], json_integer((json_int_t)values[i]));
	status = json_pack("{s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:o}",
	    "id", relay->self.id, "version", PACKAGE_VERSION, "registry",
	    redis_options_given(&relay->options.registry) ? "redis" : "memory",
	    "registry_up", relay->registry->ops->is_up(relay->registry),
	    "draining", relay->self.draining, "agents",
	    (json_int_t)relay->n_sessions, "visitors",
	    (json_int_t)relay->n_visitors, "transfers",
	    (json_int_t)relay->n_transfers, "leases",
	    (json_int_t)relay->devices.count, "counters", counters);
	json_object_update_new(status,
	    json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:s}", "domain",
		facts->domain, "public_ports", facts->public_ports,
		"files_limit", (json_int_t)facts->files_limit, "listen_queue",
		(json_int_t)facts->listen_queue, "capacity",
		(json_int_t)relay->self.capacity, "clock_ms",
		(json_int_t)loop_wall_ms(), "busiest_ms",
		(json_int_t)facts->busiest_ms, "busiest", facts->busiest));
	reply_json(reply, status);
}

const struct http_admin_route relay_admin_routes[] = {
    {"/healthz", "text/plain; charset=utf-8", healthz_cb},
    {"/readyz", "text/plain; charset=utf-8", readyz_cb},
    {"/metrics", "text/plain; version=0.0.4", metrics_cb},
    {"/api/v1/status", "application/json", status_cb},
    {"/api/v1/relays", "application/json", relays_cb},
    {"/api/v1/routes", "application/json", routes_cb},
    {"/api/v1/relay/devices", "application/json", devices_cb},
    {NULL, NULL, NULL},
};

bool
relay_admin_is_open(const struct http_admin_route *route)
{
	return route->cb == healthz_cb || route->cb == readyz_cb;
}
