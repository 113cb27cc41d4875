/* SPDX-License-Identifier: MIT */
/* Devices, relays and routes as they stand in Redis. */
#include <stdio.h>
#include <string.h>

#include "admin/access_admin.h"
#include "admin/record_json.h"
#include "admin/store_redis.h"
#include "net/loop.h"
#include "net/route.h"

#define SCAN_COUNT 1000
#define GONE_MS 3600000
#define GONE_LOOK 500 /* entries of the history, the latest */

static json_t *
session_json(const redisReply *reply)
{
	json_t *form = redis_form_json(redis_text(reply)), *session;

	if (!json_is_object(form))
		return form;
	session = json_pack("{s:I, s:s?, s:s?, s:s?, s:I}", "epoch",
	    (json_int_t)redis_number(form, "epoch"), "relay",
	    json_string_value(json_object_get(form, "relay")), "from",
	    json_string_value(json_object_get(form, "from")), "instance",
	    json_string_value(json_object_get(form, "instance")), "since_ms",
	    (json_int_t)redis_number(form, "since_ms"));
	admin_take_heartbeats(session, redis_number(form, "heartbeat_ms"),
	    redis_number(form, "beat_bytes"),
	    redis_number(form, "budget_bytes"));
	admin_take_down(
	    session, json_string_value(json_object_get(form, "down")));
	json_decref(form);
	return session;
}

static json_t *
lease_json(const redisReply *reply)
{
	json_t *hash = redis_hash_json(reply), *lease;

	if (!json_is_object(hash))
		return hash;
	lease = json_pack("{s:s?, s:o, s:I, s:s?}", "label",
	    json_string_value(json_object_get(hash, "label")), "ports",
	    redis_ports_json(json_string_value(json_object_get(hash, "ports"))),
	    "epoch", (json_int_t)redis_number(hash, "epoch"), "relay",
	    json_string_value(json_object_get(hash, "relay")));
	json_decref(hash);
	return lease;
}

static json_t *
limits_json(const json_t *hash)
{
	json_t *limits = json_object();

	for (int i = 0; i < DEVICE_LIMITS; i++) {
		const struct device_limit_row *row = &device_limit_rows[i];
		json_t *value = json_object_get(hash, row->key);

		if (value != NULL && row->words != NULL)
			json_object_set(limits, row->key, value);
		else if (value != NULL)
			json_object_set_new(limits, row->key,
			    json_integer(
				(json_int_t)redis_number(hash, row->key)));
	}
	return limits;
}

/* What is stored of it, without the hash of its secret. NULL: nothing. */
static json_t *
device_json(const char *name, const redisReply *record)
{
	json_t *hash = redis_hash_json(record), *device;
	struct device_record rules = {0};
	const char *label;

	if (!json_is_object(hash)) {
		json_decref(hash);
		return NULL;
	}
	label = json_string_value(json_object_get(hash, "label"));
	device = json_pack("{s:s, s:s?, s:o, s:o, s:I, s:s?, s:s?}", "name",
	    name, "label", label != NULL && label[0] != '\0' ? label : NULL,
	    "ports",
	    redis_ports_json(json_string_value(json_object_get(hash, "ports"))),
	    "limits", limits_json(hash), "created_ms",
	    (json_int_t)redis_number(hash, "created"), "rotation",
	    json_string_value(json_object_get(hash, "rotation")), "fleet",
	    json_string_value(json_object_get(hash, "fleet")));
	json_decref(hash);
	/* what makes no sense here makes none to its relay */
	(void)redis_access_read(record, &rules);
	json_object_set_new(device, "access", admin_access_json(rules.access));
	json_object_set_new(device, "shares", admin_shares_json(rules.access));
	json_object_set_new(device, "hosts", redis_hosts_json(record));
	device_record_drop(&rules);
	return device;
}

static void
add_session_and_lease(
    json_t *device, const redisReply *session, const redisReply *lease)
{
	json_object_set_new(device, "session", session_json(session));
	json_object_set_new(device, "lease", lease_json(lease));
	json_object_set_new(device, "online",
	    json_boolean(json_is_object(json_object_get(device, "session"))));
}

static int
queue_device(struct admin *admin, const char *name)
{
	if (redis_sync_queuef(admin->redis, "HGETALL taupe:device:%s", name) !=
		0 ||
	    redis_sync_queuef(admin->redis, "GET taupe:session:%s", name) !=
		0 ||
	    redis_sync_queuef(admin->redis, "HGETALL taupe:lease:%s", name) !=
		0)
		return admin_fail_memory(admin);
	return ADMIN_OK;
}

/* The answers to that. *device is NULL when there is none. */
static int
fetch_device(struct admin *admin, const char *name, json_t **device)
{
	redisReply *replies[3] = {NULL};
	int code = ADMIN_OK;

	*device = NULL;
	for (int i = 0; code == ADMIN_OK && i < 3; i++)
		replies[i] = store_next(admin, &code);
	if (code == ADMIN_OK &&
	    (*device = device_json(name, replies[0])) != NULL)
		add_session_and_lease(*device, replies[1], replies[2]);
	for (int i = 0; i < 3; i++)
		redis_sync_reply_free(&replies[i]);
	return code;
}

static const char *
name_at(const json_t *names, size_t i)
{
	return json_string_value(json_array_get(names, i));
}

static int
fetch_batch(struct admin *admin, const json_t *names, size_t from, json_t *list)
{
	size_t n = json_array_size(names) - from;
	json_t *device;
	int code = ADMIN_OK;

	n = n > REDIS_BATCH ? REDIS_BATCH : n;
	for (size_t i = 0; code == ADMIN_OK && i < n; i++)
		code = queue_device(admin, name_at(names, from + i));
	for (size_t i = 0; code == ADMIN_OK && i < n; i++) {
		code = fetch_device(admin, name_at(names, from + i), &device);
		if (device != NULL)
			json_array_append_new(list, device);
	}
	return code;
}

int
redis_devices_named(struct admin *admin, const json_t *names, json_t *list)
{
	int code = ADMIN_OK;

	for (size_t i = 0; code == ADMIN_OK && i < json_array_size(names);
	     i += REDIS_BATCH)
		code = fetch_batch(admin, names, i, list);
	return code;
}

int
redis_devices(struct admin *admin, json_t *list)
{
	int code;
	redisReply *reply = store_ask(admin, &code, "SMEMBERS taupe:devices");
	json_t *names;

	if (reply == NULL)
		return code;
	names = redis_names(reply);
	code = redis_devices_named(admin, names, list);
	json_decref(names);
	return code;
}

/* One device: also its counters, its routes and how long its lease lasts. */

static json_t *
numbers_json(const redisReply *reply)
{
	json_t *hash = redis_hash_json(reply), *numbers = json_object(), *value;
	const char *key;

	json_object_foreach (hash, key, value)
		json_object_set_new(numbers, key,
		    json_integer((json_int_t)redis_number(hash, key)));
	json_decref(hash);
	return numbers;
}

/* A list of addresses or a revocation leads nowhere. */
static bool
leads_somewhere(struct str key)
{
	enum route_kind kind;
	struct str name;

	return !route_key_parse(key, &kind, &name) ||
	    (kind != ROUTE_ALLOW && kind != ROUTE_REVOKED);
}

/* "ip,port,epoch", and the mode of what follows: the rest are keys, which are shown to nobody. */
static void
put_value(json_t *route, struct str value)
{
	struct str ip, port, epoch, access, mode, rest;

	if (!str_split(value, ',', &ip, &port) ||
	    !str_split(port, ',', &port, &epoch))
		epoch = (struct str){value.ptr + value.len, 0};
	if (str_split(epoch, ',', &epoch, &access))
		str_split(access, ',', &mode, &rest);
	else
		mode = str_of(access_mode_name(ACCESS_PUBLIC));
	json_object_set_new(route, "value",
	    json_stringn(
		value.ptr, (size_t)(epoch.ptr + epoch.len - value.ptr)));
	json_object_set_new(route, "access", json_stringn(mode.ptr, mode.len));
}

static int
add_route(struct admin *admin, json_t *routes, struct str key)
{
	int code;
	redisReply *reply =
	    store_ask(admin, &code, "HGET taupe:routes %b", key.ptr, key.len);
	struct str value;

	if (reply == NULL)
		return code;
	value = redis_text(reply);
	if (value.ptr != NULL) {
		json_t *route = json_pack("{s:s%}", "key", key.ptr, key.len);

		put_value(route, value);
		json_array_append_new(routes, route);
	}
	redis_sync_reply_free(&reply);
	return ADMIN_OK;
}

static int
add_routes(struct admin *admin, const char *name, json_t *device)
{
	int code;
	json_t *routes = json_array();
	redisReply *reply =
	    store_ask(admin, &code, "SMEMBERS taupe:owned:device:%s", name);

	json_object_set_new(device, "routes", routes);
	if (reply == NULL)
		return code;
	for (size_t i = 0; code == ADMIN_OK && i < reply->elements; i++)
		if (redis_text(reply->element[i]).ptr != NULL &&
		    leads_somewhere(redis_text(reply->element[i])))
			code = add_route(
			    admin, routes, redis_text(reply->element[i]));
	redis_sync_reply_free(&reply);
	return code;
}

static int
add_counters(struct admin *admin, const char *name, json_t *device)
{
	int code;
	redisReply *reply =
	    store_ask(admin, &code, "HGETALL taupe:counters:device:%s", name);

	if (reply == NULL)
		return code;
	json_object_set_new(device, "counters", numbers_json(reply));
	redis_sync_reply_free(&reply);
	return ADMIN_OK;
}

/* How its last sessions have ended. */
static int
add_last(struct admin *admin, const char *name, json_t *device)
{
	int code;
	json_t *last = json_array(), *form;
	redisReply *reply =
	    store_ask(admin, &code, "LRANGE taupe:last:%s 0 4", name);

	json_object_set_new(device, "last", last);
	if (reply == NULL)
		return code;
	for (size_t i = 0; i < reply->elements; i++) {
		form = redis_form_json(redis_text(reply->element[i]));
		if (json_is_object(form))
			json_array_append(last, form);
		json_decref(form);
	}
	redis_sync_reply_free(&reply);
	return ADMIN_OK;
}

static int
add_remaining(struct admin *admin, const char *name, json_t *device)
{
	json_t *lease = json_object_get(device, "lease");
	int code;
	redisReply *reply;

	if (!json_is_object(lease))
		return ADMIN_OK;
	reply = store_ask(admin, &code, "PTTL taupe:lease:%s", name);
	if (reply == NULL)
		return code;
	if (reply->integer > 0)
		json_object_set_new(lease, "remaining_ms",
		    json_integer((json_int_t)reply->integer));
	redis_sync_reply_free(&reply);
	return ADMIN_OK;
}

int
redis_device(struct admin *admin, const char *name, json_t **device)
{
	int code = store_open(admin);

	*device = NULL;
	if (code == ADMIN_OK)
		code = queue_device(admin, name);
	if (code == ADMIN_OK)
		code = fetch_device(admin, name, device);
	if (code == ADMIN_OK && *device == NULL)
		return admin_fail(
		    admin, ADMIN_UNKNOWN, "there is no device %s", name);
	if (code == ADMIN_OK)
		code = add_remaining(admin, name, *device);
	if (code == ADMIN_OK)
		code = add_counters(admin, name, *device);
	if (code == ADMIN_OK)
		code = add_routes(admin, name, *device);
	if (code == ADMIN_OK)
		code = add_last(admin, name, *device);
	if (code != ADMIN_OK) {
		json_decref(*device);
		*device = NULL;
	}
	return code;
}

/* Relays. */

json_t *
redis_relay_json(const char *id, const redisReply *reply)
{
	json_t *hash = redis_hash_json(reply), *relay;

	if (!json_is_object(hash))
		return hash;
	relay = json_pack("{s:s, s:s?, s:s?, s:I, s:I, s:I, s:I, s:b, s:I, "
			  "s:s?, s:I, s:I, s:I}",
	    "id", id, "url", json_string_value(json_object_get(hash, "url")),
	    "address", json_string_value(json_object_get(hash, "address")),
	    "agents", (json_int_t)redis_number(hash, "agents"), "visitors",
	    (json_int_t)redis_number(hash, "visitors"), "weight",
	    (json_int_t)redis_number(hash, "weight"), "capacity",
	    (json_int_t)redis_number(hash, "capacity"), "draining",
	    redis_number(hash, "draining") != 0, "since_ms",
	    (json_int_t)redis_number(hash, "since_ms"), "version",
	    json_string_value(json_object_get(hash, "version")), "memory_bytes",
	    (json_int_t)redis_number(hash, "memory_bytes"), "bytes_in",
	    (json_int_t)redis_number(hash, "counter/bytes_in"), "bytes_out",
	    (json_int_t)redis_number(hash, "counter/bytes_out"));
	json_decref(hash);
	return relay;
}

int
redis_relays(struct admin *admin, json_t *list)
{
	int code;
	redisReply *reply = store_ask(admin, &code, "ZRANGE taupe:relays 0 -1");
	json_t *names, *relay;

	if (reply == NULL)
		return code;
	names = redis_names(reply);
	for (size_t i = 0; code == ADMIN_OK && i < json_array_size(names);
	     i++) {
		reply = store_ask(
		    admin, &code, "HGETALL taupe:relay:%s", name_at(names, i));
		if (reply == NULL)
			break;
		relay = redis_relay_json(name_at(names, i), reply);
		redis_sync_reply_free(&reply);
		/* one that is gone and not swept up yet is no relay */
		if (json_is_object(relay))
			json_array_append(list, relay);
		json_decref(relay);
	}
	json_decref(names);
	return code;
}

int
redis_device_count(struct admin *admin, uint64_t *count)
{
	int code;
	redisReply *reply = store_ask(admin, &code, "SCARD taupe:devices");

	if (reply == NULL)
		return code;
	*count = reply->integer > 0 ? (uint64_t)reply->integer : 0;
	redis_sync_reply_free(&reply);
	return ADMIN_OK;
}

/* An entry of the history, [id, [key, value, …]]: does it say that a relay has gone? */
static bool
take_gone(
    const redisReply *entry, char id[DEVICE_NAME_MAX + 1], uint64_t *at_ms)
{
	bool is_gone = false;

	if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2)
		return false;
	entry = entry->element[1];
	for (size_t i = 0; i + 1 < entry->elements; i += 2) {
		struct str key = redis_text(entry->element[i]),
			   value = redis_text(entry->element[i + 1]);

		if (str_equal(key, STR("gone")))
			is_gone = str_copy(value, id, DEVICE_NAME_MAX + 1);
		else if (str_equal(key, STR("at_ms")))
			(void)str_to_number(value, INT64_MAX, at_ms);
	}
	return is_gone;
}

/* Is it alive, or in the list already? */
static int
add_gone(struct admin *admin, const char *id, uint64_t at_ms, json_t *list)
{
	int code;
	redisReply *reply;
	json_t *known;
	size_t i;

	json_array_foreach (list, i, known)
		if (strcmp(json_string_value(json_object_get(known, "id")),
			id) == 0)
			return ADMIN_OK;
	reply = store_ask(admin, &code, "EXISTS taupe:relay:%s", id);
	if (reply == NULL)
		return code;
	if (reply->integer == 0)
		json_array_append_new(list,
		    json_pack(
			"{s:s, s:I}", "id", id, "at_ms", (json_int_t)at_ms));
	redis_sync_reply_free(&reply);
	return ADMIN_OK;
}

int
redis_gone(struct admin *admin, json_t *list)
{
	char id[DEVICE_NAME_MAX + 1];
	int code;
	uint64_t at_ms = 0;
	redisReply *reply =
	    store_ask(admin, &code, "XREVRANGE taupe:history + %llu COUNT %d",
		(unsigned long long)(loop_wall_ms() - GONE_MS), GONE_LOOK);

	if (reply == NULL)
		return code;
	for (size_t i = 0; code == ADMIN_OK && i < reply->elements; i++)
		if (take_gone(reply->element[i], id, &at_ms))
			code = add_gone(admin, id, at_ms, list);
	redis_sync_reply_free(&reply);
	return code;
}

/* Routes: in steps, because there may be a million. */

static void
take_routes(json_t *routes, const redisReply *pairs)
{
	for (size_t i = 0; i + 1 < pairs->elements; i += 2) {
		struct str key = redis_text(pairs->element[i]),
			   value = redis_text(pairs->element[i + 1]);

		if (key.ptr != NULL && value.ptr != NULL &&
		    leads_somewhere(key))
			json_object_set_new(routes, key.ptr,
			    json_stringn(value.ptr, value.len));
	}
}

static int
scan_routes(struct admin *admin, json_t *routes)
{
	char cursor[32] = "0";
	int code;

	do {
		redisReply *reply = store_ask(admin, &code,
		    "HSCAN taupe:routes %s COUNT %d", cursor, SCAN_COUNT);

		if (reply == NULL)
			return code;
		if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
		    reply->element[1]->type != REDIS_REPLY_ARRAY ||
		    !str_copy(
			redis_text(reply->element[0]), cursor, sizeof(cursor)))
			code = store_fail_nonsense(admin, "routes");
		else
			take_routes(routes, reply->element[1]);
		redis_sync_reply_free(&reply);
	} while (code == ADMIN_OK && strcmp(cursor, "0") != 0);
	return code;
}

int
redis_routes(struct admin *admin, json_t *list)
{
	json_t *routes = json_object(), *value;
	const char *key;
	int code = scan_routes(admin, routes);

	/* an object has each key once, which HSCAN does not promise */
	json_object_foreach (routes, key, value) {
		json_t *route = json_pack("{s:s}", "key", key);

		put_value(route, str_of(json_string_value(value)));
		json_array_append_new(list, route);
	}
	json_decref(routes);
	return code;
}
