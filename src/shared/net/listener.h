/* SPDX-License-Identifier: MIT */
/*
 * Listening TCP sockets on the loop. A relay has one for each service of each device, and
 * most never see a visitor: so they stand in a set that costs the loop one event, and one of
 * them costs little more than its descriptor.
 */
#ifndef TAUPE_NET_LISTENER_H
#define TAUPE_NET_LISTENER_H

#include "net/address.h"
#include "net/loop.h"

/* All listeners of a loop. NULL with errno on failure. */
struct listeners *listeners_new(struct loop *loop);
/* Precondition: all of the set are closed. Not from a listener's callback. */
void listeners_free(struct listeners **set);

/* How many connections to a listener wait to be accepted, before others are turned away; 0: it is
 * not known. */
unsigned listener_queue(void);

/* A connection came: fd is non-blocking, close-on-exec, and the callee's from now on. The
 * callee may close any listener. */
typedef void (*listener_cb)(void *ctx, int fd, const struct address *peer);

struct listener {
	struct listeners *set;
	listener_cb cb;
	void *ctx;
	int fd; /* -1: closed */
};

#define LISTENER_CLOSED                                                        \
	{                                                                      \
		.fd = -1                                                       \
	}

/*
 * Listen on an address (port 0: any). -1 with errno on failure; it is closed then. The
 * memory must stay where it is. IPv6 sockets take IPv6 only. reuse_port: several processes
 * share the port (SO_REUSEPORT). When the process is out of descriptors, all of the set
 * rest for a second, and that stands in the log.
 */
int listener_open(struct listener *listener, struct listeners *set,
    const struct address *address, bool reuse_port, listener_cb cb, void *ctx);
/* Does nothing to a closed one. */
void listener_close(struct listener *listener);
/* Accept a connection once its first bytes are there, where the system can: for protocols
 * whose client speaks first. One that stays silent is accepted a moment later. */
void listener_await_bytes(struct listener *listener);
/* The address it is bound to, with the port that the system chose. */
void listener_address(const struct listener *listener, struct address *address);

#endif
