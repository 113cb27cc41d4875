/* SPDX-License-Identifier: MIT */
/*
 * What a device has done is added to its sums and to its day's in one transaction: both or
 * neither. An answer that says so is the end of it, and then its last hour is added to as well; a
 * refusal says that nothing was added; and without an answer it is not known, and counts as added:
 * rather too few than twice.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/registry_redis.h"

static const struct {
	const char *field;
	size_t at; /* in struct device_counters */
} rows[] = {
    {"visitors", offsetof(struct device_counters, visitors)},
    {"bytes_in", offsetof(struct device_counters, bytes_in)},
    {"bytes_out", offsetof(struct device_counters, bytes_out)},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* One transaction. */
struct counting {
	struct redis_registry *registry;
	registry_count_cb cb;
	void *ctx;
	struct device_counters asked;
	char name[DEVICE_NAME_MAX + 1];
};

static uint64_t
counter_of(const struct device_counters *counters, size_t row)
{
	return *(const uint64_t *)(const void *)((const char *)counters +
	    rows[row].at);
}

/* QUEUED; what is refused makes EXEC fail, which has the last word. */
static void
queued_cb(void *ctx, const redisReply *reply)
{
	if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
		redis_complain(ctx, "count", reply);
}

/* An element that is an error is a key of another type: the rest was added. */
static void
complain_of_elements(struct redis_registry *registry, const redisReply *reply)
{
	for (size_t i = 0; i < reply->elements; i++)
		queued_cb(registry, reply->element[i]);
}

/* The last hour is for a picture: it has no part in the transaction, which it must not make fail. */
static void
add_minute(struct redis_registry *registry, const char *key, unsigned minute,
    const char *direction, uint64_t bytes)
{
	if (bytes > 0)
		(void)redis_link_commandf(registry->main, queued_cb, registry,
		    "HINCRBY %s %u/%s %llu", key, minute, direction,
		    (unsigned long long)bytes);
}

static void
draw(struct counting *counting)
{
	struct redis_registry *registry = counting->registry;
	const struct device_counters *added = &counting->asked;
	uint64_t minute = loop_wall_ms() / TRAFFIC_MINUTE_MS;
	char key[60 + DEVICE_NAME_MAX];

	if (added->bytes_in == 0 && added->bytes_out == 0)
		return;
	snprintf(key, sizeof(key), "taupe:traffic:%s:%llu", counting->name,
	    (unsigned long long)(minute / 60));
	add_minute(
	    registry, key, (unsigned)(minute % 60), "in", added->bytes_in);
	add_minute(
	    registry, key, (unsigned)(minute % 60), "out", added->bytes_out);
	(void)redis_link_commandf(registry->main, queued_cb, registry,
	    "PEXPIRE %s %u", key, 2 * 60 * TRAFFIC_MINUTE_MS);
}

static void
counted_cb(void *ctx, const redisReply *reply)
{
	struct counting *counting = ctx;
	struct device_counters refused = {0};

	if (reply != NULL && reply->type == REDIS_REPLY_ARRAY) {
		complain_of_elements(counting->registry, reply);
		draw(counting);
	} else if (reply != NULL) {
		refused = counting->asked;
		redis_complain(counting->registry, "count", reply);
	}
	if (!counting->registry->freeing)
		counting->cb(counting->ctx, &refused);
	free(counting);
}

/* False: the link is down, or there is no memory. */
static bool
add(struct redis_registry *registry, const char *key,
    const struct device_counters *delta)
{
	for (size_t row = 0; row < ROWS; row++)
		if (counter_of(delta, row) > 0 &&
		    redis_link_commandf(registry->main, queued_cb, registry,
			"HINCRBY %s %s %llu", key, rows[row].field,
			(unsigned long long)counter_of(delta, row)) != 0)
			return false;
	return true;
}

static bool
is_nothing(const struct device_counters *delta)
{
	return delta->visitors == 0 && delta->bytes_in == 0 &&
	    delta->bytes_out == 0;
}

static bool
add_all(struct redis_registry *registry, const char *name, uint32_t day,
    const struct device_counters *delta)
{
	char sums[40 + DEVICE_NAME_MAX], usage[40 + DEVICE_NAME_MAX];

	snprintf(sums, sizeof(sums), "taupe:counters:device:%s", name);
	snprintf(usage, sizeof(usage), "taupe:usage:%s:%u", name, day);
	return add(registry, sums, delta) && add(registry, usage, delta) &&
	    redis_link_commandf(registry->main, queued_cb, registry,
		"PEXPIRE %s %llu", usage,
		(unsigned long long)registry->usage_ms) == 0;
}

bool
redis_count(struct registry *base, const char *name, uint32_t day,
    struct device_counters *delta, registry_count_cb cb, void *ctx)
{
	struct redis_registry *registry = redis_registry_of(base);
	struct counting *counting;

	if (is_nothing(delta) ||
	    (counting = calloc(1, sizeof(*counting))) == NULL)
		return false;
	*counting = (struct counting){
	    .registry = registry, .cb = cb, .ctx = ctx, .asked = *delta};
	(void)str_copy(str_of(name), counting->name, sizeof(counting->name));
	if (redis_link_commandf(registry->main, queued_cb, registry, "MULTI") !=
	    0) {
		free(counting);
		return false;
	}
	if (!add_all(registry, name, day, delta)) {
		(void)redis_link_commandf(
		    registry->main, queued_cb, registry, "DISCARD");
		free(counting);
		return false;
	}
	if (redis_link_commandf(registry->main, counted_cb, counting, "EXEC") !=
	    0) {
		free(counting);
		return false;
	}
	*delta = (struct device_counters){0};
	return true;
}
