/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "side.h"

struct loop *loop;

void
side_teardown(void)
{
	loop_free(&loop);
	buf_pool_drain();
}

void
side_begin(int backend)
{
	without_edges(backend == 1);
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
}

struct side *
side_new(void)
{
	struct side *side = calloc(1, sizeof(*side));

	ck_assert_ptr_nonnull(side);
	side->conn.fd = -1;
	side->read_bytes = 65536;
	return side;
}

void
side_free(struct side *side)
{
	conn_fini(&side->conn);
	free(side->data);
	free(side);
}

struct side *
side_open(struct peer *peer, int buffers, int backend)
{
	struct side *side = side_new();
	int ends[2];

	stream_pair(ends, buffers);
	ck_assert_int_eq(
	    conn_init(&side->conn, loop, ends[0], &side_ops, side), 0);
	ck_assert_int_eq(side->conn.edge, backend == 0);
	peer_init(peer, ends[1]);
	return side;
}

/* True: the side is gone. */
static bool
act(struct side *side, enum act what)
{
	switch (what) {
	case FINI:
		conn_fini(&side->conn);
		return true;
	case ABORT:
		conn_abort(&side->conn);
		return true;
	case FREE:
		side_free(side);
		return true;
	case FINI_OTHER:
		conn_fini(&side->other->conn);
		return false;
	case PAUSE:
		conn_pause(&side->conn);
		return false;
	case WRITE:
		(void)conn_write(&side->conn, "again", 5);
		return false;
	case MOVE:
		ck_assert_int_eq(conn_move(&side->other->conn, &side->conn,
				     &side_ops, side->other),
		    0);
		return true;
	case REOPEN:
		conn_fini(&side->conn);
		ck_assert_int_eq(
		    conn_init(&side->conn, loop, side->fd, &side_ops, side), 0);
		return true;
	case NOTHING:
		break;
	}
	return false;
}

static void
readable_cb(struct conn *conn)
{
	struct side *side = conn->owner;
	int reads = 0;

	side->n_readable++;
	ck_assert(conn_is_open(conn));
	ck_assert(!conn->paused);
	while (side->reads_max == 0 || reads++ < side->reads_max) {
		ssize_t got;

		if (side->room - side->len < side->read_bytes) {
			side->room = 2 * side->room + side->read_bytes;
			side->data = realloc(side->data, side->room);
			ck_assert_ptr_nonnull(side->data);
		}
		got = conn_read(conn, side->data + side->len, side->read_bytes);
		if (got == CONN_AGAIN)
			break;
		if (got <= 0) {
			side->ended = got == 0;
			side->error = got == 0 ? 0 : errno;
			conn_pause(conn);
			break;
		}
		side->len += (size_t)got;
	}
	act(side, side->on_readable);
}

static void
drained_cb(struct conn *conn)
{
	struct side *side = conn->owner;

	side->n_drained++;
	ck_assert_uint_eq(conn_queued(conn), 0);
	act(side, side->on_drained);
}

static void
connected_cb(struct conn *conn, const char *error)
{
	struct side *side = conn->owner;

	side->n_connected++;
	if (error != NULL)
		strncpy(side->connect_error, error,
		    sizeof(side->connect_error) - 1);
	act(side, side->on_connected);
}

static void
broken_cb(struct conn *conn)
{
	struct side *side = conn->owner;

	side->n_broken++;
	if (!act(side, side->on_broken))
		conn_fini(conn);
}

const struct conn_ops side_ops = {
    .readable_cb = readable_cb,
    .drained_cb = drained_cb,
    .connected_cb = connected_cb,
    .broken_cb = broken_cb,
};

size_t
side_write_plenty(struct side *side)
{
	static uint8_t data[BUF_LARGE];
	size_t total = 0;

	while (total < PLENTY) {
		pattern_fill(data, sizeof(data), total);
		ck_assert_int_eq(
		    conn_write(&side->conn, data, sizeof(data)), 0);
		total += sizeof(data);
	}
	ck_assert_uint_gt(conn_queued(&side->conn), 0);
	return total;
}
