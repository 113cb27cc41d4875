/* SPDX-License-Identifier: MIT */
/*
 * What has happened, from the stream taupe:history. Behind a place that the stream does not have any
 * more something may be missing: that is asked for after the entries were read, so that nothing can
 * be trimmed between the two unseen.
 */
#include <stdio.h>

#include "admin/event_json.h"
#include "admin/store_redis.h"

#define STREAM "taupe:history"
#define AT_ONCE 500

/* [id, [key, value, …]]; NULL: it makes no sense. */
static json_t *
entry_json(const redisReply *entry, char place[EVENT_PLACE_MAX])
{
	const redisReply *fields;
	struct str id;
	json_t *event;

	if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2)
		return NULL;
	id = redis_text(entry->element[0]);
	fields = entry->element[1];
	if (id.ptr == NULL || !str_copy(id, place, EVENT_PLACE_MAX) ||
	    fields->type != REDIS_REPLY_ARRAY)
		return NULL;
	event = json_pack("{s:s}", "place", place);
	for (size_t i = 0; event != NULL && i + 1 < fields->elements; i += 2) {
		struct str key = redis_text(fields->element[i]),
			   value = redis_text(fields->element[i + 1]);

		if (key.ptr != NULL && value.ptr != NULL)
			event_json_add(event, key, value);
	}
	return event;
}

/* nil, or [[stream, [entry, …]]] */
static int
take_entries(
    struct admin *admin, const redisReply *reply, struct event_page *page)
{
	const redisReply *entries;

	if (reply->type == REDIS_REPLY_NIL)
		return ADMIN_OK;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1 ||
	    reply->element[0]->type != REDIS_REPLY_ARRAY ||
	    reply->element[0]->elements != 2)
		return store_fail_nonsense(admin, "events");
	entries = reply->element[0]->element[1];
	if (entries->type != REDIS_REPLY_ARRAY)
		return store_fail_nonsense(admin, "events");
	for (size_t i = 0; i < entries->elements; i++) {
		json_t *event = entry_json(entries->element[i], page->end);

		if (event == NULL)
			return store_fail_nonsense(admin, "events");
		json_array_append_new(page->events, event);
	}
	return ADMIN_OK;
}

/* The id of the one entry of an answer; "": there is none. */
static int
take_id(struct admin *admin, redisReply *reply, char id[EVENT_PLACE_MAX])
{
	int code = ADMIN_OK;
	json_t *event;

	id[0] = '\0';
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements > 1) {
		code = store_fail_nonsense(admin, "events");
	} else if (reply->elements == 1) {
		event = entry_json(reply->element[0], id);
		if (event == NULL)
			code = store_fail_nonsense(admin, "events");
		json_decref(event);
	}
	redis_sync_reply_free(&reply);
	return code;
}

static int
find_end(struct admin *admin, char id[EVENT_PLACE_MAX])
{
	int code;
	redisReply *reply =
	    store_ask(admin, &code, "XREVRANGE " STREAM " + - COUNT 1");

	return reply != NULL ? take_id(admin, reply, id) : code;
}

/* Is what stood at that place still there? If not, and if the stream has begun again with a clock
 * that was set back, it is read from its beginning. */
static int
look_for_gap(struct admin *admin, const char *after, struct event_page *page)
{
	char id[EVENT_PLACE_MAX];
	int code;
	redisReply *reply = store_ask(
	    admin, &code, "XRANGE " STREAM " %s %s COUNT 1", after, after);

	if (reply == NULL || (code = take_id(admin, reply, id)) != ADMIN_OK ||
	    id[0] != '\0')
		return code;
	page->missed = true;
	if ((code = find_end(admin, id)) == ADMIN_OK &&
	    (id[0] == '\0' || event_place_before(id, after)))
		memcpy(page->end, "0", 2);
	return code;
}

int
redis_events(struct admin *admin, const char *after, uint64_t wait_ms,
    struct event_page *page)
{
	uint64_t most_ms = (uint64_t)admin->registry->redis_timeout_ms / 2;
	bool is_entry = after != NULL && strchr(after, '-') != NULL;
	unsigned most = page->most != 0 ? page->most : AT_ONCE;
	int code;
	redisReply *reply;

	page->missed = false;
	if (after == NULL) {
		if ((code = find_end(admin, page->end)) == ADMIN_OK &&
		    page->end[0] == '\0')
			memcpy(page->end, "0", 2);
		return code;
	}
	(void)str_copy(str_of(after), page->end, sizeof(page->end));
	if (wait_ms == 0)
		reply = store_ask(admin, &code,
		    "XREAD COUNT %u STREAMS " STREAM " %s", most, after);
	else
		reply = store_ask(admin, &code,
		    "XREAD COUNT %u BLOCK %llu STREAMS " STREAM " %s", most,
		    (unsigned long long)(wait_ms < most_ms ? wait_ms : most_ms),
		    after);
	if (reply == NULL)
		return code;
	code = take_entries(admin, reply, page);
	redis_sync_reply_free(&reply);
	return code == ADMIN_OK && is_entry ? look_for_gap(admin, after, page)
					    : code;
}
