/* SPDX-License-Identifier: MIT */
/*
 * Following the stream of events, on a link of its own that waits in XREAD. The position
 * is the id of the last event that was seen: nothing is lost while the link is away. The
 * first one is the stream's end, asked for by name, because XREAD's "$" would lose what
 * comes between two calls.
 */
#include <stdio.h>

#include "base/log.h"
#include "registry/registry_redis_records.h"

#define BLOCK_MS 5000
#define OVERDUE_MS 10000 /* XREAD should have answered by then */
#define REST_MS 1000	 /* after a refusal */
#define COUNT 500	 /* events in one answer */

static void read_on(struct redis_registry *registry);

/* Events. */

struct stream_event {
	struct str kind, name, relay, key, value;
	uint64_t epoch, up, agents, sequence;
};

static bool
take_field(struct stream_event *event, struct str key, struct str value)
{
	if (str_equal(key, STR("kind")))
		event->kind = value;
	else if (str_equal(key, STR("name")))
		event->name = value;
	else if (str_equal(key, STR("relay")))
		event->relay = value;
	else if (str_equal(key, STR("key")))
		event->key = value;
	else if (str_equal(key, STR("value")))
		event->value = value;
	else if (str_equal(key, STR("epoch")))
		return str_to_number(value, UINT64_MAX, &event->epoch);
	else if (str_equal(key, STR("up")))
		return str_to_number(value, 1, &event->up);
	else if (str_equal(key, STR("agents")))
		return str_to_number(value, UINT64_MAX, &event->agents);
	else if (str_equal(key, STR("sequence")))
		return str_to_number(value, UINT64_MAX, &event->sequence);
	return true;
}

static bool
parse_fields(const redisReply *fields, struct stream_event *event)
{
	struct str key, value;

	if (fields->type != REDIS_REPLY_ARRAY || fields->elements % 2 != 0)
		return false;
	for (size_t i = 0; i < fields->elements; i += 2)
		if (!redis_reply_text(fields->element[i], &key) ||
		    !redis_reply_text(fields->element[i + 1], &value) ||
		    !take_field(event, key, value))
			return false;
	return true;
}

/* The type for the relay; false: a kind that is not for relays. */
static bool
type_of(struct str kind, enum registry_event_type *type)
{
	static const struct {
		const char *kind;
		enum registry_event_type type;
	} types[] = {
	    {"session", REGISTRY_SESSION},
	    {"probe", REGISTRY_PROBE},
	    {"alive", REGISTRY_ALIVE},
	    {"device", REGISTRY_DEVICE},
	    {"kick", REGISTRY_KICK},
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		*type = types[i].type;
		if (str_equal(kind, str_of(types[i].kind)))
			return true;
	}
	return false;
}

/* False: it makes no sense. */
static bool
take_event(struct redis_registry *registry, const redisReply *fields)
{
	struct stream_event found = {0};
	struct registry_event event = {0};

	if (!parse_fields(fields, &found))
		return false;
	if (str_equal(found.kind, STR("route"))) {
		redis_tell_route(registry, found.key, found.value);
		return true;
	}
	if (!type_of(found.kind, &event.type))
		return true;
	if (!device_name_valid(found.name) ||
	    !str_copy(found.name, event.name, sizeof(event.name)) ||
	    !str_copy(found.relay, event.relay, sizeof(event.relay)))
		return false;
	event.epoch = found.epoch;
	event.up = found.up != 0;
	if (event.type == REGISTRY_SESSION)
		redis_view_session(registry, event.relay, event.up,
		    found.agents, found.sequence);
	registry_answer_event(&registry->answers, &event);
	return true;
}

/* [id, [key, value, …]] */
static bool
take_entry(struct redis_registry *registry, const redisReply *entry)
{
	struct str id;

	if (!redis_reply_is_array(entry, 2) ||
	    !redis_reply_text(entry->element[0], &id) ||
	    !str_copy(id, registry->follower.position, STREAM_ID_MAX))
		return false;
	/* an event that makes no sense is not read again */
	if (!take_event(registry, entry->element[1]))
		redis_complain(registry, "events", entry->element[1]);
	return true;
}

/* [[key, [entry, …]]] */
static bool
take_entries(struct redis_registry *registry, const redisReply *reply)
{
	const redisReply *entries;

	if (!redis_reply_is_array(reply, 1) ||
	    !redis_reply_is_array(reply->element[0], 2))
		return false;
	entries = reply->element[0]->element[1];
	if (entries->type != REDIS_REPLY_ARRAY)
		return false;
	for (size_t i = 0; i < entries->elements; i++)
		if (!take_entry(registry, entries->element[i]))
			return false;
	return true;
}

/* Following. */

/* A refusal is asked about again in a moment; what makes no sense costs the connection. */
static void
come_back(struct redis_registry *registry, const redisReply *reply)
{
	redis_complain(registry, "events", reply);
	if (reply->type == REDIS_REPLY_ERROR) {
		registry->follower.refused = true;
		timer_set(registry->loop, &registry->follower.rest, REST_MS);
	} else {
		redis_link_reset(
		    registry->follower.link, "the event stream makes no sense");
	}
}

static void
read_cb(void *ctx, const redisReply *reply)
{
	struct redis_registry *registry = ctx;

	timer_clear(registry->loop, &registry->follower.overdue);
	if (reply == NULL || registry->freeing)
		return;
	if (reply->type != REDIS_REPLY_NIL && !take_entries(registry, reply)) {
		come_back(registry, reply);
		return;
	}
	registry->follower.refused = false;
	read_on(registry);
}

/* The id of the last entry of XREVRANGE's answer; an empty stream begins at 0-0. */
static bool
parse_end(const redisReply *reply, char end[STREAM_ID_MAX])
{
	struct str id;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements > 1)
		return false;
	if (reply->elements == 0)
		return str_copy(STR("0-0"), end, STREAM_ID_MAX);
	return redis_reply_is_array(reply->element[0], 2) &&
	    redis_reply_text(reply->element[0]->element[0], &id) &&
	    str_copy(id, end, STREAM_ID_MAX);
}

static void
end_cb(void *ctx, const redisReply *reply)
{
	struct redis_registry *registry = ctx;
	struct redis_follower *follower = &registry->follower;

	timer_clear(registry->loop, &follower->overdue);
	if (reply == NULL || registry->freeing)
		return;
	if (!parse_end(reply, follower->position)) {
		come_back(registry, reply);
		return;
	}
	follower->positioned = true;
	follower->refused = false;
	read_on(registry);
	redis_check_up(registry);
}

/* Is what we have seen last still there? If not, what came behind it may be gone as well: the stream has an
 * end at its beginning, and a replica that took over has what it has. */
static void
seen_cb(void *ctx, const redisReply *reply)
{
	struct redis_registry *registry = ctx;
	struct registry_event event = {.type = REGISTRY_MISSED};

	timer_clear(registry->loop, &registry->follower.overdue);
	if (reply == NULL || registry->freeing)
		return;
	if (reply->type != REDIS_REPLY_ARRAY) {
		come_back(registry, reply);
		return;
	}
	registry->follower.was_away = registry->follower.refused = false;
	if (reply->elements == 0)
		registry_answer_event(&registry->answers, &event);
	read_on(registry);
}

static void
read_on(struct redis_registry *registry)
{
	struct redis_follower *follower = &registry->follower;

	timer_set(registry->loop, &follower->overdue, OVERDUE_MS);
	if (!follower->positioned)
		(void)redis_link_commandf(follower->link, end_cb, registry,
		    "XREVRANGE taupe:events + - COUNT 1");
	else if (follower->was_away)
		(void)redis_link_commandf(follower->link, seen_cb, registry,
		    "XRANGE taupe:events %s %s COUNT 1", follower->position,
		    follower->position);
	else
		(void)redis_link_commandf(follower->link, read_cb, registry,
		    "XREAD COUNT %d BLOCK %d STREAMS taupe:events %s", COUNT,
		    BLOCK_MS, follower->position);
}

static void
rest_cb(void *ctx)
{
	read_on(ctx);
}

static void
overdue_cb(void *ctx)
{
	struct redis_registry *registry = ctx;

	redis_link_reset(registry->follower.link, "no reply in time");
}

static void
state_cb(void *ctx, bool up)
{
	struct redis_registry *registry = ctx;
	struct redis_follower *follower = &registry->follower;

	timer_clear(registry->loop, &follower->overdue);
	timer_clear(registry->loop, &follower->rest);
	follower->refused = false;
	/* of an empty stream there is no entry to have been seen */
	follower->was_away =
	    follower->positioned && strcmp(follower->position, "0-0") != 0;
	if (up)
		read_on(registry);
	redis_check_up(registry);
}

/* A stream that was lost begins again. Its ids are times, so it goes on behind our
 * position, unless the server's clock has been set back: then we read it whole. */

static bool
parse_id(const char *text, uint64_t *ms, uint64_t *number)
{
	struct str head, tail;

	return str_split(str_of(text), '-', &head, &tail) &&
	    str_to_number(head, UINT64_MAX, ms) &&
	    str_to_number(tail, UINT64_MAX, number);
}

static bool
is_before(const char *a, const char *b)
{
	uint64_t a_ms, a_number, b_ms, b_number;

	return parse_id(a, &a_ms, &a_number) && parse_id(b, &b_ms, &b_number) &&
	    (a_ms < b_ms || (a_ms == b_ms && a_number < b_number));
}

static void
lost_end_cb(void *ctx, const redisReply *reply)
{
	struct redis_registry *registry = ctx;
	struct redis_follower *follower = &registry->follower;
	char end[STREAM_ID_MAX];

	if (reply == NULL || registry->freeing)
		return;
	if (!parse_end(reply, end)) {
		redis_complain(registry, "events", reply);
	} else if (is_before(end, follower->position)) {
		str_copy(STR("0-0"), follower->position, STREAM_ID_MAX);
		redis_link_reset(
		    follower->link, "the event stream began again");
	}
}

void
redis_follower_restart(struct redis_registry *registry)
{
	(void)redis_link_commandf(registry->main, lost_end_cb, registry,
	    "XREVRANGE taupe:events + - COUNT 1");
}

/* Our own. */

static void
sent_cb(void *ctx, const redisReply *reply)
{
	if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
		redis_complain(ctx, "events", reply);
}

void
redis_event_probe(
    struct registry *base, const char *name, uint64_t epoch, const char *relay)
{
	struct redis_registry *registry = redis_registry_of(base);

	(void)redis_link_commandf(registry->main, sent_cb, registry,
	    STREAM_ADD "kind probe name %s epoch %llu relay %s", name,
	    (unsigned long long)epoch, relay);
}

void
redis_event_alive(struct registry *base, const char *name, uint64_t epoch)
{
	struct redis_registry *registry = redis_registry_of(base);

	(void)redis_link_commandf(registry->main, sent_cb, registry,
	    STREAM_ADD "kind alive name %s epoch %llu relay %s", name,
	    (unsigned long long)epoch, registry->id);
}

int
redis_follower_init(
    struct redis_registry *registry, const struct redis_link_config *config)
{
	struct redis_link_config waiting = *config;

	waiting.timeout_ms = 0;
	timer_init(&registry->follower.overdue, overdue_cb, registry);
	timer_init(&registry->follower.rest, rest_cb, registry);
	registry->follower.link =
	    redis_link_new(registry->loop, &waiting, state_cb, registry);
	return registry->follower.link != NULL ? 0 : -1;
}

void
redis_follower_fini(struct redis_registry *registry)
{
	redis_link_free(&registry->follower.link);
	timer_clear(registry->loop, &registry->follower.overdue);
	timer_clear(registry->loop, &registry->follower.rest);
}
