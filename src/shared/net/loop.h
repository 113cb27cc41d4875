/* SPDX-License-Identifier: MIT */
/*
 * The event loop of a process (libevent), its clock, its timers and its deferred calls.
 *
 * Timers stand in a wheel behind a single libevent timeout: a timer costs one small
 * struct and setting one again costs no system call, because a relay has hundreds of
 * thousands of them and almost none ever fires.
 */
#ifndef TAUPE_NET_LOOP_H
#define TAUPE_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct event_base;
struct loop;

#define LOOP_TICK_MS 8 /* a timer fires at most this late, never early */

struct timer {
	TAILQ_ENTRY(timer) link;
	uint64_t due_tick; /* 0: not set */
	void (*cb)(void *ctx);
	void *ctx;
};
TAILQ_HEAD(timer_list, timer);

#define LOOP_LATER_MS 1000 /* after which a task that was put off is due, at the latest */

/* A call that is made once the current callback has returned to the loop, or later. */
struct task {
	TAILQ_ENTRY(task) link;
	enum { TASK_IDLE, TASK_PENDING, TASK_LAST, TASK_LATER } state;
	void (*cb)(void *ctx);
	void *ctx;
};
TAILQ_HEAD(task_list, task);

/* NULL when there is no memory. (Without descriptors libevent ends the process itself.) */
struct loop *loop_new(void);
/* Precondition: nothing uses it any more. */
void loop_free(struct loop **loop);

/* Run until loop_stop(); -1 if the backend failed. */
int loop_run(struct loop *loop);
/* Leave loop_run() after the callback at hand. */
void loop_stop(struct loop *loop);

/* Monotonic milliseconds. */
uint64_t loop_now_ms(struct loop *loop);
/* The same with the time that the machine has slept, where its system counts that. Timers do not wait by it. */
uint64_t loop_boot_ms(void);
/* loop_now_ms() in microseconds. */
uint64_t loop_now_us(void);
/* Wall clock, milliseconds since the epoch. */
uint64_t loop_wall_ms(void);
uint64_t loop_wall_us(void);

/* For other files of net: around what a callback of libevent's does, so that it can be seen whether
 * it was the last of its turn (see task_post_last()). */
void loop_enter(struct loop *loop);
void loop_leave(struct loop *loop);
/* The libevent base, for other files of net. */
struct event_base *loop_base(struct loop *loop);

void timer_init(struct timer *timer, void (*cb)(void *ctx), void *ctx);
/* Fire once in delay_ms; a timer that is set already moves. */
void timer_set(struct loop *loop, struct timer *timer, uint64_t delay_ms);
/* Does nothing to a timer that is not set. */
void timer_clear(struct loop *loop, struct timer *timer);
bool timer_is_set(const struct timer *timer);

void task_init(struct task *task, void (*cb)(void *ctx), void *ctx);
/* Call soon; a task that is pending already stays so. */
void task_post(struct loop *loop, struct task *task);
/* Call at the end of this turn, when everything that was ready has had its callback: for what is
 * better done once for all of them. A task that is pending already stays so. */
void task_post_last(struct loop *loop, struct task *task);
/* Call within LOOP_LATER_MS, or soon after where very many were put off: for checks that no
 * event asks for. A task that is pending or put off already stays so. */
void task_put_off(struct loop *loop, struct task *task);
void task_cancel(struct loop *loop, struct task *task);

/* Call cb(ctx) from the loop at each signal. Up to 8 signals a loop; -1 on failure.
 * SIGPIPE is ignored from loop_new() on. */
int loop_on_signal(
    struct loop *loop, int signal, void (*cb)(void *ctx), void *ctx);

#endif
