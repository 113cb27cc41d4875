/* SPDX-License-Identifier: MIT */
/*
 * A route's key names what it hangs on: "tcp/PORT" a port, "http/HOST" and "sni/HOST" the
 * label that HOST begins with. Whoever is granted a label or port writes its key, so
 * watching that one is enough to see a new holder come.
 */
#include <stdio.h>
#include <stdlib.h>

#include "relay/registry_redis_owned.h"
#include "relay/registry_redis_records.h"

#define OWNED_BY "taupe:owned:device:"
#define GUARD_MAX (LABEL_MAX + 16) /* "taupe:label:" and a label */

bool
redis_owned_read(struct redis_owned *owned, const redisReply *reply)
{
	struct str key;

	redis_owned_fini(owned);
	if (reply->type != REDIS_REPLY_ARRAY)
		return false;
	owned->routes = calloc(reply->elements + 1, sizeof(*owned->routes));
	if (owned->routes == NULL)
		return false;
	for (size_t i = 0; i < reply->elements; i++)
		if (!redis_reply_text(reply->element[i], &key) ||
		    !str_copy(
			key, owned->routes[owned->n++].key, ROUTE_KEY_MAX))
			return false;
	return true;
}

void
redis_owned_fini(struct redis_owned *owned)
{
	free(owned->routes);
	*owned = (struct redis_owned){0};
}

/* "label.example.com" and "label--service.example.com": a label has no two hyphens. */
static struct str
label_of(struct str host)
{
	size_t len = 0;

	while (len < host.len && host.ptr[len] != '.' &&
	    !(host.ptr[len] == '-' && len + 1 < host.len &&
		host.ptr[len + 1] == '-'))
		len++;
	return (struct str){host.ptr, len};
}

/* The key of the label or port behind a route; false: it hangs on none. */
static bool
guard_of(const char *route_key, char guard[GUARD_MAX])
{
	struct str kind, rest;
	struct writer w;
	uint64_t port;

	if (!str_split(str_of(route_key), '/', &kind, &rest))
		return false;
	writer_init(&w, guard, GUARD_MAX - 1);
	if (str_equal(kind, STR("tcp")) &&
	    str_to_number(rest, UINT16_MAX, &port)) {
		writer_cstr(&w, "taupe:port:");
		writer_u64(&w, port);
	} else if ((str_equal(kind, STR("http")) ||
		       str_equal(kind, STR("sni"))) &&
	    label_valid(label_of(rest))) {
		writer_cstr(&w, "taupe:label:");
		writer_str(&w, label_of(rest));
	} else {
		return false;
	}
	*w.at = '\0';
	return true;
}

bool
redis_owned_ask(
    struct redis_tx *tx, const struct redis_owned *owned, redis_tx_reply reader)
{
	struct redis_args watch = REDIS_ARGS_NONE, get = REDIS_ARGS_NONE;
	char guard[GUARD_MAX];
	bool any = false;

	redis_args_add(&watch, "WATCH");
	redis_args_add(&get, "MGET");
	for (size_t i = 0; i < owned->n; i++) {
		if (!owned->routes[i].leaves ||
		    !guard_of(owned->routes[i].key, guard))
			continue;
		redis_args_add(&watch, guard);
		redis_args_add(&get, guard);
		any = true;
	}
	if (any) {
		redis_tx_watch(tx, &watch);
		redis_tx_read(tx, reader, &get);
	} else {
		redis_args_fini(&watch);
		redis_args_fini(&get);
	}
	return any;
}

static void
inherit(struct redis_tx *tx, struct redis_owned_route *route, struct str heir)
{
	char key[sizeof(OWNED_BY) + DEVICE_NAME_MAX];

	(void)str_copy(heir, route->heir, sizeof(route->heir));
	snprintf(key, sizeof(key), OWNED_BY "%s", route->heir);
	redis_lane_touch(tx, key);
}

bool
redis_owned_read_heirs(struct redis_tx *tx, struct redis_owned *owned,
    const char *name, const redisReply *reply)
{
	char guard[GUARD_MAX];
	struct str holder;
	size_t at = 0;

	if (reply->type != REDIS_REPLY_ARRAY)
		return false;
	for (size_t i = 0; i < owned->n; i++) {
		struct redis_owned_route *route = &owned->routes[i];
		const redisReply *one;

		if (!route->leaves || !guard_of(route->key, guard))
			continue;
		if (at == reply->elements)
			return false;
		one = reply->element[at++];
		if (one->type == REDIS_REPLY_NIL)
			continue;
		if (!redis_reply_text(one, &holder))
			return false;
		/* what no relay has written is nobody's */
		if (device_name_valid(holder) &&
		    !str_equal(holder, str_of(name)))
			inherit(tx, route, holder);
	}
	return at == reply->elements;
}

void
redis_owned_queue(struct redis_tx *tx, const struct redis_owned *owned)
{
	for (size_t i = 0; i < owned->n; i++) {
		const struct redis_owned_route *route = &owned->routes[i];

		if (!route->leaves)
			continue;
		if (route->heir[0] != '\0')
			redis_tx_queuef(tx, "SADD " OWNED_BY "%s %s",
			    route->heir, route->key);
		else
			redis_queue_no_route(tx, route->key);
	}
}
