/* SPDX-License-Identifier: MIT */
/* The Redis store: the connection, and answers of Redis as JSON. */
#include "ctl/store_redis.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define ATTEMPTS_MAX 10 /* while others write what we watch */

const struct store redis_store = {
    .device_add = redis_device_add,
    .device_rotate = redis_device_rotate,
    .device_set_secret = redis_device_set_secret,
    .device_set_limits = redis_device_set_limits,
    .device_remove = redis_device_remove,
    .devices = redis_devices,
    .device = redis_device,
    .fleet_add = redis_fleet_add,
    .fleet_remove = redis_fleet_remove,
    .fleets = redis_fleets,
    .relays = redis_relays,
    .relay_drain = redis_relay_drain,
    .routes = redis_routes,
    .status = redis_status,
};

static int
connect_with(struct ctl *ctl, const struct redis_access *access)
{
	char error[REDIS_SYNC_ERROR_MAX];
	struct redis_endpoint primary;

	(void)redis_options_text(
	    &ctl->options.registry, ctl->redis_where, sizeof(ctl->redis_where));
	ctl->redis = access->sentinel.n_sentinels > 0
	    ? redis_sync_find(&access->link, &access->sentinel, &primary, error)
	    : redis_sync_new(&access->link, error);
	if (ctl->redis == NULL)
		return ctl_fail(
		    EX_UNAVAILABLE, "Redis at %s: %s", ctl->redis_where, error);
	if (access->sentinel.n_sentinels > 0)
		snprintf(ctl->redis_where, sizeof(ctl->redis_where), "%s:%u",
		    primary.host, (unsigned)primary.port);
	return EX_OK;
}

int
redis_open(struct ctl *ctl)
{
	char error[REDIS_ACCESS_ERROR_MAX];
	struct redis_access access;
	int code;

	if (ctl->redis != NULL)
		return EX_OK;
	code = redis_access_init(
		   &access, &ctl->options.registry, "taupectl", error) == 0
	    ? connect_with(ctl, &access)
	    : ctl_fail(EX_NOINPUT, "%s", error);
	redis_access_wipe(&access);
	return code;
}

/* Takes the reply if it is of no use. */
static redisReply *
check(struct ctl *ctl, redisReply *reply, int *code)
{
	if (reply == NULL) {
		*code = ctl_fail(EX_UNAVAILABLE, "Redis at %s: %s",
		    ctl->redis_where, redis_sync_error(ctl->redis));
	} else if (reply->type == REDIS_REPLY_ERROR) {
		*code = ctl_fail(strncmp(reply->str, "NOPERM", 6) == 0
			? EX_NOPERM
			: EX_UNAVAILABLE,
		    "Redis at %s refuses: %s", ctl->redis_where, reply->str);
		redis_sync_reply_free(&reply);
	}
	return reply;
}

redisReply *
redis_ask(struct ctl *ctl, int *code, const char *format, ...)
{
	va_list args;
	redisReply *reply;

	*code = redis_open(ctl);
	if (*code != EX_OK)
		return NULL;
	va_start(args, format);
	reply = redis_sync_vcommandf(ctl->redis, format, args);
	va_end(args);
	return check(ctl, reply, code);
}

redisReply *
redis_next(struct ctl *ctl, int *code)
{
	return check(ctl, redis_sync_fetch(ctl->redis), code);
}

int
redis_fail_nonsense(const char *what)
{
	return ctl_fail(EX_PROTOCOL,
	    "Redis gave an answer about %s that makes no sense", what);
}

void
redis_unwatch(struct ctl *ctl)
{
	redisReply *reply = redis_sync_commandf(ctl->redis, "UNWATCH");

	redis_sync_reply_free(&reply);
}

int
redis_tell(struct ctl *ctl, const char *format, ...)
{
	va_list args;
	redisReply *reply;
	int result = EX_OK;

	va_start(args, format);
	reply = redis_sync_vcommandf(ctl->redis, format, args);
	va_end(args);
	if (reply == NULL) {
		result = ctl_fail(EX_UNAVAILABLE, "Redis at %s: %s",
		    ctl->redis_where, redis_sync_error(ctl->redis));
	} else if (reply->type == REDIS_REPLY_ERROR) {
		result = ctl_fail(strncmp(reply->str, "NOPERM", 6) == 0
			? EX_NOPERM
			: EX_UNAVAILABLE,
		    "Redis at %s refuses: %s", ctl->redis_where, reply->str);
	}
	redis_sync_reply_free(&reply);
	return result;
}

int
redis_execute(struct ctl *ctl)
{
	int code;
	redisReply *reply = redis_ask(ctl, &code, "EXEC");

	if (reply == NULL)
		return code;
	if (reply->type == REDIS_REPLY_NIL)
		code = REDIS_CONFLICT;
	for (size_t i = 0;
	     reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
		if (reply->element[i]->type == REDIS_REPLY_ERROR)
			code =
			    ctl_fail(EX_UNAVAILABLE, "Redis at %s refuses: %s",
				ctl->redis_where, reply->element[i]->str);
	redis_sync_reply_free(&reply);
	return code;
}

int
redis_transact(
    struct ctl *ctl, redis_attempt attempt, const char *name, const void *what)
{
	int code = redis_open(ctl);

	if (code != EX_OK)
		return code;
	for (int i = 0; i < ATTEMPTS_MAX; i++)
		if ((code = attempt(ctl, name, what)) != REDIS_CONFLICT)
			return code;
	return ctl_fail(EX_TEMPFAIL,
	    "others are changing devices or fleets all the time: try again");
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
	char copy[1024], key[64];
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
