/* SPDX-License-Identifier: MIT */
/*
 * Reading all routes once, before the registry is up for the first time: what a former life of this
 * relay has left. Changes come by the event stream, whose end was noted before.
 */
#include "base/log.h"
#include "registry/registry_redis_records.h"

/* Fields in one answer, about. Each answer waits for a turn of our loop, which is long while a
 * fleet is coming back, and for one of Redis, which all others wait for. */
#define SCAN_COUNT 5000

void
redis_tell_route(
    struct redis_registry *registry, struct str key, struct str value)
{
	struct registry_event event = {
	    .type = REGISTRY_ROUTE, .key = key, .value = value};

	registry->registry.event_cb(registry->registry.event_ctx, &event);
}

static void scan(struct redis_registry *registry, const char *cursor);

static void
finish(struct redis_registry *registry)
{
	registry->routes_read = true;
	redis_view_check(registry);
}

/* False: it makes no sense. */
static bool
take_page(struct redis_registry *registry, const redisReply *reply)
{
	const redisReply *fields;
	struct str key, value;

	if (!redis_reply_is_array(reply, 2) ||
	    reply->element[1]->type != REDIS_REPLY_ARRAY)
		return false;
	fields = reply->element[1];
	for (size_t i = 0; i + 1 < fields->elements; i += 2)
		if (!redis_reply_text(fields->element[i], &key) ||
		    !redis_reply_text(fields->element[i + 1], &value))
			return false;
		else
			redis_tell_route(registry, key, value);
	return true;
}

/* [cursor, [key, value, …]] */
static void
scan_cb(void *ctx, const redisReply *reply)
{
	struct redis_registry *registry = ctx;
	char cursor[24];
	struct str next;

	registry->checking = false;
	if (registry->freeing || reply == NULL)
		return; /* from the beginning, when it is up again */
	if (!take_page(registry, reply) ||
	    !redis_reply_text(reply->element[0], &next) ||
	    !str_copy(next, cursor, sizeof(cursor))) {
		/* it refuses the command, perhaps: not to serve would be worse */
		redis_complain(registry, "HSCAN of the routes", reply);
		finish(registry);
		return;
	}
	if (str_equal(next, STR("0")))
		finish(registry);
	else
		scan(registry, cursor);
}

static void
scan(struct redis_registry *registry, const char *cursor)
{
	registry->checking =
	    redis_link_commandf(registry->main, scan_cb, registry,
		"HSCAN taupe:routes %s COUNT %d", cursor, SCAN_COUNT) == 0;
}

void
redis_routes_read(struct redis_registry *registry)
{
	scan(registry, "0");
}
