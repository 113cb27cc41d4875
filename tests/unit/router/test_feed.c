/* SPDX-License-Identifier: MIT */
/*
 * Replies are made by hiredis' own reader from the bytes that a Redis, or something that
 * is none, would send.
 */
#include "../wire/support.h"

#include <stdio.h>
#include <stdlib.h>

#include "router/feed.h"

static struct feed feed;

static void
changed_cb(void *ctx, struct route_entry *entry)
{
	(void)ctx;
	(void)entry;
}

static void
setup(void)
{
	feed = (struct feed){.table = route_table_new(changed_cb, NULL)};
}

static void
teardown(void)
{
	route_table_free(&feed.table);
}

static redisReply *
reply_of(const char *raw)
{
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;

	ck_assert_int_eq(redisReaderFeed(reader, raw, strlen(raw)), REDIS_OK);
	ck_assert_int_eq(redisReaderGetReply(reader, &reply), REDIS_OK);
	ck_assert_msg(reply != NULL, "%s", raw);
	redisReaderFree(reader);
	return reply;
}

static unsigned
port_of(enum route_kind kind, const char *key)
{
	const struct route_entry *entry =
	    route_table_find(feed.table, kind, str_of(key));

	return entry == NULL ? 0 : entry->target.port;
}

START_TEST(orders_stream_ids)
{
	static const struct stream_id ids[] = {
	    {0, 0}, {0, 1}, {5, 0}, {5, 9}, {6, 0}};
	struct stream_id id;
	char text[STREAM_ID_TEXT_MAX];

	for (size_t a = 0; a < COUNT(ids); a++) {
		ck_assert(stream_id_parse(
		    str_of(stream_id_text(&ids[a], text)), &id));
		ck_assert(stream_id_equal(&id, &ids[a]));
		for (size_t b = 0; b < COUNT(ids); b++)
			ck_assert_int_eq(
			    stream_id_before(&ids[a], &ids[b]), a < b);
	}
	ck_assert(!stream_id_parse(STR("5"), &id));
	ck_assert(!stream_id_parse(STR("5-"), &id));
	ck_assert(!stream_id_parse(STR("5-x"), &id));
	ck_assert(!stream_id_parse(STR("-1"), &id));
}
END_TEST

START_TEST(a_scan_fills_the_table)
{
	redisReply *reply =
	    reply_of("*2\r\n$2\r\n17\r\n*6\r\n"
		     "$6\r\nhttp/a\r\n$14\r\n127.0.0.1,80,1\r\n"
		     "$6\r\ntcp/22\r\n$14\r\n127.0.0.1,81,1\r\n"
		     "$6\r\nhttp/B\r\n$14\r\n127.0.0.1,82,1\r\n");
	char cursor[32];

	setup();
	ck_assert_int_eq(
	    feed_scan(&feed, reply, cursor, sizeof(cursor)), FEED_OK);
	ck_assert_str_eq(cursor, "17");
	ck_assert_uint_eq(port_of(ROUTE_HTTP, "a"), 80);
	ck_assert_uint_eq(port_of(ROUTE_TCP, "22"), 81);
	ck_assert_uint_eq(feed.skipped, 1);
	freeReplyObject(reply);
	teardown();
}
END_TEST

START_TEST(events_change_the_table_and_move_the_position)
{
	redisReply *reply =
	    reply_of("*1\r\n*2\r\n$12\r\ntaupe:events\r\n*4\r\n"
		     "*2\r\n$3\r\n5-0\r\n*6\r\n$4\r\nkind\r\n$5\r\nroute\r\n$"
		     "3\r\nkey\r\n$6\r\nhttp/a\r\n"
		     "$5\r\nvalue\r\n$14\r\n127.0.0.1,80,1\r\n"
		     "*2\r\n$3\r\n5-1\r\n*4\r\n$4\r\nkind\r\n$7\r\nsession\r\n$"
		     "4\r\nname\r\n$1\r\na\r\n"
		     "*2\r\n$3\r\n6-0\r\n*6\r\n$4\r\nkind\r\n$5\r\nroute\r\n$"
		     "3\r\nkey\r\n$6\r\nhttp/b\r\n"
		     "$5\r\nvalue\r\n$14\r\n127.0.0.1,81,1\r\n"
		     "*2\r\n$3\r\n7-0\r\n*6\r\n$4\r\nkind\r\n$5\r\nroute\r\n$"
		     "3\r\nkey\r\n$6\r\nhttp/a\r\n"
		     "$5\r\nvalue\r\n$0\r\n\r\n");
	struct stream_id id = {4, 0}, last = {7, 0};

	setup();
	ck_assert_int_eq(feed_events(&feed, reply, &id), FEED_OK);
	ck_assert(stream_id_equal(&id, &last));
	ck_assert_uint_eq(port_of(ROUTE_HTTP, "a"), 0);
	ck_assert_uint_eq(port_of(ROUTE_HTTP, "b"), 81);
	ck_assert_uint_eq(feed.events, 3);
	freeReplyObject(reply);
	teardown();
}
END_TEST

START_TEST(no_events_in_time_are_no_events)
{
	redisReply *reply = reply_of("*-1\r\n");
	struct stream_id id = {4, 0};

	setup();
	ck_assert_int_eq(feed_events(&feed, reply, &id), FEED_OK);
	ck_assert_uint_eq(id.ms, 4);
	freeReplyObject(reply);
	teardown();
}
END_TEST

static const char *const strange[] = {
    ":1\r\n",
    "+OK\r\n",
    "$-1\r\n",
    "$3\r\nabc\r\n",
    "*1\r\n:1\r\n",
    "*1\r\n*0\r\n",
    "*2\r\n$1\r\n0\r\n:5\r\n",
    "*2\r\n:0\r\n*0\r\n",
    "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n",
    "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n:1\r\n",
    "*2\r\n$40\r\n0000000000000000000000000000000000000000\r\n*0\r\n",
    "*1\r\n*2\r\n$1\r\ns\r\n:1\r\n",
    "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n:1\r\n",
    "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$1\r\nx\r\n*0\r\n",
    "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n9-0\r\n:1\r\n",
    "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n9-0\r\n*1\r\n$1\r\na\r\n",
    "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n9-0\r\n*2\r\n$1\r\na\r\n:1\r\n",
    /* not after what we know */
    "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n4-0\r\n*0\r\n",
};

START_TEST(refuses_replies_of_another_shape)
{
	for (size_t i = 0; i < COUNT(strange); i++) {
		redisReply *reply = reply_of(strange[i]);
		struct stream_id id = {4, 0};
		char cursor[32];

		setup();
		ck_assert_msg(feed_scan(&feed, reply, cursor, sizeof(cursor)) ==
			FEED_MALFORMED,
		    "%s", strange[i]);
		if (reply->type != REDIS_REPLY_NIL)
			ck_assert_msg(
			    feed_events(&feed, reply, &id) == FEED_MALFORMED,
			    "%s", strange[i]);
		ck_assert_msg(feed_one_id(reply, &id) == FEED_MALFORMED, "%s",
		    strange[i]);
		freeReplyObject(reply);
		teardown();
	}
}
END_TEST

START_TEST(reads_the_id_of_one_entry)
{
	redisReply *one =
	    reply_of("*1\r\n*2\r\n$4\r\n12-3\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n");
	redisReply *none = reply_of("*0\r\n");
	struct stream_id id;

	ck_assert_int_eq(feed_one_id(one, &id), FEED_OK);
	ck_assert_uint_eq(id.ms, 12);
	ck_assert_uint_eq(id.seq, 3);
	ck_assert_int_eq(feed_one_id(none, &id), FEED_OK);
	ck_assert_uint_eq(id.ms, 0);
	freeReplyObject(one);
	freeReplyObject(none);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {orders_stream_ids, a_scan_fills_the_table,
	    events_change_the_table_and_move_the_position,
	    no_events_in_time_are_no_events, refuses_replies_of_another_shape,
	    reads_the_id_of_one_entry};

	return run_suite("feed", tests, COUNT(tests));
}
