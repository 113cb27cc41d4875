/* SPDX-License-Identifier: MIT */
/*
 * The writing side of a connection: the queue of buffers, what of it the system takes,
 * and the end behind it. With TLS, what was sealed and not sent counts as queued.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "net/conn_internal.h"
#include "net/socket.h"
#include "net/tls.h"

#define WRITE_IOV 64

/* Bytes that TLS has sealed and the system has not taken. */
size_t
conn_sealed_bytes(const struct conn *conn)
{
	return conn->tls != NULL ? tls_unsent(conn->tls) : 0;
}

bool
conn_is_drained(const struct conn *conn)
{
	return STAILQ_EMPTY(&conn->queue) && conn_sealed_bytes(conn) == 0;
}

/* Take `done` written bytes off the front of the queue. */
static void
queue_advance(struct conn *conn, size_t done)
{
	conn->queued_bytes -= (uint32_t)done;
	while (done > 0) {
		struct buf *buf = STAILQ_FIRST(&conn->queue);
		struct buf_span *span = &buf->span[buf->first_span];

		if (done < span->length) {
			span->offset += (uint32_t)done;
			span->length -= (uint32_t)done;
			return;
		}
		done -= span->length;
		if (++buf->first_span == buf->n_spans) {
			STAILQ_REMOVE_HEAD(&conn->queue, link);
			buf_put(&buf);
		}
	}
}

static size_t
queue_gather(struct conn *conn, struct iovec iov[WRITE_IOV])
{
	struct buf *buf;
	size_t n = 0, i;

	STAILQ_FOREACH (buf, &conn->queue, link)
		for (i = buf->first_span; i < buf->n_spans; i++) {
			if (n == WRITE_IOV)
				return n;
			iov[n].iov_base = buf->space + buf->span[i].offset;
			iov[n++].iov_len = buf->span[i].length;
		}
	return n;
}

/* Seal what waits first, or when all is sealed, send it. */
static ssize_t
write_tls(struct conn *conn)
{
	const struct buf *buf = STAILQ_FIRST(&conn->queue);
	const struct buf_span *span;
	enum tls_result result;
	size_t done = 0;

	if (buf != NULL) {
		span = &buf->span[buf->first_span];
		result = tls_write(
		    conn->tls, buf->space + span->offset, span->length, &done);
	} else {
		result = tls_flush(conn->tls);
	}
	switch (result) {
	case TLS_OK:
		return (ssize_t)done;
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		return CONN_AGAIN;
	default:
		return CONN_ERROR;
	}
}

/* One write to the system: bytes taken, CONN_AGAIN or CONN_ERROR. */
static ssize_t
write_plain(struct conn *conn)
{
	struct iovec iov[WRITE_IOV];
	size_t n = queue_gather(conn, iov);
	/* the end follows at once, and travels with the last bytes */
	int flags = conn->shut_after ? MSG_MORE : 0;
	ssize_t got;

	do
		got = n == 1 ? socket_send(conn->fd, iov[0].iov_base,
				   iov[0].iov_len, flags)
			     : socket_send_vector(conn->fd, iov, n, flags);
	while (got < 0 && errno == EINTR);
	if (got >= 0)
		return got;
	return errno == EAGAIN || errno == EWOULDBLOCK ? CONN_AGAIN
						       : CONN_ERROR;
}

static void
end_direction(struct conn *conn)
{
	if (!conn->shut_after || conn->shut || !conn_is_drained(conn))
		return;
	if (conn->tls != NULL && tls_shutdown(conn->tls) == TLS_WANT_WRITE) {
		conn_watch_for_room(conn);
		return;
	}
	conn->shut = true;
	/* when the peer has ended, too, closing says it with one call less */
	if (!conn->ended)
		(void)shutdown(conn->fd, SHUT_WR);
}

int
conn_flush_queue(struct conn *conn)
{
	while (conn->writable && !conn_is_drained(conn)) {
		ssize_t done =
		    conn->tls != NULL ? write_tls(conn) : write_plain(conn);

		if (done == CONN_AGAIN) {
			conn_watch_for_room(conn);
		} else if (done == CONN_ERROR) {
			conn->broken = true;
			task_post(conn->loop, &conn->task);
			return -1;
		} else {
			queue_advance(conn, (size_t)done);
		}
	}
	end_direction(conn);
	return 0;
}

static void
let_filter_see(struct conn *conn, const void *data, size_t len)
{
	if (conn->filter != NULL && conn->filter->watches && len > 0)
		conn->filter->ops->wrote(conn->filter, conn, data, len);
}

static int
queue_buf(struct conn *conn, struct buf **buf)
{
	size_t bytes = buf_pending(*buf);

	if (conn->broken || conn->fd < 0 || bytes == 0) {
		buf_put(buf);
		return bytes == 0 && !conn->broken && conn->fd >= 0 ? 0 : -1;
	}
	STAILQ_INSERT_TAIL(&conn->queue, *buf, link);
	*buf = NULL;
	conn->queued_bytes += (uint32_t)bytes;
	return 0;
}

int
conn_append_buf(struct conn *conn, struct buf **buf)
{
	const struct buf *b = *buf;

	assert(!conn->shut_after);
	for (size_t i = b->first_span; conn->filter != NULL && i < b->n_spans; i++)
		let_filter_see(
		    conn, b->space + b->span[i].offset, b->span[i].length);
	return queue_buf(conn, buf);
}

int
conn_flush(struct conn *conn)
{
	if (conn->connecting || conn->handshaking || conn->fd < 0)
		return 0;
	if (conn->broken || conn_flush_queue(conn) != 0)
		return -1;
	conn_update_interest(conn);
	return 0;
}

int
conn_write_buf(struct conn *conn, struct buf **buf)
{
	if (conn_append_buf(conn, buf) != 0)
		return -1;
	return conn_flush(conn);
}

static int
queue_copy(struct conn *conn, const void *data, size_t len)
{
	if (conn->broken || conn->fd < 0)
		return -1;
	if (buf_list_append(&conn->queue, data, len)) {
		conn->queued_bytes += (uint32_t)len;
		return 0;
	}
	while (len > 0) {
		size_t piece = len < BUF_LARGE ? len : BUF_LARGE;
		struct buf *buf = buf_get(piece);

		if (buf == NULL) {
			conn->broken = true;
			task_post(conn->loop, &conn->task);
			return -1;
		}
		memcpy(buf_data(buf), data, piece);
		buf_add_span(buf, BUF_HEADROOM, (uint32_t)piece);
		if (queue_buf(conn, &buf) != 0)
			return -1;
		data = (const char *)data + piece;
		len -= piece;
	}
	return 0;
}

int
conn_append(struct conn *conn, const void *data, size_t len)
{
	assert(!conn->shut_after);
	let_filter_see(conn, data, len);
	return queue_copy(conn, data, len);
}

/* With nothing queued before it: what the system takes of data at once is not copied. The
 * bytes taken; an error is left to be found by who queues the rest. */
static size_t
write_at_once(struct conn *conn, const void *data, size_t len)
{
	ssize_t done;

	if (!STAILQ_EMPTY(&conn->queue) || conn->tls != NULL ||
	    !conn->writable || conn->connecting || conn->broken || conn->fd < 0)
		return 0;
	do
		done = socket_send(conn->fd, data, len, 0);
	while (done < 0 && errno == EINTR);
	return done > 0 ? (size_t)done : 0;
}

int
conn_write(struct conn *conn, const void *data, size_t len)
{
	size_t done;

	assert(!conn->shut_after);
	let_filter_see(conn, data, len);
	done = len > 0 ? write_at_once(conn, data, len) : 0;
	if (done == len)
		return conn->broken || conn->fd < 0 ? -1 : 0;
	if (queue_copy(conn, (const char *)data + done, len - done) != 0)
		return -1;
	return conn_flush(conn);
}

int
conn_write_secret(struct conn *conn, const void *data, size_t len)
{
	struct buf *buf;

	if (conn_append(conn, data, len) != 0)
		return -1;
	STAILQ_FOREACH (buf, &conn->queue, link)
		buf->secret = true;
	return conn_flush(conn);
}

size_t
conn_queued(const struct conn *conn)
{
	return conn->queued_bytes + conn_sealed_bytes(conn);
}

void
conn_shutdown(struct conn *conn)
{
	if (conn->fd < 0 || conn->shut_after)
		return;
	if (conn->filter != NULL)
		conn->filter->ops->ending(conn->filter, conn);
	conn->shut_after = true;
	(void)conn_flush(conn);
}

bool
conn_is_over(const struct conn *conn)
{
	return conn->ended && conn_is_drained(conn);
}

bool
conn_is_shut(const struct conn *conn)
{
	return conn->shut;
}
