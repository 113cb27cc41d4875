/* SPDX-License-Identifier: MIT */
/*
 * The connections of an evhttp, and no more of them than a number: who has been idle for longest goes
 * when there are too many, but not whose owner has something to answer.
 *
 * evhttp takes any number, and knows no way to be told of them before one has sent a whole request. But it
 * asks for the bufferevent of each, and is the argument of that one's callbacks a moment later: so
 * a connection is counted from its beginning, and from there to its end.
 */
#ifndef TAUPE_NET_HTTP_CONNECTIONS_H
#define TAUPE_NET_HTTP_CONNECTIONS_H

#include <stddef.h>
#include <sys/queue.h>

struct event;
struct event_base;
struct evhttp;
struct evhttp_connection;
struct http_connection;

TAILQ_HEAD(http_connection_list, http_connection);

struct http_connections {
	struct http_connection_list fresh; /* not known to evhttp yet */
	struct http_connection_list list;  /* idle for longest first */
	size_t n, max;
	struct event *adopt;
	void (*lost_cb)(void *owner);
};

/* lost_cb: a connection that has an owner ends; it is gone then. -1: no memory. */
int http_connections_init(struct http_connections *connections,
    struct event_base *base, size_t max, void (*lost_cb)(void *owner));
/* Before the evhttp listens. It must not outlive the connections but to be freed next. */
void http_connections_watch(
    struct http_connections *connections, struct evhttp *http);
/* They are nobody's any more, and nobody is told of their ends: evhttp_free() ends them. */
void http_connections_fini(struct http_connections *connections);

/* NULL: there was no memory for it. */
struct http_connection *http_connections_find(
    const struct http_connections *connections,
    const struct evhttp_connection *http);
/* It has done something, and stays for as long as owner is not NULL. */
void http_connection_own(struct http_connection *connection, void *owner);

#endif
