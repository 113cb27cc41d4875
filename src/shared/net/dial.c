/* SPDX-License-Identifier: MIT */
/*
 * A dial goes through its addresses; what the last one failed with is what it reports.
 * An address from the short memory that fails sends it to the resolver: the host may
 * have moved. With a proxy these are the proxy's: it looks the relay up itself.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/dial.h"
#include "net/tunnel.h"
#include "base/error_text.h"
#include "base/pool.h"
#include "net/way.h"
#include "wire/host_name.h"

#define REMEMBERED 16
#define KEPT 64	      /* dials whose memory is kept for the next ones */
#define ERROR_MAX 600 /* two host names, and what is wrong */
#define REMEMBER_MS 30000
/* What packets cost, over IPv6 and Ethernet. */
#define SYN_BYTES 94
#define PACKET_BYTES 86
#define RESEND_MS                                                              \
	1000 /* until the first retransmission (RFC 6298); then twice as long each time */
#define CONNECTED_BYTES (SYN_BYTES + 5 * PACKET_BYTES) /* and closed again */
#define PROXY_BYTES 1000 /* its CONNECT, and the answer */
#define TLS_BYTES 5000 /* a handshake: it fails at the certificate as a rule */

struct remembered {
	char host[HOST_NAME_MAX + 1];
	uint16_t port;
	uint64_t until_ms; /* 0: free */
	struct address address;
};

struct dialler {
	struct loop *loop;
	struct resolver *resolver;
	struct remembered remembered[REMEMBERED];
	unsigned oldest;
	struct pool dials; /* their memory */
};

struct dial {
	struct dialler *dialler;
	struct conn *conn;
	struct tls_context *const *tls;
	uint64_t *failed_bytes; /* NULL: nobody asks */
	struct tunnel *tunnel;	/* NULL: no proxy is on the way */
	struct resolve_request *request;
	struct timer timer; /* of the whole dial */
	struct task task;   /* begin, or report a failure, from the loop */
	dial_cb cb;
	void *ctx;
	struct address addresses[RESOLVE_MAX];
	size_t n_addresses, next;
	uint64_t began_ms; /* loop clock: the present address' turn */
	uint16_t port;
	bool asks_proxy; /* connected to it, and no answer yet */
	bool tunnelled;	 /* its answer was yes */
	bool looked_up;	 /* the addresses are fresh, or the host is one */
	char host[HOST_NAME_MAX + 1]; /* the proxy's, where there is one */
	char error[ERROR_MAX];
};

static void try_next(struct dial *dial);

struct dialler *
dialler_new(struct loop *loop, struct resolver *resolver)
{
	struct dialler *dialler = calloc(1, sizeof(*dialler));

	if (dialler == NULL)
		return NULL;
	dialler->loop = loop;
	dialler->resolver = resolver;
	pool_init(&dialler->dials, sizeof(struct dial), KEPT);
	return dialler;
}

void
dialler_free(struct dialler **dialler)
{
	pool_fini(&(*dialler)->dials);
	free(*dialler);
	*dialler = NULL;
}

static struct remembered *
recall(struct dialler *dialler, const char *host, uint16_t port)
{
	for (struct remembered *r = dialler->remembered;
	     r < dialler->remembered + REMEMBERED; r++)
		if (r->until_ms > loop_now_ms(dialler->loop) &&
		    r->port == port && strcmp(r->host, host) == 0)
			return r;
	return NULL;
}

static void
remember(struct dial *dial, const struct address *address)
{
	struct dialler *dialler = dial->dialler;
	struct remembered *r = recall(dialler, dial->host, dial->port);

	if (r == NULL) {
		r = &dialler->remembered[dialler->oldest];
		dialler->oldest = (dialler->oldest + 1) % REMEMBERED;
	}
	memcpy(r->host, dial->host, sizeof(r->host));
	r->port = dial->port;
	r->until_ms = loop_now_ms(dialler->loop) + REMEMBER_MS;
	r->address = *address;
}

static void
dial_free(struct dial *dial)
{
	struct loop *loop = dial->dialler->loop;

	if (dial->request != NULL)
		resolve_cancel(&dial->request);
	timer_clear(loop, &dial->timer);
	task_cancel(loop, &dial->task);
	tunnel_free(&dial->tunnel);
	pool_put(&dial->dialler->dials, dial);
}

/* What the connection has cost, where the system does not know: rather too much than too little. */
static uint64_t
estimate(const struct dial *dial)
{
	const struct conn *conn = dial->conn;
	uint64_t passed_ms = loop_now_ms(dial->dialler->loop) - dial->began_ms;
	uint64_t bytes = CONNECTED_BYTES;
	/* one that breaks afterwards was connected all the same */
	bool reached_proxy = dial->asks_proxy || dial->tunnelled;

	if (conn->connecting ||
	    (conn->broken && !reached_proxy)) {	  /* there is none yet */
		bytes = SYN_BYTES + PACKET_BYTES; /* or a reset */
		for (uint64_t ms = RESEND_MS; ms <= passed_ms;
		     ms = 2 * ms + RESEND_MS)
			bytes += SYN_BYTES;
		return bytes;
	}
	if (dial->tunnel != NULL)
		bytes += PROXY_BYTES;
	if (conn->tls != NULL)
		bytes += TLS_BYTES;
	return bytes;
}

static void
count_failed(struct dial *dial)
{
	uint64_t bytes;

	if (dial->failed_bytes == NULL || !conn_is_open(dial->conn))
		return;
	if (!way_bytes(dial->conn->fd, way_is_ipv6(dial->conn->fd), &bytes))
		bytes = estimate(dial);
	*dial->failed_bytes += bytes;
}

/* The connection comes to nothing. */
static void
give_up(struct dial *dial)
{
	count_failed(dial);
	conn_fini(dial->conn);
}

/* Where it failed: at the proxy, or behind it. */
static void
explain(const struct dial *dial, const char *error, char text[ERROR_MAX])
{
	if (dial->tunnel != NULL && !dial->tunnelled)
		snprintf(text, ERROR_MAX, "proxy %s:%u: %s", dial->host,
		    dial->port, error);
	else
		snprintf(text, ERROR_MAX, "%s", error);
}

static void
finish(struct dial *dial, const char *error)
{
	dial_cb cb = dial->cb;
	void *ctx = dial->ctx;
	char text[ERROR_MAX];

	if (error != NULL) {
		give_up(dial);
		explain(dial, error, text);
	} else if (dial->looked_up) {
		remember(dial, &dial->addresses[dial->next - 1]);
	}
	dial_free(dial);
	cb(ctx, error != NULL ? text : NULL);
}

static void
note_error(struct dial *dial, const char *error)
{
	snprintf(dial->error, sizeof(dial->error), "%s", error);
}

static void
connected_cb(struct conn *conn, const char *error)
{
	struct dial *dial = conn->owner;

	if (error == NULL) {
		finish(dial, NULL);
		return;
	}
	note_error(dial, error);
	give_up(dial);
	try_next(dial);
}

static void
ignore_cb(struct conn *conn)
{
	/* what comes before connected_cb is the next owner's to look at */
	conn_pause(conn);
}

static const struct conn_ops dial_conn_ops = {
    .connected_cb = connected_cb,
    .readable_cb = ignore_cb,
    .broken_cb = ignore_cb,
};

/* -1: no memory; the connection is closed. */
static int
start_tls(struct dial *dial)
{
	const char *host =
	    dial->tunnel != NULL ? tunnel_host(dial->tunnel) : dial->host;
	struct tls *tls =
	    *dial->tls != NULL ? tls_new_client(*dial->tls, host) : NULL;

	if (tls == NULL) {
		note_error(dial, "no memory for TLS");
		give_up(dial);
		return -1;
	}
	conn_start_tls(dial->conn, tls);
	return 0;
}

/* ---- the proxy ---- */

static void
proxy_connected_cb(struct conn *conn, const char *error)
{
	struct dial *dial = conn->owner;

	if (error != NULL) {
		connected_cb(conn, error);
		return;
	}
	dial->asks_proxy = true;
	tunnel_ask(dial->tunnel, conn);
}

static void
enter_tunnel(struct dial *dial)
{
	dial->asks_proxy = false;
	dial->tunnelled = true;
	conn_set_owner(dial->conn, &dial_conn_ops, dial);
	if (dial->tls == NULL) {
		conn_pause(dial->conn);
		finish(dial, NULL);
	} else if (start_tls(dial) != 0) {
		finish(dial, dial->error);
	}
}

static void
proxy_readable_cb(struct conn *conn)
{
	struct dial *dial = conn->owner;

	switch (tunnel_read(dial->tunnel, conn)) {
	case TUNNEL_MORE:
		break;
	case TUNNEL_OPEN:
		enter_tunnel(dial);
		break;
	case TUNNEL_FAILED:
		finish(dial, tunnel_error(dial->tunnel));
		break;
	}
}

static void
proxy_broken_cb(struct conn *conn)
{
	finish(conn->owner, "the connection was reset");
}

static const struct conn_ops proxy_conn_ops = {
    .connected_cb = proxy_connected_cb,
    .readable_cb = proxy_readable_cb,
    .broken_cb = proxy_broken_cb,
};

/* ---- one address after the other ---- */

static int
connect_to(struct dial *dial, const struct address *address)
{
	dial->asks_proxy = dial->tunnelled = false;
	dial->began_ms = loop_now_ms(dial->dialler->loop);
	if (conn_connect(dial->conn, dial->dialler->loop, address,
		dial->tunnel != NULL ? &proxy_conn_ops : &dial_conn_ops,
		dial) != 0) {
		note_error(dial, error_text(errno));
		return -1;
	}
	return dial->tunnel != NULL || dial->tls == NULL ? 0 : start_tls(dial);
}

static void
resolved_cb(
    void *ctx, const struct address *addresses, size_t n, const char *error)
{
	struct dial *dial = ctx;

	dial->request = NULL;
	if (n > 0)
		memcpy(dial->addresses, addresses, n * sizeof(*addresses));
	else
		note_error(dial, error);
	dial->n_addresses = n;
	dial->next = 0;
	try_next(dial);
}

static void
look_up(struct dial *dial)
{
	dial->looked_up = true;
	dial->request = resolve_start(
	    dial->dialler->resolver, dial->host, dial->port, resolved_cb, dial);
	if (dial->request == NULL)
		finish(dial, "no memory to look the name up");
}

/* From the loop only: a failure is reported at once. */
static void
try_next(struct dial *dial)
{
	while (dial->next < dial->n_addresses)
		if (connect_to(dial, &dial->addresses[dial->next++]) == 0)
			return;
	if (dial->looked_up)
		finish(dial, dial->error);
	else
		look_up(dial);
}

static void
begin_cb(void *ctx)
{
	try_next(ctx);
}

static void
timeout_cb(void *ctx)
{
	const struct dial *dial = ctx;

	finish(ctx,
	    dial->asks_proxy ? "it did not answer in time"
			     : "connecting took too long");
}

/* Addresses that are known without asking anybody. */
static void
take_known_address(struct dial *dial)
{
	const struct remembered *known;

	if (address_parse_ip(
		str_of(dial->host), dial->port, &dial->addresses[0])) {
		dial->looked_up = true;
		dial->n_addresses = 1;
	} else if ((known = recall(dial->dialler, dial->host, dial->port)) !=
	    NULL) {
		dial->addresses[0] = known->address;
		dial->n_addresses = 1;
	}
}

static bool
take_target(struct dial *dial, const struct dial_to *to)
{
	bool direct = to->proxy == NULL;

	dial->tls = to->tls;
	dial->failed_bytes = to->failed_bytes;
	dial->port = direct ? to->port : to->proxy->port;
	(void)str_copy(str_of(direct ? to->host : to->proxy->host), dial->host,
	    sizeof(dial->host));
	if (!direct)
		dial->tunnel = tunnel_new(to->proxy, to->host, to->port);
	return direct || dial->tunnel != NULL;
}

struct dial *
dial_start(struct dialler *dialler, struct conn *conn, const struct dial_to *to,
    uint64_t timeout_ms, dial_cb cb, void *ctx)
{
	struct dial *dial = pool_get(&dialler->dials);

	if (dial == NULL)
		return NULL;
	if (!take_target(dial, to)) {
		pool_put(&dialler->dials, dial);
		return NULL;
	}
	*conn = (struct conn)CONN_CLOSED;
	dial->dialler = dialler;
	dial->conn = conn;
	dial->cb = cb;
	dial->ctx = ctx;
	take_known_address(dial);
	timer_init(&dial->timer, timeout_cb, dial);
	timer_set(dialler->loop, &dial->timer, timeout_ms);
	task_init(&dial->task, begin_cb, dial);
	/* what fails at once, or has to be looked up, goes on from the loop */
	if (dial->n_addresses == 0 ||
	    connect_to(dial, &dial->addresses[dial->next++]) != 0)
		task_post(dialler->loop, &dial->task);
	return dial;
}

void
dial_cancel(struct dial **dial)
{
	if (*dial == NULL)
		return;
	give_up(*dial);
	dial_free(*dial);
	*dial = NULL;
}
