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

struct requests_origin {
	const struct address *from; /* the visitor's */
	struct str host;	    /* the key of the service, as service_find() wants it */
	bool https; /* a proxy in front has said so */
};

/* Look at the requests of a connection from now on. *read: what was read of it already, read_len
 * bytes; taken and cleared. -1: no memory, and nothing changed. */
int requests_watch(struct relay *relay, struct conn *conn,
    const struct requests_origin *origin, struct buf **read, size_t read_len);

/* Write an answer without a body, after which the connection ends. */
void requests_refuse(struct conn *conn, unsigned status);

#endif
