/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdio.h>

#include "net/redis_access.h"
#include "net/redis_sync.h"

static struct redis_sync *
dial(const struct redis_access *access, char where[REDIS_WHERE_MAX],
    char error[REDIS_ACCESS_ERROR_MAX])
{
	char reason[REDIS_SYNC_ERROR_MAX];
	struct redis_endpoint primary;
	struct redis_sync *sync;

	if (access->sentinel.n_sentinels == 0)
		sync = redis_sync_new(&access->link, reason);
	else
		sync = redis_sync_find(
		    &access->link, &access->sentinel, &primary, reason);
	if (sync == NULL)
		snprintf(error, REDIS_ACCESS_ERROR_MAX, "Redis at %s: %s",
		    where, reason);
	else if (access->sentinel.n_sentinels > 0)
		snprintf(where, REDIS_WHERE_MAX, "%s:%u", primary.host,
		    (unsigned)primary.port);
	return sync;
}

struct redis_sync *
redis_access_dial(const struct redis_options *options, const char *name,
    uint64_t timeout_ms, char where[REDIS_WHERE_MAX],
    char error[REDIS_ACCESS_ERROR_MAX])
{
	char unasked[REDIS_WHERE_MAX];
	struct redis_access access;
	struct redis_sync *sync = NULL;

	if (where == NULL)
		where = unasked;
	where[0] = '\0';
	if (redis_access_init(&access, options, name, error) == 0) {
		if (timeout_ms > 0)
			access.link.timeout_ms = timeout_ms;
		(void)redis_options_text(options, where, REDIS_WHERE_MAX);
		sync = dial(&access, where, error);
	}
	redis_access_wipe(&access);
	return sync;
}
