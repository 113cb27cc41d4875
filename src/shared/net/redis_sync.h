/* SPDX-License-Identifier: MIT */
/*
 * A connection to Redis for programs without a loop (taupectl): each command waits for
 * its reply, no longer than the timeout. It is not made anew when it breaks.
 */
#ifndef TAUPE_NET_REDIS_SYNC_H
#define TAUPE_NET_REDIS_SYNC_H

#include "net/redis_link.h"
#include "net/redis_sentinel.h"

#define REDIS_SYNC_ERROR_MAX 300

struct redis_sync;

/* Connect, AUTH, SELECT and CLIENT SETNAME as the config says. NULL with error filled:
 * what failed, for people. timeout_ms must not be 0. */
struct redis_sync *redis_sync_new(
    const struct redis_link_config *config, char error[REDIS_SYNC_ERROR_MAX]);
/* The same with the primary that one of the Sentinels names, which *primary is then, in place
 * of config's host and port. They are asked again until timeout_ms is over: a failover may be
 * under way. */
struct redis_sync *redis_sync_find(const struct redis_link_config *config,
    const struct redis_sentinel_config *sentinels,
    struct redis_endpoint *primary, char error[REDIS_SYNC_ERROR_MAX]);
void redis_sync_free(struct redis_sync **sync);

/* printf-like as redis_link_commandf(). The reply is the caller's to free; it may be of
 * any type, an error too. NULL: the connection is of no use any more. */
redisReply *redis_sync_commandf(
    struct redis_sync *sync, const char *format, ...);
redisReply *redis_sync_vcommandf(
    struct redis_sync *sync, const char *format, va_list args);
redisReply *redis_sync_command(
    struct redis_sync *sync, int argc, const char *const *argv);

/* Pipelining: queue any number of commands, then fetch as many replies, in order. -1: no
 * memory. */
int redis_sync_queuef(struct redis_sync *sync, const char *format, ...);
redisReply *redis_sync_fetch(struct redis_sync *sync);

void redis_sync_reply_free(redisReply **reply);

/* Why the last command got NULL. */
const char *redis_sync_error(const struct redis_sync *sync);

#endif
