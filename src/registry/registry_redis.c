/* SPDX-License-Identifier: MIT */
/*
 * The registry in Redis, shared by all relays: its links, when it counts as up, and the
 * operations that are a single command.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "registry/registry_redis_records.h"

#define COMPLAIN_EVERY_MS 1000
#define REPEAT_EVERY_MS 60000 /* the same */

/* May this be said now? Then it counts as said. */
static bool
is_news(struct redis_registry *registry, const char *text)
{
	struct redis_complaint *place = registry->complaints;
	uint64_t now_ms = loop_now_ms(registry->loop);

	for (size_t i = 0; i < REDIS_COMPLAINTS; i++) {
		struct redis_complaint *old = &registry->complaints[i];

		if (old->said_ms != 0 &&
		    (now_ms - old->said_ms < COMPLAIN_EVERY_MS ||
			(now_ms - old->said_ms < REPEAT_EVERY_MS &&
			    strcmp(old->text, text) == 0)))
			return false;
		if (old->said_ms < place->said_ms)
			place = old;
	}
	place->said_ms = now_ms;
	(void)str_copy(str_of(text), place->text, sizeof(place->text));
	return true;
}

void
redis_complain(
    struct redis_registry *registry, const char *what, const redisReply *reply)
{
	bool is_error = reply->type == REDIS_REPLY_ERROR;
	const char *answer = is_error ? reply->str : "of an unexpected form";
	char text[REDIS_ANSWER_MAX];

	if (registry->freeing || (is_error && registry->view.refused))
		return;
	snprintf(text, sizeof(text), "%s: %s", what, answer);
	if (is_news(registry, text))
		log_error("redis gave an answer that cannot be used",
		    LOG_S("operation", what), LOG_S("answer", answer));
}

/* Up and down. */

bool
redis_is_ready(const struct redis_registry *registry)
{
	return redis_link_is_up(registry->main) && redis_lanes_up(registry) &&
	    registry->follower.positioned;
}

void
redis_check_up(struct redis_registry *registry)
{
	struct registry_event event = {.type = REGISTRY_DOWN};

	if (registry->freeing)
		return;
	if (!redis_is_ready(registry)) {
		if (registry->up)
			registry_answer_event(&registry->answers, &event);
		registry->up = false;
	} else if (!registry->up && !registry->checking) {
		if (registry->routes_read)
			redis_view_check(registry);
		else
			redis_routes_read(registry);
	}
}

void
redis_tell_lost(struct redis_registry *registry)
{
	struct registry_event event = {.type = REGISTRY_UP, .lost = true};

	registry->view.announced = false;
	registry->view.refilling = true;
	log_warn("redis has lost what it knew, it is filled again");
	redis_follower_restart(registry);
	registry_answer_event(&registry->answers, &event);
}

static void
main_state_cb(void *ctx, bool up)
{
	struct redis_registry *registry = ctx;

	if (up)
		redis_history_flush(registry);
	else
		registry->checking = registry->view.reading = false;
	redis_check_up(registry);
}

/* Devices. */

struct device_query {
	struct redis_registry *registry;
	struct registry_answer *answer;
	char name[DEVICE_NAME_MAX + 1];
};

/* Will it answer otherwise when it is asked later? Not if the key is no hash. */
static bool
is_refusal(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ERROR &&
	    strncmp(reply->str, "WRONGTYPE", strlen("WRONGTYPE")) != 0;
}

static void
fill_device(struct device_query *query, const redisReply *reply)
{
	struct registry_answer *answer = query->answer;
	bool exists;

	answer->status = REGISTRY_UNAVAILABLE;
	if (reply == NULL)
		return;
	if (!redis_device_read(reply, query->name, &answer->device, &exists)) {
		redis_complain(query->registry, "device", reply);
		if (!is_refusal(reply))
			answer->status = REGISTRY_UNREADABLE;
		return;
	}
	answer->status = exists ? REGISTRY_OK : REGISTRY_NOT_FOUND;
	if (!exists && query->registry->open_mode) {
		answer->status = REGISTRY_OK;
		memcpy(answer->device.name, query->name, sizeof(query->name));
	}
}

static void
device_cb(void *ctx, const redisReply *reply)
{
	struct device_query *query = ctx;

	fill_device(query, reply);
	if (query->registry->freeing)
		free(query->answer);
	else
		registry_answers_post(&query->registry->answers, query->answer);
	free(query);
}

static int
redis_device_get(
    struct registry *base, const char *name, registry_device_cb cb, void *ctx)
{
	struct redis_registry *registry = redis_registry_of(base);
	struct device_query *query = calloc(1, sizeof(*query));
	struct registry_answer *answer =
	    registry_answer_new(ANSWER_DEVICE, ctx);

	if (query == NULL || answer == NULL) {
		free(query);
		registry_answer_free(answer);
		return -1;
	}
	answer->device_cb = cb;
	query->registry = registry;
	query->answer = answer;
	str_copy(str_of(name), query->name, sizeof(query->name));
	if (!registry->up ||
	    redis_link_commandf(registry->main, device_cb, query,
		"HGETALL taupe:device:%s", query->name) != 0)
		device_cb(query, NULL);
	return 0;
}

/* Routes. */

/* One question of one command, and where its answer goes. */
struct query {
	struct redis_registry *registry;
	struct registry_answer *answer;
};

/* NULL: no memory. */
static struct query *
query_new(
    struct redis_registry *registry, enum registry_answer_type type, void *ctx)
{
	struct query *query = calloc(1, sizeof(*query));
	struct registry_answer *answer = registry_answer_new(type, ctx);

	if (query == NULL || answer == NULL) {
		free(query);
		registry_answer_free(answer);
		return NULL;
	}
	*query = (struct query){registry, answer};
	return query;
}

static void
query_end(struct query *query)
{
	if (query->registry->freeing)
		registry_answer_free(query->answer);
	else
		registry_answers_post(&query->registry->answers, query->answer);
	free(query);
}

/* Without its epoch. False: it makes no sense. */
static bool
take_route(const redisReply *reply, struct route *route)
{
	struct route_target target;
	struct str text, access;
	uint64_t epoch;

	if (!redis_reply_text(reply, &text) ||
	    !route_value_parse(text, &target, &epoch))
		return false;
	access = (struct str){target.access, target.access_len};
	target.access = NULL;
	return str_copy(str_of(route_target_text(
			    &target, (char[ROUTE_VALUE_TEXT_MAX]){0})),
		   route->value, sizeof(route->value)) &&
	    str_copy(access, route->access, sizeof(route->access));
}

/* HGET routes KEY */
static void
route_cb(void *ctx, const redisReply *reply)
{
	struct query *query = ctx;
	struct registry_answer *answer = query->answer;

	answer->status = REGISTRY_UNAVAILABLE;
	if (reply != NULL && reply->type == REDIS_REPLY_NIL)
		answer->status = REGISTRY_NOT_FOUND;
	else if (reply != NULL && take_route(reply, &answer->route))
		answer->status = REGISTRY_OK;
	else if (reply != NULL)
		redis_complain(query->registry, "route", reply);
	query_end(query);
}

static int
redis_route_get(
    struct registry *base, const char *key, registry_route_cb cb, void *ctx)
{
	struct redis_registry *registry = redis_registry_of(base);
	struct query *query = query_new(registry, ANSWER_ROUTE, ctx);

	if (query == NULL)
		return -1;
	query->answer->route_cb = cb;
	if (!registry->up ||
	    redis_link_commandf(registry->main, route_cb, query,
		"HGET taupe:routes %s", key) != 0)
		route_cb(query, NULL);
	return 0;
}

/* Sessions. */

/* GET session:NAME */
static void
session_cb(void *ctx, const redisReply *reply)
{
	struct query *query = ctx;
	struct registry_answer *answer = query->answer;
	bool exists;

	answer->status = REGISTRY_UNAVAILABLE;
	if (reply != NULL &&
	    redis_session_read(reply, &answer->session, &exists))
		answer->status = exists ? REGISTRY_OK : REGISTRY_NOT_FOUND;
	else if (reply != NULL)
		redis_complain(query->registry, "session", reply);
	query_end(query);
}

static int
redis_session_get(
    struct registry *base, const char *name, registry_session_cb cb, void *ctx)
{
	struct redis_registry *registry = redis_registry_of(base);
	struct query *query = query_new(registry, ANSWER_SESSION, ctx);

	if (query == NULL)
		return -1;
	query->answer->session_cb = cb;
	if (!registry->up ||
	    redis_link_commandf(registry->main, session_cb, query,
		"GET taupe:session:%s", name) != 0)
		session_cb(query, NULL);
	return 0;
}

static size_t
redis_relays(struct registry *base, const struct relay_info **out)
{
	const struct redis_view *view = &redis_registry_of(base)->view;

	*out = view->relays;
	return view->n;
}

static bool
redis_is_up(const struct registry *base)
{
	return redis_registry_of(base)->up;
}

static const char *
redis_trouble(const struct registry *base)
{
	const struct redis_registry *registry = redis_registry_of(base);

	if (!registry->up)
		return "the registry does not answer";
	if (registry->view.refused)
		return "the registry refuses writes";
	if (registry->follower.refused)
		return "the registry refuses to tell of events";
	return NULL;
}

static long
redis_device_count(struct registry *base)
{
	(void)base;
	return -1;
}

/* Life. */

static void
redis_free(struct registry *base)
{
	struct redis_registry *registry = redis_registry_of(base);

	registry->freeing = true;
	redis_link_free(&registry->main);
	redis_follower_fini(registry);
	redis_lanes_fini(registry);
	redis_sweeper_fini(registry);
	redis_view_fini(registry);
	redis_history_fini(registry);
	registry_answers_fini(&registry->answers);
	free(registry);
}

static const struct registry_ops redis_ops = {
    .free = redis_free,
    .device_get = redis_device_get,
    .enrol = redis_enrol_start,
    .rotate = redis_rotate_start,
    .claim = redis_claim_start,
    .hold = redis_hold_start,
    .expire = redis_expire_start,
    .route_get = redis_route_get,
    .session_get = redis_session_get,
    .probe = redis_event_probe,
    .alive = redis_event_alive,
    .announce = redis_view_announce,
    .depart = redis_view_depart,
    .count = redis_count,
    .usage = redis_usage_of,
    .happened = redis_history_add,
    .untold = redis_history_waiting,
    .relays = redis_relays,
    .is_up = redis_is_up,
    .trouble = redis_trouble,
    .device_count = redis_device_count,
};

static void
take_settings(
    struct redis_registry *registry, const struct registry_settings *settings)
{
	if (!str_copy(
		str_of(settings->relay_id), registry->id, sizeof(registry->id)))
		assert(!"the id was checked by who gives it");
	registry->lease_ms = settings->lease_ms;
	registry->quarantine_ms = settings->quarantine_ms;
	registry->announce_ms = settings->announce_ms;
	registry->usage_ms = settings->usage_ms;
	registry->public_ports = *settings->public_ports;
	registry->open_mode = settings->open_mode;
}

struct registry *
registry_redis_new(struct loop *loop, const struct registry_settings *settings,
    const struct redis_link_config *redis, registry_event_cb cb, void *ctx)
{
	struct redis_registry *registry = calloc(1, sizeof(*registry));
	struct redis_link_config links = *redis;

	if (registry == NULL)
		return NULL;
	links.log = &registry->log;
	registry->registry = (struct registry){&redis_ops, cb, ctx};
	registry->loop = loop;
	take_settings(registry, settings);
	registry_answers_init(&registry->answers, loop, &registry->registry);
	redis_lanes_prepare(registry);
	redis_sweeper_init(registry);
	redis_view_init(registry);
	redis_history_init(registry);
	registry->main = redis_link_new(loop, &links, main_state_cb, registry);
	if (registry->main == NULL ||
	    redis_follower_init(registry, &links) != 0 ||
	    redis_lanes_init(registry, REDIS_LANES, &links) != 0) {
		redis_free(&registry->registry);
		return NULL;
	}
	return &registry->registry;
}
