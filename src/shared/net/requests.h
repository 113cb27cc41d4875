/* SPDX-License-Identifier: MIT */
/*
 * What whoever has started a program asks of it: to stop, and to read its configuration again.
 * On Unix these are signals (SIGTERM and SIGINT, SIGHUP). On Windows they are Ctrl-C, Ctrl-Break
 * and the closing of the console, or what the service manager says, which comes here through
 * requests_raise().
 */
#ifndef TAUPE_NET_REQUESTS_H
#define TAUPE_NET_REQUESTS_H

#include "net/loop.h"

enum request { REQUEST_STOP, REQUEST_RELOAD };

struct requests;

/* Call cb(ctx, request) from the loop for each one. One at a time in a process. NULL with errno. */
struct requests *requests_new(struct loop *loop,
    void (*cb)(void *ctx, enum request request), void *ctx);
/* Before its loop. On Unix the loop goes on to watch, and hears of nothing any more. */
void requests_free(struct requests **requests);

/* Ask it of ourselves, by any thread: what comes before requests_new() is done then. */
void requests_raise(enum request request);
/* Nobody at a console asks for anything: a service hears of users who log off, too. */
void requests_ignore_console(void);

#endif
