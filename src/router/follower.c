/* SPDX-License-Identifier: MIT */
/*
 * A snapshot: last entry of the stream (from), the hash in pieces, last entry again
 * (until), then the events in between. An event may be older than what the hash said,
 * but then the one that made it so comes behind, and nobody acts on the table before
 * `until` is reached.
 *
 * One command at a time on one link. Every reply handler either sends the next command
 * or lets the follower rest, so that there is no state with nothing under way.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "router/follower.h"

#define ROUTES "taupe:routes"
#define EVENTS "taupe:events"
#define BLOCK_MS 1000
#define EVENTS_AT_ONCE "1000"
#define SCAN_COUNT "1000"
#define REST_MS 1000
#define CURSOR_MAX 32

struct follower {
	struct loop *loop;
	struct redis_link *link;
	struct feed feed;
	uint64_t grace_ms;
	follower_cb cb;
	void *ctx;
	struct stream_id at; /* every event up to here is in the table */
	struct stream_id
	    before; /* the one before the last XREAD: it must still exist */
	struct stream_id from, until; /* of the snapshot under way */
	char cursor[CURSOR_MAX];
	bool complete; /* there has been a snapshot */
	bool reading;  /* a snapshot is under way */
	bool
	    same_history; /* nothing can be missing but what was removed by rights */
	bool believe;	    /* the snapshot under way is to be taken as it is */
	bool wants_believe; /* the grace period is over */
	bool interrupted;   /* the link went while a snapshot was under way */
	bool refused;	    /* Redis does not tell the routes, which was said */
	struct timer rest, grace;
	uint64_t snapshots, gaps;
};

static void begin_snapshot(struct follower *f);
static void send_read(struct follower *f);

/* Come back in a moment and begin with the question whether anything was missed. */
static void
take_rest(struct follower *f)
{
	timer_set(f->loop, &f->rest, REST_MS);
}

/* Is it an answer at all? When it is not, what has to be done is done. */
static bool
is_answer(struct follower *f, const redisReply *reply)
{
	if (reply == NULL)
		return false; /* the link is down: link_cb() comes */
	if (reply->type != REDIS_REPLY_ERROR)
		return true;
	if (!f->refused)
		log_error("Redis refused to tell the routes",
		    LOG_STR("reply", ((struct str){reply->str, reply->len})));
	f->refused = true;
	take_rest(f);
	return false;
}

static bool
is_good(struct follower *f, enum feed_result result)
{
	switch (result) {
	case FEED_OK:
		return true;
	case FEED_MALFORMED:
		redis_link_reset(
		    f->link, "the reply is not what was asked for");
		return false;
	case FEED_NO_MEMORY:
		log_error("no memory for the routes");
		break;
	}
	take_rest(f);
	return false;
}

static void
send_last_entry(struct follower *f, redis_reply_cb cb)
{
	(void)redis_link_commandf(
	    f->link, cb, f, "XREVRANGE " EVENTS " + - COUNT 1");
}

/* Does the entry still exist? */
static void
send_has_entry(
    struct follower *f, const struct stream_id *id, redis_reply_cb cb)
{
	char text[STREAM_ID_TEXT_MAX];

	stream_id_text(id, text);
	(void)redis_link_commandf(
	    f->link, cb, f, "XRANGE " EVENTS " %s %s COUNT 1", text, text);
}

static bool
is_start(const struct stream_id *id)
{
	return id->ms == 0 && id->seq == 0;
}

static void
report_missing(struct follower *f, size_t missing)
{
	if (missing == 0)
		return;
	if (f->same_history || f->believe || f->grace_ms == 0) {
		log_info("removed routes that the registry does not have",
		    LOG_U("routes", missing));
		return;
	}
	log_warn("the registry has forgotten routes: keeping them for now",
	    LOG_U("routes", missing), LOG_U("grace_ms", f->grace_ms));
	timer_set(f->loop, &f->grace, f->grace_ms);
}

static void
end_snapshot(struct follower *f)
{
	bool keep = !f->same_history && !f->believe && f->grace_ms > 0;

	report_missing(f, route_table_end_snapshot(f->feed.table, keep));
	f->reading = false;
	f->complete = true;
	f->same_history = true;
	f->snapshots++;
	log_info("read the routes",
	    LOG_U("http", route_table_count(f->feed.table, ROUTE_HTTP)),
	    LOG_U("sni", route_table_count(f->feed.table, ROUTE_SNI)),
	    LOG_U("tcp", route_table_count(f->feed.table, ROUTE_TCP)),
	    LOG_U("relay", route_table_count(f->feed.table, ROUTE_RELAY)));
	f->cb(f->ctx, true);
}

/* Something was missed, or may have been. */
static void
on_gap(struct follower *f)
{
	f->gaps++;
	f->same_history = false;
	f->wants_believe = false;
	timer_clear(f->loop, &f->grace);
	log_warn("events were lost: reading all routes again");
	begin_snapshot(f);
}

static void
go_on(struct follower *f)
{
	if (f->wants_believe && !f->reading)
		begin_snapshot(f);
	else
		send_read(f);
}

static void
still_there_cb(void *ctx, const redisReply *reply)
{
	struct follower *f = ctx;
	struct stream_id id;

	if (!is_answer(f, reply) || !is_good(f, feed_one_id(reply, &id)))
		return;
	if (!stream_id_equal(&id, &f->before))
		on_gap(f);
	else
		go_on(f);
}

static void
events_cb(void *ctx, const redisReply *reply)
{
	struct follower *f = ctx;

	if (!is_answer(f, reply))
		return;
	f->before = f->at;
	f->refused = false;
	if (!is_good(f, feed_events(&f->feed, reply, &f->at)))
		return;
	if (f->reading && !stream_id_before(&f->at, &f->until))
		end_snapshot(f);
	else if (f->reading && stream_id_equal(&f->at, &f->before)) {
		on_gap(f); /* what should follow is gone */
		return;
	}
	if (is_start(&f->before))
		go_on(f);
	else
		send_has_entry(f, &f->before, still_there_cb);
}

static void
send_read(struct follower *f)
{
	char text[STREAM_ID_TEXT_MAX];

	(void)redis_link_commandf(f->link, events_cb, f,
	    "XREAD COUNT " EVENTS_AT_ONCE " BLOCK %d STREAMS " EVENTS " %s",
	    BLOCK_MS, stream_id_text(&f->at, text));
}

static void
until_cb(void *ctx, const redisReply *reply)
{
	struct follower *f = ctx;

	if (!is_answer(f, reply) || !is_good(f, feed_one_id(reply, &f->until)))
		return;
	f->at = f->from;
	if (!stream_id_before(&f->at, &f->until))
		end_snapshot(f);
	send_read(f);
}

static void scan_cb(void *ctx, const redisReply *reply);

static void
send_scan(struct follower *f)
{
	(void)redis_link_commandf(f->link, scan_cb, f,
	    "HSCAN " ROUTES " %s COUNT " SCAN_COUNT, f->cursor);
}

static void
scan_cb(void *ctx, const redisReply *reply)
{
	struct follower *f = ctx;

	if (!is_answer(f, reply) ||
	    !is_good(
		f, feed_scan(&f->feed, reply, f->cursor, sizeof(f->cursor))))
		return;
	if (strcmp(f->cursor, "0") == 0)
		send_last_entry(f, until_cb);
	else
		send_scan(f);
}

static void
from_cb(void *ctx, const redisReply *reply)
{
	struct follower *f = ctx;

	if (!is_answer(f, reply) || !is_good(f, feed_one_id(reply, &f->from)))
		return;
	send_scan(f);
}

static void
begin_snapshot(struct follower *f)
{
	f->reading = true;
	f->believe = f->wants_believe;
	f->wants_believe = false;
	memcpy(f->cursor, "0", 2);
	f->cb(f->ctx, false);
	route_table_begin_snapshot(f->feed.table, f->believe);
	send_last_entry(f, from_cb);
}

static void
resumed_cb(void *ctx, const redisReply *reply)
{
	struct follower *f = ctx;
	struct stream_id id;

	if (!is_answer(f, reply) || !is_good(f, feed_one_id(reply, &id)))
		return;
	if (!stream_id_equal(&id, &f->at)) {
		on_gap(f);
		return;
	}
	/* what a snapshot in doubt lacked has not been looked for yet */
	if (!f->interrupted)
		f->same_history = true;
	if (!f->complete || f->wants_believe || f->interrupted) {
		begin_snapshot(f);
		return;
	}
	f->cb(f->ctx, true);
	send_read(f);
}

/* From the beginning, or from where we stood. */
static void
resume(struct follower *f)
{
	f->wants_believe = f->wants_believe || (f->reading && f->believe);
	f->interrupted = f->reading;
	f->reading = false;
	if (is_start(&f->at)) {
		f->same_history = f->wants_believe = false;
		begin_snapshot(f);
	} else {
		send_has_entry(f, &f->at, resumed_cb);
	}
}

static void
link_cb(void *ctx, bool up)
{
	struct follower *f = ctx;

	timer_clear(f->loop, &f->rest);
	if (up)
		resume(f);
	else if (f->complete)
		f->cb(f->ctx, true); /* what is known stays */
}

static void
rest_cb(void *ctx)
{
	struct follower *f = ctx;

	if (redis_link_is_up(f->link))
		resume(f);
}

static void
grace_cb(void *ctx)
{
	struct follower *f = ctx;

	/* the next turn of send_read() sees it, within BLOCK_MS */
	f->wants_believe = true;
}

struct follower *
follower_new(struct loop *loop, struct route_table *table,
    const struct follower_settings *settings, follower_cb cb, void *ctx)
{
	struct redis_link_config redis = *settings->redis;
	struct follower *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->loop = loop;
	f->feed.table = table;
	f->grace_ms = settings->grace_ms;
	f->at = settings->known;
	f->cb = cb;
	f->ctx = ctx;
	timer_init(&f->rest, rest_cb, f);
	timer_init(&f->grace, grace_cb, f);
	redis.timeout_ms += BLOCK_MS;
	f->link = redis_link_new(loop, &redis, link_cb, f);
	if (f->link == NULL) {
		free(f);
		return NULL;
	}
	return f;
}

void
follower_free(struct follower **follower)
{
	if (*follower == NULL)
		return;
	timer_clear((*follower)->loop, &(*follower)->rest);
	timer_clear((*follower)->loop, &(*follower)->grace);
	redis_link_free(&(*follower)->link);
	free(*follower);
	*follower = NULL;
}

bool
follower_is_steady(const struct follower *f)
{
	return f->complete && !f->reading && !f->refused &&
	    redis_link_is_up(f->link);
}

bool
follower_has_snapshot(const struct follower *f)
{
	return f->complete;
}

struct stream_id
follower_position(const struct follower *f)
{
	return f->at;
}

struct follower_counters
follower_counters(const struct follower *f)
{
	return (struct follower_counters){
	    f->feed.events, f->feed.skipped, f->snapshots, f->gaps};
}
