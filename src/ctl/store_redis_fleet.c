/* SPDX-License-Identifier: MIT */
/* Fleets in Redis: one hash each, and a set of their names. */
#include <sysexits.h>

#include "ctl/store_redis.h"
#include "net/loop.h"

static int
try_add(struct ctl *ctl, const char *name, const void *what)
{
	const struct fleet_record *record = what;
	char hash[2 * SECRET_HASH_LEN + 1];
	redisReply *reply;
	bool found;
	int code = redis_tell(ctl, "WATCH taupe:fleet:%s", name);

	if (code != EX_OK)
		return code;
	if ((reply = redis_ask(ctl, &code, "EXISTS taupe:fleet:%s", name)) ==
	    NULL)
		return code;
	found = reply->integer != 0;
	redis_sync_reply_free(&reply);
	if (found) {
		redis_unwatch(ctl);
		return ctl_fail_fleet_exists(name);
	}
	redis_write_hash(record->key_sha256, hash);
	code = redis_tell(ctl, "MULTI");
	if (code == EX_OK)
		code = redis_tell(ctl,
		    "HSET taupe:fleet:%s fleet %s key_sha256 %s max %llu used "
		    "0 "
		    "expires_ms %llu created_ms %llu pattern %s",
		    name, name, hash, (unsigned long long)record->max,
		    (unsigned long long)record->expires_ms,
		    (unsigned long long)record->created_ms, record->pattern);
	if (code == EX_OK)
		code = redis_tell(ctl, "SADD taupe:fleets %s", name);
	return code == EX_OK ? redis_execute(ctl) : code;
}

int
redis_fleet_add(struct ctl *ctl, const struct fleet_record *record)
{
	return redis_transact(ctl, try_add, record->name, record);
}

int
redis_fleet_remove(struct ctl *ctl, const char *name)
{
	redisReply *reply;
	bool found;
	int code;

	if ((reply = redis_ask(ctl, &code, "EXISTS taupe:fleet:%s", name)) ==
	    NULL)
		return code;
	found = reply->integer != 0;
	redis_sync_reply_free(&reply);
	if (!found)
		return ctl_fail_no_fleet(name);
	/* a key that is used meanwhile is used before this */
	code = redis_tell(ctl, "MULTI");
	if (code == EX_OK)
		code = redis_tell(ctl, "DEL taupe:fleet:%s", name);
	if (code == EX_OK)
		code = redis_tell(ctl, "SREM taupe:fleets %s", name);
	return code == EX_OK ? redis_execute(ctl) : code;
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
	return record.name[0] != '\0' ? ctl_fleet_json(&record) : NULL;
}

int
redis_fleets(struct ctl *ctl, json_t *list)
{
	int code;
	redisReply *reply = redis_ask(ctl, &code, "SMEMBERS taupe:fleets");
	json_t *names, *fleet, *name;
	size_t i;

	if (reply == NULL)
		return code;
	names = redis_names(reply);
	json_array_foreach (names, i, name) {
		reply = redis_ask(ctl, &code, "HGETALL taupe:fleet:%s",
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
