/* SPDX-License-Identifier: MIT */
/* A small HTTP server on loopback for the operator (libevent's evhttp): GET and HEAD
 * only. */
#ifndef TAUPE_NET_HTTP_ADMIN_H
#define TAUPE_NET_HTTP_ADMIN_H

#include "net/address.h"
#include "net/loop.h"

struct http_admin;

struct http_reply {
	int status;
	const char *type; /* "application/json" */
	char *body;	  /* from malloc; freed by the server */
	size_t len;
};

/* Answer a GET of exactly this path; query may be NULL, status is 200 and type the route's
 * unless they are set. */
typedef void (*http_admin_cb)(
    void *ctx, const char *query, struct http_reply *reply);

struct http_admin_route {
	const char *path; /* NULL ends the list */
	const char *type;
	http_admin_cb cb;
};

/* NULL with errno: the address cannot be bound. Other paths get 404, methods 405. A
 * request with a Host that is not an address, "localhost" or empty gets 403 (DNS
 * rebinding). routes is kept, not copied. */
struct http_admin *http_admin_new(struct loop *loop,
    const struct address *address, const struct http_admin_route *routes,
    void *ctx);
void http_admin_free(struct http_admin **admin);
void http_admin_address(
    const struct http_admin *admin, struct address *address);

#endif
