/* SPDX-License-Identifier: MIT */
/*
 * Where the primary of a Redis that Sentinels watch is. It keeps to what "Guidelines for
 * Redis clients with support for Redis Sentinel" (redis.io) asks of a client: the Sentinels
 * are asked one after the other, who has answered is asked first the next time, and its
 * +switch-master is followed. That the server which they name is a primary is for its links
 * to verify, by ROLE. A Sentinel that fails is named in the log, once for each reason.
 */
#ifndef TAUPE_NET_REDIS_SENTINEL_H
#define TAUPE_NET_REDIS_SENTINEL_H

#include <hiredis/hiredis.h>

#include "net/loop.h"
#include "net/redis_endpoint.h"

#define REDIS_SENTINELS_MAX 16

struct redis_sentinel;

struct redis_sentinel_config {
	struct redis_endpoint sentinels[REDIS_SENTINELS_MAX];
	size_t n_sentinels;          /* at least one */
	const char *master_name;     /* as in their "sentinel monitor NAME …" */
	const char *user, *password; /* of the Sentinels; NULL: no AUTH */
	const char *name;            /* for CLIENT SETNAME; may be NULL */
	uint64_t timeout_ms;         /* for one Sentinel, to connect and for its answer */
};

/* Who wants to be told; embedded in a link. Both callbacks come from the loop, never from
 * inside a call, and must not leave or free anything at once. */
struct redis_sentinel_client {
	LIST_ENTRY(redis_sentinel_client) link;
	bool asking;
	/* The answer to redis_sentinel_ask(). */
	void (*found_cb)(void *ctx, const char *host, uint16_t port);
	/* The primary is this one now: unasked. */
	void (*moved_cb)(void *ctx, const char *host, uint16_t port);
	void *ctx;
};

/* The config is copied. NULL: no memory. It must outlive its clients. */
struct redis_sentinel *redis_sentinel_new(
    struct loop *loop, const struct redis_sentinel_config *config);
void redis_sentinel_free(struct redis_sentinel **sentinel);

void redis_sentinel_join(
    struct redis_sentinel *sentinel, struct redis_sentinel_client *client);
void redis_sentinel_leave(struct redis_sentinel_client *client);
/* Ask where the primary is. The answer comes when a Sentinel gives one; there is no limit of
 * time. Clearing client->asking cancels. */
void redis_sentinel_ask(
    struct redis_sentinel *sentinel, struct redis_sentinel_client *client);
/* The server that was named is not there, or no primary: perhaps this Sentinel is cut off from
 * the others. Another one is asked the next time (not more than once a second). */
void redis_sentinel_doubt(struct redis_sentinel *sentinel);
const char *redis_sentinel_master_name(const struct redis_sentinel *sentinel);

/* The reply to SENTINEL get-master-addr-by-name: NULL if it names an address, else why not,
 * for people. */
const char *redis_sentinel_read(
    const redisReply *reply, struct redis_endpoint *endpoint);
/* The reply to ROLE: NULL if it is a primary's, else what is wrong, for people. */
const char *redis_role_check(const redisReply *reply);

#endif
