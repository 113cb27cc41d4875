/* SPDX-License-Identifier: MIT */
/*
 * A small HTTP server for the operator (libevent's evhttp). Its routes are for reading; who needs
 * more of a request than its path gives a handler, which may answer later, or answer as long as
 * the client listens.
 */
#ifndef TAUPE_NET_HTTP_ADMIN_H
#define TAUPE_NET_HTTP_ADMIN_H

#include "net/address.h"
#include "net/loop.h"

#define HTTP_BODY_MAX 65536	 /* of a request, bytes */
/* at once; beyond that those go that have been idle for longest, and whose request was answered */
#define HTTP_CONNECTIONS_MAX 128
#define HTTP_BACKLOG_MAX 262144 /* of a stream that its client does not read */
#define HTTP_REPLY_HEADERS 10

struct http_admin;
struct http_request;

struct http_reply {
	int status;
	const char *type; /* "application/json" */
	char *body;	  /* from malloc; freed by the server */
	size_t len;
	/* more of them; the first without a name ends them; copied */
	struct {
		const char *name, *value;
	} headers[HTTP_REPLY_HEADERS];
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

/* Answer a request, now or later, once: with http_request_answer(), _run(), or _stream(). */
typedef void (*http_handler_cb)(void *ctx, struct http_request *request);

/* NULL with errno: the address cannot be bound. Without a handler other paths get 404, methods
 * 405; with one, it gets every request. On loopback a request with a Host that is not an
 * address, "localhost" or empty gets 403 (DNS rebinding). routes is kept, not copied. */
struct http_admin *http_admin_new(struct loop *loop,
    const struct address *address, const struct http_admin_route *routes,
    void *ctx);
void http_admin_handle(struct http_admin *admin, http_handler_cb cb);
/* For a handler that tells nothing to who only got here. */
void http_admin_allow_any_host(struct http_admin *admin);
/* Who has a request still answers it, or ends its stream: nobody hears that. */
void http_admin_free(struct http_admin **admin);
void http_admin_address(
    const struct http_admin *admin, struct address *address);

/* What a handler may ask of a request while it is called; afterwards the client may be gone, and
 * all of this with it. */
enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OTHER
};
enum http_method http_request_method(const struct http_request *request);
/* "" if there is none that makes sense: 400, or 413 with too large a body. */
const char *http_request_path(const struct http_request *request);
const char *http_request_query(const struct http_request *request); /* or NULL */
const char *http_request_header(
    const struct http_request *request, const char *name); /* or NULL */
struct str http_request_body(const struct http_request *request);
bool http_request_too_large(const struct http_request *request);
/* Who sent it: a numeric address without its port. */
const char *http_request_peer(const struct http_request *request);
/* The route of its path, or NULL. */
const struct http_admin_route *http_request_route(
    const struct http_request *request);

/* Answer, and end the request. Takes the reply's body. */
void http_request_answer(
    struct http_request **request, struct http_reply *reply);
/* Answer as its route does. Precondition: it has one. */
void http_request_run(struct http_request **request);

/* Begin an answer without an end, with the reply's status, type and headers. gone_cb tells, once,
 * that nobody listens any more, from the loop and never from inside a call; the request is no more
 * then. Not for HEAD. False: nobody listens already; end it. */
bool http_request_stream(struct http_request *request,
    const struct http_reply *reply, void (*gone_cb)(void *ctx), void *ctx);
/* Send more. False: the client has not read HTTP_BACKLOG_MAX bytes, or there is no memory or no
 * server any more; end it then, which cuts the connection. What the client sends is for nobody. */
bool http_request_send(
    struct http_request *request, const char *data, size_t len);
/* How much of it its client has not taken yet, bytes. */
size_t http_request_backlog(const struct http_request *request);
/* Our end of it, and of its connection; gone_cb is not called. */
void http_request_end(struct http_request **request);

#endif
