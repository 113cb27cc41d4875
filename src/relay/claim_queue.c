/* SPDX-License-Identifier: MIT */
#include "relay/claim_queue.h"

#include <assert.h>

#define CROWD_MS 1000

static void
begin(struct claim_queue *queue, struct claim_turn *turn, bool waited)
{
	turn->state = CLAIM_UNDER_WAY;
	queue->under_way++;
	queue->turn_cb(turn, waited);
}

static void
stop_waiting(struct claim_queue *queue, struct claim_turn *turn)
{
	TAILQ_REMOVE(&queue->waiting, turn, link);
	queue->n_waiting--;
}

static void
note_waiting(struct claim_queue *queue, struct claim_turn *turn)
{
	turn->state = CLAIM_WAITS;
	if (queue->n_waiting++ == 0)
		queue->crowd_ms = loop_now_ms(queue->loop);
}

static bool
has_turn(const struct claim_queue *queue)
{
	return queue->n_waiting > 0 && queue->under_way < CLAIM_QUEUE_MOST;
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
	if (has_turn(queue))
		task_post_last(queue->loop, &queue->task);
}

void
claim_queue_init(struct claim_queue *queue, struct loop *loop,
    void (*turn_cb)(struct claim_turn *turn, bool waited))
{
	*queue = (struct claim_queue){.loop = loop, .turn_cb = turn_cb};
	task_init(&queue->task, task_cb, queue);
	TAILQ_INIT(&queue->waiting);
}

void
claim_queue_fini(struct claim_queue *queue)
{
	assert(queue->under_way == 0 && queue->n_waiting == 0);
	if (queue->loop != NULL)
		task_cancel(queue->loop, &queue->task);
}

void
claim_queue_join(struct claim_queue *queue, struct claim_turn *turn)
{
	assert(turn->state == CLAIM_ELSEWHERE);
	if (queue->n_waiting == 0 && queue->under_way < CLAIM_QUEUE_MOST) {
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
	if (has_turn(queue))
		task_post_last(queue->loop, &queue->task);
}

bool
claim_queue_is_crowded(const struct claim_queue *queue)
{
	return queue->n_waiting > 0 &&
	    loop_now_ms(queue->loop) - queue->crowd_ms >= CROWD_MS;
}

void
claim_queue_leave(struct claim_queue *queue, struct claim_turn *turn)
{
	if (turn->state == CLAIM_WAITS)
		stop_waiting(queue, turn);
	else if (turn->state == CLAIM_UNDER_WAY)
		queue->under_way--;
	turn->state = CLAIM_ELSEWHERE;
	if (has_turn(queue))
		task_post_last(queue->loop, &queue->task);
}
