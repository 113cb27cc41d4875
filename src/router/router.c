/* SPDX-License-Identifier: MIT */
/*
 * Wiring: what changes in the table is told to the map files and to every HAProxy, and
 * while the follower reads the table anew they all hold still.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "net/buf.h"
#include "net/process.h"
#include "net/redis_access.h"
#include "router/router.h"
#include "router/router_admin.h"
#include "router/router_state.h"

#define STANDBY_MS 250 /* between two looks at the lock */

static void
changed_cb(void *ctx, struct route_entry *entry)
{
	struct router *router = ctx;
	size_t i;

	if (router->files != NULL)
		map_files_note(router->files, entry);
	if (router->pool != NULL)
		agent_pool_note(router->pool, entry);
	for (i = 0; i < router->n_syncs; i++)
		map_sync_note(router->syncs[i], entry);
}

static void
follower_state_cb(void *ctx, bool steady)
{
	struct router *router = ctx;
	size_t i;

	map_files_hold(router->files, !steady);
	for (i = 0; i < router->n_syncs; i++)
		map_sync_hold(router->syncs[i], !steady);
}

static struct stream_id
position_cb(void *ctx)
{
	const struct router *router = ctx;

	return follower_position(router->follower);
}

static void
stop_cb(void *ctx)
{
	struct router *router = ctx;

	log_info("stopping");
	loop_stop(router->loop);
}

static void
set_up_log(const struct router_options *options)
{
	log_setup("taupe-router", (enum log_level)options->log_level,
	    options->log_syslog);
}

/* What the log says can change in a running router; the rest is cheap to restart for,
 * since nobody notices. */
static void
reload_cb(void *ctx)
{
	const struct router *router = ctx;
	struct router_options fresh;

	if (options_reload(
		&router_option_table, router->argc, router->argv, &fresh) != 0)
		return;
	set_up_log(&fresh);
	options_free(&router_option_table, &fresh);
	log_info("configuration was read again for the log; the rest takes a "
		 "restart");
}

/* Two conversations with one process would undo each other's work. */
static const char *
find_repeated(const struct option_list *list)
{
	size_t i, k;

	for (i = 0; i < list->count; i++)
		for (k = 0; k < i; k++)
			if (strcmp(list->items[i], list->items[k]) == 0)
				return list->items[i];
	return NULL;
}

static int
check_sockets(const struct option_list *list)
{
	const char *repeated = find_repeated(list);

	if (list->count > ROUTE_VIEWERS_MAX)
		log_error("too many HAProxy sockets",
		    LOG_U("given", list->count),
		    LOG_U("most", ROUTE_VIEWERS_MAX));
	else if (repeated != NULL)
		log_error("a HAProxy socket is named twice",
		    LOG_S("socket", repeated));
	else
		return EX_OK;
	return EX_CONFIG;
}

static int
start_syncs(struct router *router)
{
	const struct router_options *options = &router->options;
	struct map_sync_settings settings = {
	    .bufsize = (size_t)options->haproxy_bufsize,
	    .timeout_ms = (uint64_t)options->haproxy_timeout_ms,
	    .check_ms = (uint64_t)options->haproxy_check_ms,
	};
	size_t i;

	if (check_sockets(&options->haproxy) != EX_OK)
		return EX_CONFIG;
	for (i = 0; i < options->haproxy.count; i++) {
		settings.path = options->haproxy.items[i];
		settings.viewer = (unsigned)i;
		router->syncs[i] =
		    map_sync_new(router->loop, router->table, &settings);
		if (router->syncs[i] == NULL)
			return EX_OSERR;
		router->n_syncs++;
	}
	return EX_OK;
}

/* The Sentinels, if there are any, and who follows the routes. */
static int
start_with(
    struct router *router, struct redis_access *access, struct stream_id known)
{
	struct follower_settings settings = {
	    .redis = &access->link,
	    .grace_ms = (uint64_t)router->options.grace_ms,
	    .known = known,
	};

	if (access->sentinel.n_sentinels > 0) {
		router->sentinel =
		    redis_sentinel_new(router->loop, &access->sentinel);
		if (router->sentinel == NULL)
			return EX_OSERR;
		access->link.sentinel = router->sentinel;
	}
	router->follower = follower_new(
	    router->loop, router->table, &settings, follower_state_cb, router);
	return router->follower == NULL ? EX_OSERR : EX_OK;
}

static int
start_follower(struct router *router, struct stream_id known)
{
	struct redis_access access;
	char error[REDIS_ACCESS_ERROR_MAX];
	int code = EX_NOINPUT;

	if (redis_access_init(
		&access, &router->options.registry, "taupe-router", error) != 0)
		log_error("cannot find Redis with these options",
		    LOG_S("error", error));
	else
		code = start_with(router, &access, known);
	redis_access_wipe(&access);
	return code;
}

static int
fail_folder(const struct router *router)
{
	log_error("cannot write to the folder of the map files",
	    LOG_S("dir", router->options.map_dir), LOG_S("error", log_errno()));
	return EX_CANTCREAT;
}

/* The lock is ours. */
static int
start_work(struct router *router)
{
	const struct router_options *options = &router->options;
	struct stream_id known;
	int code;

	router->files =
	    map_files_new(router->loop, router->table, options->map_dir,
		(uint64_t)options->map_delay_ms, position_cb, router, &known);
	if (router->files == NULL)
		return fail_folder(router);
	router->pool = agent_pool_new(router->loop, router->table,
	    options->agent_host.items, options->agent_host.count);
	if (router->pool == NULL)
		return EX_OSERR;
	code = start_syncs(router);
	return code == EX_OK ? start_follower(router, known) : code;
}

/* Ours: work; another router's: look again in a moment. */
static int
take_lock(struct router *router)
{
	char known[MAP_LOCK_HOLDER_MAX];

	strcpy(known, router->lock.holder);
	switch (map_lock_try(&router->lock)) {
	case 0:
		return start_work(router);
	case 1:
		timer_set(router->loop, &router->standby, STANDBY_MS);
		if (strcmp(router->lock.holder, known) == 0)
			return EX_OK;
		log_warn("another router writes these maps: standing by until "
			 "it ends",
		    LOG_S("dir", router->options.map_dir),
		    LOG_S("holder", router->lock.holder));
		return EX_OK;
	}
	return fail_folder(router);
}

static void
standby_cb(void *ctx)
{
	struct router *router = ctx;

	router->code = take_lock(router);
	if (router->code != EX_OK)
		loop_stop(router->loop);
	else if (!timer_is_set(&router->standby))
		log_info("taking over the maps");
}

static int
start(struct router *router)
{
	int code;

	if (map_lock_open(&router->lock, router->options.map_dir) != 0)
		return fail_folder(router);
	code = take_lock(router);
	if (code == EX_OK && router->options.admin_listen != NULL)
		code = router_admin_start(router);
	return code;
}

static void
stop(struct router *router)
{
	size_t i;

	http_admin_free(&router->admin);
	if (router->files != NULL && router->follower != NULL)
		map_files_free(&router->files);
	follower_free(&router->follower);
	redis_sentinel_free(&router->sentinel);
	for (i = 0; i < router->n_syncs; i++)
		map_sync_free(&router->syncs[i]);
	agent_pool_free(&router->pool);
	map_files_free(&router->files);
	route_table_free(&router->table);
	map_lock_close(&router->lock);
	loop_free(&router->loop);
	buf_pool_drain();
}

static int
run(struct router *router)
{
	char redis[REDIS_HOST_MAX + 32];
	int code;

	router->loop = loop_new();
	router->table = route_table_new(changed_cb, router);
	if (router->loop == NULL || router->table == NULL)
		return EX_OSERR;
	timer_init(&router->standby, standby_cb, router);
	if (loop_on_signal(router->loop, SIGTERM, stop_cb, router) != 0 ||
	    loop_on_signal(router->loop, SIGINT, stop_cb, router) != 0 ||
	    loop_on_signal(router->loop, SIGHUP, reload_cb, router) != 0)
		return EX_OSERR;
	code = start(router);
	if (code != EX_OK)
		return code;
	log_info("started",
	    LOG_S("redis",
		redis_options_text(
		    &router->options.registry, redis, sizeof(redis))),
	    LOG_U("haproxies", router->n_syncs),
	    LOG_S("map_dir", router->options.map_dir));
	return loop_run(router->loop) == 0 ? router->code : EX_OSERR;
}

int
router_main(int argc, char **argv)
{
	struct router router = {
	    .argc = argc, .argv = argv, .lock.fd = -1, .code = EX_OK};
	int code;

	process_begin();
	switch (
	    options_load(&router_option_table, argc, argv, &router.options)) {
	case OPTIONS_OK:
		break;
	case OPTIONS_EXIT:
		return EX_OK;
	case OPTIONS_ERROR:
		return EX_CONFIG;
	}
	set_up_log(&router.options);
	code = process_become(router.options.user, false);
	if (code == EX_OK && router.options.core_dumps)
		process_show_memory();
	if (code == EX_OK)
		code = run(&router);
	if (code == EX_OSERR)
		log_error("the system has no memory or descriptors left",
		    LOG_S("error", log_errno()));
	stop(&router);
	options_free(&router_option_table, &router.options);
	return code;
}
