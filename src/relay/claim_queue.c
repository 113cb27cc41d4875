/* SPDX-License-Identifier: MIT */
#include "relay/claim_queue.h"

#include <assert.h>

#define CROWD_MS 1000

static struct str
key_cb(const struct hash_node *node)
{
	return HASH_ENTRY(node, const struct claim_turn, by_name)->name;
}

static bool
name_is_under_way(const struct claim_queue *queue, struct str name)
{
	const struct claim_turn *turn;

	TAILQ_FOREACH (turn, &queue->under_way, link)
		if (str_equal(turn->name, name))
			return true;
	return false;
}

/* Where it cannot be put behind another, for want of memory, the registry lets it wait. */
static void
begin(struct claim_queue *queue, struct claim_turn *turn, bool waited)
{
	if (name_is_under_way(queue, turn->name) &&
	    hash_map_insert(&queue->behind, &turn->by_name) == 0) {
		turn->state = CLAIM_BEHIND;
		return;
	}
	turn->state = CLAIM_UNDER_WAY;
	TAILQ_INSERT_TAIL(&queue->under_way, turn, link);
	queue->n_under_way++;
	queue->turn_cb(turn, waited);
}

static void
note_waiting(struct claim_queue *queue, struct claim_turn *turn)
{
	turn->state = CLAIM_WAITS;
	if (queue->n_waiting++ == 0)
		queue->crowd_ms = loop_now_ms(queue->loop);
}

static void
stop_waiting(struct claim_queue *queue, struct claim_turn *turn)
{
	TAILQ_REMOVE(&queue->waiting, turn, link);
	queue->n_waiting--;
}

static bool
has_turn(const struct claim_queue *queue)
{
	return queue->n_waiting > 0 && queue->n_under_way < CLAIM_QUEUE_MOST;
}

static void
look_at_room(struct claim_queue *queue)
{
	if (has_turn(queue))
		task_post_last(queue->loop, &queue->task);
}

static void
task_cb(void *ctx)
{
	struct claim_queue *queue = ctx;

	for (unsigned i = 0; i < CLAIM_QUEUE_TURN && has_turn(queue); i++) {
		struct claim_turn *first = TAILQ_FIRST(&queue->waiting);

		stop_waiting(queue, first);
		begin(queue, first, true);
	}
	look_at_room(queue);
}

void
claim_queue_init(struct claim_queue *queue, struct loop *loop,
    void (*turn_cb)(struct claim_turn *turn, bool waited))
{
	*queue = (struct claim_queue){.loop = loop, .turn_cb = turn_cb};
	task_init(&queue->task, task_cb, queue);
	TAILQ_INIT(&queue->under_way);
	TAILQ_INIT(&queue->waiting);
	hash_map_init(&queue->behind, key_cb);
}

void
claim_queue_fini(struct claim_queue *queue)
{
	assert(queue->n_under_way == 0 && claim_queue_waiting(queue) == 0);
	if (queue->loop == NULL)
		return;
	task_cancel(queue->loop, &queue->task);
	hash_map_fini(&queue->behind);
}

void
claim_queue_join(struct claim_queue *queue, struct claim_turn *turn)
{
	assert(turn->state == CLAIM_ELSEWHERE);
	if (queue->n_waiting == 0 && queue->n_under_way < CLAIM_QUEUE_MOST) {
		begin(queue, turn, false);
		return;
	}
	TAILQ_INSERT_TAIL(&queue->waiting, turn, link);
	note_waiting(queue, turn);
}

void
claim_queue_return(struct claim_queue *queue, struct claim_turn *turn)
{
	assert(turn->state == CLAIM_ELSEWHERE);
	TAILQ_INSERT_HEAD(&queue->waiting, turn, link);
	note_waiting(queue, turn);
	look_at_room(queue);
}

bool
claim_queue_is_crowded(const struct claim_queue *queue)
{
	return queue->n_waiting > 0 &&
	    loop_now_ms(queue->loop) - queue->crowd_ms >= CROWD_MS;
}

size_t
claim_queue_waiting(const struct claim_queue *queue)
{
	return queue->n_waiting + queue->behind.count;
}

/* One that is behind that name goes to the end of those that wait. */
static void
let_next(struct claim_queue *queue, struct str name)
{
	struct hash_node *node = hash_map_find(&queue->behind, name);
	struct claim_turn *next;

	if (node == NULL)
		return;
	hash_map_remove(&queue->behind, node);
	next = HASH_ENTRY(node, struct claim_turn, by_name);
	TAILQ_INSERT_TAIL(&queue->waiting, next, link);
	note_waiting(queue, next);
}

void
claim_queue_leave(struct claim_queue *queue, struct claim_turn *turn)
{
	switch (turn->state) {
	case CLAIM_ELSEWHERE:
		return;
	case CLAIM_BEHIND:
		hash_map_remove(&queue->behind, &turn->by_name);
		break;
	case CLAIM_WAITS:
		stop_waiting(queue, turn);
		let_next(queue, turn->name); /* it may have been let itself */
		break;
	case CLAIM_UNDER_WAY:
		TAILQ_REMOVE(&queue->under_way, turn, link);
		queue->n_under_way--;
		let_next(queue, turn->name);
		break;
	}
	turn->state = CLAIM_ELSEWHERE;
	look_at_room(queue);
}
