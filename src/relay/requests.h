/* SPDX-License-Identifier: MIT */
/*
 * The requests of a visitor who has come to the built-in front: each is looked at before it goes
 * to the device, and says who the visitor is as HAProxy would have it say that. One that may not go
 * there is the connection's last: the device hears that nothing more comes, answers what it has got,
 * and behind those answers the visitor is told why.
 *
 * It stands between the visitor's connection and whatever that is joined to, as a filter: bodies
 * pass through without being copied, and an idle connection has no buffer here.
 */
#ifndef TAUPE_RELAY_REQUESTS_H
#define TAUPE_RELAY_REQUESTS_H

#include "relay/relay.h"

struct service;
struct http_head;

struct requests_origin {
	const struct address *from; /* the visitor's */
	struct service *service;    /* an http one */
	struct str host; /* the name that it was found by, normalised */
	bool https; /* a proxy in front has said so */
	bool trusted; /* the requests come from a proxy: what each says about the visitor
			 is its word */
};

/* What was read of a connection already: its first head, parsed, and perhaps more. */
struct requests_read {
	struct buf *buf;
	size_t len;
	struct http_head *head;
	size_t head_len;
};

/*
 * Look at the requests of a connection from now on, and read it: as conn_read(), 0 being that its
 * first request is refused. Takes read->buf, and changes read->head. CONN_ERROR: no memory.
 */
ssize_t requests_watch(struct relay *relay, struct conn *conn,
    const struct requests_origin *origin, struct requests_read *read,
    void *out, size_t cap);

/* Write an answer without a body, after which the connection ends. */
void requests_refuse(struct conn *conn, unsigned status);

#endif
