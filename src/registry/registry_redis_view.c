/* SPDX-License-Identifier: MIT */
/*
 * The view of all relays: read again with each of our announcements, kept current in
 * between by the events of sessions. Placement looks at the view only, so that a storm of
 * agents does not become a storm on Redis.
 */
#include <stdlib.h>

#include "base/log.h"
#include "registry/registry_redis_records.h"
#include "wire/url.h"

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
	/* That a session was taken over says who has its agent now, and not that there is room:
	 * a relay that was killed would look the emptier the more of its agents are elsewhere,
	 * and get them back. One that lives announces its count itself. */
	if (sequence == 0) {
		info->agents += up;
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
		/* it goes into redirects and welcomes, whose readers are strict */
		return url_relay_valid(value) &&
		    str_copy(value, info->url, sizeof(info->url));
	if (str_equal(key, STR("address")))
		return str_copy(value, info->address, sizeof(info->address));
	if (str_equal(key, STR("agents")))
		return str_to_number(value, UINT64_MAX, &info->agents);
	if (str_equal(key, STR("visitors")))
		return str_to_number(value, UINT64_MAX, &info->visitors);
	if (str_equal(key, STR("capacity")))
		return str_to_number(value, UINT64_MAX, &info->capacity);
	if (str_equal(key, STR("since_ms")))
		return str_to_number(value, UINT64_MAX, &info->since_ms);
	if (str_equal(key, STR("sequence")))
		return str_to_number(value, UINT64_MAX, &seen->sequence);
	if (str_equal(key, STR("draining"))) {
		info->draining = str_equal(value, STR("1"));
		return true;
	}
	if (str_equal(key, STR("weight"))) {
		if (!str_to_number(value, UINT32_MAX, &number) || number == 0)
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
	info->overdue = now - seen->news_ms > registry->announce_ms * 2;
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

void
redis_view_read(struct redis_registry *registry)
{
	if (registry->view.reading)
		return;
	registry->view.reading = redis_link_commandf(registry->main, ids_cb,
				     registry, "ZRANGE taupe:relays 0 -1") == 0;
}
