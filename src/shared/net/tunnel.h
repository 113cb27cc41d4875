/* SPDX-License-Identifier: MIT */
/*
 * The way through an HTTP proxy: CONNECT and its answer (RFC 9110 section 9.3.6), on a
 * connection that somebody else makes and owns.
 */
#ifndef TAUPE_NET_TUNNEL_H
#define TAUPE_NET_TUNNEL_H

#include "net/proxy.h"
#include "net/conn.h"

enum tunnel_result { TUNNEL_MORE, TUNNEL_OPEN, TUNNEL_FAILED };

struct tunnel;

/* To host:port through the proxy; copies what it needs. NULL: no memory. */
struct tunnel *tunnel_new(
    const struct proxy *proxy, const char *host, uint16_t port);
/* Clears the pointer; NULL is fine. */
void tunnel_free(struct tunnel **tunnel);

const char *tunnel_host(const struct tunnel *tunnel);
/* Write the request to a connection with the proxy. Once for each connection. */
void tunnel_ask(struct tunnel *tunnel, struct conn *conn);
/* Read the answer, and not a byte behind it. */
enum tunnel_result tunnel_read(struct tunnel *tunnel, struct conn *conn);
/* Why it failed, for people: "wants a user and a password (407)". Lives as long as it. */
const char *tunnel_error(const struct tunnel *tunnel);

#endif
