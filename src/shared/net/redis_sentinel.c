/* SPDX-License-Identifier: MIT */
/*
 * Two lines to the Sentinels: one asks, the other follows +switch-master, because a
 * connection that subscribes takes no commands. Each line is a link that aims at the next
 * Sentinel whenever it fails.
 *
 * An answer goes to who has asked and to nobody else: a Sentinel may not have heard yet of
 * what another has told all of us. For the same reason both lines lead to the same Sentinel
 * when it tells something.
 */
#include "config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "net/redis_link.h"
#include "net/redis_sentinel.h"
#include "wire/str.h"

#define DOUBT_MS 1000

/* One way to the Sentinels. */
struct line {
	struct redis_sentinel *sentinel;
	struct redis_link *link;
	size_t at;     /* the Sentinel that it aims at */
	size_t next;   /* the one after a failure */
	bool diverted; /* its end is our will and no news */
	uint64_t up_since_ms;
	char said[REDIS_SENTINELS_MAX]
		 [REDIS_WHY_MAX]; /* what the log has of each */
};

struct redis_sentinel {
	struct loop *loop;
	struct redis_endpoint sentinels[REDIS_SENTINELS_MAX];
	size_t n;
	char *master_name;
	struct line ask, follow;
	bool asked;    /* an answer is under way */
	bool checking; /* it goes to all, not only to those that ask */
	LIST_HEAD(, redis_sentinel_client) clients;
};

static void
log_failure(struct line *line, const char *why)
{
	const struct redis_sentinel *s = line->sentinel;
	const struct redis_endpoint *which = &s->sentinels[line->at];
	char *said = line->said[line->at];

	if (strcmp(said, why) == 0)
		return;
	snprintf(said, REDIS_WHY_MAX, "%s", why);
	log_warn("a Sentinel is of no use", LOG_S("sentinel", which->host),
	    LOG_U("port", which->port), LOG_S("master", s->master_name),
	    LOG_S("asked", line == &s->ask ? "for the primary" : "for news"),
	    LOG_S("error", why));
}

static void
aim(struct line *line, size_t at)
{
	const struct redis_endpoint *to = &line->sentinel->sentinels[at];

	/* without memory, the same one is tried again */
	if (redis_link_aim(line->link, to->host, to->port) == 0)
		line->at = at;
	line->next = (line->at + 1) % line->sentinel->n;
}

/* The next attempt goes to the next Sentinel. */
static void
failed_cb(void *ctx, const char *why)
{
	struct line *line = ctx;

	if (!line->diverted)
		log_failure(line, why);
	line->diverted = false;
	aim(line, line->next);
}

/* Leave the Sentinel of this line for another one, also when it is only being tried, or
 * waited for. */
static void
divert(struct line *line, size_t to)
{
	aim(line, to);
	if (!redis_link_reset(line->link, "another Sentinel is asked"))
		return; /* nothing ends: the next attempt goes there */
	line->next = to;
	line->diverted = true;
}

static void
tell_found(struct redis_sentinel *s, const struct redis_endpoint *at)
{
	struct redis_sentinel_client *client;

	LIST_FOREACH (client, &s->clients, link) {
		if (!client->asking)
			continue;
		client->asking = false;
		client->found_cb(client->ctx, at->host, at->port);
	}
}

static void
tell_moved(struct redis_sentinel *s, const struct redis_endpoint *to)
{
	struct redis_sentinel_client *client;

	LIST_FOREACH (client, &s->clients, link)
		client->moved_cb(client->ctx, to->host, to->port);
}

static void
answer_cb(void *ctx, const redisReply *reply)
{
	struct redis_sentinel *s = ctx;
	struct redis_endpoint endpoint;
	const char *error;

	s->asked = false;
	if (reply == NULL)
		return; /* the line went down, and asks again when it is up */
	error = redis_sentinel_read(reply, &endpoint);
	if (error != NULL) {
		redis_link_reset(s->ask.link, error);
		return;
	}
	s->ask.said[s->ask.at][0] = '\0';
	if (s->checking)
		tell_moved(s, &endpoint);
	s->checking = false;
	tell_found(s, &endpoint);
}

static void
send_question(struct redis_sentinel *s)
{
	if (!s->asked && redis_link_is_up(s->ask.link))
		s->asked = redis_link_commandf(s->ask.link, answer_cb, s,
			       "SENTINEL get-master-addr-by-name %s",
			       s->master_name) == 0;
}

static bool
is_wanted(const struct redis_sentinel *s)
{
	const struct redis_sentinel_client *client;

	if (s->checking)
		return true;
	LIST_FOREACH (client, &s->clients, link)
		if (client->asking)
			return true;
	return false;
}

static void
ask_state_cb(void *ctx, bool up)
{
	struct line *line = ctx;

	line->up_since_ms = loop_now_ms(line->sentinel->loop);
	if (up && is_wanted(line->sentinel))
		send_question(line->sentinel);
}

/* Who tells of a new primary is asked for it: another one may still name the old, which
 * may still believe that it is one. */
static void
ask_who_tells(struct redis_sentinel *s)
{
	if (s->ask.at != s->follow.at)
		divert(&s->ask, s->follow.at);
}

/* What happened before we were listening is asked for. */
static void
subscribed_cb(void *ctx, const redisReply *reply)
{
	struct redis_sentinel *s = ctx;

	if (reply == NULL)
		return;
	if (reply->type != REDIS_REPLY_ARRAY) {
		redis_link_reset(s->follow.link,
		    reply->type == REDIS_REPLY_ERROR
			? reply->str
			: "its answer to SUBSCRIBE makes no sense");
		return;
	}
	s->follow.said[s->follow.at][0] = '\0';
	s->checking = true;
	ask_who_tells(s);
	send_question(s);
}

static void
follow_state_cb(void *ctx, bool up)
{
	struct line *line = ctx;

	if (up)
		(void)redis_link_commandf(line->link, subscribed_cb,
		    line->sentinel, "SUBSCRIBE +switch-master");
}

/* "NAME old-address old-port new-address new-port" */
static bool
parse_switch(struct str text, struct str *name, struct redis_endpoint *to)
{
	struct str field, rest;
	uint64_t port;

	if (!str_split(text, ' ', name, &rest) ||
	    !str_split(rest, ' ', &field, &rest) ||
	    !str_split(rest, ' ', &field, &rest) ||
	    !str_split(rest, ' ', &field, &rest) ||
	    !str_to_number(rest, UINT16_MAX, &port) || port == 0 ||
	    field.len == 0 || memchr(field.ptr, '\0', field.len) != NULL)
		return false;
	to->port = (uint16_t)port;
	return str_copy(field, to->host, sizeof(to->host));
}

/* ["message", "+switch-master", text] */
static void
message_cb(void *ctx, const redisReply *reply)
{
	struct line *line = ctx;
	struct redis_sentinel *s = line->sentinel;
	struct redis_endpoint to;
	struct str name;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
	    reply->element[2]->type != REDIS_REPLY_STRING ||
	    !parse_switch(
		(struct str){reply->element[2]->str, reply->element[2]->len},
		&name, &to)) {
		redis_link_reset(line->link, "its message makes no sense");
		return;
	}
	if (!str_equal(name, str_of(s->master_name)))
		return;
	log_info("Redis has another primary", LOG_S("master", s->master_name),
	    LOG_S("host", to.host), LOG_U("port", to.port));
	ask_who_tells(s);
	tell_moved(s, &to);
}

void
redis_sentinel_join(
    struct redis_sentinel *s, struct redis_sentinel_client *client)
{
	client->asking = false;
	LIST_INSERT_HEAD(&s->clients, client, link);
}

void
redis_sentinel_leave(struct redis_sentinel_client *client)
{
	client->asking = false;
	LIST_REMOVE(client, link);
}

void
redis_sentinel_ask(
    struct redis_sentinel *s, struct redis_sentinel_client *client)
{
	client->asking = true;
	send_question(s);
}

void
redis_sentinel_doubt(struct redis_sentinel *s)
{
	if (s->n == 1 || !redis_link_is_up(s->ask.link) ||
	    loop_now_ms(s->loop) - s->ask.up_since_ms < DOUBT_MS)
		return;
	divert(&s->ask, s->ask.next);
}

const char *
redis_sentinel_master_name(const struct redis_sentinel *s)
{
	return s->master_name;
}

static bool
open_line(struct redis_sentinel *s, struct line *line,
    const struct redis_sentinel_config *config, redis_state_cb state_cb,
    redis_reply_cb unasked_cb)
{
	struct redis_link_config link = {
	    .host = config->sentinels[0].host,
	    .port = config->sentinels[0].port,
	    .user = config->user,
	    .password = config->password,
	    .name = config->name,
	    .timeout_ms = config->timeout_ms,
	    .failed_cb = failed_cb,
	    .unasked_cb = unasked_cb,
	};

	line->sentinel = s;
	line->next = 1 % s->n;
	line->link = redis_link_new(s->loop, &link, state_cb, line);
	return line->link != NULL;
}

struct redis_sentinel *
redis_sentinel_new(
    struct loop *loop, const struct redis_sentinel_config *config)
{
	struct redis_sentinel *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->loop = loop;
	s->n = config->n_sentinels;
	memcpy(s->sentinels, config->sentinels, sizeof(s->sentinels));
	LIST_INIT(&s->clients);
	s->master_name = strdup(config->master_name);
	if (s->master_name == NULL ||
	    !open_line(s, &s->ask, config, ask_state_cb, NULL) ||
	    !open_line(s, &s->follow, config, follow_state_cb, message_cb))
		redis_sentinel_free(&s);
	return s;
}

void
redis_sentinel_free(struct redis_sentinel **sentinel)
{
	struct redis_sentinel *s = *sentinel;

	if (s == NULL)
		return;
	assert(LIST_EMPTY(&s->clients));
	redis_link_free(&s->ask.link);
	redis_link_free(&s->follow.link);
	free(s->master_name);
	free(s);
	*sentinel = NULL;
}
