/* SPDX-License-Identifier: MIT */
/*
 * Where the system is edge-triggered, both directions are watched once, when the
 * connection begins, and what the system said last is remembered in `readable` and
 * `writable`: pausing, resuming and waiting for room are then flags and no system calls.
 * Elsewhere the events are added and removed as they are wanted.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <string.h>

#include "base/error_text.h"
#include "net/conn_internal.h"
#include "net/socket.h"
#include "net/tls.h"

#define KEEP_IDLE_S 45
#define KEEP_INTERVAL_S 15
#define KEEP_COUNT 4

static void conn_event_cb(evutil_socket_t fd, short what, void *arg);
static void conn_task_cb(void *arg);

static short
wanted_events(const struct conn *conn)
{
	short what = EV_PERSIST;

	if (!conn->paused || conn->handshaking)
		what |= EV_READ;
	if (conn->connecting || conn->handshaking ||
	    (conn->waits && !conn_is_drained(conn)))
		what |= EV_WRITE;
	return what;
}

void
conn_update_interest(struct conn *conn)
{
	short what;

	if (conn->edge || conn->fd < 0)
		return;
	what = wanted_events(conn);
	if (event_get_events(&conn->event) == what &&
	    event_initialized(&conn->event))
		return;
	event_del(&conn->event);
	event_assign(&conn->event, loop_base(conn->loop), conn->fd, what,
	    conn_event_cb, conn);
	event_add(&conn->event, NULL);
}

static int
watch(struct conn *conn)
{
	struct event_base *base = loop_base(conn->loop);
	int features = event_base_get_features(base);
	short what;

	conn->edge =
	    (features & EV_FEATURE_ET) && (features & EV_FEATURE_EARLY_CLOSE);
	what = conn->edge ? EV_READ | EV_CLOSED | EV_ET | EV_PERSIST
			  : wanted_events(conn);
	if (conn->edge && (!conn->writable || conn->tls != NULL))
		what |= EV_WRITE;
	if (event_assign(
		&conn->event, base, conn->fd, what, conn_event_cb, conn) != 0)
		return -1;
	return event_add(&conn->event, NULL);
}

/* Edges only: room is watched for from the first time on that there was none. Asked for
 * at the start, it would be news at once, and a turn of the loop for each connection. */
void
conn_watch_for_room(struct conn *conn)
{
	conn->writable = false;
	conn->waits = true;
	if (!conn->edge || (event_get_events(&conn->event) & EV_WRITE))
		return;
	event_del(&conn->event);
	if (watch(conn) != 0) {
		conn->broken = true;
		task_post(conn->loop, &conn->task);
	}
}

static void
conn_prepare(struct conn *conn, struct loop *loop, evutil_socket_t fd,
    bool connecting, const struct conn_ops *ops, void *owner)
{
	memset(conn, 0, sizeof(*conn));
	conn->loop = loop;
	conn->ops = ops;
	conn->owner = owner;
	conn->fd = fd;
	conn->connecting = connecting;
	conn->writable = !connecting;
	conn->waits = connecting;
	STAILQ_INIT(&conn->queue);
	task_init(&conn->task, conn_task_cb, conn);
}

static int
begin_watching(struct conn *conn)
{
	if (watch(conn) == 0)
		return 0;
	conn->fd = -1;
	return -1;
}

static void
set_nodelay(evutil_socket_t fd)
{
	int on = 1;

	/* fails on a unix socket, which has no such delay */
	(void)socket_set(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int
conn_init(struct conn *conn, struct loop *loop, evutil_socket_t fd,
    const struct conn_ops *ops, void *owner)
{
	conn_prepare(conn, loop, fd, false, ops, owner);
	return begin_watching(conn);
}

/* The system chooses the port when it knows where to: then each peer's ports count. */
static int
bind_source(evutil_socket_t fd, const struct address *from)
{
#ifdef IP_BIND_ADDRESS_NO_PORT
	int on = 1;

	(void)socket_set(
	    fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
#endif
	return bind(fd, &from->sa, from->len);
}

int
conn_connect(struct conn *conn, struct loop *loop, const struct address *to,
    const struct conn_ops *ops, void *owner)
{
	return conn_connect_from(conn, loop, NULL, to, ops, owner);
}

/* -1: it failed. *connected: it is done already, as it always is within a host: asking is cheaper
 * than a turn of the loop. */
static int
start_connect(evutil_socket_t fd, const struct address *to, bool *connected)
{
	*connected = socket_connect(fd, &to->sa, to->len) == 0;
	if (*connected)
		return 0;
	if (errno != EINPROGRESS)
		return -1;
	*connected = address_is_loopback(to) && socket_is_writable(fd);
	return 0;
}

int
conn_connect_from(struct conn *conn, struct loop *loop,
    const struct address *from, const struct address *to,
    const struct conn_ops *ops, void *owner)
{
	evutil_socket_t fd = socket_open(to->sa.sa_family, SOCK_STREAM);
	bool connected;
	int saved;

	conn->fd = -1;
	if (fd < 0)
		return -1;
	set_nodelay(fd);
	if (from != NULL && bind_source(fd, from) != 0)
		goto fail;
	if (start_connect(fd, to, &connected) != 0)
		goto fail;
	conn_prepare(conn, loop, fd, true, ops, owner);
	conn->writable = connected;
	if (begin_watching(conn) != 0)
		goto fail;
	if (connected)
		task_post_last(loop, &conn->task);
	return 0;
fail:
	saved = errno;
	socket_close(fd);
	errno = saved;
	return -1;
}

void
conn_start_tls(struct conn *conn, struct tls *tls)
{
	assert(conn->tls == NULL && conn->fd >= 0);
	conn->tls = tls;
	conn->handshaking = true;
	if (tls_set_fd(tls, conn->fd) != 0)
		conn->broken = true;
	if (!conn->connecting)
		conn_watch_for_room(conn); /* the handshake waits for both */
	task_post(conn->loop, &conn->task);
	conn_update_interest(conn);
}

void
conn_set_owner(struct conn *conn, const struct conn_ops *ops, void *owner)
{
	conn->ops = ops;
	conn->owner = owner;
}

int
conn_move(
    struct conn *to, struct conn *from, const struct conn_ops *ops, void *owner)
{
	event_del(&from->event);
	task_cancel(from->loop, &from->task);
	if (from->gone != NULL)
		*from->gone = true;
	*to = *from;
	from->fd = -1;
	from->filter = NULL;
	STAILQ_INIT(&to->queue);
	STAILQ_CONCAT(&to->queue, &from->queue);
	to->gone = NULL;
	to->ops = ops;
	to->owner = owner;
	to->look_again = false; /* watching anew is one */
	to->waits = true;
	task_init(&to->task, conn_task_cb, to);
	if (watch(to) != 0) {
		conn_fini(to);
		return -1;
	}
	task_post(to->loop, &to->task);
	return 0;
}

void
conn_leave_loop(struct conn *conn)
{
	event_del(&conn->event);
	task_cancel(conn->loop, &conn->task);
	if (conn->gone != NULL)
		*conn->gone = true;
	conn->gone = NULL;
	conn->loop = NULL;
	if (conn->tls != NULL)
		tls_isolate(conn->tls);
}

void
conn_enter_loop(struct conn *conn, struct loop *loop)
{
	assert(conn->loop == NULL);
	conn->loop = loop;
	conn->look_again = false; /* watching anew is one */
	conn->waits = true;
	if (watch(conn) != 0)
		conn->broken = true;
	task_post(loop, &conn->task);
}

static void
conn_close(struct conn *conn, bool gentle)
{
	struct buf *buf;

	if (conn->fd < 0)
		return;
	if (conn->gone != NULL)
		*conn->gone = true;
	conn->gone = NULL;
	event_del(&conn->event);
	task_cancel(conn->loop, &conn->task);
	while ((buf = STAILQ_FIRST(&conn->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&conn->queue, link);
		buf_put(&buf);
	}
	if (conn->tls != NULL) {
		if (gentle && !conn->broken && !conn->connecting &&
		    !conn->handshaking)
			(void)tls_shutdown(conn->tls);
		tls_free(&conn->tls);
	}
	conn_set_filter(conn, NULL);
	socket_close(conn->fd);
	conn->fd = -1;
}

void
conn_fini(struct conn *conn)
{
	conn_close(conn, true);
}

void
conn_abort(struct conn *conn)
{
	struct linger reset = {1, 0};

	if (conn->fd >= 0)
		(void)socket_set(
		    conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	conn_close(conn, false);
}

bool
conn_is_open(const struct conn *conn)
{
	return conn->fd >= 0;
}

static void
set_option(evutil_socket_t fd, int level, int option, int value)
{
	/* a socket without it is as good as before */
	(void)socket_set(fd, level, option, &value, sizeof(value));
}

void
conn_keep_alive(struct conn *conn)
{
	set_option(conn->fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE
	set_option(conn->fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
	set_option(conn->fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S);
	set_option(conn->fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT);
#endif
}

void
conn_bound_unsent(struct conn *conn, unsigned bytes)
{
#ifdef TCP_NOTSENT_LOWAT
	set_option(conn->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, (int)bytes);
#else
	(void)conn;
	(void)bytes;
#endif
}

/* A short read has emptied the socket (epoll(7), question 9): the next bytes make a new
 * edge, and the read that would only say so is spared. An end behind the bytes makes
 * none, but then EV_CLOSED came with them. A reset behind them makes none either, and
 * libevent reports it as mere readiness: hence a second look, later. */
static void
expect_edge(struct conn *conn)
{
	conn->readable = false;
	conn->look_again = true;
	task_put_off(conn->loop, &conn->task);
}

static ssize_t
read_tls(struct conn *conn, void *out, size_t cap)
{
	size_t done;
	bool waited = conn_sealed_bytes(conn) > 0;
	enum tls_result result = tls_read(conn->tls, out, cap, &done);

	/* An answer goes at once. Where something waited it goes along, from conn_serve(),
	 * so that whoever waits for the queue to be empty hears of it. */
	if (!waited && conn_sealed_bytes(conn) > 0 &&
	    tls_flush(conn->tls) != TLS_OK)
		conn_watch_for_room(conn);
	switch (result) {
	case TLS_OK:
		if (tls_is_dry(conn->tls) && conn->edge && !conn->hung_up)
			expect_edge(conn);
		return (ssize_t)done;
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		conn->readable = false;
		return CONN_AGAIN;
	case TLS_EOF:
		return 0;
	case TLS_FAILED:
		break;
	}
	return CONN_ERROR;
}

static ssize_t
read_plain(struct conn *conn, void *out, size_t cap)
{
	ssize_t got;

	do
		got = socket_receive(conn->fd, out, cap);
	while (got < 0 && errno == EINTR);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		conn->readable = false;
		return CONN_AGAIN;
	}
	if (got > 0 && (size_t)got < cap && conn->edge && !conn->hung_up)
		expect_edge(conn);
	return got < 0 ? CONN_ERROR : got;
}

ssize_t
conn_read_below(struct conn *conn, void *out, size_t cap)
{
	ssize_t got;

	assert(cap > 0);
	if (conn->filter != NULL && conn->filter->dry) {
		conn->filter->dry = conn->readable = false;
		return CONN_AGAIN;
	}
	if (!conn->readable)
		return CONN_AGAIN;
	got = conn->tls != NULL ? read_tls(conn, out, cap)
				: read_plain(conn, out, cap);
	/* The write that failed took the error away from the socket: what reads as an end
	 * is a reset, and must not be taken for a whole stream. */
	if (got == 0 && conn->broken) {
		errno = ECONNRESET;
		return CONN_ERROR;
	}
	if (got == 0)
		conn->ended = true;
	return got;
}

/* What its filter has got is as good as what the system may have. */
static void
note_filtered(struct conn *conn)
{
	if (conn->readable)
		return;
	conn->readable = conn->filter->dry = true;
}

/* The system may have something. */
static void
note_readable(struct conn *conn)
{
	conn->readable = true;
	if (conn->filter != NULL)
		conn->filter->dry = false;
}

static ssize_t
read_filtered(struct conn *conn, void *out, size_t cap)
{
	struct conn_filter *filter = conn->filter;
	ssize_t got;

	if (!conn->readable)
		return CONN_AGAIN;
	filter->has_more = false;
	got = filter->ops->read(filter, conn, out, cap);
	if (filter->has_more)
		note_filtered(conn);
	return got;
}

ssize_t
conn_read(struct conn *conn, void *out, size_t cap)
{
	return conn->filter == NULL ? conn_read_below(conn, out, cap)
				    : read_filtered(conn, out, cap);
}

void
conn_set_filter(struct conn *conn, struct conn_filter *filter)
{
	struct conn_filter *old = conn->filter;

	assert(old == NULL || filter == NULL);
	conn->filter = filter;
	if (old != NULL)
		old->ops->free(old);
}

void
conn_wake(struct conn *conn)
{
	note_filtered(conn);
	if (!conn->paused)
		task_post(conn->loop, &conn->task);
}

int
conn_init_read(struct conn *conn, struct loop *loop, evutil_socket_t fd,
    const struct conn_ops *ops, void *owner, struct buf *buf, ssize_t *got)
{
	conn_prepare(conn, loop, fd, false, ops, owner);
	conn->readable = true;
	*got = conn_read(conn, buf_data(buf), buf->capacity);
	/* what is left or comes now is news when watching begins */
	conn->readable = false;
	return begin_watching(conn);
}

bool
conn_hung_up(const struct conn *conn)
{
	return socket_hung_up(conn->fd);
}

void
conn_pause(struct conn *conn)
{
	conn->paused = true;
	conn_update_interest(conn);
}

void
conn_resume(struct conn *conn)
{
	if (!conn->paused || conn->fd < 0)
		return;
	conn->paused = false;
	if (conn->readable)
		task_post(conn->loop, &conn->task);
	conn_update_interest(conn);
}

/* The socket is connected, or not: say so, unless TLS comes first. False: it is not. */
static bool
finish_connect(struct conn *conn)
{
	int error = 0;

	/* an error makes an edge for both directions */
	if (!(conn->edge && !conn->readable) &&
	    socket_error(conn->fd, &error) != 0)
		error = errno;
	conn->connecting = false;
	if (error != 0) {
		conn->broken = true;
		conn->ops->connected_cb(conn, error_text(error));
		return false;
	}
	if (!conn->handshaking)
		conn->ops->connected_cb(conn, NULL);
	return true;
}

static void
continue_handshake(struct conn *conn)
{
	switch (conn->broken ? TLS_FAILED : tls_handshake(conn->tls)) {
	case TLS_OK:
		conn->handshaking = false;
		conn->readable = conn->writable = conn->waits = true;
		conn->ops->connected_cb(conn, NULL);
		return;
	case TLS_WANT_WRITE:
		conn_watch_for_room(conn);
		return;
	case TLS_WANT_READ:
		return;
	default:
		conn->ops->connected_cb(conn, tls_error(conn->tls));
	}
}

/* There is room: write what waits for it, and nothing that was appended to go with what follows.
 * had_to: it did wait. False: a callback closed us. */
static bool
serve_queue(struct conn *conn, bool had_to, const bool *gone)
{
	if (!conn->waits || !conn->writable || conn->broken)
		return true;
	conn->waits = false;
	if (conn_flush_queue(conn) != 0 || !had_to || !conn_is_drained(conn) ||
	    conn->ops->drained_cb == NULL)
		return true;
	conn->ops->drained_cb(conn);
	return !*gone;
}

/* Do what the flags say can be done. `gone` tells when a callback closed us. */
static void
conn_serve(struct conn *conn, const bool *gone)
{
	/* before any callback: what the owner writes there may empty the queue, and whoever
	 * waits for that must hear of it all the same */
	bool had_to = conn->waits && !conn_is_drained(conn);

	if (conn->connecting) {
		if (!conn->writable || !finish_connect(conn) || *gone)
			return;
	}
	if (conn->handshaking) {
		continue_handshake(conn);
		if (*gone || conn->handshaking)
			return;
	}
	if (!serve_queue(conn, had_to, gone))
		return;
	/* What was received is worth more than the news that writing failed. */
	if (conn->readable && !conn->paused) {
		conn->ops->readable_cb(conn);
		if (*gone)
			return;
		if (conn->readable && !conn->paused)
			task_post(conn->loop, &conn->task);
		else if (conn->broken)
			conn->ops->broken_cb(conn);
	} else if (conn->broken) {
		conn->ops->broken_cb(conn);
	}
}

static void
conn_dispatch(struct conn *conn)
{
	struct loop *loop = conn->loop;
	bool gone = false;

	loop_enter(loop);
	conn->gone = &gone;
	conn_serve(conn, &gone);
	if (!gone) {
		conn->gone = NULL;
		conn_update_interest(conn);
	}
	loop_leave(loop);
}

static void
conn_event_cb(evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;

	(void)fd;
	if (what & EV_CLOSED)
		conn->hung_up = true;
	if (what & (EV_READ | EV_CLOSED))
		note_readable(conn);
	if (what & EV_WRITE)
		conn->writable = true;
	/* TLS may need the one to do the other */
	if (conn->tls != NULL && !conn->connecting)
		conn->readable = conn->writable = true;
	conn_dispatch(conn);
}

/* Posted, or put off for a second look: one that comes too early costs a read. */
static void
conn_task_cb(void *arg)
{
	struct conn *conn = arg;

	if (conn->look_again)
		note_readable(conn);
	conn->look_again = false;
	conn_dispatch(conn);
}
