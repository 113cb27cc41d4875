/* SPDX-License-Identifier: MIT */
/* Each path is one function that makes its answer from the relay as it is now. */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "relay/admin.h"
#include "relay/device.h"
#include "relay/metrics.h"

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
    {NULL, NULL, NULL},
};

bool
relay_admin_is_open(const struct http_admin_route *route)
{
	return route->cb == healthz_cb || route->cb == readyz_cb;
}
