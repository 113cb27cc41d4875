/* SPDX-License-Identifier: MIT */
/*
 * A connection belongs to the device that its first request names; a request for another host is
 * sent away (421), and a browser opens another connection for it.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "relay/access.h"
#include "relay/front.h"
#include "relay/introduction.h"
#include "relay/named.h"
#include "relay/requests.h"
#include "relay/service.h"
#include "relay/share_door.h"
#include "relay/sources.h"
#include "relay/visitor.h"
#include "wire/http_forward.h"
#include "wire/tls_hello.h"

#define GUEST_BYTES_MAX TLS_HELLO_MAX
#define GUESTS_KEPT 64 /* whose memory is kept for the next ones */

/* A visitor whose device is not known yet. */
struct guest {
	LIST_ENTRY(guest) link;
	struct front *front;
	struct conn conn;
	struct buf *first;
	size_t first_len;
	struct timer timer;
	struct source *source; /* where it comes from; NULL: not counted */
	struct address from;
	bool introduced; /* no PROXY header is awaited, or it was read */
	bool https;	 /* that said so */
};

struct front {
	struct relay *relay;
	LIST_HEAD(, guest) guests;
	struct pool pool; /* their memory */
	size_t n_guests;
	size_t n_listeners;
	struct listener listeners[FRONT_LISTENERS_MAX];
};

static void
guest_free(struct guest *guest)
{
	timer_clear(guest->front->relay->loop, &guest->timer);
	conn_fini(&guest->conn);
	buf_put(&guest->first);
	LIST_REMOVE(guest, link);
	guest->front->n_guests--;
	sources_leave(
	    guest->front->relay->sources, SOURCE_GUEST, &guest->source);
	pool_put(&guest->front->pool, guest);
}

/* Nothing here has that name. head: of an http visitor, else NULL. */
static void
turn_away(struct guest *guest, const struct http_head *head)
{
	struct relay *relay = guest->front->relay;
	enum page page = PAGE_UNKNOWN;
	unsigned retry_after_s = 0;
	struct source *source;

	relay->counters.visits_unknown++;
	/* names are not tried at a higher rate than those that exist are visited */
	if (sources_admit(relay->sources, SOURCE_VISITOR, &guest->from,
		loop_now_ms(relay->loop), &source, &retry_after_s))
		sources_leave(relay->sources, SOURCE_VISITOR, &source);
	else
		page = PAGE_CROWD;
	if (head != NULL) {
		page_write(&relay->pages, page, retry_after_s,
		    !str_is(head->method, "HEAD"), &guest->conn);
		farewell_take(relay->farewells, &guest->conn);
	}
	guest_free(guest);
}

/* The service behind a name, as a visitor has said it; NULL: none of that kind. Else host is the
 * name, normalised. */
static struct service *
find(struct guest *guest, struct str name, enum service_kind kind,
    char host[HOST_NAME_MAX + 1])
{
	struct service *service = NULL;

	if (name.ptr != NULL &&
	    host_name_normalise(name, host, HOST_NAME_MAX + 1))
		service = service_find(guest->front->relay, str_of(host));
	return service != NULL && service->kind == kind ? service : NULL;
}

static void
join_tls(struct guest *guest, struct str name)
{
	char host[HOST_NAME_MAX + 1];
	struct service *service = find(guest, name, SERVICE_TLS, host);

	if (service == NULL) {
		turn_away(guest, NULL);
		return;
	}
	if (access_check_address(service, &guest->from) != ACCESS_GRANTED) {
		conn_abort(&guest->conn);
		guest_free(guest);
		return;
	}
	visitor_adopt(service, &guest->conn, &guest->first, guest->first_len,
	    &guest->from);
	guest_free(guest);
}

/* What goes to the device first is the first request as it is passed on. */
static void
join_http(struct guest *guest, struct http_head *head, size_t head_len)
{
	struct relay *relay = guest->front->relay;
	char host[HOST_NAME_MAX + 1];
	struct requests_origin origin = {
	    .from = &guest->from,
	    .service = find(
		guest, http_field_get(head, "Host"), SERVICE_HTTP, host),
	    .https = guest->https,
	    .trusted = sources_trusts(relay->sources, &guest->from),
	};
	struct requests_read read = {guest->first, guest->first_len, head, head_len};
	struct buf *first;
	ssize_t got = CONN_ERROR;

	if (origin.service == NULL) {
		turn_away(guest, head);
		return;
	}
	origin.host = str_of(host);
	if ((first = buf_get(guest->first_len + HTTP_FORWARD_MAX)) != NULL)
		got = requests_watch(relay, &guest->conn, &origin, &read,
		    buf_data(first), first->capacity);
	guest->first = read.buf;
	if (got > 0)
		visitor_adopt(origin.service, &guest->conn, &first, (size_t)got,
		    &guest->from);
	else if (got == 0) /* refused */
		farewell_take(relay->farewells, &guest->conn);
	buf_put(&first);
	guest_free(guest);
}

static void
note_limit(struct relay *relay, enum limit limit, const struct address *from)
{
	char text[ADDRESS_TEXT_MAX];

	limit_hit(&relay->hits, limit, address_text(from, text),
	    loop_now_ms(relay->loop));
}

static void
refuse_request(struct guest *guest, const struct http_head *head)
{
	if (head->error_status == 431)
		note_limit(guest->front->relay, LIMIT_MAX_HEAD, &guest->from);
	requests_refuse(&guest->conn, head->error_status);
	farewell_take(guest->front->relay->farewells, &guest->conn);
	guest_free(guest);
}

static void
look_at_tls(struct guest *guest)
{
	struct str name;

	switch (tls_hello_server_name(
	    buf_data(guest->first), guest->first_len, &name)) {
	case WIRE_DONE:
		join_tls(guest, name);
		return;
	case WIRE_BAD:
		turn_away(guest, NULL);
		return;
	case WIRE_MORE:
		if (guest->first_len == GUEST_BYTES_MAX)
			turn_away(guest, NULL);
	}
}

static void
open_share(struct guest *guest, const struct http_head *head)
{
	struct relay *relay = guest->front->relay;
	bool trusted = sources_trusts(relay->sources, &guest->from),
	     https = guest->https || (trusted && named_https(head));

	if (trusted)
		(void)named_address(head, &guest->from);
	share_door_open(relay, &guest->conn, head, https, &guest->from);
	guest_free(guest);
}

static void
look_at_http(struct guest *guest)
{
	struct http_head head = {.error_status = 431};
	size_t most = (size_t)guest->front->relay->options.max_head, consumed;

	switch (http_request_parse((char *)buf_data(guest->first),
	    guest->first_len, &head, &consumed)) {
	case WIRE_DONE:
		if (consumed > most) {
			head.error_status = 431;
			break;
		}
		if (http_field_count(&head, "Host") == 1 &&
		    share_door_is_meant(&head)) {
			open_share(guest, &head);
			return;
		}
		if (http_field_count(&head, "Host") == 1) {
			join_http(guest, &head, consumed);
			return;
		}
		head.error_status = 400;
		break;
	case WIRE_BAD:
		break;
	case WIRE_MORE:
		if (guest->first_len < most)
			return;
		head.error_status = 431;
	}
	refuse_request(guest, &head);
}

/* False: the guest is gone, or its proxy has not said yet who it is. */
static bool
is_introduced(struct guest *guest)
{
	if (guest->introduced)
		return true;
	switch (introduction_read(
	    guest->first, &guest->first_len, &guest->from, &guest->https)) {
	case WIRE_DONE:
		guest->introduced = true;
		return guest->first_len > 0;
	case WIRE_BAD:
		conn_abort(&guest->conn);
		guest_free(guest);
		return false;
	case WIRE_MORE:
		break;
	}
	return false;
}

static void
readable_cb(struct conn *conn)
{
	struct guest *guest = conn->owner;
	ssize_t got = conn_read(conn, buf_data(guest->first) + guest->first_len,
	    GUEST_BYTES_MAX - guest->first_len);

	if (got == CONN_AGAIN)
		return;
	if (got <= 0) {
		guest_free(guest);
		return;
	}
	guest->first_len += (size_t)got;
	if (!is_introduced(guest))
		return;
	if (buf_data(guest->first)[0] == TLS_RECORD_HANDSHAKE)
		look_at_tls(guest);
	else
		look_at_http(guest);
}

static void
broken_cb(struct conn *conn)
{
	guest_free(conn->owner);
}

static const struct conn_ops guest_conn_ops = {
    .readable_cb = readable_cb,
    .broken_cb = broken_cb,
};

static void
timeout_cb(void *ctx)
{
	struct guest *guest = ctx;

	note_limit(guest->front->relay, LIMIT_HANDSHAKE_TIMEOUT, &guest->from);
	guest_free(guest);
}

/* May one more come whose device is not known yet? */
static bool
may_come(
    struct front *front, const struct address *peer, struct source **source)
{
	struct relay *relay = front->relay;
	unsigned retry_after_s; /* it is not known how to tell it */

	if (front->n_guests < (size_t)relay->options.max_handshakes)
		return sources_admit(relay->sources, SOURCE_GUEST, peer,
		    loop_now_ms(relay->loop), source, &retry_after_s);
	note_limit(relay, LIMIT_MAX_HANDSHAKES, peer);
	return false;
}

void
front_take(struct front *front, int fd, const struct address *peer)
{
	struct source *source = NULL;
	struct guest *guest = NULL;

	if (may_come(front, peer, &source))
		guest = pool_get(&front->pool);
	if (guest == NULL ||
	    (guest->first = buf_get(GUEST_BYTES_MAX)) == NULL ||
	    conn_init(&guest->conn, front->relay->loop, fd, &guest_conn_ops,
		guest) != 0) {
		if (guest != NULL) {
			buf_put(&guest->first);
			pool_put(&front->pool, guest);
		}
		sources_leave(front->relay->sources, SOURCE_GUEST, &source);
		close(fd);
		return;
	}
	guest->front = front;
	guest->source = source;
	guest->from = *peer;
	guest->introduced = !introduction_is_due(front->relay, peer);
	LIST_INSERT_HEAD(&front->guests, guest, link);
	front->n_guests++;
	timer_init(&guest->timer, timeout_cb, guest);
	timer_set(front->relay->loop, &guest->timer,
	    (uint64_t)front->relay->options.handshake_timeout_ms);
}

static void
accept_cb(void *ctx, int fd, const struct address *peer)
{
	front_take(ctx, fd, peer);
}

struct front *
front_new(struct relay *relay, const struct address *addresses, size_t n,
    const struct address **failed)
{
	struct front *front = calloc(1, sizeof(*front));
	size_t i;

	*failed = &addresses[0];
	if (front == NULL)
		return NULL;
	front->relay = relay;
	LIST_INIT(&front->guests);
	pool_init(&front->pool, sizeof(struct guest), GUESTS_KEPT);
	assert(n <= FRONT_LISTENERS_MAX);
	for (i = 0; i < n; i++) {
		if (listener_open(&front->listeners[i], relay->listeners,
			&addresses[i], false, accept_cb, front) != 0) {
			*failed = &addresses[i];
			front_free(&front);
			return NULL;
		}
		listener_await_bytes(&front->listeners[i]);
		front->n_listeners++;
	}
	return front;
}

void
front_stop(struct front *front)
{
	struct guest *guest;

	while (front->n_listeners > 0)
		listener_close(&front->listeners[--front->n_listeners]);
	while ((guest = LIST_FIRST(&front->guests)) != NULL)
		guest_free(guest);
}

void
front_free(struct front **front)
{
	if (*front == NULL)
		return;
	front_stop(*front);
	pool_fini(&(*front)->pool);
	free(*front);
	*front = NULL;
}

void
front_address(const struct front *front, size_t i, struct address *address)
{
	listener_address(&front->listeners[i], address);
}
