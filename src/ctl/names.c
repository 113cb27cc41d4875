/* SPDX-License-Identifier: MIT */
/* Redis filters, and is asked in steps, so that neither it nor the shell waits for 100,000 names. */
#include "ctl/names.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/device_file.h"
#include "ctl/ctl.h"
#include "net/loop.h"
#include "net/redis_sync.h"

#define TIME_MS 150
#define NAMES_MAX 1000 /* more help nobody */
#define STEP "10000"

struct listing {
	const struct ctl_options *options;
	const char *begin;
	uint64_t deadline_ms; /* wall clock */
	unsigned n;
};

static bool
is_over(const struct listing *listing)
{
	return listing->n >= NAMES_MAX || loop_wall_ms() > listing->deadline_ms;
}

static void
take(struct listing *listing, const char *name)
{
	size_t len = strlen(listing->begin);

	/* a host has the characters of a name, and may be longer */
	if ((!device_name_valid(str_of(name)) &&
		!host_name_valid(str_of(name))) ||
	    strncmp(name, listing->begin, len) != 0 || listing->n >= NAMES_MAX)
		return;
	printf("%s\t\n", name);
	listing->n++;
}

static void
take_array(struct listing *listing, const redisReply *reply)
{
	for (size_t i = 0; i < reply->elements; i++)
		if (reply->element[i]->type == REDIS_REPLY_STRING)
			take(listing, reply->element[i]->str);
}

/* SSCAN's next step; false: there is none. */
static bool
scan(struct listing *listing, struct redis_sync *redis, const char *key,
    char *cursor, size_t cap)
{
	redisReply *reply = redis_sync_commandf(redis,
	    "SSCAN %s %s MATCH %s* COUNT " STEP, key, cursor, listing->begin);
	bool more = false;

	if (reply != NULL && reply->type == REDIS_REPLY_ARRAY &&
	    reply->elements == 2 &&
	    reply->element[0]->type == REDIS_REPLY_STRING) {
		take_array(listing, reply->element[1]);
		more = str_copy(str_of(reply->element[0]->str), cursor, cap) &&
		    strcmp(cursor, "0") != 0;
	}
	redis_sync_reply_free(&reply);
	return more;
}

/* The same of HSCAN, for what is reserved: "host/HOST" and its device. */
static bool
scan_hosts(struct listing *listing, struct redis_sync *redis, char *cursor,
    size_t cap)
{
	redisReply *reply = redis_sync_commandf(redis,
	    "HSCAN taupe:reserved %s MATCH host/%s* COUNT " STEP, cursor,
	    listing->begin);
	bool more = false;

	if (reply != NULL && reply->type == REDIS_REPLY_ARRAY &&
	    reply->elements == 2 &&
	    reply->element[0]->type == REDIS_REPLY_STRING &&
	    reply->element[1]->type == REDIS_REPLY_ARRAY) {
		const redisReply *pairs = reply->element[1];

		for (size_t i = 0; i + 1 < pairs->elements; i += 2)
			if (pairs->element[i]->type == REDIS_REPLY_STRING)
				take(listing,
				    pairs->element[i]->str + strlen("host/"));
		more = str_copy(str_of(reply->element[0]->str), cursor, cap) &&
		    strcmp(cursor, "0") != 0;
	}
	redis_sync_reply_free(&reply);
	return more;
}

static const char *
names_key(const char *noun)
{
	return strcmp(noun, "fleet") == 0 ? "taupe:fleets"
	    : strcmp(noun, "token") == 0  ? "taupe:tokens"
					  : "taupe:devices";
}

static void
list_redis(struct listing *listing, struct redis_sync *redis, const char *noun)
{
	char cursor[32] = "0";
	redisReply *reply;

	if (strcmp(noun, "relay") == 0) {
		reply = redis_sync_commandf(redis, "ZRANGE taupe:relays 0 -1");
		if (reply != NULL && reply->type == REDIS_REPLY_ARRAY)
			take_array(listing, reply);
		redis_sync_reply_free(&reply);
		return;
	}
	if (strcmp(noun, "domain") == 0) {
		while (scan_hosts(listing, redis, cursor, sizeof(cursor)) &&
		    !is_over(listing))
			;
		return;
	}
	while (
	    scan(listing, redis, names_key(noun), cursor, sizeof(cursor)) &&
	    !is_over(listing))
		;
}

static void
ask_redis(struct listing *listing, const char *noun)
{
	char error[REDIS_ACCESS_ERROR_MAX];
	struct redis_sync *redis = redis_access_dial(
	    &listing->options->registry, "taupectl", TIME_MS, NULL, error);

	if (redis != NULL)
		list_redis(listing, redis, noun);
	redis_sync_free(&redis);
}

static int
take_device_cb(void *ctx, const struct device_record *record)
{
	take(ctx, record->name);
	return is_over(ctx) ? -1 : 0;
}

static int
take_hosts_cb(void *ctx, const struct device_record *record)
{
	for (size_t i = 0; record->hosts != NULL && i < record->hosts->n; i++)
		take(ctx, record->hosts->items[i].host);
	return is_over(ctx) ? -1 : 0;
}

static int
take_fleet_cb(void *ctx, const struct fleet_record *record)
{
	take(ctx, record->name);
	return is_over(ctx) ? -1 : 0;
}

static int
take_token_cb(void *ctx, const struct token_record *record)
{
	take(ctx, record->name);
	return is_over(ctx) ? -1 : 0;
}

static void
ask_file(struct listing *listing, const char *noun)
{
	bool fleets = strcmp(noun, "fleet") == 0;
	struct device_file_error error;

	if (strcmp(noun, "token") == 0) {
		(void)device_file_read_tokens(listing->options->devices_file,
		    take_token_cb, listing, &error);
		return;
	}
	(void)device_file_read(listing->options->devices_file,
	    fleets			       ? NULL
		: strcmp(noun, "domain") == 0 ? take_hosts_cb
					      : take_device_cb,
	    fleets ? take_fleet_cb : NULL,
	    listing, &error);
}

void
names_complete(const struct option_command *command, const char *begin,
    int argc, char **argv)
{
	struct ctl_options options;
	struct listing listing = {&options, begin, loop_wall_ms() + TIME_MS, 0};
	const char *noun = command->noun;

	/* a name that is to be new */
	if (command->verb != NULL && strcmp(command->verb, "add") == 0)
		return;
	/* a host is longer, and its beginning may end with a hyphen */
	if (begin[0] != '\0' &&
	    (strlen(begin) > HOST_NAME_MAX ||
		!str_only(str_of(begin), "az09AZ--..__")))
		return;
	/* what is wrong with the options is said when the command runs */
	if (freopen("/dev/null", "w", stderr) == NULL ||
	    options_load(&ctl_option_table, argc, argv, &options) != OPTIONS_OK)
		return;
	if (redis_options_given(&options.registry))
		ask_redis(&listing, noun);
	else if (options.devices_file != NULL && strcmp(noun, "relay") != 0)
		ask_file(&listing, noun);
	options_free(&ctl_option_table, &options);
}
