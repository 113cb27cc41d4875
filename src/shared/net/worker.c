/* SPDX-License-Identifier: MIT */
/*
 * Guests under way stand in one of two lists, and a bell tells the loop at the other end to
 * look. The lock is held for what is done to the lists and to the guests'
 * places, never during a callback.
 */
#include "config.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "net/bell.h"
#include "net/buf.h"
#include "net/slice.h"
#include "net/worker.h"

#define DESCRIPTORS 8  /* of the loop and the bells, at most */
#define RETRY_MS 60000 /* to begin a thread */

struct worker {
	struct loop *home;
	struct loop *loop; /* NULL: the thread has not begun */
	uint64_t
	    denied_ms; /* home's clock: when it could not begin; 0: never */
	pthread_t thread;
	struct bell home_bell, bell;
	pthread_mutex_t lock; /* of what follows, and of the guests' places */
	pthread_cond_t stopped;
	struct guest_list going, returning;
	_Atomic(struct guest *) recalled; /* home waits for it */
	bool ending;
};

/* ---- the worker's thread ---- */

void
worker_return(struct worker *worker, struct guest *guest)
{
	pthread_mutex_lock(&worker->lock);
	assert(guest->place == GUEST_AWAY &&
	    pthread_equal(pthread_self(), worker->thread));
	guest->place = GUEST_RETURNING;
	TAILQ_INSERT_TAIL(&worker->returning, guest, link);
	if (worker->recalled == guest)
		pthread_cond_signal(&worker->stopped);
	else
		bell_ring(&worker->home_bell);
	pthread_mutex_unlock(&worker->lock);
}

void
worker_attend(struct worker *worker)
{
	struct guest *guest;

	if (atomic_load_explicit(&worker->recalled, memory_order_relaxed) ==
	    NULL)
		return;
	pthread_mutex_lock(&worker->lock);
	guest = worker->recalled;
	if (guest != NULL && guest->place != GUEST_AWAY)
		guest = NULL; /* it has returned by itself */
	pthread_mutex_unlock(&worker->lock);
	if (guest == NULL)
		return;
	guest->ops->recalled(guest);
	worker_return(worker, guest);
}

/* The next guest who has come; NULL: there is none. */
static struct guest *
next_guest(struct worker *worker)
{
	struct guest *guest;

	pthread_mutex_lock(&worker->lock);
	if ((guest = TAILQ_FIRST(&worker->going)) != NULL) {
		TAILQ_REMOVE(&worker->going, guest, link);
		guest->place = GUEST_AWAY;
	}
	pthread_mutex_unlock(&worker->lock);
	return guest;
}

static void
bell_cb(void *ctx)
{
	struct worker *worker = ctx;
	struct guest *guest;
	bool ending;

	worker_attend(worker);
	while ((guest = next_guest(worker)) != NULL)
		guest->ops->arrived(guest, worker->loop);
	pthread_mutex_lock(&worker->lock);
	ending = worker->ending;
	pthread_mutex_unlock(&worker->lock);
	if (ending)
		loop_stop(worker->loop);
}

static void *
worker_main(void *arg)
{
	struct worker *worker = arg;

	slice_ask_batch();
	/* who waits for a guest would wait for ever */
	if (loop_run(worker->loop) != 0 || !worker->ending) {
		log_error("the second event loop failed, cannot go on");
		_Exit(EX_OSERR);
	}
	buf_pool_drain();
	return NULL;
}

/* ---- the home loop's thread ---- */

static void
home_bell_cb(void *ctx)
{
	struct worker *worker = ctx;
	struct guest *guest;

	for (;;) {
		pthread_mutex_lock(&worker->lock);
		if ((guest = TAILQ_FIRST(&worker->returning)) != NULL) {
			TAILQ_REMOVE(&worker->returning, guest, link);
			guest->place = GUEST_HOME;
		}
		pthread_mutex_unlock(&worker->lock);
		if (guest == NULL)
			return;
		guest->ops->returned(guest);
	}
}

struct worker *
worker_new(struct loop *home)
{
	struct worker *worker = calloc(1, sizeof(*worker));

	if (worker == NULL)
		return NULL;
	worker->home = home;
	TAILQ_INIT(&worker->going);
	TAILQ_INIT(&worker->returning);
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->stopped, NULL);
	return worker;
}

struct loop *
worker_home(const struct worker *worker)
{
	return worker->home;
}

#ifdef _WIN32

static int
start_thread(struct worker *worker)
{
	return pthread_create(&worker->thread, NULL, worker_main, worker) == 0
	    ? 0
	    : -1;
}

/* A process may have millions. */
static bool
has_descriptors(void)
{
	return true;
}

#else

/* Signals are the home loop's. */
static int
start_thread(struct worker *worker)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&worker->thread, NULL, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error == 0 ? 0 : -1;
}

/* Where there is none, libevent would end the process. */
static bool
has_descriptors(void)
{
	int fds[DESCRIPTORS];
	size_t n = 0;
	bool enough;

	while (n < DESCRIPTORS && pipe2(fds + n, O_CLOEXEC) == 0)
		n += 2;
	enough = n == DESCRIPTORS;
	while (n > 0)
		close(fds[--n]);
	return enough;
}

#endif

static int
begin(struct worker *worker)
{
	if ((worker->loop = loop_new()) == NULL)
		return -1;
	if (bell_init(&worker->bell, worker->loop, bell_cb, worker) != 0)
		goto no_bell;
	if (bell_init(&worker->home_bell, worker->home, home_bell_cb, worker) !=
	    0)
		goto no_home_bell;
	if (start_thread(worker) == 0)
		return 0;
	bell_fini(&worker->home_bell);
no_home_bell:
	bell_fini(&worker->bell);
no_bell:
	loop_free(&worker->loop);
	return -1;
}

static void
end(struct worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	assert(TAILQ_EMPTY(&worker->going) && TAILQ_EMPTY(&worker->returning));
	worker->ending = true;
	bell_ring(&worker->bell);
	pthread_mutex_unlock(&worker->lock);
	pthread_join(worker->thread, NULL);
	bell_fini(&worker->home_bell);
	bell_fini(&worker->bell);
	loop_free(&worker->loop);
}

void
worker_free(struct worker **workerp)
{
	struct worker *worker = *workerp;

	if (worker == NULL)
		return;
	*workerp = NULL;
	if (worker->loop != NULL)
		end(worker);
	pthread_cond_destroy(&worker->stopped);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
}

static bool
may_try(const struct worker *worker)
{
	return worker->denied_ms == 0 ||
	    loop_now_ms(worker->home) - worker->denied_ms >= RETRY_MS;
}

bool
worker_send(struct worker *worker, struct guest *guest)
{
	if (worker->loop == NULL) {
		if (!may_try(worker) || !has_descriptors())
			return false;
		if (begin(worker) != 0) {
			worker->denied_ms = loop_now_ms(worker->home);
			log_warn(
			    "no thread for bulk streams: others wait for them");
			return false;
		}
	}
	pthread_mutex_lock(&worker->lock);
	assert(guest->place == GUEST_HOME);
	guest->place = GUEST_GOING;
	TAILQ_INSERT_TAIL(&worker->going, guest, link);
	bell_ring(&worker->bell);
	pthread_mutex_unlock(&worker->lock);
	return true;
}

void
worker_recall(struct worker *worker, struct guest *guest)
{
	pthread_mutex_lock(&worker->lock);
	if (guest->place == GUEST_GOING) {
		TAILQ_REMOVE(&worker->going, guest, link);
	} else {
		worker->recalled = guest;
		if (guest->place == GUEST_AWAY)
			bell_ring(&worker->bell);
		while (guest->place == GUEST_AWAY)
			pthread_cond_wait(&worker->stopped, &worker->lock);
		worker->recalled = NULL;
		TAILQ_REMOVE(&worker->returning, guest, link);
	}
	guest->place = GUEST_HOME;
	pthread_mutex_unlock(&worker->lock);
}
