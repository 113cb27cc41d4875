/* SPDX-License-Identifier: MIT */
/* Everything is read at the moment of the request; nothing is kept for it. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/log.h"
#include "router/router_admin.h"
#include "router/router_state.h"

#define PAGE_MAX 16384

static void
answer(struct http_reply *reply, int status, const char *text, size_t len)
{
	reply->status = status;
	reply->body = malloc(len + 1);
	if (reply->body == NULL) {
		reply->status = 500;
		reply->len = 0;
		return;
	}
	memcpy(reply->body, text, len);
	reply->len = len;
}

static void
healthz_cb(void *ctx, const char *query, struct http_reply *reply)
{
	(void)ctx;
	(void)query;
	answer(reply, 200, "ok\n", 3);
}

static void
readyz_cb(void *ctx, const char *query, struct http_reply *reply)
{
	const struct router *router = ctx;
	char text[256];
	int n;
	size_t i;

	(void)query;
	if (router->follower == NULL) {
		n = snprintf(text, sizeof(text),
		    "standing by: another router writes these maps (%s)\n",
		    router->lock.holder);
		answer(reply, 503, text, (size_t)n);
		return;
	}
	if (!follower_is_steady(router->follower)) {
		n = snprintf(
		    text, sizeof(text), "the routes in Redis are not known\n");
		answer(reply, 503, text, (size_t)n);
		return;
	}
	for (i = 0; i < router->n_syncs; i++) {
		if (map_sync_is_current(router->syncs[i]))
			continue;
		n = snprintf(text, sizeof(text),
		    "HAProxy at %.200s has not all routes\n",
		    map_sync_path(router->syncs[i]));
		answer(reply, 503, text, (size_t)n);
		return;
	}
	answer(reply, 200, "ok\n", 3);
}

__attribute__((format(printf, 2, 3))) static void
append(struct writer *w, const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	writer_cstr(w, line);
}

static void
append_haproxy(struct writer *w, const struct router *router, size_t i)
{
	const struct map_sync *sync = router->syncs[i];
	const struct map_sync_counters *n = map_sync_counters(sync);
	const char *path = map_sync_path(sync);

	append(w, "taupe_router_haproxy_current{socket=\"%s\"} %d\n", path,
	    map_sync_is_current(sync));
	append(w, "taupe_router_haproxy_writing{socket=\"%s\"} %d\n", path,
	    map_sync_is_writing(sync));
	append(w,
	    "taupe_router_haproxy_conversations_total{socket=\"%s\"} %" PRIu64
	    "\n",
	    path, n->conversations);
	append(w,
	    "taupe_router_haproxy_commands_total{socket=\"%s\"} %" PRIu64 "\n",
	    path, n->commands);
	append(w,
	    "taupe_router_haproxy_changes_total{socket=\"%s\"} %" PRIu64 "\n",
	    path, n->changes);
	append(w,
	    "taupe_router_haproxy_rebuilds_total{socket=\"%s\"} %" PRIu64 "\n",
	    path, n->rebuilds);
	append(w,
	    "taupe_router_haproxy_failures_total{socket=\"%s\"} %" PRIu64 "\n",
	    path, n->failures);
}

static void
metrics_cb(void *ctx, const char *query, struct http_reply *reply)
{
	const struct router *router = ctx;
	struct follower_counters n;
	char page[PAGE_MAX];
	struct writer w;
	size_t i;

	(void)query;
	writer_init(&w, page, sizeof(page));
	append(&w, "taupe_router_standby %d\n", router->follower == NULL);
	if (router->follower == NULL) {
		answer(reply, 200, page, writer_len(&w));
		return;
	}
	n = follower_counters(router->follower);
	append(&w, "taupe_router_registry_up %d\n",
	    follower_is_steady(router->follower));
	for (i = 0; i < ROUTE_KINDS; i++)
		append(&w, "taupe_router_routes{kind=\"%s\"} %zu\n",
		    route_kind_name((enum route_kind)i),
		    route_table_count(router->table, (enum route_kind)i));
	append(&w, "taupe_router_events_total %" PRIu64 "\n", n.events);
	append(
	    &w, "taupe_router_skipped_routes_total %" PRIu64 "\n", n.skipped);
	append(&w, "taupe_router_snapshots_total %" PRIu64 "\n", n.snapshots);
	append(&w, "taupe_router_gaps_total %" PRIu64 "\n", n.gaps);
	append(&w, "taupe_router_map_file_failures_total %" PRIu64 "\n",
	    map_files_failures(router->files));
	for (i = 0; i < router->n_syncs; i++)
		append_haproxy(&w, router, i);
	answer(reply, w.full ? 500 : 200, page, w.full ? 0 : writer_len(&w));
}

static const struct http_admin_route admin_routes[] = {
    {"/healthz", "text/plain", healthz_cb},
    {"/readyz", "text/plain", readyz_cb},
    {"/metrics", "text/plain; version=0.0.4", metrics_cb},
    {0},
};

int
router_admin_start(struct router *router)
{
	struct address address;

	if (!address_parse(str_of(router->options.admin_listen), &address))
		return EX_CONFIG; /* the option table has checked it */
	router->admin =
	    http_admin_new(router->loop, &address, admin_routes, router);
	if (router->admin != NULL)
		return EX_OK;
	log_error("cannot listen for the operator",
	    LOG_S("address", router->options.admin_listen),
	    LOG_S("error", log_errno()));
	return EX_UNAVAILABLE;
}
