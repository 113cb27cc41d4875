/* SPDX-License-Identifier: MIT */
/*
 * Anyone who may write to Redis can put anything into the hash and the stream. What
 * reaches the table has passed route_key_parse() and route_value_parse().
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "router/feed.h"

static struct str
text_of(const redisReply *reply)
{
	return (struct str){reply->str, reply->len};
}

static bool
is_text(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING ||
	    reply->type == REDIS_REPLY_STATUS;
}

static bool
is_array(const redisReply *reply, size_t n)
{
	return reply->type == REDIS_REPLY_ARRAY && reply->elements == n;
}

bool
stream_id_parse(struct str text, struct stream_id *id)
{
	struct str ms, seq;

	return str_split(text, '-', &ms, &seq) &&
	    str_to_number(ms, UINT64_MAX, &id->ms) &&
	    str_to_number(seq, UINT64_MAX, &id->seq);
}

const char *
stream_id_text(const struct stream_id *id, char out[STREAM_ID_TEXT_MAX])
{
	snprintf(
	    out, STREAM_ID_TEXT_MAX, "%" PRIu64 "-%" PRIu64, id->ms, id->seq);
	return out;
}

bool
stream_id_before(const struct stream_id *a, const struct stream_id *b)
{
	return a->ms < b->ms || (a->ms == b->ms && a->seq < b->seq);
}

bool
stream_id_equal(const struct stream_id *a, const struct stream_id *b)
{
	return a->ms == b->ms && a->seq == b->seq;
}

static void
skip(struct feed *feed, struct str key, struct str value, const char *why)
{
	feed->skipped++;
	log_warn("skipped a route that makes no sense", LOG_STR("key", key),
	    LOG_STR("value", route_text_shown(value)), LOG_S("reason", why));
}

static enum feed_result
put_route(struct feed *feed, struct str field, struct str value,
    enum route_source source)
{
	struct route_target target;
	enum route_kind kind;
	struct str key;
	uint64_t epoch;

	if (!route_key_parse(field, &kind, &key))
		skip(feed, field, value, "no kind/host or tcp/port");
	else if (!route_value_parse(value, &target, &epoch) ||
	    (target.access != NULL && !route_kind_has_access(kind)))
		skip(feed, field, value, "no ip,port,epoch with what may follow");
	else if (route_table_put(
		     feed->table, kind, key, &target, epoch, source) != 0)
		return FEED_NO_MEMORY;
	return FEED_OK;
}

static void
remove_route(struct feed *feed, struct str field)
{
	enum route_kind kind;
	struct str key;

	if (route_key_parse(field, &kind, &key))
		route_table_remove(feed->table, kind, key, false);
	else
		skip(feed, field, STR(""), "no kind/host or tcp/port");
}

/* [id, [field, value, …]] */
static bool
is_entry(const redisReply *reply, struct stream_id *id)
{
	return is_array(reply, 2) && is_text(reply->element[0]) &&
	    stream_id_parse(text_of(reply->element[0]), id) &&
	    (reply->element[1]->type == REDIS_REPLY_ARRAY ||
		reply->element[1]->type == REDIS_REPLY_NIL);
}

enum feed_result
feed_one_id(const redisReply *reply, struct stream_id *id)
{
	*id = (struct stream_id){0, 0};
	if (is_array(reply, 0))
		return FEED_OK;
	if (!is_array(reply, 1) || !is_entry(reply->element[0], id))
		return FEED_MALFORMED;
	return FEED_OK;
}

enum feed_result
feed_scan(
    struct feed *feed, const redisReply *reply, char *cursor, size_t cursor_cap)
{
	const redisReply *pairs;
	size_t i;

	if (!is_array(reply, 2) || !is_text(reply->element[0]) ||
	    !str_copy(text_of(reply->element[0]), cursor, cursor_cap))
		return FEED_MALFORMED;
	pairs = reply->element[1];
	if (pairs->type != REDIS_REPLY_ARRAY || pairs->elements % 2 != 0)
		return FEED_MALFORMED;
	for (i = 0; i < pairs->elements; i++)
		if (!is_text(pairs->element[i]))
			return FEED_MALFORMED;
	for (i = 0; i < pairs->elements; i += 2) {
		enum feed_result result =
		    put_route(feed, text_of(pairs->element[i]),
			text_of(pairs->element[i + 1]), ROUTE_FROM_SNAPSHOT);

		if (result != FEED_OK)
			return result;
	}
	return FEED_OK;
}

/* Of one event: the fields that we know; others are for others. */
static enum feed_result
apply_event(struct feed *feed, const redisReply *fields)
{
	struct str kind = STR(""), key = STR(""), value = STR("");
	size_t i;

	if (fields->type == REDIS_REPLY_NIL) /* deleted meanwhile */
		return FEED_OK;
	if (fields->elements % 2 != 0)
		return FEED_MALFORMED;
	for (i = 0; i < fields->elements; i += 2) {
		struct str name, content;

		if (!is_text(fields->element[i]) ||
		    !is_text(fields->element[i + 1]))
			return FEED_MALFORMED;
		name = text_of(fields->element[i]);
		content = text_of(fields->element[i + 1]);
		if (str_equal(name, STR("kind")))
			kind = content;
		else if (str_equal(name, STR("key")))
			key = content;
		else if (str_equal(name, STR("value")))
			value = content;
	}
	if (!str_equal(kind, STR("route")))
		return FEED_OK;
	feed->events++;
	if (value.len > 0)
		return put_route(feed, key, value, ROUTE_FROM_EVENT);
	remove_route(feed, key);
	return FEED_OK;
}

/* [[stream, [entry, …]]] */
enum feed_result
feed_events(struct feed *feed, const redisReply *reply, struct stream_id *id)
{
	const redisReply *entries;
	struct stream_id at;
	size_t i;

	if (reply->type == REDIS_REPLY_NIL)
		return FEED_OK;
	if (!is_array(reply, 1) || !is_array(reply->element[0], 2) ||
	    reply->element[0]->element[1]->type != REDIS_REPLY_ARRAY)
		return FEED_MALFORMED;
	entries = reply->element[0]->element[1];
	for (i = 0; i < entries->elements; i++) {
		enum feed_result result;

		if (!is_entry(entries->element[i], &at) ||
		    !stream_id_before(id, &at))
			return FEED_MALFORMED;
		result = apply_event(feed, entries->element[i]->element[1]);
		if (result != FEED_OK)
			return result;
		*id = at;
	}
	return FEED_OK;
}
