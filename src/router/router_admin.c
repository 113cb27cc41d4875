/* SPDX-License-Identifier: MIT */
/* Everything is read at the moment of the request; nothing is kept for it. */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/log.h"
#include "router/router_admin.h"
#include "router/router_metrics.h"
#include "router/router_state.h"

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

static void
metrics_cb(void *ctx, const char *query, struct http_reply *reply)
{
	FILE *out = open_memstream(&reply->body, &reply->len);

	(void)query;
	reply->status = 500;
	if (out == NULL)
		return;
	router_metrics_write(ctx, out);
	if (fclose(out) == 0)
		reply->status = 200;
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
