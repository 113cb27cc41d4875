/* SPDX-License-Identifier: MIT */
/*
 * A route's key names what it hangs on: "tcp/PORT" a port, "http/HOST" and "sni/HOST" HOST itself, if
 * somebody has that for a further name, or the label that it begins with. Whoever is granted a
 * label or port, or writes a route by a further name, writes its key, so
 * watching that one is enough to see a new holder come.
 */
#include <stdio.h>
#include <stdlib.h>

#include "registry/registry_redis_owned.h"
#include "registry/registry_redis_records.h"

#define OWNED_BY "taupe:owned:device:"
#define GUARD_MAX (HOST_NAME_MAX + 16) /* "taupe:host:" and a name */
#define GUARDS_MAX 2

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

static void
write_guard(char guard[GUARD_MAX], const char *prefix, struct str name)
{
	struct writer w;

	writer_init(&w, guard, GUARD_MAX - 1);
	writer_cstr(&w, prefix);
	writer_str(&w, name);
	*w.at = '\0';
}

/* The keys that a route hangs on: of those that there are, the first says whose it is. Returns how
 * many. */
static size_t
guards_of(const char *route_key, char guards[GUARDS_MAX][GUARD_MAX])
{
	struct str kind, rest;
	uint64_t port;

	if (!str_split(str_of(route_key), '/', &kind, &rest))
		return 0;
	if (str_equal(kind, STR("tcp")) &&
	    str_to_number(rest, UINT16_MAX, &port)) {
		write_guard(guards[0], "taupe:port:", rest);
		return 1;
	}
	if ((!str_equal(kind, STR("http")) && !str_equal(kind, STR("sni"))) ||
	    !host_name_valid(rest))
		return 0;
	write_guard(guards[0], "taupe:host:", rest);
	if (!label_valid(label_of(rest)))
		return 1;
	write_guard(guards[1], "taupe:label:", label_of(rest));
	return 2;
}

bool
redis_owned_ask(
    struct redis_tx *tx, const struct redis_owned *owned, redis_tx_reply reader)
{
	struct redis_args watch = REDIS_ARGS_NONE, get = REDIS_ARGS_NONE;
	char guards[GUARDS_MAX][GUARD_MAX];
	bool any = false;

	redis_args_add(&watch, "WATCH");
	redis_args_add(&get, "MGET");
	for (size_t i = 0; i < owned->n; i++) {
		size_t n = owned->routes[i].leaves
		    ? guards_of(owned->routes[i].key, guards)
		    : 0;

		for (size_t k = 0; k < n; k++) {
			redis_args_add(&watch, guards[k]);
			redis_args_add(&get, guards[k]);
			any = true;
		}
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

/* What its n guards hold, in the order of guards_of(). */
static bool
read_guards(struct redis_tx *tx, struct redis_owned_route *route,
    const char *name, redisReply *const *replies, size_t n)
{
	struct str holder;
	size_t at = 0;

	route->is_further = false;
	while (at < n && replies[at]->type == REDIS_REPLY_NIL)
		at++;
	if (at == n)
		return true;
	if (!redis_reply_text(replies[at], &holder))
		return false;
	if (str_equal(holder, str_of(name)))
		route->is_further = at == 0 && route->key[0] != 't';
	/* what no relay has written is nobody's */
	else if (device_name_valid(holder))
		inherit(tx, route, holder);
	return true;
}

bool
redis_owned_read_heirs(struct redis_tx *tx, struct redis_owned *owned,
    const char *name, const redisReply *reply)
{
	char guards[GUARDS_MAX][GUARD_MAX];
	size_t at = 0;

	if (reply->type != REDIS_REPLY_ARRAY)
		return false;
	for (size_t i = 0; i < owned->n; i++) {
		struct redis_owned_route *route = &owned->routes[i];
		size_t n = route->leaves ? guards_of(route->key, guards) : 0;

		if (n > reply->elements - at ||
		    !read_guards(tx, route, name, reply->element + at, n))
			return false;
		at += n;
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
		if (route->is_further)
			redis_tx_queuef(tx, "DEL taupe:host:%s",
			    strchr(route->key, '/') + 1);
	}
}
