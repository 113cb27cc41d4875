/* SPDX-License-Identifier: MIT */
/*
 * One look at a service: is there somebody who takes a connection, and, where a path is given, answers a GET
 * of it with a status from 200 to 399?
 */
#ifndef TAUPE_AGENT_LOOK_H
#define TAUPE_AGENT_LOOK_H

#include "agent/settings.h"
#include "net/dial.h"

#define LOOK_STATUS_LINE 12 /* characters of "HTTP/1.1 200" */

struct look {
	struct loop *loop;
	/* It is over, once: error NULL, or what is wrong, until the return. */
	void (*cb)(void *ctx, const char *error);
	void *ctx;
	/* to be set when it begins */
	struct dialler *dialler;
	uint64_t timeout_ms; /* for the connection, and for the answer */
	/* its own */
	const struct target *target;
	const char *path;
	struct dial *dial;  /* under way */
	struct conn conn;   /* open: an answer is waited for */
	struct timer timer; /* of the answer */
	size_t len;	    /* of line */
	char line[LOOK_STATUS_LINE + 1];
};

/* The first three fields are set. */
void look_init(struct look *look);
/* Begin one, when none is under way; target and path ("": a connection is enough) are kept. cb is called
 * at once where there is no memory. */
void look_begin(
    struct look *look, const struct target *target, const char *path);
/* No more callbacks. */
void look_cancel(struct look *look);

#endif
