/* SPDX-License-Identifier: MIT */
/*
 * The steps of a transaction. Replies come in order, so a step is over when the last one
 * is there; a fault in one of them ends the transaction then, and not before, because
 * nothing of it may be under way on the lane when it leaves.
 */
#include <assert.h>
#include <stdlib.h>

#include "registry/registry_redis_records.h"

static void
step_over(struct redis_tx *tx)
{
	if (tx->failed)
		redis_lane_leave(tx, REGISTRY_UNAVAILABLE);
	else if (redis_lane_step(tx))
		tx->then(tx);
}

static void
read_cb(void *ctx, const redisReply *reply)
{
	struct redis_tx *tx = ctx;
	redis_tx_reply reader = tx->readers[tx->next_reader++];

	if (reply == NULL) {
		tx->failed = true;
	} else if (reply->type == REDIS_REPLY_ERROR || !reader(tx, reply)) {
		redis_complain(tx->registry, tx->ops->name, reply);
		tx->failed = true;
	}
	assert(tx->n_waiting > 0);
	if (--tx->n_waiting == 0)
		step_over(tx);
}

static bool
expect_ok(struct redis_tx *tx, const redisReply *reply)
{
	(void)tx;
	return redis_reply_is_status(reply, "OK");
}

static void
sent(struct redis_tx *tx, int result)
{
	if (result == 0)
		tx->n_waiting++;
	else
		tx->failed = true;
}

static void
add_reader(struct redis_tx *tx, redis_tx_reply reader)
{
	if (tx->n_waiting == 0)
		tx->n_readers = tx->next_reader = 0;
	assert(tx->n_readers < TX_READS_MAX);
	tx->readers[tx->n_readers++] = reader;
}

void
redis_tx_read(
    struct redis_tx *tx, redis_tx_reply reader, struct redis_args *command)
{
	if (tx->failed) {
		redis_args_fini(command);
		return;
	}
	add_reader(tx, reader);
	sent(tx, redis_args_send(command, tx->lane->link, read_cb, tx));
}

void
redis_tx_readf(
    struct redis_tx *tx, redis_tx_reply reader, const char *format, ...)
{
	va_list args;

	if (tx->failed)
		return;
	add_reader(tx, reader);
	va_start(args, format);
	sent(tx,
	    redis_link_vcommandf(tx->lane->link, read_cb, tx, format, args));
	va_end(args);
}

void
redis_tx_watch(struct redis_tx *tx, struct redis_args *command)
{
	redis_lane_watch(tx, command);
	redis_tx_read(tx, expect_ok, command);
}

void
redis_tx_then(struct redis_tx *tx, void (*then)(struct redis_tx *tx))
{
	tx->then = then;
	/* nothing was sent: there is no reply to wait for */
	if (tx->n_waiting == 0)
		step_over(tx);
}

void
redis_tx_write(struct redis_tx *tx, void (*write)(struct redis_tx *tx))
{
	assert(tx->n_waiting == 0 && !tx->failed);
	tx->write = write;
	redis_lane_ready(tx);
}

void
redis_tx_end(struct redis_tx *tx, enum registry_status status)
{
	assert(tx->n_waiting == 0);
	redis_lane_leave(tx, status);
}
