/* SPDX-License-Identifier: MIT */
/*
 * Of those about one subject, the first waits or rides, and the others stand behind it.
 *
 * Riders of one lane must not touch the same keys: WATCH does not tell a connection of
 * what it has written itself. Who touches what one before it touches takes the next
 * ride. When somebody else has written what any of them watches, none of them has written
 * anything, and each tries again on a lane of its own.
 */
#include <assert.h>
#include <stdlib.h>

#include "registry/registry_redis_records.h"

#define RIDERS_MAX 32
/* Who needs more steps of reading than these does not keep others waiting. */
#define SHARED_STEPS_MAX 3
/* Of a transaction without patience that others keep writing into. Each conflict means that
 * another one got through, so this many is only needed when very few ports are left to very
 * many. */
#define CONFLICTS_MAX 100

/* Others may have the lane, and its riders another, at the next turn of the loop. */
static void
dispatch_soon(struct redis_registry *registry)
{
	task_post(registry->loop, &registry->lanes.dispatch);
}

/* ---- one after the other about one subject ---- */

static struct redis_tx *
of_node(struct hash_node *node)
{
	return HASH_ENTRY(node, struct redis_tx, by_subject);
}

static struct str
subject_cb(const struct hash_node *node)
{
	return str_of(
	    HASH_ENTRY(node, const struct redis_tx, by_subject)->subject);
}

/* It is the first one about its subject. -1: no memory, which cannot be where another one was
 * just removed. */
static int
come_first(struct redis_tx *tx)
{
	struct redis_lanes *lanes = &tx->registry->lanes;

	if (hash_map_insert(&lanes->subjects, &tx->by_subject) != 0)
		return -1;
	TAILQ_INSERT_TAIL(&lanes->waiting, tx, link);
	dispatch_soon(tx->registry);
	return 0;
}

/* The next one about the subject comes first. */
static void
make_way(struct redis_tx *tx)
{
	struct redis_tx *next = TAILQ_FIRST(&tx->later);

	hash_map_remove(&tx->registry->lanes.subjects, &tx->by_subject);
	if (next == NULL)
		return;
	TAILQ_REMOVE(&tx->later, next, link);
	TAILQ_CONCAT(&next->later, &tx->later, link);
	(void)come_first(next);
}

/* The transaction is over. */
static void
finish(struct redis_tx *tx, enum registry_status status)
{
	make_way(tx);
	tx->ops->finish(tx, status, tx->registry->freeing);
}

static void
set_down(struct redis_tx *tx)
{
	struct redis_lane *lane = tx->lane;

	TAILQ_REMOVE(&lane->riders, tx, link);
	lane->n_riders--;
	if (tx->ready)
		lane->n_ready--;
	tx->lane = NULL;
}

/* ---- writing ---- */

/* After another conflict. With patience, it is dropped when that is over. */
static bool
may_try_again(struct redis_tx *tx)
{
	return ++tx->n_conflicts < CONFLICTS_MAX || tx->ops->patience_ms != 0;
}

static void
write_over(struct redis_lane *lane)
{
	struct redis_registry *registry = lane->registry;
	struct redis_tx_list riders = TAILQ_HEAD_INITIALIZER(riders),
			     again = TAILQ_HEAD_INITIALIZER(again);
	bool failed = lane->failed, conflict = lane->conflict;
	struct redis_tx *tx;

	TAILQ_CONCAT(&riders, &lane->riders, link);
	lane->n_riders = lane->n_ready = 0;
	lane->watching = lane->watching && !lane->executed && !conflict;
	dispatch_soon(registry);
	while ((tx = TAILQ_FIRST(&riders)) != NULL) {
		TAILQ_REMOVE(&riders, tx, link);
		tx->lane = NULL;
		tx->failed = tx->failed || failed;
		if ((tx->failed || conflict) && tx->ops->undo != NULL)
			tx->ops->undo(tx);
		if (!tx->failed && conflict && may_try_again(tx)) {
			tx->alone = true;
			TAILQ_INSERT_TAIL(&again, tx, link);
		} else {
			finish(tx,
			    tx->failed || conflict ? REGISTRY_UNAVAILABLE
						   : REGISTRY_OK);
		}
	}
	/* before those that wait: they have waited */
	TAILQ_CONCAT(&again, &registry->lanes.waiting, link);
	TAILQ_CONCAT(&registry->lanes.waiting, &again, link);
}

static void
one_reply_less(struct redis_lane *lane)
{
	assert(lane->n_waiting > 0);
	if (--lane->n_waiting == 0)
		write_over(lane);
}

static void
sent(struct redis_lane *lane, int result)
{
	if (result == 0)
		lane->n_waiting++;
	else
		lane->failed = true;
}

/* The answer to MULTI. */
static void
multi_cb(void *ctx, const redisReply *reply)
{
	struct redis_lane *lane = ctx;

	if (reply == NULL || !redis_reply_is_status(reply, "OK")) {
		if (reply != NULL)
			redis_complain(lane->registry, "MULTI", reply);
		lane->failed = true;
	}
	one_reply_less(lane);
}

/* The answer to what is queued behind it. */
static void
queued_cb(void *ctx, const redisReply *reply)
{
	struct redis_tx *tx = ctx;

	if (reply == NULL || !redis_reply_is_status(reply, "QUEUED")) {
		if (reply != NULL)
			redis_complain(tx->registry, tx->ops->name, reply);
		tx->failed = true;
	}
	one_reply_less(tx->lane);
}

/* A rider's part of what was executed. */
static void
take_results(struct redis_tx *tx, const redisReply *reply)
{
	for (size_t i = 0; i < tx->n_queued; i++) {
		const redisReply *one = reply->element[tx->first_queued + i];

		if (one->type != REDIS_REPLY_ERROR)
			continue;
		redis_complain(tx->registry, tx->ops->name, one);
		tx->failed = true;
	}
}

static void
exec_cb(void *ctx, const redisReply *reply)
{
	struct redis_lane *lane = ctx;
	struct redis_tx *tx;

	if (reply != NULL && reply->type == REDIS_REPLY_NIL) {
		lane->conflict = true;
	} else if (reply != NULL &&
	    redis_reply_is_array(reply, lane->n_queued)) {
		lane->executed = true;
		TAILQ_FOREACH (tx, &lane->riders, link)
			take_results(tx, reply);
	} else {
		if (reply != NULL)
			redis_complain(lane->registry, "EXEC", reply);
		lane->failed = true;
	}
	one_reply_less(lane);
}

static void
queued(struct redis_tx *tx, int result)
{
	sent(tx->lane, result);
	tx->lane->n_queued++;
	tx->n_queued++;
}

void
redis_tx_queue(struct redis_tx *tx, struct redis_args *command)
{
	if (tx->lane->failed)
		redis_args_fini(command);
	else
		queued(tx,
		    redis_args_send(command, tx->lane->link, queued_cb, tx));
}

void
redis_tx_queuef(struct redis_tx *tx, const char *format, ...)
{
	va_list args;

	if (tx->lane->failed)
		return;
	va_start(args, format);
	queued(tx,
	    redis_link_vcommandf(tx->lane->link, queued_cb, tx, format, args));
	va_end(args);
}

static void
write_all(struct redis_lane *lane)
{
	struct redis_tx *tx;

	lane->executed = lane->conflict = false;
	lane->n_queued = 0;
	/* at the end of the registry, the link is gone */
	lane->failed = lane->registry->freeing;
	if (!lane->failed)
		sent(lane,
		    redis_link_commandf(lane->link, multi_cb, lane, "MULTI"));
	TAILQ_FOREACH (tx, &lane->riders, link) {
		tx->first_queued = lane->n_queued;
		tx->n_queued = 0;
		tx->write(tx);
	}
	/* a queue that could not be sent whole must not be executed: the link is cut */
	if (!lane->failed)
		sent(lane,
		    redis_link_commandf(lane->link, exec_cb, lane, "EXEC"));
	else if (!lane->registry->freeing)
		redis_link_reset(lane->link, "a transaction could not be sent");
	if (lane->n_waiting == 0)
		write_over(lane);
}

/* ---- who rides with whom ---- */

/* FNV-1a: two keys that are taken for one cost a ride and nothing else. */
static uint64_t
hash_of(const char *key)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *key != '\0'; key++)
		hash = (hash ^ (uint8_t)*key) * UINT64_C(0x100000001b3);
	return hash;
}

void
redis_lane_touch(struct redis_tx *tx, const char *key)
{
	if (tx->n_touched++ < TX_TOUCHED_MAX)
		tx->touched[tx->n_touched - 1] = hash_of(key);
}

void
redis_lane_watch(struct redis_tx *tx, const struct redis_args *command)
{
	tx->lane->watching = true;
	for (size_t i = 1; i < command->n; i++)
		redis_lane_touch(tx, command->text + command->starts[i]);
}

static bool
touches_too_much(const struct redis_tx *tx)
{
	return tx->n_touched > TX_TOUCHED_MAX;
}

/* Who touches too much gets off itself, unless nobody else is left. */
static bool
have_common_key(const struct redis_tx *a, const struct redis_tx *b)
{
	if (touches_too_much(a) || touches_too_much(b))
		return false;
	for (size_t i = 0; i < a->n_touched; i++)
		for (size_t k = 0; k < b->n_touched; k++)
			if (a->touched[i] == b->touched[k])
				return true;
	return false;
}

static bool
must_get_off(const struct redis_tx *tx)
{
	const struct redis_tx *before = TAILQ_FIRST(&tx->lane->riders);

	if (touches_too_much(tx))
		return true;
	for (; before != tx; before = TAILQ_NEXT(before, link))
		if (have_common_key(before, tx))
			return true;
	return false;
}

/* It begins again, before those that wait. */
static void
get_off(struct redis_tx *tx)
{
	set_down(tx);
	TAILQ_INSERT_HEAD(&tx->registry->lanes.waiting, tx, link);
	dispatch_soon(tx->registry);
}

static void
sort_out(struct redis_lane *lane)
{
	struct redis_tx *tx, *before;

	for (tx = TAILQ_LAST(&lane->riders, redis_tx_list);
	     tx != NULL && lane->n_riders > 1; tx = before) {
		before = TAILQ_PREV(tx, redis_tx_list, link);
		if (!must_get_off(tx))
			continue;
		tx->alone = touches_too_much(tx);
		get_off(tx);
	}
}

static void
lane_check(struct redis_lane *lane)
{
	if (lane->n_riders == 0) {
		if (lane->watching && !lane->registry->freeing)
			(void)redis_link_commandf(
			    lane->link, NULL, NULL, "UNWATCH");
		lane->watching = false;
		dispatch_soon(lane->registry);
	} else if (lane->n_ready == lane->n_riders) {
		sort_out(lane);
		write_all(lane);
	}
}

void
redis_lane_ready(struct redis_tx *tx)
{
	tx->ready = true;
	tx->lane->n_ready++;
	lane_check(tx->lane);
}

bool
redis_lane_step(struct redis_tx *tx)
{
	struct redis_lane *lane = tx->lane;

	if (++tx->n_steps <= SHARED_STEPS_MAX || lane->n_riders == 1)
		return true;
	tx->alone = true;
	get_off(tx);
	lane_check(lane);
	return false;
}

void
redis_lane_leave(struct redis_tx *tx, enum registry_status status)
{
	struct redis_lane *lane = tx->lane;

	set_down(tx);
	lane_check(lane);
	finish(tx, status);
}

static void
board(struct redis_lane *lane, struct redis_tx *tx)
{
	TAILQ_REMOVE(&lane->registry->lanes.waiting, tx, link);
	TAILQ_INSERT_TAIL(&lane->riders, tx, link);
	lane->n_riders++;
	tx->lane = lane;
	tx->failed = tx->ready = false;
	tx->n_touched = tx->n_steps = 0;
	tx->ops->begin(tx);
}

/* ---- lanes ---- */

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

		if (lane->n_riders == 0 && redis_link_is_up(lane->link))
			return lane;
	}
	return NULL;
}

static void
fail_waiting(struct redis_registry *registry)
{
	struct redis_tx *tx;

	/* and those behind them: an answer that brings a new one comes from the loop */
	while ((tx = TAILQ_FIRST(&registry->lanes.waiting)) != NULL) {
		TAILQ_REMOVE(&registry->lanes.waiting, tx, link);
		finish(tx, REGISTRY_UNAVAILABLE);
	}
}

static bool
has_room(const struct redis_lane *lane)
{
	return lane != NULL && redis_link_is_up(lane->link) &&
	    lane->n_riders > 0 && lane->n_riders < RIDERS_MAX;
}

/* Nobody waits for it any more. */
static bool
is_late(const struct redis_tx *tx)
{
	return tx->ops->patience_ms != 0 &&
	    loop_now_ms(tx->registry->loop) - tx->since_ms >=
	    tx->ops->patience_ms;
}

static void
dispatch_cb(void *ctx)
{
	struct redis_registry *registry = ctx;
	struct redis_lane *shared = NULL, *lane;
	struct redis_tx *tx;

	if (!redis_lanes_up(registry)) {
		fail_waiting(registry);
		return;
	}
	while ((tx = TAILQ_FIRST(&registry->lanes.waiting)) != NULL) {
		if (is_late(tx)) {
			TAILQ_REMOVE(&registry->lanes.waiting, tx, link);
			finish(tx, REGISTRY_UNAVAILABLE);
			continue;
		}
		if (!tx->alone && has_room(shared))
			lane = shared;
		else if ((lane = free_lane(registry)) == NULL)
			return;
		else if (!tx->alone)
			shared = lane;
		board(lane, tx);
	}
}

void
redis_tx_start(struct redis_registry *registry, struct redis_tx *tx,
    const struct redis_tx_ops *ops, const char *subject)
{
	struct hash_node *first =
	    hash_map_find(&registry->lanes.subjects, str_of(subject));

	*tx = (struct redis_tx){.registry = registry,
	    .ops = ops,
	    .subject = subject,
	    .since_ms = loop_now_ms(registry->loop)};
	TAILQ_INIT(&tx->later);
	if (first != NULL)
		TAILQ_INSERT_TAIL(&of_node(first)->later, tx, link);
	else if (come_first(tx) != 0)
		ops->finish(tx, REGISTRY_UNAVAILABLE, registry->freeing);
}

static void
state_cb(void *ctx, bool up)
{
	struct redis_lane *lane = ctx;

	(void)up;
	dispatch_soon(lane->registry);
	redis_check_up(lane->registry);
}

void
redis_lanes_prepare(struct redis_registry *registry)
{
	hash_map_init(&registry->lanes.subjects, subject_cb);
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
		TAILQ_INIT(&lane->riders);
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
	hash_map_fini(&registry->lanes.subjects);
	free(registry->lanes.lanes);
}
