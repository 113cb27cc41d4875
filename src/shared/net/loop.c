/* SPDX-License-Identifier: MIT */
/*
 * The loop owns the libevent base, the timer wheel and the list of deferred calls.
 *
 * The wheel has one slot per tick for WHEEL_SLOTS ticks; a timer due later than that
 * stands in the slot of its tick modulo the wheel and is passed over until its round
 * comes. One libevent timeout is armed for the next slot that has anything in it, and
 * a bitmap finds that slot, so that a loop at rest does not wake.
 */
#include "config.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/buf.h"
#include "net/loop.h"

#define WHEEL_SLOTS 4096
#define SIGNALS_MAX 8
#define LATER_BATCH 256 /* tasks that were put off, in one turn */

struct signal_watch {
	struct event event;
	void (*cb)(void *ctx);
	void *ctx;
};

struct loop {
	struct event_base *base;
	struct event *wheel_event;
	struct event *task_event, *last_event;
	struct task_list tasks, last, later;
	size_t n_tasks, n_later;
	bool ending;	/* the tasks of the turn's end run */
	unsigned depth; /* callbacks that were entered and not left */
	size_t n_due;	/* of those put off: called soon, not all at once */
	struct timer later_timer;
	uint64_t start_ms;   /* monotonic clock at tick 0 */
	uint64_t done_tick;  /* every tick up to here was handled */
	uint64_t armed_tick; /* what wheel_event waits for; 0: nothing */
	size_t n_signals;
	struct signal_watch signals[SIGNALS_MAX];
	uint64_t occupied[WHEEL_SLOTS / 64];
	struct timer_list slots[WHEEL_SLOTS];
};

static uint64_t
clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t
loop_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

uint64_t
loop_wall_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t
loop_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* libevent caches the time of a turn, but as wall clock; a vDSO call is as cheap as the
 * cache and is monotonic. */
uint64_t
loop_now_ms(struct loop *loop)
{
	(void)loop;
	return clock_ms(CLOCK_MONOTONIC);
}

uint64_t
loop_boot_ms(void)
{
#ifdef CLOCK_BOOTTIME
	return clock_ms(CLOCK_BOOTTIME);
#else
	return clock_ms(CLOCK_MONOTONIC);
#endif
}

/* How many slots from `from` on is the next one that is occupied; WHEEL_SLOTS: none. */
static size_t
wheel_distance(const struct loop *loop, size_t from)
{
	size_t done = 0;

	while (done < WHEEL_SLOTS) {
		size_t slot = (from + done) % WHEEL_SLOTS;
		uint64_t word = loop->occupied[slot / 64] >> (slot % 64);

		if (word != 0)
			return done + (size_t)__builtin_ctzll(word);
		done += 64 - slot % 64;
	}
	return WHEEL_SLOTS;
}

static void
wheel_arm(struct loop *loop, uint64_t tick)
{
	uint64_t now_ms = clock_ms(CLOCK_MONOTONIC);
	uint64_t due_ms = loop->start_ms + tick * LOOP_TICK_MS;
	uint64_t delay_ms = due_ms > now_ms ? due_ms - now_ms : 0;
	struct timeval delay = {
	    .tv_sec = (time_t)(delay_ms / 1000),
	    .tv_usec = (int)(delay_ms % 1000 * 1000),
	};

	loop->armed_tick = tick;
	event_add(loop->wheel_event, &delay);
}

static void
wheel_rearm(struct loop *loop)
{
	size_t distance =
	    wheel_distance(loop, (loop->done_tick + 1) % WHEEL_SLOTS);

	loop->armed_tick = 0;
	if (distance < WHEEL_SLOTS)
		wheel_arm(loop, loop->done_tick + 1 + distance);
}

static void
wheel_unlink(struct loop *loop, struct timer *timer)
{
	size_t slot = timer->due_tick % WHEEL_SLOTS;

	TAILQ_REMOVE(&loop->slots[slot], timer, link);
	if (TAILQ_EMPTY(&loop->slots[slot]))
		loop->occupied[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
	timer->due_tick = 0;
}

static void
wheel_link(struct loop *loop, struct timer *timer, uint64_t tick)
{
	size_t slot = tick % WHEEL_SLOTS;

	timer->due_tick = tick;
	TAILQ_INSERT_TAIL(&loop->slots[slot], timer, link);
	loop->occupied[slot / 64] |= UINT64_C(1) << (slot % 64);
}

/* Fire what is due in the slot of a tick. A callback may set and clear any timer, so the
 * list is looked at afresh after each; what it sets is due later, so this ends. */
static void
wheel_fire(struct loop *loop, uint64_t tick)
{
	struct timer_list *slot = &loop->slots[tick % WHEEL_SLOTS];
	struct timer *timer;

again:
	TAILQ_FOREACH (timer, slot, link) {
		if (timer->due_tick <= tick) {
			wheel_unlink(loop, timer);
			timer->cb(timer->ctx);
			goto again;
		}
	}
}

static void
wheel_cb(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;
	uint64_t tick =
	    (clock_ms(CLOCK_MONOTONIC) - loop->start_ms) / LOOP_TICK_MS;

	(void)fd;
	(void)what;
	loop->armed_tick = 0;
	while (loop->done_tick < tick) {
		size_t distance =
		    wheel_distance(loop, (loop->done_tick + 1) % WHEEL_SLOTS);

		if (distance >= tick - loop->done_tick) {
			loop->done_tick = tick;
			break;
		}
		loop->done_tick += 1 + distance;
		wheel_fire(loop, loop->done_tick);
	}
	wheel_rearm(loop);
}

/* A timeout of zero, not event_active(): libevent would serve that within the same turn,
 * and a task that posts itself again would keep the sockets waiting for ever. */
static void
tasks_arm(struct loop *loop)
{
	static const struct timeval at_once = {0, 0};

	event_add(loop->task_event, &at_once);
}

static void
task_run_cb(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;
	size_t batch = loop->n_tasks;
	struct task *task;

	(void)fd;
	(void)what;
	loop_enter(loop);
	while (batch-- > 0 && (task = TAILQ_FIRST(&loop->tasks)) != NULL) {
		task_cancel(loop, task);
		task->cb(task->ctx);
	}
	if (loop->n_tasks > 0)
		tasks_arm(loop);
	loop_leave(loop);
}

static void
run_last(struct loop *loop)
{
	struct task *task;

	loop->ending = true;
	while ((task = TAILQ_FIRST(&loop->last)) != NULL) {
		task_cancel(loop, task);
		task->cb(task->ctx);
	}
	loop->ending = false;
}

static void
last_run_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	run_last(arg);
}

void
loop_enter(struct loop *loop)
{
	loop->depth++;
}

/* libevent serves what is made active during a turn within it, behind all the rest. Where there is
 * no rest, this is the turn's end. */
void
loop_leave(struct loop *loop)
{
	if (--loop->depth > 0 || TAILQ_EMPTY(&loop->last))
		return;
	if (event_base_get_num_events(loop->base, EVENT_BASE_COUNT_ACTIVE) > 0)
		event_active(loop->last_event, EV_TIMEOUT, 0);
	else
		run_last(loop);
}

/* A list is all that these tasks need: they are called together, but in batches, or else
 * whatever else happens would wait for all of them. */
static void
later_cb(void *ctx)
{
	struct loop *loop = ctx;
	struct task *task;

	if (loop->n_due == 0)
		loop->n_due = loop->n_later;
	for (int i = 0; i < LATER_BATCH && loop->n_due > 0 &&
	     (task = TAILQ_FIRST(&loop->later)) != NULL;
	     i++) {
		loop->n_due--;
		task_post(loop, task);
	}
	if (TAILQ_EMPTY(&loop->later))
		loop->n_due = 0;
	else
		timer_set(loop, &loop->later_timer,
		    loop->n_due > 0 ? LOOP_TICK_MS : LOOP_LATER_MS);
}

struct loop *
loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	struct event_config *config = event_config_new();
	size_t slot;

	if (loop == NULL || config == NULL)
		goto fail;
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	if ((loop->base = event_base_new_with_config(config)) == NULL)
		goto fail;
	event_config_free(config);
	config = NULL;
	for (slot = 0; slot < WHEEL_SLOTS; slot++)
		TAILQ_INIT(&loop->slots[slot]);
	TAILQ_INIT(&loop->tasks);
	TAILQ_INIT(&loop->last);
	TAILQ_INIT(&loop->later);
	timer_init(&loop->later_timer, later_cb, loop);
	loop->start_ms = clock_ms(CLOCK_MONOTONIC) - LOOP_TICK_MS;
	loop->wheel_event = evtimer_new(loop->base, wheel_cb, loop);
	loop->task_event = evtimer_new(loop->base, task_run_cb, loop);
	loop->last_event = evtimer_new(loop->base, last_run_cb, loop);
	if (loop->wheel_event == NULL || loop->task_event == NULL ||
	    loop->last_event == NULL)
		goto fail;
#ifdef SIGPIPE
	signal(SIGPIPE, SIG_IGN);
#endif
	buf_pool_init();
	return loop;
fail:
	if (config != NULL)
		event_config_free(config);
	loop_free(&loop);
	return NULL;
}

void
loop_free(struct loop **loop)
{
	size_t i;

	if (*loop == NULL)
		return;
	for (i = 0; i < (*loop)->n_signals; i++)
		event_del(&(*loop)->signals[i].event);
	if ((*loop)->wheel_event != NULL)
		event_free((*loop)->wheel_event);
	if ((*loop)->task_event != NULL)
		event_free((*loop)->task_event);
	if ((*loop)->last_event != NULL)
		event_free((*loop)->last_event);
	if ((*loop)->base != NULL)
		event_base_free((*loop)->base);
	free(*loop);
	*loop = NULL;
}

int
loop_run(struct loop *loop)
{
	return event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0 ? -1
									: 0;
}

void
loop_stop(struct loop *loop)
{
	event_base_loopbreak(loop->base);
}

struct event_base *
loop_base(struct loop *loop)
{
	return loop->base;
}

void
timer_init(struct timer *timer, void (*cb)(void *ctx), void *ctx)
{
	memset(timer, 0, sizeof(*timer));
	timer->cb = cb;
	timer->ctx = ctx;
}

void
timer_set(struct loop *loop, struct timer *timer, uint64_t delay_ms)
{
	uint64_t now_ms = clock_ms(CLOCK_MONOTONIC) - loop->start_ms;
	/* rounded up, plus the part of the current tick that is over: never early */
	uint64_t tick = (now_ms + delay_ms + LOOP_TICK_MS - 1) / LOOP_TICK_MS;

	if (timer->due_tick != 0)
		wheel_unlink(loop, timer);
	if (tick <= loop->done_tick)
		tick = loop->done_tick + 1;
	wheel_link(loop, timer, tick);
	if (loop->armed_tick == 0 || tick < loop->armed_tick)
		wheel_arm(loop, tick);
}

void
timer_clear(struct loop *loop, struct timer *timer)
{
	if (timer->due_tick != 0)
		wheel_unlink(loop, timer);
}

bool
timer_is_set(const struct timer *timer)
{
	return timer->due_tick != 0;
}

void
task_init(struct task *task, void (*cb)(void *ctx), void *ctx)
{
	memset(task, 0, sizeof(*task));
	task->cb = cb;
	task->ctx = ctx;
}

void
task_post(struct loop *loop, struct task *task)
{
	if (task->state == TASK_PENDING || task->state == TASK_LAST)
		return;
	task_cancel(loop, task);
	task->state = TASK_PENDING;
	TAILQ_INSERT_TAIL(&loop->tasks, task, link);
	if (loop->n_tasks++ == 0)
		tasks_arm(loop);
}

void
task_post_last(struct loop *loop, struct task *task)
{
	if (loop->ending) { /* or they could keep the sockets waiting for ever */
		task_post(loop, task);
		return;
	}
	if (task->state == TASK_PENDING || task->state == TASK_LAST)
		return;
	task_cancel(loop, task);
	task->state = TASK_LAST;
	if (loop->depth == 0 && TAILQ_EMPTY(&loop->last))
		event_active(loop->last_event, EV_TIMEOUT, 0);
	TAILQ_INSERT_TAIL(&loop->last, task, link);
}

void
task_put_off(struct loop *loop, struct task *task)
{
	if (task->state != TASK_IDLE)
		return;
	task->state = TASK_LATER;
	if (loop->n_later++ == 0) {
		loop->n_due = 0;
		timer_set(loop, &loop->later_timer, LOOP_LATER_MS);
	}
	TAILQ_INSERT_TAIL(&loop->later, task, link);
}

void
task_cancel(struct loop *loop, struct task *task)
{
	if (task->state == TASK_PENDING) {
		TAILQ_REMOVE(&loop->tasks, task, link);
		loop->n_tasks--;
	} else if (task->state == TASK_LAST) {
		TAILQ_REMOVE(&loop->last, task, link);
	} else if (task->state == TASK_LATER) {
		TAILQ_REMOVE(&loop->later, task, link);
		loop->n_later--;
	}
	task->state = TASK_IDLE;
}

static void
signal_cb(evutil_socket_t fd, short what, void *arg)
{
	struct signal_watch *watch = arg;

	(void)fd;
	(void)what;
	watch->cb(watch->ctx);
}

int
loop_on_signal(struct loop *loop, int signal, void (*cb)(void *ctx), void *ctx)
{
	struct signal_watch *watch = &loop->signals[loop->n_signals];

	assert(loop->n_signals < SIGNALS_MAX);
	watch->cb = cb;
	watch->ctx = ctx;
	if (evsignal_assign(
		&watch->event, loop->base, signal, signal_cb, watch) != 0 ||
	    event_add(&watch->event, NULL) != 0)
		return -1;
	loop->n_signals++;
	return 0;
}
