/* SPDX-License-Identifier: MIT */
/* Further host names in Redis: each a field of its device's hash, and reserved, so that no two devices have
 * it; an alias reserves its label, too. All in one transaction. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/host_admin.h"
#include "admin/store_redis.h"
#include "wire/url.h"

#define SCAN_COUNT 10000 /* that Redis looks at in one go */

/* The cluster. */

/* A field of each relay that is alive, until one is wanted: cb says so. */
static int
each_relay(struct admin *admin, const char *field,
    bool (*cb)(void *ctx, const char *id, struct str value), void *ctx)
{
	int code;
	redisReply *reply = store_ask(admin, &code, "ZRANGE taupe:relays 0 -1");
	json_t *ids, *id;
	bool found = false;
	size_t i;

	if (reply == NULL)
		return code;
	ids = redis_names(reply);
	json_array_foreach (ids, i, id) {
		if (found)
			break;
		reply = store_ask(admin, &code, "HGET taupe:relay:%s %s",
		    json_string_value(id), field);
		if (reply == NULL)
			break;
		found = redis_text(reply).ptr != NULL &&
		    cb(ctx, json_string_value(id), redis_text(reply));
		redis_sync_reply_free(&reply);
	}
	json_decref(ids);
	return code;
}

static bool
take_domain_cb(void *ctx, const char *id, struct str value)
{
	(void)id;
	return host_name_valid(value) && str_copy(value, ctx, HOST_NAME_MAX + 1);
}

int
redis_domain(struct admin *admin, char domain[HOST_NAME_MAX + 1])
{
	int code;

	domain[0] = '\0';
	if (admin->domain != NULL) {
		(void)str_copy(
		    str_of(admin->domain), domain, HOST_NAME_MAX + 1);
		return ADMIN_OK;
	}
	code = each_relay(admin, "domain", take_domain_cb, domain);
	if (code == ADMIN_OK && domain[0] == '\0')
		return admin_fail(admin, ADMIN_NO_RELAY,
		    "no relay is alive that tells the domain that devices' "
		    "names are under: start one, or give --domain");
	return code;
}

struct relay_search {
	const char *host;
	char *relay;
};

static bool
match_host_cb(void *ctx, const char *id, struct str value)
{
	struct relay_search *search = ctx;
	struct url url;

	return url_parse(value, &url) && str_is_nocase(url.host, search->host) &&
	    str_copy(str_of(id), search->relay, DEVICE_NAME_MAX + 1);
}

int
redis_relay_of_host(
    struct admin *admin, const char *host, char relay[DEVICE_NAME_MAX + 1])
{
	struct relay_search search = {host, relay};

	relay[0] = '\0';
	return each_relay(admin, "url", match_host_cb, &search);
}

/* One name. */

/* What the device's hash has of it; *found: anything. */
static int
read_host(struct admin *admin, const char *name, struct device_host *host,
    bool *found)
{
	int code;
	redisReply *reply = store_ask(admin, &code,
	    "HGET taupe:device:%s host/%s", name, host->host);

	*found = false;
	if (reply == NULL)
		return code;
	*found = redis_text(reply).ptr != NULL;
	if (*found && !device_host_parse(host, redis_text(reply)))
		code = admin_fail(admin, ADMIN_NONSENSE,
		    "what is stored of %s makes no sense: was a newer taupectl "
		    "at work?",
		    host->host);
	redis_sync_reply_free(&reply);
	return code;
}

int
redis_host(struct admin *admin, const char *host,
    char name[DEVICE_NAME_MAX + 1], struct device_host *found)
{
	int code;
	bool is_there = false;
	redisReply *reply =
	    store_ask(admin, &code, "HGET taupe:reserved host/%s", host);

	*found = (struct device_host){0};
	if (reply == NULL)
		return code;
	(void)str_copy(str_of(host), found->host, sizeof(found->host));
	if (str_copy(redis_text(reply), name, DEVICE_NAME_MAX + 1))
		code = read_host(admin, name, found, &is_there);
	redis_sync_reply_free(&reply);
	return code == ADMIN_OK && !is_there ? admin_fail_no_host(admin, host)
					     : code;
}

static int
queue_host(
    struct admin *admin, const char *name, const struct device_host *host)
{
	char text[HOST_TEXT_MAX];
	struct writer w;

	writer_init(&w, text, sizeof(text));
	device_host_write(&w, host);
	return store_tell(admin, "HSET taupe:device:%s host/%s %b", name,
	    host->host, text, writer_len(&w));
}

/* What a name reserves: itself, and of an alias the label. Returns how many. */
static size_t
list_reservations(const struct device_host *host, struct reservation list[2])
{
	struct str label = device_host_label(host);

	list[0] = (struct reservation){.what = "host"};
	(void)str_copy(str_of(host->host), list[0].id, sizeof(list[0].id));
	if (label.ptr == NULL)
		return 1;
	list[1] = (struct reservation){.what = "label"};
	(void)str_copy(label, list[1].id, sizeof(list[1].id));
	return 2;
}

/* Has the device room for one more, and not this one yet? */
static int
check_room(struct admin *admin, const char *name, const char *host)
{
	int code;
	size_t n = 0;
	bool has = false;
	redisReply *reply =
	    store_ask(admin, &code, "HGETALL taupe:device:%s", name);

	if (reply == NULL)
		return code;
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		struct str field = redis_text(reply->element[i]), kind, rest;

		if (!str_split(field, '/', &kind, &rest) ||
		    !str_is(kind, "host"))
			continue;
		n++;
		has = has || str_is(rest, host);
	}
	redis_sync_reply_free(&reply);
	if (has)
		return admin_fail_reserved(admin, "host", host, name);
	return n >= HOSTS_MAX ? admin_fail_hosts_full(admin, name) : ADMIN_OK;
}

static int
try_add(struct admin *admin, const char *name, const void *what)
{
	const struct device_host *host = what;
	struct reservation list[2];
	size_t n = list_reservations(host, list);
	int code = store_watch_known(admin, name);

	if (code != ADMIN_OK)
		return code;
	code = check_room(admin, name, host->host);
	for (size_t i = 0; code == ADMIN_OK && i < n; i++)
		code = store_check_free(admin, name, &list[i]);
	if (code != ADMIN_OK) {
		store_unwatch(admin);
		return code;
	}
	code = store_tell(admin, "MULTI");
	if (code == ADMIN_OK)
		code = queue_host(admin, name, host);
	for (size_t i = 0; code == ADMIN_OK && i < n; i++)
		code = store_queue_reserve(admin, name, &list[i]);
	if (code == ADMIN_OK)
		code = store_tell_device(admin, name);
	return code == ADMIN_OK ? store_execute(admin) : code;
}

int
redis_host_add(
    struct admin *admin, const char *name, const struct device_host *host)
{
	return store_transact(admin, try_add, name, host);
}

/* Is it the very one that was looked at? */
static int
watch_same(
    struct admin *admin, const char *name, const struct device_host *host)
{
	struct device_host now = *host;
	bool found = false;
	int code = store_watch_known(admin, name);

	if (code != ADMIN_OK)
		return code;
	code = read_host(admin, name, &now, &found);
	if (code == ADMIN_OK &&
	    (!found || strcmp(now.token, host->token) != 0 ||
		now.created_ms != host->created_ms))
		code = admin_fail_host_changed(admin, host->host);
	if (code != ADMIN_OK)
		store_unwatch(admin);
	return code;
}

static int
try_prove(struct admin *admin, const char *name, const void *what)
{
	int code = watch_same(admin, name, what);

	if (code != ADMIN_OK)
		return code;
	code = store_tell(admin, "MULTI");
	if (code == ADMIN_OK)
		code = queue_host(admin, name, what);
	if (code == ADMIN_OK)
		code = store_tell_device(admin, name);
	return code == ADMIN_OK ? store_execute(admin) : code;
}

int
redis_host_prove(
    struct admin *admin, const char *name, const struct device_host *host)
{
	return store_transact(admin, try_prove, name, host);
}

static int
try_remove(struct admin *admin, const char *name, const void *what)
{
	const struct device_host *host = what;
	struct reservation list[2];
	size_t n = list_reservations(host, list);
	int code = watch_same(admin, name, host);

	if (code != ADMIN_OK)
		return code;
	code = store_tell(admin, "MULTI");
	if (code == ADMIN_OK)
		code = store_tell(admin, "HDEL taupe:device:%s host/%s", name,
		    host->host);
	for (size_t i = 0; code == ADMIN_OK && i < n; i++)
		code = store_tell(admin, "HDEL taupe:reserved %s/%s",
		    list[i].what, list[i].id);
	if (code == ADMIN_OK)
		code = store_tell_device(admin, name);
	return code == ADMIN_OK ? store_execute(admin) : code;
}

int
redis_host_remove(
    struct admin *admin, const char *name, const struct device_host *host)
{
	return store_transact(admin, try_remove, name, host);
}

/* All of them: those that are reserved, and then what their devices say of them, many at once. */

struct owned_host {
	char name[DEVICE_NAME_MAX + 1];
	struct device_host host;
};

struct host_scan {
	struct admin *admin;
	json_t *list;
	size_t n; /* asked about, and not answered yet */
	struct owned_host asked[REDIS_BATCH];
};

/* What makes no sense here makes none to its relay; what is not there is being removed. */
static void
add_to_list(struct host_scan *scan, struct owned_host *owned, struct str text)
{
	if (text.ptr != NULL && device_host_parse(&owned->host, text))
		json_array_append_new(
		    scan->list, admin_host_json(owned->name, &owned->host));
}

static int
take_answers(struct host_scan *scan)
{
	int code = ADMIN_OK;

	for (size_t i = 0; code == ADMIN_OK && i < scan->n; i++) {
		redisReply *reply = store_next(scan->admin, &code);

		if (reply != NULL)
			add_to_list(scan, &scan->asked[i], redis_text(reply));
		redis_sync_reply_free(&reply);
	}
	scan->n = 0;
	return code;
}

static int
ask_about(struct host_scan *scan, struct str field, struct str owner)
{
	struct owned_host *owned = &scan->asked[scan->n];
	struct str kind, host;

	*owned = (struct owned_host){0};
	if (!str_split(field, '/', &kind, &host) ||
	    !str_copy(host, owned->host.host, sizeof(owned->host.host)) ||
	    !str_copy(owner, owned->name, sizeof(owned->name)))
		return ADMIN_OK; /* written by nobody of ours */
	if (redis_sync_queuef(scan->admin->redis,
		"HGET taupe:device:%s host/%s", owned->name,
		owned->host.host) != 0)
		return admin_fail_memory(scan->admin);
	scan->n++;
	return scan->n == REDIS_BATCH ? take_answers(scan) : ADMIN_OK;
}

/* [cursor, ["host/HOST", name, …]] */
static int
take_step(struct host_scan *scan, const redisReply *reply, char cursor[32])
{
	const redisReply *pairs;
	int code = ADMIN_OK;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[1]->type != REDIS_REPLY_ARRAY ||
	    !str_copy(redis_text(reply->element[0]), cursor, 32))
		return store_fail_nonsense(scan->admin, "further names");
	pairs = reply->element[1];
	for (size_t i = 0; code == ADMIN_OK && i + 1 < pairs->elements; i += 2)
		code = ask_about(scan, redis_text(pairs->element[i]),
		    redis_text(pairs->element[i + 1]));
	return code == ADMIN_OK ? take_answers(scan) : code;
}

int
redis_hosts(struct admin *admin, json_t *list)
{
	struct host_scan *scan = calloc(1, sizeof(*scan));
	char cursor[32] = "0";
	int code = ADMIN_OK;

	if (scan == NULL)
		return admin_fail_memory(admin);
	scan->admin = admin;
	scan->list = list;
	do {
		redisReply *reply = store_ask(admin, &code,
		    "HSCAN taupe:reserved %s MATCH host/* COUNT %d", cursor,
		    SCAN_COUNT);

		if (reply != NULL)
			code = take_step(scan, reply, cursor);
		redis_sync_reply_free(&reply);
	} while (code == ADMIN_OK && strcmp(cursor, "0") != 0);
	free(scan);
	return code;
}

json_t *
redis_hosts_json(const redisReply *record)
{
	struct device_hosts *hosts = NULL;
	json_t *list;

	for (size_t i = 0; i + 1 < record->elements; i += 2) {
		struct str field = redis_text(record->element[i]), kind, name;
		struct device_host host = {0};

		/* what makes no sense here makes none to its relay */
		if (str_split(field, '/', &kind, &name) &&
		    str_is(kind, "host") &&
		    str_copy(name, host.host, sizeof(host.host)) &&
		    device_host_parse(
			&host, redis_text(record->element[i + 1])))
			(void)device_hosts_put(&hosts, &host);
	}
	list = admin_hosts_json(hosts);
	device_hosts_drop(&hosts);
	return list;
}
