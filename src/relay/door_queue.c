/* SPDX-License-Identifier: MIT */
/* First come, first served; the last thing in each turn, when others have had theirs. */
#include "relay/door_queue.h"

#include <stdlib.h>
#include <unistd.h>

struct door_wait {
	STAILQ_ENTRY(door_wait) link;
	struct address peer;
	struct source *source;
	uint64_t since_us; /* loop_now_us() */
	uint64_t until_ms; /* loop clock */
	int fd;
};

/* Precondition: there is one. */
static struct door_wait
take_first(struct door_queue *queue)
{
	struct door_wait *first = STAILQ_FIRST(&queue->waiting), taken = *first;

	STAILQ_REMOVE_HEAD(&queue->waiting, link);
	queue->n--;
	free(first);
	return taken;
}

static void
begin(struct door_queue *queue, struct door_wait *wait)
{
	if (!queue->ops->begin_cb(
		queue->ctx, wait->fd, &wait->peer, wait->source,
		wait->since_us))
		sources_leave(queue->sources, SOURCE_AGENT, &wait->source);
}

static void
let_go(struct door_queue *queue, struct door_wait *wait)
{
	sources_leave(queue->sources, SOURCE_AGENT, &wait->source);
	queue->ops->late_cb(queue->ctx, wait->fd, &wait->peer);
}

static void
task_cb(void *ctx)
{
	struct door_queue *queue = ctx;
	uint64_t now_ms = loop_now_ms(queue->loop);
	unsigned begun = 0;

	while (queue->n > 0 && begun < DOOR_QUEUE_TURN) {
		struct door_wait taken = take_first(queue);

		if (taken.until_ms <= now_ms) {
			let_go(queue, &taken);
		} else {
			begun++;
			begin(queue, &taken);
		}
	}
	if (queue->n > 0)
		task_post_last(queue->loop, &queue->task);
}

void
door_queue_init(struct door_queue *queue, struct loop *loop,
    struct sources *sources, const struct door_queue_ops *ops, void *ctx)
{
	*queue = (struct door_queue){
	    .loop = loop, .sources = sources, .ops = ops, .ctx = ctx};
	task_init(&queue->task, task_cb, queue);
	STAILQ_INIT(&queue->waiting);
}

void
door_queue_fini(struct door_queue *queue)
{
	if (queue->loop == NULL)
		return;
	task_cancel(queue->loop, &queue->task);
	while (queue->n > 0) {
		struct door_wait taken = take_first(queue);

		sources_leave(queue->sources, SOURCE_AGENT, &taken.source);
		close(taken.fd);
	}
}

int
door_queue_add(struct door_queue *queue, int fd, const struct address *peer,
    struct source *source, uint64_t longest_ms)
{
	struct door_wait *wait = calloc(1, sizeof(*wait));

	if (wait == NULL) {
		sources_leave(queue->sources, SOURCE_AGENT, &source);
		close(fd);
		return -1;
	}
	wait->peer = *peer;
	wait->source = source;
	wait->fd = fd;
	wait->since_us = loop_now_us();
	wait->until_ms = loop_now_ms(queue->loop) + longest_ms;
	STAILQ_INSERT_TAIL(&queue->waiting, wait, link);
	queue->n++;
	task_post_last(queue->loop, &queue->task);
	return 0;
}
