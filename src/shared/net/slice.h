/* SPDX-License-Identifier: MIT */
/* The process's time slice. */
#ifndef TAUPE_NET_SLICE_H
#define TAUPE_NET_SLICE_H

/*
 * Ask the scheduler for short turns: the process gets no more time than without, but gets
 * it sooner after an event (Linux 6.12 and up, sched_setattr(2): sched_runtime of
 * SCHED_OTHER). For programs that many wait for. Where the system has no such thing,
 * nothing happens.
 */
void slice_ask_short(void);

/* Ask for turns of the usual length again: a thread has those of the one that began it. */
void slice_ask_usual(void);

#endif
