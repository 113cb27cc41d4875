/* SPDX-License-Identifier: MIT */
/* Each hour of each device that had bytes in it is a hash, with fields such as "59/in". The last sixty
 * minutes are in two of them. */
#include "config.h"

#include <string.h>

#include "admin/store_redis.h"

static void
take_field(struct str field, struct str value, uint64_t hour, uint64_t first,
    struct traffic_minute out[TRAFFIC_MINUTES])
{
	struct str digits, direction;
	uint64_t minute, bytes;

	if (!str_split(field, '/', &digits, &direction) ||
	    !str_to_number(digits, 59, &minute) ||
	    !str_to_number(value, INT64_MAX, &bytes))
		return; /* of a later version */
	minute += 60 * hour;
	if (minute < first || minute >= first + TRAFFIC_MINUTES)
		return;
	if (str_is(direction, "in"))
		out[minute - first].bytes_in = bytes;
	else if (str_is(direction, "out"))
		out[minute - first].bytes_out = bytes;
}

static int
take_hour(struct admin *admin, const char *name, uint64_t hour, uint64_t first,
    struct traffic_minute out[TRAFFIC_MINUTES])
{
	int code;
	redisReply *reply = store_ask(admin, &code,
	    "HGETALL taupe:traffic:%s:%llu", name, (unsigned long long)hour);

	if (reply == NULL)
		return code;
	for (size_t i = 0; i + 1 < reply->elements; i += 2)
		take_field(redis_text(reply->element[i]),
		    redis_text(reply->element[i + 1]), hour, first, out);
	redis_sync_reply_free(&reply);
	return ADMIN_OK;
}

int
redis_traffic(struct admin *admin, const char *name, uint64_t minute,
    struct traffic_minute out[TRAFFIC_MINUTES])
{
	uint64_t first = minute - (TRAFFIC_MINUTES - 1);
	int code = store_open(admin);

	memset(out, 0, TRAFFIC_MINUTES * sizeof(*out));
	for (uint64_t hour = first / 60;
	     code == ADMIN_OK && hour <= minute / 60; hour++)
		code = take_hour(admin, name, hour, first, out);
	return code;
}
