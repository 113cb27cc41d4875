/* SPDX-License-Identifier: MIT */
/*
 * The operator's HTTP server, on libevent's evhttp: it serves a list of paths, or a handler, and
 * knows nothing of what they say. On loopback browsers are the danger: a page from elsewhere
 * that had its name point to 127.0.0.1 is refused by its Host.
 *
 * evhttp gives a request that lost its connection back to us, unless the whole server is being
 * freed: lost_cb() tells the two apart.
 */
#include "config.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/http_admin.h"
#include "net/http_connections.h"

#define HEADERS_MAX 8192 /* bytes */
/* Of a body: what is a little too large is read, so that the handler says so in its own words; of what
 * is announced to be larger evhttp says so, and reads nothing. */
#define READ_MAX ((size_t)2 * HTTP_BODY_MAX)
#define TIMEOUT_S 10
#define UNHEARD_MAX                                                            \
	4096 /* bytes that the client of a stream may send, to no end */
#define BACKLOG 64
#define REST_MS 1000

struct http_admin {
	LIST_ENTRY(http_admin) link;
	struct loop *loop;
	struct evhttp *http;
	struct evconnlistener *listener;
	struct timer rest;
	struct address address;
	bool any_host;
	const struct http_admin_route *routes;
	http_handler_cb handler;
	void *ctx;
	LIST_HEAD(, http_request) requests; /* with the handler, or streams */
	struct http_connections connections;
};

struct http_request {
	LIST_ENTRY(http_request) link;	/* while admin is not NULL */
	struct http_admin *admin;	/* NULL: freed */
	struct evhttp_request *request; /* NULL: the client is gone */
	struct http_connection *connection; /* the same */
	const struct http_admin_route *route;
	void (*gone_cb)(void *ctx); /* of a stream */
	void *gone_ctx;
	bool is_stuck; /* a stream that its client does not read */
};

/* evhttp keeps the argument of its listener's callbacks for itself, so a failing listener
 * has to be looked for. */
static LIST_HEAD(, http_admin) admins = LIST_HEAD_INITIALIZER(admins);

static void
add_header(struct evhttp_request *request, const char *name, const char *value)
{
	/* Without memory for a header, evhttp has none for the reply either. */
	(void)evhttp_add_header(
	    evhttp_request_get_output_headers(request), name, value);
}

static const char *
phrase(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 201:
		return "Created";
	case 202:
		return "Accepted";
	case 204:
		return "No Content";
	case 303:
		return "See Other";
	case 304:
		return "Not Modified";
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 409:
		return "Conflict";
	case 413:
		return "Content Too Large";
	case 415:
		return "Unsupported Media Type";
	case 422:
		return "Unprocessable Content";
	case 429:
		return "Too Many Requests";
	case 500:
		return "Internal Server Error";
	case 503:
		return "Service Unavailable";
	default:
		return "Status";
	}
}

static void
send_text(struct evhttp_request *request, int status, const char *text)
{
	struct evbuffer *body = evbuffer_new();

	add_header(request, "Content-Type", "text/plain; charset=utf-8");
	add_header(request, "Cache-Control", "no-store");
	add_header(request, "X-Content-Type-Options", "nosniff");
	if (body != NULL)
		(void)evbuffer_add_printf(body, "%s\n", text);
	evhttp_send_reply(request, status, phrase(status), body);
	if (body != NULL)
		evbuffer_free(body);
}

static void
free_body_cb(const void *data, size_t len, void *body)
{
	(void)data;
	(void)len;
	free(body);
}

/* Takes the reply's body. evhttp would send a body in answer to HEAD, too. */
static struct evbuffer *
make_body(struct evhttp_request *request, struct http_reply *reply)
{
	struct evbuffer *body = evbuffer_new();
	char length[24];

	if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
		snprintf(length, sizeof(length), "%zu", reply->len);
		add_header(request, "Content-Length", length);
		reply->len = 0;
	}
	if (body != NULL && reply->len > 0 &&
	    evbuffer_add_reference(
		body, reply->body, reply->len, free_body_cb, reply->body) == 0)
		return body;
	free(reply->body);
	if (body != NULL && reply->len > 0) {
		evbuffer_free(body);
		body = NULL;
	}
	return body;
}

static void
add_headers(struct evhttp_request *request, const struct http_reply *reply,
    const char *type)
{
	if (reply->type != NULL)
		type = reply->type;
	if (type != NULL)
		add_header(request, "Content-Type", type);
	add_header(request, "Cache-Control", "no-store");
	add_header(request, "X-Content-Type-Options", "nosniff");
	add_header(request, "X-Frame-Options", "DENY");
	for (int i = 0;
	     i < HTTP_REPLY_HEADERS && reply->headers[i].name != NULL; i++)
		add_header(
		    request, reply->headers[i].name, reply->headers[i].value);
}

static void
send_reply(
    struct evhttp_request *request, const char *type, struct http_reply *reply)
{
	struct evbuffer *body = make_body(request, reply);

	if (body == NULL) {
		send_text(request, 500, "out of memory");
		return;
	}
	add_headers(request, reply, type);
	evhttp_send_reply(request, reply->status, phrase(reply->status), body);
	evbuffer_free(body);
}

/* "127.0.0.1:9000", "[::1]", "localhost:9000", or nothing: names that nobody else can
 * make point here. */
static bool
host_is_ours(struct str host)
{
	struct address ignored;
	struct str name, port;

	if (host.len == 0 || address_parse(host, &ignored) ||
	    address_parse_ip(host, 0, &ignored))
		return true;
	(void)str_split(host, ':', &name, &port);
	return str_equal_nocase(name, STR("localhost"));
}

/* A target in absolute form names the host a second time (RFC 9112 section 3.2.2). */
static bool
is_for_us(struct evhttp_request *request, const struct evhttp_uri *uri)
{
	struct evkeyvalq *headers = evhttp_request_get_input_headers(request);

	return host_is_ours(str_of(evhttp_find_header(headers, "Host"))) &&
	    (uri == NULL || host_is_ours(str_of(evhttp_uri_get_host(uri))));
}

static const struct http_admin_route *
find_route(const struct http_admin *admin, const char *path)
{
	for (const struct http_admin_route *route = admin->routes;
	     route->path != NULL; route++)
		if (path != NULL && strcmp(route->path, path) == 0)
			return route;
	return NULL;
}

/* ---- requests of a handler ---- */

/* Its connection ends. */
static void
lost_cb(void *owner)
{
	struct http_request *request = owner;
	struct evhttp_request *http = request->request;

	request->request = NULL;
	request->connection = NULL;
	if (evhttp_request_get_connection(http) == NULL)
		evhttp_send_reply_end(http); /* frees it */
	if (request->gone_cb != NULL) {
		LIST_REMOVE(request, link);
		request->gone_cb(request->gone_ctx);
		free(request);
	}
}

static void
hand_over(struct http_admin *admin, struct evhttp_request *http,
    const struct http_admin_route *route)
{
	struct http_request *request = calloc(1, sizeof(*request));
	struct http_connection *connection = http_connections_find(
	    &admin->connections, evhttp_request_get_connection(http));

	if (request == NULL || connection == NULL) {
		free(request);
		send_text(http, 500, "out of memory");
		return;
	}
	request->admin = admin;
	request->request = http;
	request->connection = connection;
	request->route = route;
	http_connection_own(connection, request);
	LIST_INSERT_HEAD(&admin->requests, request, link);
	admin->handler(admin->ctx, request);
}

/* It is evhttp's again, and NULL if nobody hears the answer. */
static struct evhttp_request *
take_back(struct http_request **requestp)
{
	struct http_request *request = *requestp;
	struct evhttp_request *http = request->request;

	*requestp = NULL;
	if (request->connection != NULL)
		http_connection_own(request->connection, NULL);
	if (request->admin != NULL)
		LIST_REMOVE(request, link);
	free(request);
	return http;
}

enum http_method
http_request_method(const struct http_request *request)
{
	switch (evhttp_request_get_command(request->request)) {
	case EVHTTP_REQ_GET:
		return HTTP_GET;
	case EVHTTP_REQ_HEAD:
		return HTTP_HEAD;
	case EVHTTP_REQ_POST:
		return HTTP_POST;
	case EVHTTP_REQ_PUT:
		return HTTP_PUT;
	case EVHTTP_REQ_PATCH:
		return HTTP_PATCH;
	case EVHTTP_REQ_DELETE:
		return HTTP_DELETE;
	default:
		return HTTP_OTHER;
	}
}

const char *
http_request_path(const struct http_request *request)
{
	const struct evhttp_uri *uri =
	    evhttp_request_get_evhttp_uri(request->request);
	const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;

	return path != NULL ? path : "";
}

const char *
http_request_query(const struct http_request *request)
{
	const struct evhttp_uri *uri =
	    evhttp_request_get_evhttp_uri(request->request);

	return uri != NULL ? evhttp_uri_get_query(uri) : NULL;
}

const char *
http_request_header(const struct http_request *request, const char *name)
{
	return evhttp_find_header(
	    evhttp_request_get_input_headers(request->request), name);
}

struct str
http_request_body(const struct http_request *request)
{
	struct evbuffer *body =
	    evhttp_request_get_input_buffer(request->request);
	size_t len = evbuffer_get_length(body);
	const char *text = (const char *)evbuffer_pullup(body, -1);

	return text != NULL ? (struct str){text, len} : (struct str){"", 0};
}

bool
http_request_too_large(const struct http_request *request)
{
	const char *length = http_request_header(request, "Content-Length");
	uint64_t announced;

	return evbuffer_get_length(evhttp_request_get_input_buffer(
		   request->request)) > HTTP_BODY_MAX ||
	    (length != NULL &&
		str_to_number(str_of(length), UINT64_MAX, &announced) &&
		announced > HTTP_BODY_MAX);
}

const char *
http_request_peer(const struct http_request *request)
{
	char *ip = NULL;
	ev_uint16_t port;

	evhttp_connection_get_peer(
	    evhttp_request_get_connection(request->request), &ip, &port);
	return ip != NULL ? ip : "";
}

const struct http_admin_route *
http_request_route(const struct http_request *request)
{
	return request->route;
}

void
http_request_answer(struct http_request **requestp, struct http_reply *reply)
{
	struct evhttp_request *http = take_back(requestp);

	if (http != NULL)
		send_reply(http, NULL, reply);
	else
		free(reply->body);
}

static void
run_route(struct http_admin *admin, struct evhttp_request *http,
    const struct http_admin_route *route)
{
	enum evhttp_cmd_type method = evhttp_request_get_command(http);
	struct http_reply reply = {.status = 200};

	if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
		add_header(http, "Allow", "GET, HEAD");
		send_text(http, 405, "This is for reading only.");
		return;
	}
	route->cb(admin->ctx,
	    evhttp_uri_get_query(evhttp_request_get_evhttp_uri(http)), &reply);
	send_reply(http, route->type, &reply);
}

void
http_request_run(struct http_request **requestp)
{
	struct http_admin *admin = (*requestp)->admin;
	const struct http_admin_route *route = (*requestp)->route;
	struct evhttp_request *http = take_back(requestp);

	if (http != NULL)
		run_route(admin, http, route);
}

bool
http_request_stream(struct http_request *request,
    const struct http_reply *reply, void (*gone_cb)(void *ctx), void *ctx)
{
	struct bufferevent *buffer;

	if (request->request == NULL)
		return false;
	buffer = evhttp_connection_get_bufferevent(
	    evhttp_request_get_connection(request->request));
	request->gone_cb = gone_cb;
	request->gone_ctx = ctx;
	add_headers(request->request, reply, NULL);
	add_header(request->request, "Connection", "close");
	/* its client has nothing to say, for as long as it likes; evhttp
	 * would keep all that it says */
	bufferevent_set_timeouts(buffer, NULL, NULL);
	bufferevent_setwatermark(buffer, EV_READ, 0, UNHEARD_MAX);
	evhttp_send_reply_start(
	    request->request, reply->status, phrase(reply->status));
	return true;
}

bool
http_request_send(struct http_request *request, const char *data, size_t len)
{
	struct evbuffer *chunk;
	bool sent;

	if (request->request == NULL)
		return false;
	chunk = evbuffer_new();
	sent = chunk != NULL && evbuffer_add(chunk, data, len) == 0;

	if (sent)
		evhttp_send_reply_chunk(request->request, chunk);
	if (chunk != NULL)
		evbuffer_free(chunk);
	request->is_stuck =
	    !sent || http_request_backlog(request) > HTTP_BACKLOG_MAX;
	return !request->is_stuck;
}

size_t
http_request_backlog(const struct http_request *request)
{
	if (request->request == NULL)
		return 0;
	return evbuffer_get_length(
	    bufferevent_get_output(evhttp_connection_get_bufferevent(
		evhttp_request_get_connection(request->request))));
}

/* Who does not read would never read the end either. */
void
http_request_end(struct http_request **requestp)
{
	const struct timeval timeout = {.tv_sec = TIMEOUT_S};
	bool is_stuck = (*requestp)->is_stuck;
	struct evhttp_request *http = take_back(requestp);
	struct evhttp_connection *connection;

	if (http == NULL)
		return;
	connection = evhttp_request_get_connection(http);
	if (is_stuck) {
		evhttp_connection_free(connection);
		return;
	}
	bufferevent_set_timeouts(
	    evhttp_connection_get_bufferevent(connection), &timeout, &timeout);
	evhttp_send_reply_end(http);
}

static void
request_cb(struct evhttp_request *request, void *ctx)
{
	struct http_admin *admin = ctx;
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const struct http_admin_route *route;

	if (address_is_loopback(&admin->address) && !admin->any_host &&
	    !is_for_us(request, uri)) {
		send_text(request, 403,
		    "This server answers to its address or localhost only.");
		return;
	}
	route =
	    uri != NULL ? find_route(admin, evhttp_uri_get_path(uri)) : NULL;
	if (admin->handler != NULL)
		hand_over(admin, request, route);
	else if (route == NULL)
		send_text(request, 404, "There is nothing here.");
	else
		run_route(admin, request, route);
}

/* evhttp's listener would spin when the process has no descriptors left. */
static void
accept_failed_cb(struct evconnlistener *listener, void *http)
{
	struct http_admin *admin;

	(void)http;
	LIST_FOREACH (admin, &admins, link)
		if (admin->listener == listener)
			break;
	if (admin == NULL)
		return;
	log_warn("cannot accept admin connections, resting",
	    LOG_S("error", log_errno()));
	(void)evconnlistener_disable(listener);
	timer_set(admin->loop, &admin->rest, REST_MS);
}

static void
rest_over_cb(void *ctx)
{
	struct http_admin *admin = ctx;

	if (evconnlistener_enable(admin->listener) != 0)
		timer_set(admin->loop, &admin->rest, REST_MS);
}

static int
open_socket(const struct address *address)
{
	int on = 1, saved, fd = socket(address->sa.sa_family, SOCK_STREAM, 0);

	if (fd < 0)
		return -1;
	if (evutil_make_socket_nonblocking(fd) == 0 &&
	    evutil_make_socket_closeonexec(fd) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind(fd, &address->sa, address->len) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
serve(struct http_admin *admin, const struct address *address)
{
	struct evhttp_bound_socket *bound;
	int fd = open_socket(address);

	if (fd < 0)
		return -1;
	bound = evhttp_accept_socket_with_handle(admin->http, fd);
	if (bound == NULL) {
		close(fd);
		errno = ENOMEM;
		return -1;
	}
	address_of_socket(fd, &admin->address);
	admin->listener = evhttp_bound_socket_get_listener(bound);
	return 0;
}

struct http_admin *
http_admin_new(struct loop *loop, const struct address *address,
    const struct http_admin_route *routes, void *ctx)
{
	struct http_admin *admin = calloc(1, sizeof(*admin));

	if (admin == NULL)
		return NULL;
	admin->loop = loop;
	admin->routes = routes;
	admin->ctx = ctx;
	LIST_INSERT_HEAD(&admins, admin, link);
	timer_init(&admin->rest, rest_over_cb, admin);
	admin->http = evhttp_new(loop_base(loop));
	if (http_connections_init(&admin->connections, loop_base(loop),
		HTTP_CONNECTIONS_MAX, lost_cb) != 0 ||
	    admin->http == NULL) {
		errno = ENOMEM;
		goto fail;
	}
	http_connections_watch(&admin->connections, admin->http);
	evhttp_set_max_headers_size(admin->http, HEADERS_MAX);
	evhttp_set_max_body_size(admin->http, READ_MAX);
	evhttp_set_timeout(admin->http, TIMEOUT_S);
	/* all of them, so that they reach request_cb() and get a 405 */
	evhttp_set_allowed_methods(admin->http,
	    EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
		EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS |
		EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
	evhttp_set_gencb(admin->http, request_cb, admin);
	if (serve(admin, address) != 0)
		goto fail;
	evconnlistener_set_error_cb(admin->listener, accept_failed_cb);
	return admin;
fail:
	http_admin_free(&admin);
	return NULL;
}

void
http_admin_handle(struct http_admin *admin, http_handler_cb cb)
{
	admin->handler = cb;
}

void
http_admin_allow_any_host(struct http_admin *admin)
{
	admin->any_host = true;
}

/* Who has them still answers, or ends them. */
static void
leave_requests(struct http_admin *admin)
{
	struct http_request *request;

	while ((request = LIST_FIRST(&admin->requests)) != NULL) {
		LIST_REMOVE(request, link);
		request->admin = NULL;
		request->request = NULL;
		request->connection = NULL;
	}
}

void
http_admin_free(struct http_admin **adminp)
{
	struct http_admin *admin = *adminp;
	int saved = errno;

	if (admin == NULL)
		return;
	*adminp = NULL;
	LIST_REMOVE(admin, link);
	leave_requests(admin);
	http_connections_fini(&admin->connections);
	timer_clear(admin->loop, &admin->rest);
	if (admin->http != NULL)
		evhttp_free(admin->http);
	free(admin);
	errno = saved;
}

void
http_admin_address(const struct http_admin *admin, struct address *address)
{
	*address = admin->address;
}
