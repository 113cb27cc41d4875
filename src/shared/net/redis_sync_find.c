/* SPDX-License-Identifier: MIT */
/* The Sentinels in turn, and the server that one names, until it is a primary. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "net/redis_sync.h"

#define PAUSE_MS 100

static uint64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Takes the reply. 0, or -1 with error filled. */
static int
read_address(struct redis_sync *sync, redisReply *reply,
    struct redis_endpoint *primary, char error[REDIS_SYNC_ERROR_MAX])
{
	const char *why = reply != NULL ? redis_sentinel_read(reply, primary)
					: redis_sync_error(sync);

	if (why != NULL)
		snprintf(error, REDIS_SYNC_ERROR_MAX, "%s", why);
	redis_sync_reply_free(&reply);
	return why != NULL ? -1 : 0;
}

static int
ask_sentinel(const struct redis_sentinel_config *sentinels, size_t i,
    struct redis_endpoint *primary, char error[REDIS_SYNC_ERROR_MAX])
{
	const struct redis_endpoint *at = &sentinels->sentinels[i];
	struct redis_link_config config = {.host = at->host,
	    .port = at->port,
	    .user = sentinels->user,
	    .password = sentinels->password,
	    .name = sentinels->name,
	    .timeout_ms = sentinels->timeout_ms};
	char why[REDIS_SYNC_ERROR_MAX];
	struct redis_sync *sync = redis_sync_new(&config, why);
	int result = -1;

	if (sync != NULL)
		result = read_address(sync,
		    redis_sync_commandf(sync,
			"SENTINEL get-master-addr-by-name %s",
			sentinels->master_name),
		    primary, why);
	redis_sync_free(&sync);
	if (result != 0)
		snprintf(error, REDIS_SYNC_ERROR_MAX,
		    "Sentinel %.100s:%u: %.*s", at->host, (unsigned)at->port,
		    REDIS_SYNC_ERROR_MAX / 2, why);
	return result;
}

static struct redis_sync *
open_primary(const struct redis_link_config *config,
    const struct redis_endpoint *primary, char error[REDIS_SYNC_ERROR_MAX])
{
	struct redis_link_config there = *config;
	char why[REDIS_SYNC_ERROR_MAX];
	struct redis_sync *sync;
	redisReply *reply;
	const char *wrong;

	there.host = primary->host;
	there.port = primary->port;
	sync = redis_sync_new(&there, why);
	if (sync != NULL) {
		reply = redis_sync_commandf(sync, "ROLE");
		wrong = reply != NULL ? redis_role_check(reply)
				      : redis_sync_error(sync);
		if (wrong != NULL)
			snprintf(why, sizeof(why), "ROLE: %s", wrong);
		redis_sync_reply_free(&reply);
		if (wrong == NULL)
			return sync;
		redis_sync_free(&sync);
	}
	snprintf(error, REDIS_SYNC_ERROR_MAX, "primary %.100s:%u: %.*s",
	    primary->host, (unsigned)primary->port, REDIS_SYNC_ERROR_MAX / 2,
	    why);
	return NULL;
}

struct redis_sync *
redis_sync_find(const struct redis_link_config *config,
    const struct redis_sentinel_config *sentinels,
    struct redis_endpoint *primary, char error[REDIS_SYNC_ERROR_MAX])
{
	const struct timespec pause = {0, PAUSE_MS * 1000000L};
	uint64_t end_ms = now_ms() + config->timeout_ms;
	struct redis_sync *sync;

	for (;;) {
		for (size_t i = 0; i < sentinels->n_sentinels; i++)
			if (ask_sentinel(sentinels, i, primary, error) == 0 &&
			    (sync = open_primary(config, primary, error)) !=
				NULL)
				return sync;
		if (now_ms() >= end_ms)
			return NULL;
		(void)nanosleep(&pause, NULL);
	}
}
