/* SPDX-License-Identifier: MIT */
/*
 * Lanes and the steps of a transaction. Replies come in order, so a step is over when
 * the last one is there; a fault in one of them ends the transaction then, and not
 * before, because the lane is only free when nothing is under way on it.
 */
#include <assert.h>
#include <stdlib.h>

#include "relay/registry_redis.h"

/* Of a transaction that others keep writing into. Each conflict means that another one got
 * through, so this many is only needed when very few ports are left to very many. */
#define ATTEMPTS_MAX 100

static void step_over(struct redis_tx *tx);

/* The lane is free again; others may have it at the next turn of the loop. */
static void
leave_lane(struct redis_tx *tx)
{
	struct redis_lane *lane = tx->lane;

	if (tx->watching && !tx->registry->freeing)
		(void)redis_link_commandf(lane->link, NULL, NULL, "UNWATCH");
	lane->tx = NULL;
	tx->lane = NULL;
	task_post(tx->registry->loop, &tx->registry->lanes.dispatch);
}

static void
finish(struct redis_tx *tx, enum registry_status status)
{
	leave_lane(tx);
	tx->ops->finish(tx, status, tx->registry->freeing);
}

static void
attempt(struct redis_tx *tx)
{
	tx->attempts++;
	tx->failed = tx->executed = tx->conflict = false;
	tx->watching = false;
	tx->ops->begin(tx);
}

static void
one_reply_less(struct redis_tx *tx)
{
	assert(tx->n_waiting > 0);
	if (--tx->n_waiting == 0)
		step_over(tx);
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
	one_reply_less(tx);
}

static bool
is_status(const redisReply *reply, const char *text)
{
	return reply->type == REDIS_REPLY_STATUS &&
	    strcmp(reply->str, text) == 0;
}

static bool
expect_ok(struct redis_tx *tx, const redisReply *reply)
{
	(void)tx;
	return is_status(reply, "OK");
}

/* The answer to MULTI and to what is queued behind it. */
static void
queued_cb(void *ctx, const redisReply *reply)
{
	struct redis_tx *tx = ctx;

	if (reply == NULL) {
		tx->failed = true;
	} else if (!is_status(reply, "QUEUED") && !is_status(reply, "OK")) {
		redis_complain(tx->registry, tx->ops->name, reply);
		tx->failed = true;
	}
	one_reply_less(tx);
}

static void
exec_cb(void *ctx, const redisReply *reply)
{
	struct redis_tx *tx = ctx;

	if (reply == NULL) {
		tx->failed = true;
	} else if (reply->type == REDIS_REPLY_NIL) {
		tx->conflict = true;
	} else if (reply->type == REDIS_REPLY_ARRAY) {
		tx->executed = true;
		for (size_t i = 0; i < reply->elements; i++) {
			if (reply->element[i]->type != REDIS_REPLY_ERROR)
				continue;
			redis_complain(
			    tx->registry, tx->ops->name, reply->element[i]);
			tx->failed = true;
		}
	} else {
		if (!tx->failed)
			redis_complain(tx->registry, tx->ops->name, reply);
		tx->failed = true;
	}
	one_reply_less(tx);
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
redis_tx_watch(struct redis_tx *tx, struct redis_args *keys)
{
	tx->watching = true;
	redis_tx_read(tx, expect_ok, keys);
}

void
redis_tx_watchf(struct redis_tx *tx, const char *format, ...)
{
	va_list args;

	if (tx->failed)
		return;
	tx->watching = true;
	add_reader(tx, expect_ok);
	va_start(args, format);
	sent(tx,
	    redis_link_vcommandf(tx->lane->link, read_cb, tx, format, args));
	va_end(args);
}

void
redis_tx_queue(struct redis_tx *tx, struct redis_args *command)
{
	if (tx->failed)
		redis_args_fini(command);
	else
		sent(tx,
		    redis_args_send(command, tx->lane->link, queued_cb, tx));
}

void
redis_tx_queuef(struct redis_tx *tx, const char *format, ...)
{
	va_list args;

	if (tx->failed)
		return;
	va_start(args, format);
	sent(tx,
	    redis_link_vcommandf(tx->lane->link, queued_cb, tx, format, args));
	va_end(args);
}

void
redis_tx_multi(struct redis_tx *tx)
{
	redis_tx_queuef(tx, "MULTI");
}

/* Nothing was sent: there is no reply to wait for. */
static void
over_at_once(struct redis_tx *tx)
{
	if (tx->n_waiting == 0)
		step_over(tx);
}

void
redis_tx_then(struct redis_tx *tx, void (*then)(struct redis_tx *tx))
{
	tx->then = then;
	over_at_once(tx);
}

void
redis_tx_exec(struct redis_tx *tx)
{
	tx->then = NULL;
	/* a queue that could not be sent whole must not be executed: the link is cut */
	if (tx->failed)
		redis_link_reset(
		    tx->lane->link, "a transaction could not be sent");
	else
		sent(tx,
		    redis_link_commandf(tx->lane->link, exec_cb, tx, "EXEC"));
	over_at_once(tx);
}

void
redis_tx_end(struct redis_tx *tx, enum registry_status status)
{
	assert(tx->n_waiting == 0);
	finish(tx, status);
}

static void
step_over(struct redis_tx *tx)
{
	bool was_exec = tx->then == NULL;

	if (was_exec && (tx->executed || tx->conflict))
		tx->watching = false;
	if (was_exec && (tx->failed || tx->conflict) && tx->ops->undo != NULL)
		tx->ops->undo(tx);
	if (tx->failed)
		finish(tx, REGISTRY_UNAVAILABLE);
	else if (!was_exec)
		tx->then(tx);
	else if (!tx->conflict)
		finish(tx, REGISTRY_OK);
	else if (tx->attempts < ATTEMPTS_MAX)
		attempt(tx);
	else
		finish(tx, REGISTRY_UNAVAILABLE);
}

/* Lanes. */

bool
redis_lanes_up(const struct redis_registry *registry)
{
	for (size_t i = 0; i < registry->lanes.n; i++)
		if (redis_link_is_up(registry->lanes.lanes[i].link))
			return true;
	return false;
}

static struct redis_lane *
free_lane(struct redis_registry *registry)
{
	for (size_t i = 0; i < registry->lanes.n; i++) {
		struct redis_lane *lane = &registry->lanes.lanes[i];

		if (lane->tx == NULL && redis_link_is_up(lane->link))
			return lane;
	}
	return NULL;
}

static bool
subject_is_busy(const struct redis_registry *registry, const char *subject)
{
	for (size_t i = 0; i < registry->lanes.n; i++) {
		const struct redis_tx *tx = registry->lanes.lanes[i].tx;

		if (tx != NULL && strcmp(tx->subject, subject) == 0)
			return true;
	}
	return false;
}

/* Only those that wait now: an answer may bring a new one. */
static void
fail_waiting(struct redis_registry *registry)
{
	struct redis_tx_list failed = TAILQ_HEAD_INITIALIZER(failed);
	struct redis_tx *tx;

	TAILQ_CONCAT(&failed, &registry->lanes.waiting, link);
	while ((tx = TAILQ_FIRST(&failed)) != NULL) {
		TAILQ_REMOVE(&failed, tx, link);
		tx->ops->finish(tx, REGISTRY_UNAVAILABLE, registry->freeing);
	}
}

static void
dispatch_cb(void *ctx)
{
	struct redis_registry *registry = ctx;
	struct redis_lane *lane;
	struct redis_tx *tx, *next;

	if (!redis_lanes_up(registry)) {
		fail_waiting(registry);
		return;
	}
	for (tx = TAILQ_FIRST(&registry->lanes.waiting); tx != NULL;
	     tx = next) {
		next = TAILQ_NEXT(tx, link);
		if (subject_is_busy(registry, tx->subject))
			continue; /* and so are all later ones about it: order is kept */
		if ((lane = free_lane(registry)) == NULL)
			return;
		TAILQ_REMOVE(&registry->lanes.waiting, tx, link);
		tx->lane = lane;
		lane->tx = tx;
		attempt(tx);
	}
}

void
redis_tx_start(struct redis_registry *registry, struct redis_tx *tx,
    const struct redis_tx_ops *ops, const char *subject)
{
	*tx = (struct redis_tx){
	    .registry = registry, .ops = ops, .subject = subject};
	TAILQ_INSERT_TAIL(&registry->lanes.waiting, tx, link);
	task_post(registry->loop, &registry->lanes.dispatch);
}

static void
state_cb(void *ctx, bool up)
{
	struct redis_lane *lane = ctx;

	(void)up;
	task_post(lane->registry->loop, &lane->registry->lanes.dispatch);
	redis_check_up(lane->registry);
}

void
redis_lanes_prepare(struct redis_registry *registry)
{
	TAILQ_INIT(&registry->lanes.waiting);
	task_init(&registry->lanes.dispatch, dispatch_cb, registry);
}

int
redis_lanes_init(struct redis_registry *registry, size_t n,
    const struct redis_link_config *config)
{
	struct redis_lanes *lanes = &registry->lanes;

	lanes->lanes = calloc(n, sizeof(*lanes->lanes));
	if (lanes->lanes == NULL)
		return -1;
	for (; lanes->n < n; lanes->n++) {
		struct redis_lane *lane = &lanes->lanes[lanes->n];

		lane->registry = registry;
		lane->link =
		    redis_link_new(registry->loop, config, state_cb, lane);
		if (lane->link == NULL)
			return -1;
	}
	return 0;
}

void
redis_lanes_fini(struct redis_registry *registry)
{
	/* what is under way on a link ends with it */
	for (size_t i = 0; i < registry->lanes.n; i++)
		redis_link_free(&registry->lanes.lanes[i].link);
	fail_waiting(registry);
	task_cancel(registry->loop, &registry->lanes.dispatch);
	free(registry->lanes.lanes);
}
