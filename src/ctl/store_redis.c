/* SPDX-License-Identifier: MIT */
/* The Redis store: the connection, and answers of Redis as JSON. */
#include "ctl/store_redis.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "net/crypto.h"
#include "net/redis_endpoint.h"

const struct store redis_store = {
    .device_add = redis_device_add,
    .device_set_secret = redis_device_set_secret,
    .device_set_limits = redis_device_set_limits,
    .device_remove = redis_device_remove,
    .devices = redis_devices,
    .device = redis_device,
    .relays = redis_relays,
    .relay_drain = redis_relay_drain,
    .routes = redis_routes,
    .status = redis_status,
};

static int
connect_with(struct ctl *ctl, const char *password)
{
	const struct ctl_options *options = &ctl->options;
	char error[REDIS_SYNC_ERROR_MAX];
	struct redis_endpoint endpoint;
	struct redis_link_config config = {
	    .user = options->redis_user,
	    .password = password,
	    .database = (int)options->redis_database,
	    .name = "taupectl",
	    .timeout_ms = (uint64_t)options->redis_timeout_ms,
	};

	(void)redis_endpoint_parse(
	    options->redis, &endpoint); /* checked with the option */
	config.host = endpoint.host;
	config.port = endpoint.port;
	ctl->redis = redis_sync_new(&config, error);
	if (ctl->redis == NULL)
		return ctl_fail(
		    EX_UNAVAILABLE, "Redis at %s: %s", options->redis, error);
	return EX_OK;
}

int
redis_open(struct ctl *ctl)
{
	const char *file = ctl->options.redis_password_file;
	char password[REDIS_PASSWORD_MAX + 1];
	int code;

	if (ctl->redis != NULL)
		return EX_OK;
	if (file == NULL)
		return connect_with(ctl, NULL);
	if (redis_password_read(file, password) != 0)
		return ctl_fail(EX_NOINPUT, "%s: no password can be read: %s",
		    file, strerror(errno));
	code = connect_with(ctl, password);
	crypto_wipe(password, sizeof(password));
	return code;
}

/* Takes the reply if it is of no use. */
static redisReply *
check(struct ctl *ctl, redisReply *reply, int *code)
{
	if (reply == NULL) {
		*code = ctl_fail(EX_UNAVAILABLE, "Redis at %s: %s",
		    ctl->options.redis, redis_sync_error(ctl->redis));
	} else if (reply->type == REDIS_REPLY_ERROR) {
		*code = ctl_fail(strncmp(reply->str, "NOPERM", 6) == 0
			? EX_NOPERM
			: EX_UNAVAILABLE,
		    "Redis at %s refuses: %s", ctl->options.redis, reply->str);
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

	return str_to_u64(
		   str_of(json_string_value(json_object_get(object, key))),
		   INT64_MAX, &number)
	    ? number
	    : 0;
}
