/* SPDX-License-Identifier: MIT */
/* What a device has used: its days' records, asked for at once and answered in their order. */
#include "config.h"

#include <stdlib.h>

#include "base/utc_day.h"
#include "registry/registry_redis.h"
#include "registry/registry_redis_records.h"

struct inquiry {
	struct redis_registry *registry;
	registry_usage_cb cb;
	void *ctx;
	unsigned left; /* days that are not answered */
	bool failed;
	uint64_t before, last;
};

/* nil: nothing was counted. */
static bool
add_number(const redisReply *reply, uint64_t *sum)
{
	struct str text;
	uint64_t number;

	if (reply->type == REDIS_REPLY_NIL)
		return true;
	if (!redis_reply_text(reply, &text) ||
	    !str_to_number(text, INT64_MAX, &number))
		return false;
	*sum += number;
	return true;
}

/* HMGET usage:NAME:DAY bytes_in bytes_out */
static void
take_day(struct inquiry *inquiry, const redisReply *reply)
{
	inquiry->before += inquiry->last;
	inquiry->last = 0;
	if (reply != NULL && redis_reply_is_array(reply, 2) &&
	    add_number(reply->element[0], &inquiry->last) &&
	    add_number(reply->element[1], &inquiry->last))
		return;
	if (reply != NULL)
		redis_complain(inquiry->registry, "usage", reply);
	inquiry->failed = true;
}

static void
day_cb(void *ctx, const redisReply *reply)
{
	struct inquiry *inquiry = ctx;

	take_day(inquiry, reply);
	if (--inquiry->left > 0)
		return;
	if (inquiry->registry->freeing)
		;
	else if (inquiry->failed)
		inquiry->cb(inquiry->ctx, REGISTRY_UNAVAILABLE, 0, 0);
	else
		inquiry->cb(
		    inquiry->ctx, REGISTRY_OK, inquiry->before, inquiry->last);
	free(inquiry);
}

int
redis_usage_of(struct registry *base, const char *name, uint32_t from,
    uint32_t to, registry_usage_cb cb, void *ctx)
{
	struct redis_registry *registry = redis_registry_of(base);
	struct inquiry *inquiry = calloc(1, sizeof(*inquiry));

	if (inquiry == NULL)
		return -1;
	inquiry->registry = registry;
	inquiry->cb = cb;
	inquiry->ctx = ctx;
	for (uint32_t day = from; day <= to; day = utc_day_next(day)) {
		if (redis_link_commandf(registry->main, day_cb, inquiry,
			"HMGET taupe:usage:%s:%u bytes_in bytes_out", name,
			day) != 0) {
			inquiry->failed = true;
			break;
		}
		inquiry->left++;
	}
	if (inquiry->left > 0)
		return 0; /* what failed is told by those that are asked */
	free(inquiry);
	return -1;
}
