/* SPDX-License-Identifier: MIT */
/* Tokens of the admin API in Redis: one hash each, and a set of their names. */
#include "admin/record_json.h"
#include "admin/store_redis.h"

static int
try_add(struct admin *admin, const char *name, const void *what)
{
	const struct token_record *record = what;
	char hash[2 * SECRET_HASH_LEN + 1];
	bool found = false;
	int code = store_watch_named(admin, "token", name, &found);

	if (code != ADMIN_OK)
		return code;
	if (found) {
		store_unwatch(admin);
		return admin_fail_token_exists(admin, name);
	}
	redis_write_hash(record->sha256, hash);
	code = store_tell(admin, "MULTI");
	if (code == ADMIN_OK)
		code = store_tell(admin,
		    "HSET taupe:token:%s token %s sha256 %s role %s "
		    "expires_ms %llu created_ms %llu",
		    name, name, hash, token_role_name(record->role),
		    (unsigned long long)record->expires_ms,
		    (unsigned long long)record->created_ms);
	if (code == ADMIN_OK)
		code = store_tell(admin, "SADD taupe:tokens %s", name);
	return code == ADMIN_OK ? store_execute(admin) : code;
}

int
redis_token_add(struct admin *admin, const struct token_record *record)
{
	return store_transact(admin, try_add, record->name, record);
}

int
redis_token(struct admin *admin, const char *name, struct token_record *record)
{
	int code;
	redisReply *reply =
	    store_ask(admin, &code, "HGETALL taupe:token:%s", name);
	bool good = true;

	if (reply == NULL)
		return code;
	*record = (struct token_record){0};
	for (size_t i = 0; good && i + 1 < reply->elements; i += 2)
		good = token_record_set(record, redis_text(reply->element[i]),
		    redis_text(reply->element[i + 1]));
	redis_sync_reply_free(&reply);
	if (!good || record->role == TOKEN_NONE)
		return admin_fail_no_token(admin, name);
	return ADMIN_OK;
}

static int
try_remove(struct admin *admin, const char *name, const void *what)
{
	bool found = false;
	int code = store_remove_named(admin, "token", name, &found);

	(void)what;
	return code == ADMIN_OK && !found ? admin_fail_no_token(admin, name)
					  : code;
}

int
redis_token_remove(struct admin *admin, const char *name)
{
	return store_transact(admin, try_remove, name, NULL);
}

int
redis_tokens(struct admin *admin, json_t *list)
{
	int code;
	redisReply *reply = store_ask(admin, &code, "SMEMBERS taupe:tokens");
	struct token_record record;
	json_t *names, *name;
	size_t i;

	if (reply == NULL)
		return code;
	names = redis_names(reply);
	json_array_foreach (names, i, name) {
		code = redis_token(admin, json_string_value(name), &record);
		if (code == ADMIN_OK)
			json_array_append_new(list, admin_token_json(&record));
		else if (code != ADMIN_UNKNOWN)
			break;
		code = ADMIN_OK; /* it has gone meanwhile */
	}
	json_decref(names);
	return code;
}
