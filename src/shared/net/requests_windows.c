/* SPDX-License-Identifier: MIT */
/*
 * Windows asks in threads of its own: they leave word, and ring. What closes the console, or ends
 * the session of its user, kills the process as soon as that thread returns: it waits for the
 * goodbye, as long as Windows lets it (some seconds).
 */
#include "config.h"

#include <winsock2.h>
#include <windows.h>

#include <pthread.h>
#include <stdlib.h>

#include "net/bell.h"
#include "net/requests.h"

#define REQUESTS 2 /* kinds */

struct requests {
	struct bell bell;
	void (*cb)(void *ctx, enum request request);
	void *ctx;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of these */
static struct requests *current;
static unsigned waiting[REQUESTS]; /* how often each was asked */

static bool console_ignored;

void
requests_ignore_console(void)
{
	console_ignored = true;
}

void
requests_raise(enum request request)
{
	pthread_mutex_lock(&lock);
	waiting[request]++;
	if (current != NULL)
		bell_ring(&current->bell);
	pthread_mutex_unlock(&lock);
}

static BOOL WINAPI
console_cb(DWORD event)
{
	requests_raise(REQUEST_STOP);
	if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT)
		Sleep(INFINITE);
	return TRUE;
}

static unsigned
take(enum request request)
{
	unsigned n;

	pthread_mutex_lock(&lock);
	n = waiting[request];
	waiting[request] = 0;
	pthread_mutex_unlock(&lock);
	return n;
}

static void
bell_cb(void *ctx)
{
	struct requests *requests = ctx;

	if (take(REQUEST_RELOAD) > 0)
		requests->cb(requests->ctx, REQUEST_RELOAD);
	for (unsigned n = take(REQUEST_STOP); n > 0; n--)
		requests->cb(requests->ctx, REQUEST_STOP);
}

struct requests *
requests_new(
    struct loop *loop, void (*cb)(void *ctx, enum request request), void *ctx)
{
	struct requests *requests = calloc(1, sizeof(*requests));

	if (requests == NULL)
		return NULL;
	requests->cb = cb;
	requests->ctx = ctx;
	if (bell_init(&requests->bell, loop, bell_cb, requests) != 0) {
		free(requests);
		return NULL;
	}
	pthread_mutex_lock(&lock);
	current = requests;
	bell_ring(&requests->bell); /* for what was asked before */
	pthread_mutex_unlock(&lock);
	if (!console_ignored)
		(void)SetConsoleCtrlHandler(console_cb, TRUE);
	return requests;
}

void
requests_free(struct requests **requestsp)
{
	struct requests *requests = *requestsp;

	if (requests == NULL)
		return;
	*requestsp = NULL;
	pthread_mutex_lock(&lock);
	current = NULL;
	pthread_mutex_unlock(&lock);
	bell_fini(&requests->bell);
	free(requests);
}
