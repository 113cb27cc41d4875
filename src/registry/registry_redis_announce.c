/* SPDX-License-Identifier: MIT */
/*
 * Announcing this relay, each second and whenever Redis is there again, and leaving. The
 * announcement is also how a relay notices that the database has lost something: it is
 * the one thing there that nobody else writes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "registry/registry_redis_records.h"

#define RECHECK_MS 1000
/* HSET, PEXPIRE, ZADD, HGET in one MULTI */
#define ANNOUNCEMENT_COMMANDS 4
#define ANNOUNCEMENTS_KEPT                                                     \
	3 /* a relay counts as gone after so many were missed */

/* The answer to a command whose answer nobody waits for. */
static void
logged_cb(void *ctx, const redisReply *reply)
{
	if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
		redis_complain(ctx, "announce", reply);
}

/* The answer to MULTI and to what is queued in it: EXEC only tells that something was
 * refused. */
static void
queued_cb(void *ctx, const redisReply *reply)
{
	struct redis_view *view = &((struct redis_registry *)ctx)->view;

	if (reply != NULL && reply->type == REDIS_REPLY_ERROR &&
	    view->refusal[0] == '\0')
		snprintf(
		    view->refusal, sizeof(view->refusal), "%s", reply->str);
}

/* The announcement is the write that is tried again and again: it tells whether any would be
 * taken. */
static void
note_refusal(struct redis_registry *registry, const redisReply *reply)
{
	struct redis_view *view = &registry->view;

	queued_cb(registry, reply);
	if (view->refused)
		return;
	view->refused = true;
	log_error("redis refuses writes: sessions go on, changes are written "
		  "later",
	    LOG_S("answer", view->refusal));
}

static void
note_acceptance(struct redis_registry *registry)
{
	struct redis_view *view = &registry->view;
	struct registry_event event = {.type = REGISTRY_UP, .doubtful = true};

	if (view->refused)
		log_info("redis takes writes again");
	if (view->lapsed)
		registry_answer_event(&registry->answers, &event);
	view->refused = view->lapsed = false;
}

/*
 * Is what stands under our name what we wrote last? A database that was emptied has
 * nothing there, one that was set back (a replica took over, a backup was restored) has
 * something older.
 */
enum own_record { OWN_WHOLE, OWN_LOST, OWN_STRANGE, OWN_NONSENSE };

/* HMGET relay:US since_ms sequence */
static enum own_record
judge_own(const struct redis_view *view, const redisReply *reply)
{
	uint64_t since_ms, sequence;
	struct str text;

	if (!redis_reply_is_array(reply, 2))
		return OWN_NONSENSE;
	if (reply->element[0]->type == REDIS_REPLY_NIL)
		return OWN_LOST;
	if (!redis_reply_text(reply->element[0], &text) ||
	    !str_to_number(text, UINT64_MAX, &since_ms))
		return OWN_NONSENSE;
	if (since_ms != view->self.since_ms)
		return OWN_STRANGE;
	if (!redis_reply_text(reply->element[1], &text) ||
	    !str_to_number(text, UINT64_MAX, &sequence))
		return OWN_NONSENSE;
	return sequence < view->acknowledged ? OWN_LOST : OWN_WHOLE;
}

/* Before it is written again. */
static void
own_cb(void *ctx, const redisReply *reply)
{
	struct redis_registry *registry = ctx;
	struct redis_view *view = &registry->view;

	if (reply == NULL || !view->announced)
		return;
	switch (judge_own(view, reply)) {
	case OWN_WHOLE:
		break;
	case OWN_LOST:
		/* it lives for a few intervals, and was not let renew itself */
		if (view->refused)
			view->lapsed = true;
		else
			redis_tell_lost(registry);
		break;
	case OWN_STRANGE:
		if (!view->stranger)
			log_error("another relay announces itself under this "
				  "relay's id",
			    LOG_S("id", registry->id),
			    LOG_S("hint", "give each relay an id of its own"));
		view->stranger = true;
		break;
	case OWN_NONSENSE:
		redis_complain(registry, "announce", reply);
		break;
	}
}

/* HGET drain US */
static void
drain_cb(void *ctx, const redisReply *reply)
{
	struct redis_registry *registry = ctx;
	struct registry_event event = {.type = REGISTRY_DRAIN};

	if (reply == NULL)
		return;
	if (reply->type == REDIS_REPLY_ERROR) {
		redis_complain(registry, "drain", reply);
		return;
	}
	event.up = reply->type != REDIS_REPLY_NIL;
	if (event.up == registry->view.drain_wanted)
		return;
	registry->view.drain_wanted = event.up;
	registry_answer_event(&registry->answers, &event);
}

/* EXEC, whose last command has read our sequence back. */
static void
announced_cb(void *ctx, const redisReply *reply)
{
	struct redis_registry *registry = ctx;
	struct redis_view *view = &registry->view;
	struct str text;

	if (reply == NULL)
		return;
	if (reply->type == REDIS_REPLY_ERROR) {
		note_refusal(registry, reply);
		return;
	}
	if (!redis_reply_is_array(reply, ANNOUNCEMENT_COMMANDS) ||
	    !redis_reply_text(
		reply->element[ANNOUNCEMENT_COMMANDS - 1], &text) ||
	    !str_to_number(text, UINT64_MAX, &view->acknowledged)) {
		redis_complain(registry, "announce", reply);
		return;
	}
	note_acceptance(registry);
	view->announced = view->has_self;
	view->refilling = false;
}

/* HGET routes relay/US */
static void
own_route_cb(void *ctx, const redisReply *reply)
{
	struct redis_registry *registry = ctx;
	const struct redis_view *view = &registry->view;
	struct redis_link *link = registry->main;
	const char *key = view->route.key, *value = view->route.value;
	unsigned long long epoch = view->self.since_ms;

	if (reply == NULL || !view->has_route ||
	    redis_route_is(reply, &view->route))
		return;
	(void)redis_link_commandf(link, logged_cb, registry, "MULTI");
	(void)redis_link_commandf(link, logged_cb, registry,
	    "SADD taupe:owned:relay:%s %s", registry->id, key);
	(void)redis_link_commandf(link, logged_cb, registry,
	    "HSET taupe:routes %s %s,%llu", key, value, epoch);
	(void)redis_link_commandf(link, logged_cb, registry,
	    STREAM_ADD "kind route key %s value %s,%llu", key, value, epoch);
	(void)redis_link_commandf(link, logged_cb, registry, "EXEC");
}

static void
add_number(struct redis_args *args, const char *key, uint64_t value)
{
	redis_args_add(args, key);
	redis_args_addf(args, "%llu", (unsigned long long)value);
}

static void
add_facts(struct redis_args *args, const struct relay_facts *facts)
{
	redis_args_add(args, "domain");
	redis_args_add(args, facts->domain);
	redis_args_add(args, "version");
	redis_args_add(args, facts->version);
	redis_args_add(args, "public_scheme");
	redis_args_add(args, facts->public_scheme);
	add_number(args, "public_http_port", facts->public_http_port);
	redis_args_add(args, "public_ports");
	redis_args_add(args, facts->public_ports);
	add_number(args, "files_limit", facts->files_limit);
	add_number(args, "listen_queue", facts->listen_queue);
	add_number(args, "memory_bytes", facts->memory_bytes);
	add_number(args, "busiest_ms", facts->busiest_ms);
	redis_args_add(args, "busiest");
	redis_args_add(args, facts->busiest);
}

static void
send_hash(struct redis_registry *registry, const struct relay_info *self,
    const char *const *counter_names, const uint64_t *counter_values,
    size_t n_counters)
{
	struct redis_args args = REDIS_ARGS_NONE;

	redis_args_add(&args, "HSET");
	redis_args_addf(&args, "taupe:relay:%s", registry->id);
	redis_args_add(&args, "url");
	redis_args_add(&args, self->url);
	redis_args_add(&args, "address");
	redis_args_add(&args, self->address);
	add_number(&args, "agents", self->agents);
	add_number(&args, "visitors", self->visitors);
	add_number(&args, "weight", self->weight);
	add_number(&args, "capacity", self->capacity);
	add_number(&args, "draining", self->draining ? 1 : 0);
	add_number(&args, "since_ms", self->since_ms);
	add_number(&args, "sequence", ++registry->view.sequence);
	/* these two tell who reads them how far our clock is from Redis' own: the key's time to
	 * live says when it was written */
	add_number(&args, "announce_ms", registry->announce_ms);
	add_number(&args, "clock_ms", loop_wall_ms());
	if (self->facts != NULL)
		add_facts(&args, self->facts);
	for (size_t i = 0; i < n_counters; i++) {
		redis_args_addf(&args, "counter/%s", counter_names[i]);
		redis_args_addf(
		    &args, "%llu", (unsigned long long)counter_values[i]);
	}
	(void)redis_args_send(&args, registry->main, queued_cb, registry);
}

/* What was announced last, in one go, and the view while we are at it. */
static void
send_announcement(struct redis_registry *registry,
    const char *const *counter_names, const uint64_t *counter_values,
    size_t n_counters)
{
	const struct redis_view *view = &registry->view;
	const struct relay_info *self = &view->self;
	struct redis_link *link = registry->main;

	(void)redis_link_commandf(link, own_cb, registry,
	    "HMGET taupe:relay:%s since_ms sequence", registry->id);
	(void)redis_link_commandf(
	    link, drain_cb, registry, "HGET taupe:drain %s", registry->id);
	if (view->has_route)
		(void)redis_link_commandf(link, own_route_cb, registry,
		    "HGET taupe:routes %s", view->route.key);
	registry->view.refusal[0] = '\0';
	(void)redis_link_commandf(link, queued_cb, registry, "MULTI");
	send_hash(registry, self, counter_names, counter_values, n_counters);
	(void)redis_link_commandf(link, queued_cb, registry,
	    "PEXPIRE taupe:relay:%s %llu", registry->id,
	    (unsigned long long)registry->announce_ms * ANNOUNCEMENTS_KEPT);
	(void)redis_link_commandf(link, queued_cb, registry,
	    "ZADD taupe:relays %.6f %s", (double)self->agents / self->weight,
	    registry->id);
	(void)redis_link_commandf(link, queued_cb, registry,
	    "HGET taupe:relay:%s sequence", registry->id);
	(void)redis_link_commandf(link, announced_cb, registry, "EXEC");
	redis_view_read(registry);
}

void
redis_view_announce(struct registry *base, const struct relay_info *self,
    const struct route *relay_route, const char *const *counter_names,
    const uint64_t *counter_values, size_t n_counters)
{
	struct redis_registry *registry = redis_registry_of(base);
	struct redis_view *view = &registry->view;

	view->self = *self;
	view->agents = self->agents;
	view->has_self = true;
	view->has_route = relay_route != NULL;
	if (relay_route != NULL)
		view->route = *relay_route;
	if (registry->up) {
		redis_history_flush(registry); /* what was refused */
		send_announcement(
		    registry, counter_names, counter_values, n_counters);
	}
}

struct departure {
	struct redis_registry *registry;
	struct registry_answer *answer;
};

static void
departed_cb(void *ctx, const redisReply *reply)
{
	struct departure *departure = ctx;
	struct redis_registry *registry = departure->registry;

	departure->answer->status =
	    reply != NULL && reply->type == REDIS_REPLY_ARRAY
	    ? REGISTRY_OK
	    : REGISTRY_UNAVAILABLE;
	if (reply != NULL && departure->answer->status != REGISTRY_OK)
		redis_complain(registry, "depart", reply);
	if (registry->freeing)
		free(departure->answer);
	else
		registry_answers_post(&registry->answers, departure->answer);
	free(departure);
}

static void
send_departure(struct redis_registry *registry)
{
	struct redis_link *link = registry->main;
	const char *id = registry->id, *key = registry->view.route.key;

	(void)redis_link_commandf(link, logged_cb, registry, "MULTI");
	(void)redis_link_commandf(link, logged_cb, registry,
	    "DEL taupe:relay:%s taupe:owned:relay:%s", id, id);
	(void)redis_link_commandf(
	    link, logged_cb, registry, "ZREM taupe:relays %s", id);
	/* the next one of this id is there to serve */
	(void)redis_link_commandf(
	    link, logged_cb, registry, "HDEL taupe:drain %s", id);
	if (!registry->view.has_route)
		return;
	(void)redis_link_commandf(
	    link, logged_cb, registry, "HDEL taupe:routes %s", key);
	(void)redis_link_commandf(link, logged_cb, registry,
	    STREAM_ADD "kind route key %s value %s", key, "");
}

void
redis_view_depart(struct registry *base, registry_done_cb cb, void *ctx)
{
	struct redis_registry *registry = redis_registry_of(base);
	struct departure *departure = calloc(1, sizeof(*departure));
	struct registry_answer *answer = registry_answer_new(ANSWER_DONE, ctx);

	if (departure == NULL || answer == NULL) {
		log_error("out of memory",
		    LOG_S("what", "saying goodbye to the registry"));
		free(departure);
		registry_answer_free(answer);
		return;
	}
	answer->done_cb = cb;
	*departure = (struct departure){registry, answer};
	send_departure(registry);
	registry->view.has_self = registry->view.announced =
	    registry->view.has_route = false;
	if (redis_link_commandf(
		registry->main, departed_cb, departure, "EXEC") != 0)
		departed_cb(departure, NULL);
}

/* Coming up. */

/* HMGET relay:US since_ms sequence */
static void
check_cb(void *ctx, const redisReply *reply)
{
	struct redis_registry *registry = ctx;
	struct registry_event event = {.type = REGISTRY_UP};

	registry->checking = false;
	if (registry->freeing || reply == NULL)
		return; /* it is down again: the next time it is up we ask again */
	if (reply->type == REDIS_REPLY_ERROR) {
		redis_complain(registry, "announce", reply);
		timer_set(registry->loop, &registry->recheck, RECHECK_MS);
		return;
	}
	if (!redis_is_ready(registry))
		return; /* another link went meanwhile, and its return asks again */
	registry->up = true;
	/* another server may lack what was written behind an announcement that it has */
	event.doubtful = redis_link_has_moved(registry->main);
	/* lost again before we have announced again is lost, too */
	event.lost = (registry->view.announced || registry->view.refilling) &&
	    judge_own(&registry->view, reply) == OWN_LOST;
	if (event.lost) {
		registry->view.announced = false;
		registry->view.refilling = true;
	}
	if (event.lost || event.doubtful)
		redis_follower_restart(registry);
	registry_answer_event(&registry->answers, &event);
	/* the others should not have to wait for the next one */
	if (registry->view.has_self)
		send_announcement(registry, NULL, NULL, 0);
}

void
redis_view_check(struct redis_registry *registry)
{
	registry->checking =
	    redis_link_commandf(registry->main, check_cb, registry,
		"HMGET taupe:relay:%s since_ms sequence", registry->id) == 0;
}

static void
recheck_cb(void *ctx)
{
	redis_check_up(ctx);
}

void
redis_view_init(struct redis_registry *registry)
{
	timer_init(&registry->recheck, recheck_cb, registry);
}

void
redis_view_fini(struct redis_registry *registry)
{
	timer_clear(registry->loop, &registry->recheck);
}
