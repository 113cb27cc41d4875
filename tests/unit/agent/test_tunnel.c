/* SPDX-License-Identifier: MIT */
/* What a proxy answers, and that it is understood the same with its end right behind. */
#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tunnel.h"
#include "support.h"

#define HEAD "HTTP/1.1 200 OK\r\n"

struct bench {
	struct loop *loop;
	struct tunnel *tunnel;
	struct conn conn;
	bool ends; /* the answer's end is behind it */
	enum tunnel_result result;
};

static void
readable_cb(struct conn *conn)
{
	struct bench *b = conn->owner;

	b->result = tunnel_read(b->tunnel, conn);
	if (b->result != TUNNEL_MORE || !b->ends)
		loop_stop(b->loop);
}

static void
broken_cb(struct conn *conn)
{
	struct bench *b = conn->owner;

	loop_stop(b->loop);
}

static const struct conn_ops ops = {
    .readable_cb = readable_cb, .broken_cb = broken_cb};

static const struct {
	const char *answer;
	size_t len;
	enum tunnel_result result;
	const char *error; /* what it begins with */
} rows[] = {
#define ROW(bytes, result, error)                                              \
	{                                                                      \
		bytes, sizeof(bytes) - 1, result, error                        \
	}
    ROW(HEAD "\r\n", TUNNEL_OPEN, ""),
    ROW(HEAD "\r\nmore", TUNNEL_OPEN, ""),
    ROW("HTTP/1.1 100 Continue\r\n\r\n" HEAD "\r\n", TUNNEL_OPEN, ""),
    ROW("HTTP/1.1 407 No\r\n\r\n", TUNNEL_FAILED, "wants a user"),
    ROW(HEAD "Via", TUNNEL_MORE, ""),
    ROW("HTTP/1.1 100 Continue\r\n\r\n", TUNNEL_MORE, ""),
    ROW("HTTP/1.1 200 OK\n\n", TUNNEL_FAILED, "does not answer in HTTP"),
    ROW("\x16\x03\x01\x02", TUNNEL_FAILED, "does not answer in HTTP"),
    ROW("SSH-2.0-x\r\n", TUNNEL_FAILED, "does not answer in HTTP"),
    ROW(HEAD "A : b\r\n\r\n", TUNNEL_FAILED, "does not answer in HTTP"),
#undef ROW
};

/* The answer is there as a whole when it is read, and so is its end. */
static void
check(struct loop *loop, size_t row, bool ends)
{
	struct proxy proxy = {.host = "proxy.test", .port = 3128};
	struct bench b = {.loop = loop,
	    .tunnel = tunnel_new(&proxy, "relay.test", 443),
	    .conn = CONN_CLOSED,
	    .ends = ends};
	enum tunnel_result result = rows[row].result;
	const char *error = rows[row].error;
	int fds[2];

	if (ends && result == TUNNEL_MORE) {
		result = TUNNEL_FAILED;
		error = "ended the connection unasked";
	}
	ck_assert_ptr_nonnull(b.tunnel);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_eq(write(fds[1], rows[row].answer, rows[row].len),
	    (ssize_t)rows[row].len);
	if (ends)
		ck_assert_int_eq(shutdown(fds[1], SHUT_WR), 0);
	ck_assert_int_eq(conn_init(&b.conn, loop, fds[0], &ops, &b), 0);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_msg(b.result == result, "row %zu: %d", row, b.result);
	ck_assert_msg(
	    strncmp(tunnel_error(b.tunnel), error, strlen(error)) == 0,
	    "row %zu: %s", row, tunnel_error(b.tunnel));
	conn_fini(&b.conn);
	close(fds[1]);
	tunnel_free(&b.tunnel);
}

START_TEST(answer_means_the_same_with_its_end_behind_it)
{
	struct loop *loop = loop_new();

	ck_assert_ptr_nonnull(loop);
	for (size_t i = 0; i < COUNT(rows); i++) {
		check(loop, i, false);
		check(loop, i, true);
	}
	loop_free(&loop);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    answer_means_the_same_with_its_end_behind_it,
	};

	return run_suite("tunnel", tests, COUNT(tests));
}
