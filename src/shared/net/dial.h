/* SPDX-License-Identifier: MIT */
/*
 * Connecting to a host by name: looks it up, tries its addresses one after the other,
 * goes through a proxy and speaks TLS if asked to, and gives up in time. Remembers for half a minute which address
 * worked, so that each visit does not cost a DNS query.
 */
#ifndef TAUPE_NET_DIAL_H
#define TAUPE_NET_DIAL_H

#include "net/proxy.h"
#include "net/conn.h"
#include "net/resolve.h"
#include "net/tls.h"

struct dialler;
struct dial;

/* Whom to call, and how. Copied, but for where tls points. */
struct dial_to {
	const char *host;
	uint16_t port;
	/* NULL: a plain connection; else where the context is found when it is needed,
	 * which may change until the callback */
	struct tls_context *const *tls;
	const struct proxy *proxy; /* NULL: directly */
	/* NULL, or what connections that came to nothing have cost is added to it, or an estimate
	 * where the system does not count; valid until the callback */
	uint64_t *failed_bytes;
};

/* Connected (error NULL): set the connection's owner at once, its callbacks are still the
 * dial's. Or not: the connection is as after conn_fini(), error is a text for people.
 * Either way the dial is gone. Comes from the loop only. */
typedef void (*dial_cb)(void *ctx, const char *error);

/* resolver is kept, not owned. NULL when there is no memory. */
struct dialler *dialler_new(struct loop *loop, struct resolver *resolver);
void dialler_free(struct dialler **dialler);

/* Connect conn (the caller's memory, not open). NULL when there is no memory: no callback
 * then. */
struct dial *dial_start(struct dialler *dialler, struct conn *conn,
    const struct dial_to *to, uint64_t timeout_ms, dial_cb cb, void *ctx);
/* No callback will come; the connection is closed. Clears the pointer; NULL is fine. */
void dial_cancel(struct dial **dial);

#endif
