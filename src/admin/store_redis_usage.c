/* SPDX-License-Identifier: MIT */
/* Each day of each device is a hash of its own, which is gone when it is too old: so all days that
 * are asked for are looked up, many at once. */
#include "config.h"

#include "admin/store_redis.h"
#include "base/utc_day.h"

/* What was asked for and not answered yet. */
struct inquiry {
	struct admin *admin;
	json_t *list;
	struct {
		const char *name;
		uint32_t day;
	} asked[REDIS_BATCH];
	size_t n;
};

static void
add_day(json_t *list, const char *name, uint32_t day, const redisReply *reply)
{
	json_t *hash = redis_hash_json(reply);
	char text[16];

	snprintf(text, sizeof(text), "%04u-%02u-%02u", day / 10000,
	    day / 100 % 100, day % 100);
	if (json_object_size(hash) > 0)
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:I, s:I, s:I}", "device", name,
			"day", text, "visitors",
			(json_int_t)redis_number(hash, "visitors"), "bytes_in",
			(json_int_t)redis_number(hash, "bytes_in"), "bytes_out",
			(json_int_t)redis_number(hash, "bytes_out")));
	json_decref(hash);
}

static int
take_answers(struct inquiry *inquiry)
{
	int code = ADMIN_OK;

	for (size_t i = 0; code == ADMIN_OK && i < inquiry->n; i++) {
		redisReply *reply = store_next(inquiry->admin, &code);

		if (reply != NULL)
			add_day(inquiry->list, inquiry->asked[i].name,
			    inquiry->asked[i].day, reply);
		redis_sync_reply_free(&reply);
	}
	inquiry->n = 0;
	return code;
}

static int
ask_day(struct inquiry *inquiry, const char *name, uint32_t day)
{
	if (redis_sync_queuef(inquiry->admin->redis,
		"HGETALL taupe:usage:%s:%u", name, day) != 0)
		return admin_fail_memory(inquiry->admin);
	inquiry->asked[inquiry->n].name = name;
	inquiry->asked[inquiry->n++].day = day;
	return inquiry->n == REDIS_BATCH ? take_answers(inquiry) : ADMIN_OK;
}

static int
ask_days(struct inquiry *inquiry, const char *name, uint32_t from, uint32_t to)
{
	int code = ADMIN_OK;

	for (uint32_t day = from; code == ADMIN_OK && day <= to;
	     day = utc_day_next(day))
		code = ask_day(inquiry, name, day);
	return code;
}

/* Of all devices: their names, as JSON strings. */
static int
names_of(struct admin *admin, json_t **names)
{
	int code;
	redisReply *reply = store_ask(admin, &code, "SMEMBERS taupe:devices");

	*names = reply != NULL ? redis_names(reply) : NULL;
	return code;
}

int
redis_usage(struct admin *admin, const char *name, uint32_t from, uint32_t to,
    json_t *list)
{
	struct inquiry inquiry = {.admin = admin, .list = list};
	json_t *names = NULL;
	int code = store_open(admin);

	if (code == ADMIN_OK && name == NULL)
		code = names_of(admin, &names);
	else if (code == ADMIN_OK)
		names = json_pack("[s]", name);
	for (size_t i = 0; code == ADMIN_OK && i < json_array_size(names); i++)
		code = ask_days(&inquiry,
		    json_string_value(json_array_get(names, i)), from, to);
	if (code == ADMIN_OK)
		code = take_answers(&inquiry);
	json_decref(names);
	return code;
}
