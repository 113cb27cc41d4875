/* SPDX-License-Identifier: MIT */
/* Rules and share links of a device in Redis: read, changed and written in one transaction. */
#include <stdio.h>
#include <string.h>

#include "admin/store_redis.h"
#include "net/crypto.h"
#include "net/route.h"

/* Fields of taupe:device:<name> that are ours. */
static bool
is_ours(struct str field)
{
	return (field.len > 7 && memcmp(field.ptr, "access/", 7) == 0) ||
	    (field.len > 6 && memcmp(field.ptr, "share/", 6) == 0);
}

bool
redis_access_read(const redisReply *reply, struct device_record *record)
{
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		struct str field = redis_text(reply->element[i]);

		if (is_ours(field) &&
		    !device_record_set(
			record, field, redis_text(reply->element[i + 1])))
			return false;
	}
	return true;
}

/* *found: there is such a device. */
static int
read_access(struct admin *admin, const char *name, struct access **access,
    bool *found)
{
	struct device_record record = {0};
	int code;
	redisReply *reply =
	    store_ask(admin, &code, "HGETALL taupe:device:%s", name);

	if (reply == NULL)
		return code;
	*found = reply->elements > 0;
	if (!redis_access_read(reply, &record)) {
		device_record_drop(&record);
		code = admin_fail(admin, ADMIN_NONSENSE,
		    "the rules of %s make no sense: was a newer taupectl at "
		    "work?",
		    name);
	}
	redis_sync_reply_free(&reply);
	*access = record.access;
	return code;
}

int
redis_device_access(
    struct admin *admin, const char *name, struct access **access)
{
	bool found = false;
	int code = store_open(admin);

	if (code == ADMIN_OK)
		code = read_access(admin, name, access, &found);
	if (code == ADMIN_OK && !found)
		code = admin_fail(
		    admin, ADMIN_UNKNOWN, "there is no device %s", name);
	return code;
}

static int
queue_rule(
    struct admin *admin, const char *name, const struct access_rule *rule)
{
	char text[ACCESS_TEXT_MAX];
	struct writer w;
	int code;

	writer_init(&w, text, sizeof(text));
	access_rule_write(&w, rule);
	code = store_tell(admin, "HSET taupe:device:%s access/%s %b", name,
	    rule->service, text, writer_len(&w));
	crypto_wipe(text, sizeof(text));
	return code;
}

static int
queue_share(
    struct admin *admin, const char *name, const struct access_share *share)
{
	char text[ACCESS_TEXT_MAX];
	struct writer w;

	writer_init(&w, text, sizeof(text));
	access_share_write(&w, share);
	return store_tell(admin, "HSET taupe:device:%s share/%s %b", name,
	    share->id, text, writer_len(&w));
}

/* What was there before and is not any more. */
static int
queue_gone(struct admin *admin, const char *name, const struct access *before,
    const struct access *after)
{
	int code = ADMIN_OK;

	for (size_t i = 0;
	     code == ADMIN_OK && before != NULL && i < before->n_rules; i++)
		if (access_rule_of(after, str_of(before->rules[i].service)) ==
		    NULL)
			code = store_tell(admin,
			    "HDEL taupe:device:%s access/%s", name,
			    before->rules[i].service);
	for (size_t i = 0;
	     code == ADMIN_OK && before != NULL && i < before->n_shares; i++)
		if (access_share_of(after, str_of(before->shares[i].id)) ==
		    NULL)
			code = store_tell(admin,
			    "HDEL taupe:device:%s share/%s", name,
			    before->shares[i].id);
	return code;
}

static int
queue_access(struct admin *admin, const char *name, const struct access *before,
    const struct access *after)
{
	int code = queue_gone(admin, name, before, after);

	for (size_t i = 0;
	     code == ADMIN_OK && after != NULL && i < after->n_rules; i++)
		code = queue_rule(admin, name, &after->rules[i]);
	for (size_t i = 0;
	     code == ADMIN_OK && after != NULL && i < after->n_shares; i++)
		code = queue_share(admin, name, &after->shares[i]);
	return code;
}

struct access_change {
	admin_access_edit edit;
	void *ctx;
};

static int
try_change(struct admin *admin, const char *name, const void *what)
{
	const struct access_change *change = what;
	struct access *before = NULL, *after;
	bool found = true;
	int code = store_watch_known(admin, name);

	if (code != ADMIN_OK)
		return code;
	code = read_access(admin, name, &before, &found);
	after = access_keep(before);
	if (code == ADMIN_OK)
		code = change->edit(admin, &after, change->ctx);
	if (code != ADMIN_OK) {
		store_unwatch(admin);
	} else {
		code = store_tell(admin, "MULTI");
		if (code == ADMIN_OK)
			code = queue_access(admin, name, before, after);
		if (code == ADMIN_OK)
			code = store_tell_device(admin, name);
		if (code == ADMIN_OK)
			code = store_execute(admin);
	}
	access_drop(&before);
	access_drop(&after);
	return code;
}

int
redis_device_change_access(struct admin *admin, const char *name,
    admin_access_edit edit, void *ctx)
{
	struct access_change change = {edit, ctx};

	return store_transact(admin, try_change, name, &change);
}

/* Where visitors find a service: the route with its key. */

static bool
has_key(struct str value, const struct access_rule *rule)
{
	struct route_target target;
	struct str mode, key;
	uint8_t bytes[ACCESS_KEY_LEN];
	uint64_t epoch;

	if (!route_value_parse(value, &target, &epoch) || target.access == NULL)
		return false;
	str_split((struct str){target.access, target.access_len}, ',', &mode,
	    &key);
	str_split(key, ',', &key, &mode);
	return crypto_base64_decode(
		   key.ptr, key.len, bytes, sizeof(bytes)) == sizeof(bytes) &&
	    crypto_equal(bytes, rule->key, sizeof(bytes));
}

/* Is it the route of the rule's service by its own name? Links do not lead to further ones. */
static int
is_own_route(struct admin *admin, const char *name,
    const struct access_rule *rule, struct str key, struct str host, bool *is)
{
	int code;
	redisReply *reply =
	    store_ask(admin, &code, "HGET taupe:routes %b", key.ptr, key.len);

	*is = reply != NULL && has_key(redis_text(reply), rule);
	redis_sync_reply_free(&reply);
	if (!*is)
		return code;
	reply = store_ask(admin, &code, "HGET taupe:device:%s host/%b", name,
	    host.ptr, host.len);
	*is = reply != NULL && redis_text(reply).ptr == NULL;
	redis_sync_reply_free(&reply);
	return code;
}

static int
find_host(struct admin *admin, const char *name,
    const struct access_rule *rule, char host[HOST_NAME_MAX + 1])
{
	int code;
	redisReply *keys = store_ask(
	    admin, &code, "SMEMBERS taupe:owned:device:%s", name);

	host[0] = '\0';
	for (size_t i = 0; keys != NULL && code == ADMIN_OK &&
	     host[0] == '\0' && i < keys->elements;
	     i++) {
		struct str key = redis_text(keys->element[i]), kind, place;
		bool is_own;

		if (!str_split(key, '/', &kind, &place) ||
		    !str_is(kind, "http"))
			continue;
		code = is_own_route(admin, name, rule, key, place, &is_own);
		if (is_own)
			(void)str_copy(place, host, HOST_NAME_MAX + 1);
	}
	redis_sync_reply_free(&keys);
	return code;
}

/* The relay that has the device's lease tells how its visitors come. */
static int
find_public(struct admin *admin, const char *name, char scheme[8],
    uint64_t *port)
{
	char id[DEVICE_NAME_MAX + 1] = "";
	int code;
	redisReply *reply =
	    store_ask(admin, &code, "HGET taupe:lease:%s relay", name);

	*port = 0;
	snprintf(scheme, 8, "https");
	if (reply == NULL)
		return code;
	(void)str_copy(redis_text(reply), id, sizeof(id));
	redis_sync_reply_free(&reply);
	reply = store_ask(admin, &code, "HGETALL taupe:relay:%s", id);
	if (reply == NULL)
		return code;
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		struct str field = redis_text(reply->element[i]),
			   value = redis_text(reply->element[i + 1]);

		if (str_is(field, "public_scheme") && value.len > 0)
			(void)str_copy(value, scheme, 8);
		else if (str_is(field, "public_http_port"))
			(void)str_to_number(value, UINT16_MAX, port);
	}
	redis_sync_reply_free(&reply);
	return ADMIN_OK;
}

int
redis_service_url(struct admin *admin, const char *name,
    const struct access_rule *rule, char *url, size_t cap)
{
	char host[HOST_NAME_MAX + 1], scheme[8], port_text[8] = "";
	uint64_t port;
	int code = store_open(admin);

	if (code == ADMIN_OK)
		code = find_host(admin, name, rule, host);
	if (code == ADMIN_OK && host[0] == '\0')
		return admin_fail(admin, ADMIN_INVALID,
		    "no route leads to an http service %s of %s now, so its "
		    "host name is not known: is the device connected, and does "
		    "it offer that? Or give --url https://HOST; of a tcp or tls "
		    "service, --relay wss://RELAY",
		    rule->service, name);
	if (code == ADMIN_OK)
		code = find_public(admin, name, scheme, &port);
	if (code != ADMIN_OK)
		return code;
	if (port != 0)
		snprintf(port_text, sizeof(port_text), ":%u", (unsigned)port);
	snprintf(url, cap, "%s://%s%s/", scheme, host, port_text);
	return ADMIN_OK;
}
