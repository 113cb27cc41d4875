/* SPDX-License-Identifier: MIT */
/*
 * The first commands on a new connection: AUTH, SELECT, CLIENT SETNAME, ROLE if Sentinels
 * have named the server, and PING, all sent at once. The answer to the last decides whether
 * this server is of any use.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "net/redis_link_internal.h"

static bool
is_error(const redisReply *reply, const char *code)
{
	return reply->type == REDIS_REPLY_ERROR &&
	    strncmp(reply->str, code, strlen(code)) == 0;
}

static void
refuse(struct redis_link *link, const char *command, const redisReply *reply)
{
	char why[REDIS_WHY_MAX];

	snprintf(why, sizeof(why), "%s was refused: %s", command,
	    reply->type == REDIS_REPLY_ERROR ? reply->str
					     : "unexpected answer");
	redis_link_reset(link, why);
}

static void
auth_cb(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;

	if (reply == NULL || link->state != LINK_GREETING ||
	    reply->type == REDIS_REPLY_STATUS)
		return;
	/* A server that does not know AUTH quotes the arguments. */
	if (reply->type == REDIS_REPLY_ERROR &&
	    strstr(reply->str, link->password) != NULL)
		redis_link_reset(link, "AUTH was refused");
	else
		refuse(link, "AUTH", reply);
}

static void
select_cb(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;

	if (reply != NULL && link->state == LINK_GREETING &&
	    reply->type != REDIS_REPLY_STATUS)
		refuse(link, "SELECT", reply);
}

/* The last of the greeting: is the server of any use (not still loading, no password
 * needed)? A user who may not PING is told so, and so is everybody while it cannot save and takes no
 * writes: these are answers, too. */
static void
ping_cb(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;

	if (reply == NULL || link->state != LINK_GREETING)
		return;
	if (reply->type != REDIS_REPLY_STATUS && !is_error(reply, "NOPERM") &&
	    !is_error(reply, "MISCONF")) {
		refuse(link, "PING", reply);
		return;
	}
	redis_link_go_up(link);
}

static int
greet_auth(struct redis_link *link)
{
	const char *user[] = {"AUTH", link->user, link->password};
	const char *no_user[] = {"AUTH", link->password};

	if (link->password == NULL)
		return 0;
	if (link->user != NULL)
		return redis_link_submit(link, auth_cb, link, 3, user, NULL);
	return redis_link_submit(link, auth_cb, link, 2, no_user, NULL);
}

void
redis_greet(struct redis_link *link)
{
	char database[16];
	const char *select[] = {"SELECT", database};
	/* A server that does not let us have a name serves as well. */
	const char *setname[] = {"CLIENT", "SETNAME", link->name};
	const char *ping[] = {"PING"};

	snprintf(database, sizeof(database), "%d", link->database);
	link->state = LINK_GREETING;
	link->reader = redisReaderCreate();
	if (link->reader == NULL) {
		redis_link_reset(link, "out of memory");
		return;
	}
	if (greet_auth(link) != 0 ||
	    (link->database != 0 &&
		redis_link_submit(link, select_cb, link, 2, select, NULL) !=
		    0) ||
	    (link->name != NULL &&
		redis_link_submit(link, NULL, NULL, 3, setname, NULL) != 0) ||
	    (link->sentinel != NULL && redis_primary_greet(link) != 0))
		return; /* it is doomed already */
	(void)redis_link_submit(link, ping_cb, link, 1, ping, NULL);
}
