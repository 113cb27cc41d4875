/* SPDX-License-Identifier: MIT */
/*
 * What the router reads out of Redis: a reply of any bytes, in RESP as it comes over the
 * network, as a piece of the snapshot and as events. What reaches the table is what a map
 * of HAProxy may have, and nothing that could end a line or a command.
 */
#include "router/feed.h"

#include "base/log.h"
#include "resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
changed_cb(void *ctx, struct route_entry *entry)
{
	(void)ctx;
	(void)entry;
}

static void
check_table(struct route_table *table)
{
	for (int kind = 0; kind < ROUTE_KINDS; kind++) {
		struct route_entry *entry;
		size_t cursor = 0, n = 0;

		while ((entry = route_table_next(
			    table, (enum route_kind)kind, &cursor)) != NULL) {
			struct str key = route_entry_key(entry);
			struct route_target again;
			char text[ROUTE_VALUE_TEXT_MAX];

			REQUIRE(route_key_valid((enum route_kind)kind, key));
			for (size_t i = 0; i < key.len; i++)
				REQUIRE(key.ptr[i] > ' ' && key.ptr[i] < 0x7f &&
				    strchr(";<\\#\"'", key.ptr[i]) == NULL);
			REQUIRE(route_target_parse(
			    str_of(route_target_text(&entry->target, text)),
			    &again));
			REQUIRE(route_target_equal(&entry->target, &again));
			n++;
		}
		REQUIRE(route_table_count(table, (enum route_kind)kind) == n);
	}
}

static void
check_reply(void *ctx, const redisReply *reply)
{
	struct feed *feed = ctx;
	struct stream_id id, last = {1, 0}, before = last, again;
	char cursor[24], text[STREAM_ID_TEXT_MAX];

	if (feed_one_id(reply, &id) == FEED_OK) {
		REQUIRE(
		    stream_id_parse(str_of(stream_id_text(&id, text)), &again));
		REQUIRE(stream_id_equal(&id, &again));
	}
	(void)feed_scan(feed, reply, cursor, sizeof(cursor));
	(void)feed_events(feed, reply, &last);
	REQUIRE(!stream_id_before(&last, &before));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct feed feed = {.table = route_table_new(changed_cb, NULL)};

	log_setup("fuzz", LOG_LEVEL_ERROR, false);
	REQUIRE(feed.table != NULL);
	resp_read(data, len, check_reply, &feed);
	check_table(feed.table);
	route_table_free(&feed.table);
	return 0;
}
