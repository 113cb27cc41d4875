/* SPDX-License-Identifier: MIT */
/*
 * Replies of Redis to changes of the route table: the hash "routes", read in pieces, and
 * the stream "events". Checks every type and length: a reply that is not what the command
 * promises is refused whole, a single route that makes no sense is counted and skipped.
 */
#ifndef TAUPE_ROUTER_FEED_H
#define TAUPE_ROUTER_FEED_H

#include "net/redis_link.h"
#include "router/route_table.h"

/* Place in a stream: "1526919030474-55". */
struct stream_id {
	uint64_t ms, seq; /* both 0: before the first entry */
};

#define STREAM_ID_TEXT_MAX 42 /* bytes, the NUL included */

bool stream_id_parse(struct str text, struct stream_id *id);
const char *stream_id_text(
    const struct stream_id *id, char out[STREAM_ID_TEXT_MAX]);
/* a < b */
bool stream_id_before(const struct stream_id *a, const struct stream_id *b);
bool stream_id_equal(const struct stream_id *a, const struct stream_id *b);

struct feed {
	struct route_table *table;
	uint64_t events;  /* about routes */
	uint64_t skipped; /* routes that made no sense */
};

enum feed_result {
	FEED_OK,
	FEED_MALFORMED, /* the reply is not what was asked for */
	FEED_NO_MEMORY
};

/* XRANGE or XREVRANGE … COUNT 1: the entry's id; 0-0 when there is none. */
enum feed_result feed_one_id(const redisReply *reply, struct stream_id *id);

/* HSCAN: put the routes into the table; *cursor, "0" at the end, is copied. */
enum feed_result feed_scan(struct feed *feed, const redisReply *reply,
    char *cursor, size_t cursor_cap);

/* XREAD of the one stream: apply the events, move *id to the last one. A nil reply (the
 * time was over) is no event. */
enum feed_result feed_events(
    struct feed *feed, const redisReply *reply, struct stream_id *id);

#endif
