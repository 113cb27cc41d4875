/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <signal.h>
#include <stdlib.h>

#include "net/requests.h"

struct requests {
	void (*cb)(void *ctx, enum request request);
	void *ctx;
};

static void
stop_cb(void *ctx)
{
	struct requests *requests = ctx;

	requests->cb(requests->ctx, REQUEST_STOP);
}

static void
reload_cb(void *ctx)
{
	struct requests *requests = ctx;

	requests->cb(requests->ctx, REQUEST_RELOAD);
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
	if (loop_on_signal(loop, SIGTERM, stop_cb, requests) == 0 &&
	    loop_on_signal(loop, SIGINT, stop_cb, requests) == 0 &&
	    loop_on_signal(loop, SIGHUP, reload_cb, requests) == 0)
		return requests;
	requests_free(&requests);
	return NULL;
}

void
requests_free(struct requests **requests)
{
	free(*requests);
	*requests = NULL;
}
