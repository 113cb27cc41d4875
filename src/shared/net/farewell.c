/* SPDX-License-Identifier: MIT */
/* One small object per connection that is on its way out. */
#include "config.h"

#include <stdlib.h>

#include "base/pool.h"
#include "net/farewell.h"

#define TURN_READS 16
#define KEPT 64 /* whose memory is kept for the next ones */

struct farewell {
	LIST_ENTRY(farewell) link;
	struct farewells *all;
	struct conn conn;
	struct timer timer;
	size_t queued_before; /* at the last look of the timer */
	uint64_t moved_ms;    /* when the queue was last seen to shrink */
	bool peer_ended;
};

struct farewells {
	struct loop *loop;
	uint64_t stall_ms, linger_ms;
	size_t count;
	LIST_HEAD(, farewell) list;
	struct pool pool; /* their memory */
};

static void
farewell_free(struct farewell *farewell)
{
	timer_clear(farewell->all->loop, &farewell->timer);
	conn_fini(&farewell->conn);
	LIST_REMOVE(farewell, link);
	farewell->all->count--;
	pool_put(&farewell->all->pool, farewell);
}

static void
readable_cb(struct conn *conn)
{
	struct farewell *farewell = conn->owner;
	char ignored[BUF_SMALL];
	int turn;

	for (turn = 0; turn < TURN_READS; turn++) {
		ssize_t got = conn_read(conn, ignored, sizeof(ignored));

		if (got == CONN_AGAIN)
			return;
		if (got > 0)
			continue;
		if (got == CONN_ERROR || conn_is_shut(conn)) {
			farewell_free(farewell);
			return;
		}
		farewell->peer_ended = true;
		conn_pause(conn);
		return;
	}
}

static void
drained_cb(struct conn *conn)
{
	struct farewell *farewell = conn->owner;

	if (farewell->peer_ended)
		farewell_free(farewell);
}

static void
broken_cb(struct conn *conn)
{
	farewell_free(conn->owner);
}

static const struct conn_ops farewell_conn_ops = {
    .readable_cb = readable_cb,
    .drained_cb = drained_cb,
    .broken_cb = broken_cb,
};

/* Looks every linger_ms: is all written, or has the peer taken anything? */
static void
timer_cb(void *ctx)
{
	struct farewell *farewell = ctx;
	const struct farewells *all = farewell->all;
	uint64_t now_ms = loop_now_ms(all->loop);
	size_t queued = conn_queued(&farewell->conn);

	if (queued == 0 && farewell->queued_before == 0) {
		farewell_free(farewell);
		return;
	}
	if (queued != farewell->queued_before) {
		farewell->queued_before = queued;
		farewell->moved_ms = now_ms;
	} else if (now_ms - farewell->moved_ms >= all->stall_ms) {
		conn_abort(&farewell->conn);
		farewell_free(farewell);
		return;
	}
	timer_set(all->loop, &farewell->timer, all->linger_ms);
}

struct farewells *
farewells_new(struct loop *loop, uint64_t stall_ms, uint64_t linger_ms)
{
	struct farewells *farewells = calloc(1, sizeof(*farewells));

	if (farewells == NULL)
		return NULL;
	farewells->loop = loop;
	farewells->stall_ms = stall_ms;
	farewells->linger_ms = linger_ms;
	LIST_INIT(&farewells->list);
	pool_init(&farewells->pool, sizeof(struct farewell), KEPT);
	return farewells;
}

void
farewells_free(struct farewells **farewells)
{
	struct farewell *farewell;

	if (*farewells == NULL)
		return;
	while ((farewell = LIST_FIRST(&(*farewells)->list)) != NULL)
		farewell_free(farewell);
	pool_fini(&(*farewells)->pool);
	free(*farewells);
	*farewells = NULL;
}

size_t
farewells_count(const struct farewells *farewells)
{
	return farewells->count;
}

size_t
farewells_unsent(const struct farewells *farewells)
{
	const struct farewell *farewell;
	size_t unsent = 0;

	LIST_FOREACH (farewell, &farewells->list, link)
		unsent += conn_queued(&farewell->conn) > 0;
	return unsent;
}

void
farewell_take(struct farewells *farewells, struct conn *conn)
{
	struct farewell *farewell;

	if (conn_is_over(conn) ||
	    (farewell = pool_get(&farewells->pool)) == NULL) {
		conn_fini(conn);
		return;
	}
	farewell->all = farewells;
	if (conn_move(&farewell->conn, conn, &farewell_conn_ops, farewell) !=
	    0) {
		pool_put(&farewells->pool, farewell);
		return;
	}
	LIST_INSERT_HEAD(&farewells->list, farewell, link);
	farewells->count++;
	farewell->queued_before = conn_queued(&farewell->conn);
	farewell->moved_ms = loop_now_ms(farewells->loop);
	timer_init(&farewell->timer, timer_cb, farewell);
	timer_set(farewells->loop, &farewell->timer, farewells->linger_ms);
	conn_shutdown(&farewell->conn);
	conn_set_filter(&farewell->conn, NULL); /* nobody wants what comes now */
	conn_resume(&farewell->conn);
}
