/* SPDX-License-Identifier: MIT */
/*
 * A link that Sentinels lead: it asks them before each attempt, makes sure by ROLE that it was
 * led to a primary, leaves one that has become a replica, and knows when it has come to
 * another server than before.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "net/redis_link_internal.h"

static void
found_cb(void *ctx, const char *host, uint16_t port)
{
	struct redis_link *link = ctx;

	if (link->state != LINK_ASKING)
		return;
	redis_link_enter(link);
	link->primary.found = true;
	if (redis_link_aim(link, host, port) != 0)
		redis_link_go_down(link, "out of memory");
	else
		redis_dial(link);
	redis_link_leave(link);
}

/* What a link has waited for that lost its server; the others have to leave theirs. */
static void
moved_cb(void *ctx, const char *host, uint16_t port)
{
	struct redis_link *link = ctx;

	redis_link_retry_soon(link);
	if (link->primary.found &&
	    (link->port != port || strcmp(link->host, host) != 0))
		redis_link_reset(link, "another server is the primary now");
}

void
redis_primary_init(struct redis_link *link)
{
	if (link->sentinel == NULL)
		return;
	link->place.found_cb = found_cb;
	link->place.moved_cb = moved_cb;
	link->place.ctx = link;
	redis_sentinel_join(link->sentinel, &link->place);
}

void
redis_primary_fini(struct redis_link *link)
{
	if (link->sentinel == NULL)
		return;
	redis_sentinel_leave(&link->place);
	free(link->primary.last_host);
	link->primary.last_host = NULL;
}

void
redis_primary_ask(struct redis_link *link)
{
	link->state = LINK_ASKING;
	redis_sentinel_ask(link->sentinel, &link->place);
}

static void
role_cb(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;
	char why[REDIS_WHY_MAX];
	const char *error;

	if (reply == NULL || link->state != LINK_GREETING)
		return;
	error = redis_role_check(reply);
	if (error == NULL)
		return;
	snprintf(why, sizeof(why), "ROLE: %s", error);
	redis_link_reset(link, why);
}

int
redis_primary_greet(struct redis_link *link)
{
	const char *role[] = {"ROLE"};

	return redis_link_submit(link, role_cb, link, 1, role, NULL);
}

/* Without memory for the name, it counts as another server. */
void
redis_primary_up(struct redis_link *link)
{
	if (link->sentinel == NULL)
		return;
	if (link->primary.last_port != 0 &&
	    (link->primary.last_port != link->port ||
		link->primary.last_host == NULL ||
		strcmp(link->primary.last_host, link->host) != 0))
		link->primary.moved = true;
	free(link->primary.last_host);
	link->primary.last_host = strdup(link->host);
	link->primary.last_port = link->port;
}

bool
redis_link_has_moved(struct redis_link *link)
{
	bool moved = link->primary.moved;

	link->primary.moved = false;
	return moved;
}

void
redis_primary_down(struct redis_link *link)
{
	if (link->primary.found && !link->told_up)
		redis_sentinel_doubt(link->sentinel);
	link->primary.found = false;
}

void
redis_primary_check(struct redis_link *link, const redisReply *reply)
{
	if (link->sentinel != NULL && reply->type == REDIS_REPLY_ERROR &&
	    strncmp(reply->str, "READONLY", strlen("READONLY")) == 0)
		redis_link_reset(link, "it has become a replica (READONLY)");
}
