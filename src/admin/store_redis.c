/* SPDX-License-Identifier: MIT */
/* The Redis store: the connection, and answers of Redis as JSON. */
#include "admin/store_redis.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTEMPTS_MAX 10 /* while others write what we watch */
#define FORM_TEXT_MAX 2048 /* how a session has ended is the longest */

const struct store redis_store = {
    .device_add = redis_device_add,
    .device_rotate = redis_device_rotate,
    .device_set_secret = redis_device_set_secret,
    .device_set_limits = redis_device_set_limits,
    .device_kick = redis_device_kick,
    .device_remove = redis_device_remove,
    .device_page = redis_device_page,
    .device_access = redis_device_access,
    .device_change_access = redis_device_change_access,
    .service_url = redis_service_url,
    .domain = redis_domain,
    .relay_of_host = redis_relay_of_host,
    .host_add = redis_host_add,
    .host = redis_host,
    .host_prove = redis_host_prove,
    .host_remove = redis_host_remove,
    .hosts = redis_hosts,
    .devices = redis_devices,
    .device = redis_device,
    .fleet_add = redis_fleet_add,
    .fleet_remove = redis_fleet_remove,
    .fleets = redis_fleets,
    .token_add = redis_token_add,
    .token_remove = redis_token_remove,
    .token = redis_token,
    .tokens = redis_tokens,
    .relays = redis_relays,
    .gone = redis_gone,
    .device_count = redis_device_count,
    .relay_drain = redis_relay_drain,
    .routes = redis_routes,
    .usage = redis_usage,
    .traffic = redis_traffic,
    .status = redis_status,
    .audit = redis_audit,
    .events = redis_events,
};

int
store_open(struct admin *admin)
{
	char error[REDIS_ACCESS_ERROR_MAX];

	if (admin->redis != NULL)
		return ADMIN_OK;
	admin->redis = redis_access_dial(
	    admin->registry, admin->program, 0, admin->redis_where, error);
	if (admin->redis != NULL)
		return ADMIN_OK;
	return admin_fail(admin,
	    admin->redis_where[0] != '\0' ? ADMIN_DOWN : ADMIN_UNREADABLE, "%s",
	    error);
}

/* Takes the reply if it is of no use. */
static redisReply *
check(struct admin *admin, redisReply *reply, int *code)
{
	if (reply == NULL) {
		*code = admin_fail(admin, ADMIN_DOWN, "Redis at %s: %s",
		    admin->redis_where, redis_sync_error(admin->redis));
	} else if (reply->type == REDIS_REPLY_ERROR) {
		*code = admin_fail(admin,
		    strncmp(reply->str, "NOPERM", 6) == 0 ? ADMIN_REFUSED
							  : ADMIN_DOWN,
		    "Redis at %s refuses: %s", admin->redis_where, reply->str);
		redis_sync_reply_free(&reply);
	}
	return reply;
}

redisReply *
store_ask(struct admin *admin, int *code, const char *format, ...)
{
	va_list args;
	redisReply *reply;

	*code = store_open(admin);
	if (*code != ADMIN_OK)
		return NULL;
	va_start(args, format);
	reply = redis_sync_vcommandf(admin->redis, format, args);
	va_end(args);
	return check(admin, reply, code);
}

redisReply *
store_next(struct admin *admin, int *code)
{
	return check(admin, redis_sync_fetch(admin->redis), code);
}

int
store_fail_nonsense(struct admin *admin, const char *what)
{
	return admin_fail(admin, ADMIN_NONSENSE,
	    "Redis gave an answer about %s that makes no sense", what);
}

void
store_unwatch(struct admin *admin)
{
	redisReply *reply = redis_sync_commandf(admin->redis, "UNWATCH");

	redis_sync_reply_free(&reply);
}

int
store_tell(struct admin *admin, const char *format, ...)
{
	va_list args;
	redisReply *reply;
	int result = ADMIN_OK;

	va_start(args, format);
	reply = redis_sync_vcommandf(admin->redis, format, args);
	va_end(args);
	if (reply == NULL) {
		result = admin_fail(admin, ADMIN_DOWN, "Redis at %s: %s",
		    admin->redis_where, redis_sync_error(admin->redis));
	} else if (reply->type == REDIS_REPLY_ERROR) {
		result = admin_fail(admin,
		    strncmp(reply->str, "NOPERM", 6) == 0 ? ADMIN_REFUSED
							  : ADMIN_DOWN,
		    "Redis at %s refuses: %s", admin->redis_where, reply->str);
	}
	redis_sync_reply_free(&reply);
	return result;
}

int
store_execute(struct admin *admin)
{
	int code;
	redisReply *reply = store_ask(admin, &code, "EXEC");

	if (reply == NULL)
		return code;
	if (reply->type == REDIS_REPLY_NIL)
		code = STORE_CONFLICT;
	for (size_t i = 0;
	     reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
		if (reply->element[i]->type == REDIS_REPLY_ERROR)
			code = admin_fail(admin, ADMIN_DOWN,
			    "Redis at %s refuses: %s", admin->redis_where,
			    reply->element[i]->str);
	redis_sync_reply_free(&reply);
	return code;
}

int
store_transact(struct admin *admin, store_attempt attempt, const char *name,
    const void *what)
{
	int code = store_open(admin);

	if (code != ADMIN_OK)
		return code;
	for (int i = 0; i < ATTEMPTS_MAX; i++)
		if ((code = attempt(admin, name, what)) != STORE_CONFLICT)
			return code;
	return admin_fail(admin, ADMIN_BUSY,
	    "others are changing devices or fleets all the time: try again");
}

int
store_watch_named(
    struct admin *admin, const char *kind, const char *name, bool *exists)
{
	redisReply *reply;
	int code = store_tell(admin, "WATCH taupe:%s:%s", kind, name);

	if (code != ADMIN_OK)
		return code;
	reply = store_ask(admin, &code, "EXISTS taupe:%s:%s", kind, name);
	if (reply == NULL) {
		store_unwatch(admin);
		return code;
	}
	*exists = reply->integer != 0;
	redis_sync_reply_free(&reply);
	return ADMIN_OK;
}

int
store_remove_named(
    struct admin *admin, const char *kind, const char *name, bool *exists)
{
	int code = store_watch_named(admin, kind, name, exists);

	if (code == ADMIN_OK && !*exists) {
		store_unwatch(admin);
		return ADMIN_OK;
	}
	if (code == ADMIN_OK)
		code = store_tell(admin, "MULTI");
	if (code == ADMIN_OK)
		code = store_tell(admin, "DEL taupe:%s:%s", kind, name);
	if (code == ADMIN_OK)
		code = store_tell(admin, "SREM taupe:%ss %s", kind, name);
	return code == ADMIN_OK ? store_execute(admin) : code;
}

void
redis_write_hash(
    const uint8_t sha256[SECRET_HASH_LEN], char hash[2 * SECRET_HASH_LEN + 1])
{
	struct writer w;

	writer_init(&w, hash, 2 * SECRET_HASH_LEN);
	writer_hex(&w, sha256, SECRET_HASH_LEN);
	hash[2 * SECRET_HASH_LEN] = '\0';
}

struct str
redis_text(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_STRING &&
	    reply->type != REDIS_REPLY_STATUS)
		return (struct str){NULL, 0};
	return (struct str){reply->str, reply->len};
}

static int
compare_names(const void *a, const void *b)
{
	const redisReply *const *left = a, *const *right = b;

	return strcmp((*left)->str, (*right)->str);
}

json_t *
redis_names(redisReply *reply)
{
	json_t *names = json_array();
	size_t n = 0;

	if (reply->type != REDIS_REPLY_ARRAY)
		goto out;
	for (size_t i = 0; i < reply->elements; i++)
		if (device_name_valid(redis_text(reply->element[i]))) {
			redisReply *other = reply->element[n];

			reply->element[n++] = reply->element[i];
			reply->element[i] = other;
		}
	if (n > 0)
		qsort(reply->element, n, sizeof(reply->element[0]),
		    compare_names);
	for (size_t i = 0; i < n; i++)
		if (i == 0 ||
		    strcmp(reply->element[i]->str,
			reply->element[i - 1]->str) != 0)
			json_array_append_new(
			    names, json_string(reply->element[i]->str));
out:
	redis_sync_reply_free(&reply);
	return names;
}

json_t *
redis_hash_json(const redisReply *reply)
{
	json_t *object;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0)
		return json_null();
	object = json_object();
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		struct str key = redis_text(reply->element[i]),
			   value = redis_text(reply->element[i + 1]);

		/* what is no UTF-8 makes no JSON string, and is left out */
		if (key.ptr != NULL && value.ptr != NULL)
			json_object_set_new(object, key.ptr,
			    json_stringn(value.ptr, value.len));
	}
	return object;
}

json_t *
redis_form_json(struct str text)
{
	char copy[FORM_TEXT_MAX], key[64];
	struct form_reader r;
	struct form_pair pair;
	json_t *object;

	if (text.ptr == NULL || !str_copy(text, copy, sizeof(copy)))
		return json_null();
	object = json_object();
	form_reader_init(&r, copy, text.len);
	while (form_next(&r, &pair) == WIRE_DONE)
		if (str_copy(pair.key, key, sizeof(key)))
			json_object_set_new(object, key,
			    json_stringn(pair.value.ptr, pair.value.len));
	return object;
}

json_t *
redis_ports_json(const char *text)
{
	json_t *ports = json_object();
	struct str rest = str_of(text), item;
	struct service_port port;

	while (rest.len > 0) {
		str_split(rest, ',', &item, &rest);
		if (service_port_parse(item, &port))
			json_object_set_new(
			    ports, port.service, json_integer(port.port));
	}
	return ports;
}

uint64_t
redis_number(const json_t *object, const char *key)
{
	uint64_t number;

	return str_to_number(
		   str_of(json_string_value(json_object_get(object, key))),
		   INT64_MAX, &number)
	    ? number
	    : 0;
}
