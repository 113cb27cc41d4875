/* SPDX-License-Identifier: MIT */
/*
 * Announcing this relay, and the view of all of them: read again with each announcement,
 * kept current in between by the events of sessions. Placement looks at the view only, so
 * that a storm of agents does not become a storm on Redis.
 */
#include <stdlib.h>

#include "base/log.h"
#include "relay/registry_redis_records.h"

#define ANNOUNCEMENTS_KEPT                                                     \
	3 /* a relay counts as gone after so many were missed */

/* The answer to a command whose answer nobody waits for. */
static void
logged_cb(void *ctx, const redisReply *reply)
{
	if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
		redis_complain(ctx, "announce", reply);
}

/* The view. */

static struct relay_info *
find_relay(
    struct redis_view *view, const char *id, struct redis_seen_relay **seen)
{
	for (size_t i = 0; i < view->n; i++) {
		if (strcmp(view->relays[i].id, id) != 0)
			continue;
		*seen = &view->seen[i];
		return &view->relays[i];
	}
	return NULL;
}

void
redis_view_session(struct redis_registry *registry, const char *relay, bool up,
    uint64_t agents, uint64_t sequence)
{
	struct redis_seen_relay *seen;
	struct relay_info *info = find_relay(&registry->view, relay, &seen);

	if (info == NULL || strcmp(relay, registry->id) == 0)
		return;
	if (sequence == 0) {
		if (up || info->agents > 0)
			info->agents += up ? 1 : (uint64_t)-1;
	} else if (sequence > seen->sequence) {
		info->agents = agents;
		seen->sequence = sequence;
		seen->news_ms = loop_now_ms(registry->loop);
	}
}

static bool
take_field(struct relay_info *info, struct redis_seen_relay *seen,
    struct str key, struct str value)
{
	uint64_t number;

	if (str_equal(key, STR("url")))
		return str_copy(value, info->url, sizeof(info->url));
	if (str_equal(key, STR("address")))
		return str_copy(value, info->address, sizeof(info->address));
	if (str_equal(key, STR("agents")))
		return str_to_u64(value, UINT64_MAX, &info->agents);
	if (str_equal(key, STR("visitors")))
		return str_to_u64(value, UINT64_MAX, &info->visitors);
	if (str_equal(key, STR("capacity")))
		return str_to_u64(value, UINT64_MAX, &info->capacity);
	if (str_equal(key, STR("since_ms")))
		return str_to_u64(value, UINT64_MAX, &info->since_ms);
	if (str_equal(key, STR("sequence")))
		return str_to_u64(value, UINT64_MAX, &seen->sequence);
	if (str_equal(key, STR("draining"))) {
		info->draining = str_equal(value, STR("1"));
		return true;
	}
	if (str_equal(key, STR("weight"))) {
		if (!str_to_u64(value, UINT32_MAX, &number) || number == 0)
			return false;
		info->weight = (uint32_t)number;
	}
	return true;
}

/* HGETALL relay:ID, of n > 0 pairs */
static bool
parse_relay(const redisReply *reply, struct relay_info *info,
    struct redis_seen_relay *seen)
{
	struct str key, value;

	for (size_t i = 0; i + 1 < reply->elements; i += 2)
		if (!redis_reply_text(reply->element[i], &key) ||
		    !redis_reply_text(reply->element[i + 1], &value) ||
		    !take_field(info, seen, key, value))
			return false;
	seen->since_ms = info->since_ms;
	return reply->elements % 2 == 0 && info->weight > 0;
}

/* What events have told since the relay's announcement is newer than it; and one that has
 * told nothing new for long may be dead, before its announcement has expired. */
static void
compare_with_last_view(struct redis_registry *registry, struct relay_info *info,
    struct redis_seen_relay *seen)
{
	uint64_t now = loop_now_ms(registry->loop);
	struct redis_seen_relay *old_seen;
	const struct relay_info *old =
	    find_relay(&registry->view, info->id, &old_seen);

	seen->news_ms = now;
	if (old == NULL || old_seen->since_ms != seen->since_ms ||
	    old_seen->sequence < seen->sequence)
		return;
	info->agents = old->agents;
	seen->sequence = old_seen->sequence;
	seen->news_ms = old_seen->news_ms;
	info->overdue = now - seen->news_ms > registry->announce_ms * 3 / 2;
}

static void
swap_view(struct redis_registry *registry)
{
	struct redis_view *view = &registry->view;
	struct registry_event event = {.type = REGISTRY_RELAYS};

	view->reading = false;
	memcpy(view->relays, view->new_relays,
	    view->n_new * sizeof(view->relays[0]));
	memcpy(view->seen, view->new_seen, view->n_new * sizeof(view->seen[0]));
	view->n = view->n_new;
	registry_answer_event(&registry->answers, &event);
}

static void
take_relay(
    struct redis_registry *registry, const char *id, const redisReply *reply)
{
	struct redis_view *view = &registry->view;
	struct relay_info *info = &view->new_relays[view->n_new];
	struct redis_seen_relay *seen = &view->new_seen[view->n_new];

	*info = (struct relay_info){0};
	*seen = (struct redis_seen_relay){0};
	if (reply->type != REDIS_REPLY_ARRAY) {
		redis_complain(registry, "relays", reply);
	} else if (reply->elements == 0) {
		redis_sweep_relay(registry, id);
	} else if (!parse_relay(reply, info, seen)) {
		redis_complain(registry, "relays", reply);
	} else {
		memcpy(info->id, id, sizeof(info->id));
		if (strcmp(id, registry->id) == 0 && view->has_self)
			*info = view->self;
		else
			compare_with_last_view(registry, info, seen);
		view->n_new++;
	}
}

static void
relay_cb(void *ctx, const redisReply *reply)
{
	struct redis_registry *registry = ctx;
	struct redis_view *view = &registry->view;
	const char *id = view->asked[view->next_asked++];

	if (reply == NULL)
		view->reading =
		    false; /* the view stays as it is until we can read again */
	if (!view->reading)
		return;
	take_relay(registry, id, reply);
	if (view->next_asked == view->n_asked)
		swap_view(registry);
}

/* ZRANGE relays 0 -1 */
static void
ids_cb(void *ctx, const redisReply *reply)
{
	struct redis_registry *registry = ctx;
	struct redis_view *view = &registry->view;
	struct str id;

	view->n_asked = view->next_asked = view->n_new = 0;
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
		view->reading = false;
		if (reply != NULL)
			redis_complain(registry, "relays", reply);
		return;
	}
	for (size_t i = 0; i < reply->elements && view->n_asked < RELAYS_MAX;
	     i++) {
		char *out = view->asked[view->n_asked];

		/* an id has the form of a device's name */
		if (!redis_reply_text(reply->element[i], &id) ||
		    !device_name_valid(id) ||
		    !str_copy(id, out, RELAY_ID_MAX + 1))
			redis_complain(registry, "relays", reply->element[i]);
		else if (redis_link_commandf(registry->main, relay_cb, registry,
			     "HGETALL taupe:relay:%s", out) == 0)
			view->n_asked++;
	}
	if (view->n_asked == 0)
		swap_view(registry);
}

static void
read_view(struct redis_registry *registry)
{
	if (registry->view.reading)
		return;
	registry->view.reading = redis_link_commandf(registry->main, ids_cb,
				     registry, "ZRANGE taupe:relays 0 -1") == 0;
}

/* Our announcement. */

/* HGET relay:US since_ms, before it is written again */
static void
own_cb(void *ctx, const redisReply *reply)
{
	struct redis_registry *registry = ctx;
	struct redis_view *view = &registry->view;
	struct str text;
	uint64_t since_ms;

	if (reply == NULL || !view->announced)
		return;
	if (reply->type == REDIS_REPLY_NIL) {
		redis_tell_lost(registry);
	} else if (!redis_reply_text(reply, &text) ||
	    !str_to_u64(text, UINT64_MAX, &since_ms)) {
		redis_complain(registry, "announce", reply);
	} else if (since_ms != view->self.since_ms && !view->stranger) {
		view->stranger = true;
		log_error(
		    "another relay announces itself under this relay's id",
		    LOG_S("id", registry->id),
		    LOG_S("hint", "give each relay an id of its own"));
	}
}

static void
announced_cb(void *ctx, const redisReply *reply)
{
	struct redis_registry *registry = ctx;

	if (reply == NULL)
		return;
	if (reply->type != REDIS_REPLY_ARRAY) {
		redis_complain(registry, "announce", reply);
		return;
	}
	registry->view.announced = registry->view.has_self;
	registry->view.refilling = false;
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

	if (reply == NULL || !view->has_route || redis_route_is(reply, value))
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
#define NUMBER(key, value)                                                     \
	redis_args_add(&args, key),                                            \
	    redis_args_addf(&args, "%llu", (unsigned long long)(value))
	NUMBER("agents", self->agents);
	NUMBER("visitors", self->visitors);
	NUMBER("weight", self->weight);
	NUMBER("capacity", self->capacity);
	NUMBER("draining", self->draining ? 1 : 0);
	NUMBER("since_ms", self->since_ms);
	NUMBER("sequence", ++registry->view.sequence);
	for (size_t i = 0; i < n_counters; i++) {
		redis_args_addf(&args, "counter/%s", counter_names[i]);
		redis_args_addf(
		    &args, "%llu", (unsigned long long)counter_values[i]);
	}
#undef NUMBER
	(void)redis_args_send(&args, registry->main, logged_cb, registry);
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
	    "HGET taupe:relay:%s since_ms", registry->id);
	if (view->has_route)
		(void)redis_link_commandf(link, own_route_cb, registry,
		    "HGET taupe:routes %s", view->route.key);
	(void)redis_link_commandf(link, logged_cb, registry, "MULTI");
	send_hash(registry, self, counter_names, counter_values, n_counters);
	(void)redis_link_commandf(link, logged_cb, registry,
	    "PEXPIRE taupe:relay:%s %llu", registry->id,
	    (unsigned long long)registry->announce_ms * ANNOUNCEMENTS_KEPT);
	(void)redis_link_commandf(link, logged_cb, registry,
	    "ZADD taupe:relays %.6f %s", (double)self->agents / self->weight,
	    registry->id);
	(void)redis_link_commandf(link, announced_cb, registry, "EXEC");
	read_view(registry);
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
	if (registry->up)
		send_announcement(
		    registry, counter_names, counter_values, n_counters);
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
		free(answer);
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

/* HGET relay:US since_ms */
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
		redis_link_reset(registry->main, "Redis refuses our commands");
		return;
	}
	registry->up = true;
	/* lost again before we have announced again is lost, too */
	event.lost = (registry->view.announced || registry->view.refilling) &&
	    reply->type == REDIS_REPLY_NIL;
	if (event.lost) {
		registry->view.announced = false;
		registry->view.refilling = true;
		redis_follower_restart(registry);
	}
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
		"HGET taupe:relay:%s since_ms", registry->id) == 0;
}
