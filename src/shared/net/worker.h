/* SPDX-License-Identifier: MIT */
/*
 * The worker: a second thread with a loop of its own, for what takes so much processor time that
 * everybody else in its loop would wait for it. What may go there is a guest; it is in one
 * place at a time, and whoever has it has all that belongs to it, alone. The thread begins
 * with the first guest.
 *
 * Everything is called by the home loop's thread, but for what says otherwise.
 */
#ifndef TAUPE_NET_WORKER_H
#define TAUPE_NET_WORKER_H

#include <stdbool.h>

#include "net/loop.h"

struct worker;
struct guest;

struct guest_ops {
	/* By the worker's thread, from its loop: the guest is there, and begins. */
	void (*arrived)(struct guest *guest, struct loop *loop);
	/* By the worker's thread, from its loop: the guest is recalled, and stops; called within
	 * another one's callback as well. */
	void (*recalled)(struct guest *guest);
	/* From the home loop: it is back of its own accord, and goes on there. */
	void (*returned)(struct guest *guest);
};

struct guest {
	TAILQ_ENTRY(guest) link; /* while it is under way */
	const struct guest_ops *ops;
	/* the worker's lock protects it; GUEST_HOME: in nobody's hands but the home loop's */
	enum { GUEST_HOME, GUEST_GOING, GUEST_AWAY, GUEST_RETURNING } place;
};
TAILQ_HEAD(guest_list, guest);

/* NULL: there is no memory. */
struct worker *worker_new(struct loop *home);
/* Precondition: all guests are home. */
void worker_free(struct worker **worker);

/* The loop that it was made for. By any thread. */
struct loop *worker_home(const struct worker *worker);

/* Send a guest that is home. False: there can be no thread for now, and it stays. */
bool worker_send(struct worker *worker, struct guest *guest);
/* By the worker's thread, from a callback: the guest has stopped, and goes back. */
void worker_return(struct worker *worker, struct guest *guest);
/* By the worker's thread, at the end of a callback that has taken time: if home waits for a guest, recall
 * that one before others have their turn. It may be the caller. */
void worker_attend(struct worker *worker);
/* Have it back now, wherever it is: returned() does not come. */
void worker_recall(struct worker *worker, struct guest *guest);

#endif
