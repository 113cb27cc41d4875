/* SPDX-License-Identifier: MIT */
/*
 * A link's key is that of its service: of one that is here we have it, of others the registry, in
 * the route of the host name that was asked for.
 */
#include "config.h"

#include <stdlib.h>

#include "net/crypto.h"
#include "relay/access.h"
#include "relay/share_door.h"
#include "relay/share_link.h"
#include "wire/host_name.h"

#define OUR_PATHS "/.taupe/"
#define LINK_PATH OUR_PATHS "share/"
#define PATH_BYTES_MAX 4096 /* of where a link leads; longer ones lead to / */
#define HEAD_BYTES_MAX (PATH_BYTES_MAX + SHARE_TOKEN_MAX + 512)
#define RETRY_AFTER_S 5

struct share_request {
	LIST_ENTRY(share_request) link;
	struct relay *relay;
	struct conn conn; /* closed: the visitor has left while we waited */
	uint8_t key[ACCESS_KEY_LEN];
	struct share_token token;
	bool https;
	bool asks_head; /* and gets no body */
	char from[ADDRESS_TEXT_MAX];
	char text[SHARE_TOKEN_MAX]; /* of the token, as it came; "": none */
	char host[HOST_NAME_MAX + 1];
	char path[]; /* where to go, with its query */
};

static bool
begins(struct str text, struct str with)
{
	return text.len >= with.len &&
	    memcmp(text.ptr, with.ptr, with.len) == 0;
}

bool
share_door_is_meant(const struct http_head *head)
{
	return begins(head->path, STR(OUR_PATHS));
}

static void
request_free(struct share_request *request)
{
	LIST_REMOVE(request, link);
	request->relay->n_share_requests--;
	conn_fini(&request->conn);
	crypto_wipe(request->key, sizeof(request->key));
	crypto_wipe(request->text, sizeof(request->text));
	free(request);
}

/* Answers. */

static void
answer_page(
    struct relay *relay, struct conn *conn, enum page page, bool asks_head)
{
	page_write(&relay->pages, page,
	    page == PAGE_OFFLINE ? RETRY_AFTER_S : 0, !asks_head, conn);
	farewell_take(relay->farewells, conn);
}

static void
end_with_page(struct share_request *request, enum page page)
{
	if (conn_is_open(&request->conn))
		answer_page(
		    request->relay, &request->conn, page, request->asks_head);
	request_free(request);
}

static void
write_cookie(struct writer *w, const struct share_request *request)
{
	struct share_token visit = request->token;
	uint64_t now_s = loop_wall_ms() / 1000;
	char text[SHARE_TOKEN_MAX];

	visit.use = SHARE_VISIT;
	share_token_make(request->key, &visit, text);
	writer_cstr(w, "Set-Cookie: ");
	writer_cstr(
	    w, request->https ? ACCESS_COOKIE_HTTPS : ACCESS_COOKIE);
	writer_cstr(w, "=");
	writer_cstr(w, text);
	writer_cstr(w, "; Path=/; Max-Age=");
	writer_u64(
	    w, visit.expires_s > now_s ? visit.expires_s - now_s : 0);
	writer_cstr(w, "; HttpOnly; SameSite=Lax");
	if (request->https)
		writer_cstr(w, "; Secure");
	writer_cstr(w, "\r\n");
	crypto_wipe(text, sizeof(text));
}

/* Its length; 0: it is too long, but no: a path is bounded, and has no line's end. */
static size_t
compose_redirect(const struct share_request *request, char head[HEAD_BYTES_MAX])
{
	struct writer w;

	writer_init(&w, head, HEAD_BYTES_MAX);
	writer_cstr(&w, "HTTP/1.1 303 See Other\r\n");
	http_write_field(&w, "Location", str_of(request->path));
	write_cookie(&w, request);
	writer_cstr(&w,
	    "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
	    "Content-Length: 0\r\nConnection: close\r\n\r\n");
	return w.full ? 0 : writer_len(&w);
}

static void
write_redirect(struct share_request *request)
{
	char head[HEAD_BYTES_MAX];
	size_t len = compose_redirect(request, head);

	if (len == 0)
		conn_abort(&request->conn);
	else
		(void)conn_write(&request->conn, head, len);
	farewell_take(request->relay->farewells, &request->conn);
	crypto_wipe(head, sizeof(head));
}

static void
let_in(struct share_request *request)
{
	share_link_tell(request->relay, &request->token, request->from);
	if (conn_is_open(&request->conn))
		write_redirect(request);
	request_free(request);
}

/* Deciding. */

/* Of one that is elsewhere: is it a link, of this key, in time? */
static bool
is_good(struct share_request *request)
{
	return share_token_read(
		   request->key, str_of(request->text), &request->token) &&
	    request->token.use == SHARE_LINK &&
	    request->token.expires_s > loop_wall_ms() / 1000;
}

static void
revoked_cb(void *ctx, enum registry_status status, const struct route *route)
{
	struct share_request *request = ctx;

	(void)route;
	if (status == REGISTRY_NOT_FOUND)
		let_in(request);
	else
		end_with_page(request,
		    status == REGISTRY_OK ? PAGE_NO_LINK : PAGE_OFFLINE);
}

static void
ask_registry(struct share_request *request, const char *kind, const char *name,
    registry_route_cb cb)
{
	struct registry *registry = request->relay->registry;
	char key[ROUTE_KEY_MAX];

	snprintf(key, sizeof(key), "%s/%s", kind, name);
	if (registry->ops->route_get(registry, key, cb, request) != 0)
		end_with_page(request, PAGE_OFFLINE);
}

/* "MODE,KEY,…" */
static bool
take_key(struct share_request *request, const char *access)
{
	struct str mode, key, rest;

	if (!route_access_valid(str_of(access)))
		return false; /* public: nobody has links to it */
	str_split(str_of(access), ',', &mode, &key);
	str_split(key, ',', &key, &rest);
	return crypto_base64_decode(key.ptr, key.len, request->key,
		   sizeof(request->key)) == sizeof(request->key);
}

static void
route_cb(void *ctx, enum registry_status status, const struct route *route)
{
	struct share_request *request = ctx;

	if (status == REGISTRY_UNAVAILABLE)
		end_with_page(request, PAGE_OFFLINE);
	else if (status != REGISTRY_OK)
		end_with_page(request, PAGE_UNKNOWN);
	else if (!take_key(request, route->access) || !is_good(request))
		end_with_page(request, PAGE_NO_LINK);
	else
		ask_registry(
		    request, "revoked", request->token.id, revoked_cb);
}

/* Of a service that is here. */
static bool
opens(struct share_request *request, const struct service *service)
{
	const struct access_rule *rule = access_rule_of(
	    service->device->access, str_of(service->name));

	if (share_link_check(service->device->access, service->device->name,
		service->name, SHARE_LINK, str_of(request->text),
		loop_wall_ms(), &request->token) != SHARE_GOOD)
		return false;
	memcpy(request->key, rule->key, sizeof(request->key));
	return true;
}

/* NULL: the registry has to be asked. */
static const struct service *
service_here(const struct share_request *request)
{
	const struct service *service =
	    service_find(request->relay, str_of(request->host));

	return service != NULL && service->kind == SERVICE_HTTP &&
		service->device->access_known && !service->device->moved
	    ? service
	    : NULL;
}

static void
begin(struct share_request *request)
{
	const struct service *service = service_here(request);

	if (service == NULL)
		ask_registry(request, "http", request->host, route_cb);
	else if (opens(request, service))
		let_in(request);
	else
		end_with_page(request, PAGE_NO_LINK);
}

/* Taking the request. */

static void
readable_cb(struct conn *conn)
{
	conn_pause(conn);
}

static void
broken_cb(struct conn *conn)
{
	conn_fini(conn); /* the answer of the registry frees the rest */
}

static const struct conn_ops request_conn_ops = {
    .readable_cb = readable_cb,
    .broken_cb = broken_cb,
};

/* Where the link leads within its host: what stands behind the token. Slashes in front are one,
 * whichever way they lean: a browser would take what follows for a host. */
static struct str
path_behind(struct str rest)
{
	size_t more = 0;

	while (more < rest.len && strchr("/\\", rest.ptr[more]) != NULL)
		more++;
	if (more == 0 || rest.len >= PATH_BYTES_MAX || !str_only(rest, "!~"))
		return STR("/");
	return (struct str){rest.ptr + more - 1, rest.len - more + 1};
}

static struct share_request *
request_new(struct relay *relay, const struct http_head *head, bool https,
    const struct address *from)
{
	struct str text = head->target, token, rest;
	struct share_request *request;
	size_t len = 0;

	text.ptr += strlen(LINK_PATH);
	text.len -= strlen(LINK_PATH);
	while (len < text.len && strchr("/?", text.ptr[len]) == NULL)
		len++;
	token = (struct str){text.ptr, len};
	rest = path_behind((struct str){text.ptr + len, text.len - len});
	request = calloc(1, sizeof(*request) + rest.len + 1);
	if (request == NULL)
		return NULL;
	request->relay = relay;
	request->https = https;
	request->asks_head = str_is(head->method, "HEAD");
	request->conn.fd = -1;
	address_ip_text(from, request->from);
	(void)str_copy(token, request->text, sizeof(request->text));
	memcpy(request->path, rest.ptr, rest.len);
	/* it led to the end of the slashes, which may have leant the other way */
	request->path[0] = '/';
	if (!host_name_normalise(http_field_get(head, "Host"), request->host,
		sizeof(request->host)))
		request->host[0] = '\0';
	return request;
}

static void
refuse_method(struct relay *relay, struct conn *conn)
{
	static const char answer[] =
	    "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\n"
	    "Cache-Control: no-store\r\nContent-Length: 0\r\n"
	    "Connection: close\r\n\r\n";

	(void)conn_write(conn, answer, sizeof(answer) - 1);
	farewell_take(relay->farewells, conn);
}

void
share_door_open(struct relay *relay, struct conn *conn,
    const struct http_head *head, bool https, const struct address *from)
{
	bool asks_head = str_is(head->method, "HEAD");
	struct share_request *request;

	if (!begins(head->path, STR(LINK_PATH))) {
		answer_page(relay, conn, PAGE_UNKNOWN, asks_head);
		return;
	}
	if (!str_is(head->method, "GET") && !asks_head) {
		refuse_method(relay, conn);
		return;
	}
	if (relay->n_share_requests >= (size_t)relay->options.max_handshakes ||
	    (request = request_new(relay, head, https, from)) == NULL) {
		answer_page(relay, conn, PAGE_BUSY, asks_head);
		return;
	}
	LIST_INSERT_HEAD(&relay->share_requests, request, link);
	relay->n_share_requests++;
	if (conn_move(&request->conn, conn, &request_conn_ops, request) != 0) {
		request_free(request);
		return;
	}
	conn_pause(&request->conn);
	begin(request);
}

static char *
redirect_text(const struct share_request *request)
{
	char head[HEAD_BYTES_MAX], *text = NULL;
	size_t len = compose_redirect(request, head);

	if (len > 0 && (text = malloc(len + 1)) != NULL) {
		memcpy(text, head, len);
		text[len] = '\0';
	}
	crypto_wipe(head, sizeof(head));
	return text;
}

bool
share_door_answer(struct relay *relay, const struct http_head *head, bool https,
    const struct address *from, char **answer, enum page *page)
{
	struct share_request *request;
	const struct service *service;
	bool decided;

	*answer = NULL;
	*page = PAGE_UNKNOWN;
	if (!begins(head->path, STR(LINK_PATH)))
		return true;
	if ((!str_is(head->method, "GET") && !str_is(head->method, "HEAD")) ||
	    (request = request_new(relay, head, https, from)) == NULL)
		return false;
	LIST_INSERT_HEAD(&relay->share_requests, request, link);
	relay->n_share_requests++;
	*page = PAGE_NO_LINK;
	decided = (service = service_here(request)) != NULL;
	if (decided && opens(request, service)) {
		share_link_tell(relay, &request->token, request->from);
		decided = (*answer = redirect_text(request)) != NULL;
	}
	request_free(request);
	return decided;
}

void
share_door_free_all(struct relay *relay)
{
	struct share_request *request;

	while ((request = LIST_FIRST(&relay->share_requests)) != NULL)
		request_free(request);
}
