/* SPDX-License-Identifier: MIT */
/*
 * Adding, changing and removing a device in Redis: checked and written in one transaction, so that
 * two operators never reserve the same.
 */
#include <stdio.h>
#include <string.h>

#include "admin/store_redis.h"
#include "net/loop.h"

#define RESERVATIONS_MAX (1 + SERVICES_MAX)

static int
exists(struct admin *admin, const char *name, bool *found)
{
	int code;
	redisReply *reply =
	    store_ask(admin, &code, "EXISTS taupe:device:%s", name);

	if (reply == NULL)
		return code;
	*found = reply->integer != 0;
	redis_sync_reply_free(&reply);
	return ADMIN_OK;
}

/* What the record reserves. Returns how many. */
static size_t
list_reservations(const struct device_record *record,
    struct reservation list[RESERVATIONS_MAX])
{
	size_t n = 0;

	if (record->label[0] != '\0') {
		list[n] = (struct reservation){.what = "label"};
		snprintf(list[n++].id, sizeof(list->id), "%s", record->label);
	}
	for (size_t i = 0; i < record->n_ports; i++) {
		list[n] = (struct reservation){.what = "port"};
		snprintf(list[n++].id, sizeof(list->id), "%u",
		    (unsigned)record->ports[i].port);
	}
	return n;
}

static void
write_ports(const struct device_record *record, char *out, size_t cap)
{
	struct writer w;

	writer_init(&w, out, cap - 1);
	for (size_t i = 0; i < record->n_ports; i++) {
		if (i > 0)
			writer_char(&w, ',');
		service_port_write(&w, &record->ports[i]);
	}
	out[writer_len(&w)] = '\0';
}

static int
queue_limit(struct admin *admin, const char *name,
    const struct device_limit_row *row, const struct own_limit *limit)
{
	char text[24];
	struct writer w;

	if (!limit->is_set)
		return store_tell(
		    admin, "HDEL taupe:device:%s %s", name, row->key);
	writer_init(&w, text, sizeof(text) - 1);
	device_limit_write(&w, row, limit->value);
	*w.at = '\0';
	return store_tell(
	    admin, "HSET taupe:device:%s %s %s", name, row->key, text);
}

static int
queue_record(struct admin *admin, const struct device_record *record)
{
	char hash[2 * SECRET_HASH_LEN + 1],
	    ports[SERVICES_MAX * (SERVICE_NAME_MAX + 8)];
	const char *name = record->name;
	int code;

	redis_write_hash(record->secret_sha256, hash);
	write_ports(record, ports, sizeof(ports));
	code = store_tell(admin,
	    "HSET taupe:device:%s name %s secret_sha256 %s label %s ports %s "
	    "created %llu",
	    name, name, hash, record->label, ports,
	    (unsigned long long)loop_wall_ms());
	for (int i = 0; code == ADMIN_OK && i < DEVICE_LIMITS; i++)
		if (record->limits[i].is_set)
			code = queue_limit(admin, name, &device_limit_rows[i],
			    &record->limits[i]);
	return code == ADMIN_OK
	    ? store_tell(admin, "SADD taupe:devices %s", name)
	    : code;
}

static int
try_add(struct admin *admin, const char *name, const void *what)
{
	const struct device_record *record = what;
	struct reservation list[RESERVATIONS_MAX];
	size_t n = list_reservations(record, list);
	bool found = false;
	int code = store_tell(admin, "WATCH taupe:device:%s", name);

	if (code == ADMIN_OK)
		code = exists(admin, name, &found);
	if (code == ADMIN_OK && found)
		code = admin_fail_exists(admin, name);
	for (size_t i = 0; code == ADMIN_OK && i < n; i++)
		code = store_check_free(admin, name, &list[i]);
	if (code != ADMIN_OK) {
		store_unwatch(admin);
		return code;
	}
	code = store_tell(admin, "MULTI");
	if (code == ADMIN_OK)
		code = queue_record(admin, record);
	for (size_t i = 0; code == ADMIN_OK && i < n; i++)
		code = store_queue_reserve(admin, name, &list[i]);
	return code == ADMIN_OK ? store_execute(admin) : code;
}

/* The host name of a relay is its own, and leads to no device. */
static int
check_relays(struct admin *admin, const char *label)
{
	char domain[HOST_NAME_MAX + 1],
	    relay[DEVICE_NAME_MAX + 1] = "",
				    host[LABEL_MAX + HOST_NAME_MAX + 2];
	int code = redis_domain(admin, domain);

	if (code == ADMIN_NO_RELAY)
		return ADMIN_OK;
	snprintf(host, sizeof(host), "%s.%s", label, domain);
	if (code == ADMIN_OK)
		code = redis_relay_of_host(admin, host, relay);
	if (code == ADMIN_OK && relay[0] != '\0')
		code = admin_fail_relays_name(admin, host, relay, "label");
	return code;
}

int
redis_device_add(struct admin *admin, const struct device_record *record)
{
	int code = ADMIN_OK;

	if (record->label[0] != '\0')
		code = check_relays(admin, record->label);
	return code == ADMIN_OK
	    ? store_transact(admin, try_add, record->name, record)
	    : code;
}

int
store_tell_device(struct admin *admin, const char *name)
{
	return store_tell(admin,
	    "XADD taupe:events MAXLEN ~ 100000 * kind device name %s", name);
}

int
store_watch_known(struct admin *admin, const char *name)
{
	bool found = false;
	int code = store_tell(admin, "WATCH taupe:device:%s", name);

	if (code == ADMIN_OK)
		code = exists(admin, name, &found);
	if (code == ADMIN_OK && !found) {
		store_unwatch(admin);
		return admin_fail(
		    admin, ADMIN_UNKNOWN, "there is no device %s", name);
	}
	return code;
}

/* The agent shall draw another secret: its relay tells it so. */

static int
try_rotate(struct admin *admin, const char *name, const void *what)
{
	int code = store_watch_known(admin, name);

	(void)what;
	if (code == ADMIN_OK)
		code = store_tell(admin, "MULTI");
	if (code == ADMIN_OK)
		code = store_tell(admin,
		    "HSET taupe:device:%s rotation " ROTATION_ASKED, name);
	if (code == ADMIN_OK)
		code = store_tell_device(admin, name);
	return code == ADMIN_OK ? store_execute(admin) : code;
}

int
redis_device_rotate(struct admin *admin, const char *name)
{
	return store_transact(admin, try_rotate, name, NULL);
}

/* Another secret. */

static int
try_set_secret(struct admin *admin, const char *name, const void *what)
{
	const char *hash = what;
	int code = store_watch_known(admin, name);

	if (code == ADMIN_OK)
		code = store_tell(admin, "MULTI");
	if (code == ADMIN_OK)
		code = store_tell(
		    admin, "HSET taupe:device:%s secret_sha256 %s", name, hash);
	if (code == ADMIN_OK) /* there is another one already */
		code = store_tell(admin, "HDEL taupe:device:%s rotation", name);
	if (code == ADMIN_OK)
		code = store_tell_device(admin, name);
	return code == ADMIN_OK ? store_execute(admin) : code;
}

int
redis_device_set_secret(struct admin *admin, const char *name,
    const uint8_t secret_sha256[SECRET_HASH_LEN])
{
	char hash[2 * SECRET_HASH_LEN + 1];

	redis_write_hash(secret_sha256, hash);
	return store_transact(admin, try_set_secret, name, hash);
}

/* Its own limits. */

static int
try_set_limits(struct admin *admin, const char *name, const void *what)
{
	const struct limit_change *changes = what;
	int code = store_watch_known(admin, name);

	if (code == ADMIN_OK)
		code = store_tell(admin, "MULTI");
	for (int i = 0; code == ADMIN_OK && i < DEVICE_LIMITS; i++)
		if (changes[i].given)
			code = queue_limit(
			    admin, name, &device_limit_rows[i], &changes[i].to);
	if (code == ADMIN_OK)
		code = store_tell_device(admin, name);
	return code == ADMIN_OK ? store_execute(admin) : code;
}

int
redis_device_set_limits(struct admin *admin, const char *name,
    const struct limit_change changes[DEVICE_LIMITS])
{
	return store_transact(admin, try_set_limits, name, changes);
}

/* Its session ends. */

int
redis_device_kick(struct admin *admin, const char *name)
{
	int code;
	bool found = false;
	redisReply *reply;
	json_t *session;
	uint64_t epoch;

	code = exists(admin, name, &found);
	if (code == ADMIN_OK && !found)
		return admin_fail(
		    admin, ADMIN_UNKNOWN, "there is no device %s", name);
	if (code != ADMIN_OK ||
	    (reply = store_ask(admin, &code, "GET taupe:session:%s", name)) ==
		NULL)
		return code;
	session = redis_form_json(redis_text(reply));
	epoch = redis_number(session, "epoch");
	json_decref(session);
	redis_sync_reply_free(&reply);
	if (epoch == 0)
		return admin_fail(admin, ADMIN_IMPOSSIBLE,
		    "the device %s is not connected", name);
	return store_tell(admin,
	    "XADD taupe:events MAXLEN ~ 100000 * kind kick name %s epoch %llu",
	    name, (unsigned long long)epoch);
}

/* Removing: also what is reserved for it, whatever its record says. */

static int
queue_unreserve(
    struct admin *admin, const char *name, const redisReply *reserved)
{
	int code = ADMIN_OK;

	for (size_t i = 0; code == ADMIN_OK && i + 1 < reserved->elements;
	     i += 2)
		if (str_equal(
			redis_text(reserved->element[i + 1]), str_of(name)))
			code = store_tell(admin, "HDEL taupe:reserved %b",
			    reserved->element[i]->str,
			    reserved->element[i]->len);
	return code;
}

static int
write_removal(struct admin *admin, const char *name)
{
	int code;
	redisReply *reserved =
	    store_ask(admin, &code, "HGETALL taupe:reserved");

	if (reserved == NULL)
		return code;
	code = store_tell(admin, "MULTI");
	if (code == ADMIN_OK)
		code = store_tell(admin,
		    "DEL taupe:device:%s taupe:counters:device:%s "
		    "taupe:last:%s",
		    name, name, name);
	if (code == ADMIN_OK)
		code = store_tell(admin, "SREM taupe:devices %s", name);
	if (code == ADMIN_OK)
		code = queue_unreserve(admin, name, reserved);
	if (code == ADMIN_OK)
		code = store_tell_device(admin, name);
	redis_sync_reply_free(&reserved);
	return code == ADMIN_OK ? store_execute(admin) : code;
}

static int
try_remove(struct admin *admin, const char *name, const void *what)
{
	int code = store_watch_known(admin, name);

	(void)what;
	return code == ADMIN_OK ? write_removal(admin, name) : code;
}

int
redis_device_remove(struct admin *admin, const char *name)
{
	return store_transact(admin, try_remove, name, NULL);
}
