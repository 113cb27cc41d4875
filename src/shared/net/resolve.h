/* SPDX-License-Identifier: MIT */
/* Host names to addresses without blocking the loop (libevent's evdns_getaddrinfo). */
#ifndef TAUPE_NET_RESOLVE_H
#define TAUPE_NET_RESOLVE_H

#include "net/address.h"
#include "net/loop.h"
#include "net/name_servers.h"

#define RESOLVE_MAX 8 /* addresses that are handed on */

struct resolver;
struct resolve_request;

/* n > 0 addresses (IPv6 and IPv4 in the order of RFC 6724, as the system gives them), or
 * n == 0 and error a text for people. Never called from inside resolve_start(). */
typedef void (*resolve_cb)(
    void *ctx, const struct address *addresses, size_t n, const char *error);

/* servers: what to ask instead of the system's, by turns (copied; NULL or none: those of
 * /etc/resolv.conf, which is read again when it changes). /etc/hosts counts in both cases,
 * where it exists. NULL: no memory. */
struct resolver *resolver_new(
    struct loop *loop, const struct name_servers *servers);
/* Ask others from now on; requests under way go to them, too. */
void resolver_set_servers(
    struct resolver *resolver, const struct name_servers *servers);
/* Whom it asks, as it is now: how many of them are in list. */
size_t resolver_servers(
    struct resolver *resolver, struct address *list, size_t cap);
/* Requests under way are cancelled. */
void resolver_free(struct resolver **resolver);

/* Look up host (a numeric address and "localhost" work without any server). NULL when
 * there is no memory; no callback then. The handle is valid until the callback. */
struct resolve_request *resolve_start(struct resolver *resolver,
    const char *host, uint16_t port, resolve_cb cb, void *ctx);
/* No callback will come. Clears the pointer. */
void resolve_cancel(struct resolve_request **request);

#endif
