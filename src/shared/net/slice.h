/* SPDX-License-Identifier: MIT */
/* How the scheduler gives a thread its turns. */
#ifndef TAUPE_NET_SLICE_H
#define TAUPE_NET_SLICE_H

/*
 * Ask the scheduler for short turns: the process gets no more time than without, but gets
 * it sooner after an event (Linux 6.12 and up, sched_setattr(2): sched_runtime of
 * SCHED_OTHER). For programs that many wait for. Where the system has no such thing,
 * nothing happens.
 */
void slice_ask_short(void);

/* For a thread that computes and that nobody waits for: turns of the usual length, where a thread else
 * has those of the one that began it, and no turn taken from others when it wakes (SCHED_BATCH,
 * sched(7)). Its share stays the same. */
void slice_ask_batch(void);

#endif
