/* SPDX-License-Identifier: MIT */
/* Fleets in Redis: one hash each, and a set of their names. */

#include "admin/record_json.h"
#include "admin/store_redis.h"
#include "net/loop.h"

static int
try_add(struct admin *admin, const char *name, const void *what)
{
	const struct fleet_record *record = what;
	char hash[2 * SECRET_HASH_LEN + 1];
	bool found = false;
	int code = store_watch_named(admin, "fleet", name, &found);

	if (code != ADMIN_OK)
		return code;
	if (found) {
		store_unwatch(admin);
		return admin_fail_fleet_exists(admin, name);
	}
	redis_write_hash(record->key_sha256, hash);
	code = store_tell(admin, "MULTI");
	if (code == ADMIN_OK)
		code = store_tell(admin,
		    "HSET taupe:fleet:%s fleet %s key_sha256 %s max %llu used "
		    "0 "
		    "expires_ms %llu created_ms %llu pattern %s",
		    name, name, hash, (unsigned long long)record->max,
		    (unsigned long long)record->expires_ms,
		    (unsigned long long)record->created_ms, record->pattern);
	if (code == ADMIN_OK)
		code = store_tell(admin, "SADD taupe:fleets %s", name);
	return code == ADMIN_OK ? store_execute(admin) : code;
}

int
redis_fleet_add(struct admin *admin, const struct fleet_record *record)
{
	return store_transact(admin, try_add, record->name, record);
}

/* A key that is used meanwhile is used before this. */
static int
try_remove(struct admin *admin, const char *name, const void *what)
{
	bool found = false;
	int code = store_remove_named(admin, "fleet", name, &found);

	(void)what;
	return code == ADMIN_OK && !found ? admin_fail_no_fleet(admin, name)
					  : code;
}

int
redis_fleet_remove(struct admin *admin, const char *name)
{
	return store_transact(admin, try_remove, name, NULL);
}

/* Null when it has gone meanwhile, or is none. */
static json_t *
fleet_json(const redisReply *reply)
{
	struct fleet_record record = {0};

	for (size_t i = 0; i + 1 < reply->elements; i += 2)
		if (!fleet_record_set(&record, redis_text(reply->element[i]),
			redis_text(reply->element[i + 1])))
			return NULL;
	return record.name[0] != '\0' ? admin_fleet_json(&record) : NULL;
}

int
redis_fleets(struct admin *admin, json_t *list)
{
	int code;
	redisReply *reply = store_ask(admin, &code, "SMEMBERS taupe:fleets");
	json_t *names, *fleet, *name;
	size_t i;

	if (reply == NULL)
		return code;
	names = redis_names(reply);
	json_array_foreach (names, i, name) {
		reply = store_ask(admin, &code, "HGETALL taupe:fleet:%s",
		    json_string_value(name));
		if (reply == NULL)
			break;
		if ((fleet = fleet_json(reply)) != NULL)
			json_array_append_new(list, fleet);
		redis_sync_reply_free(&reply);
	}
	json_decref(names);
	return code;
}
