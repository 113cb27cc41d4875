/* SPDX-License-Identifier: MIT */
/* A listening TCP socket on the loop. */
#ifndef TAUPE_NET_LISTENER_H
#define TAUPE_NET_LISTENER_H

#include "net/address.h"
#include "net/loop.h"

struct listener;

/* A connection came: fd is non-blocking, close-on-exec, and the callee's from now on. */
typedef void (*listener_cb)(void *ctx, int fd, const struct address *peer);

/*
 * Listen on an address (port 0: any). NULL with errno on failure. IPv6 sockets take
 * IPv6 only. reuse_port: several processes share the port (SO_REUSEPORT). When the
 * process is out of descriptors, accepting rests for a second and says so in the log.
 */
struct listener *listener_new(struct loop *loop, const struct address *address,
    bool reuse_port, listener_cb cb, void *ctx);
void listener_free(struct listener **listener);
/* Accept a connection once its first bytes are there, where the system can: for protocols
 * whose client speaks first. One that stays silent is accepted a moment later. */
void listener_await_bytes(struct listener *listener);
/* The address it is bound to, with the port that the system chose. */
void listener_address(const struct listener *listener, struct address *address);

#endif
