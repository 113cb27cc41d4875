/* SPDX-License-Identifier: MIT */
/*
 * What a proxy answers to CONNECT: any bytes on a socket. They are read up to the end of
 * the answer's head, and not a byte further: the rest is the relay's.
 */
#include "net/tunnel.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "require.h"
#include "wire/http_head.h"

#define INPUT_MAX 20000 /* what a socket takes at once */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
ignore_cb(struct conn *conn)
{
	(void)conn;
}

static void
connected_cb(struct conn *conn, const char *error)
{
	(void)conn;
	(void)error;
}

static const struct conn_ops ops = {
    .readable_cb = ignore_cb,
    .drained_cb = ignore_cb,
    .connected_cb = connected_cb,
    .broken_cb = ignore_cb,
};

/* The final answer's head, behind any number of 1xx; its end in the input. */
static size_t
find_end(const char *in, size_t len)
{
	size_t at = 0, used;
	struct http_answer head;

	while (
	    http_answer_parse(in + at, len - at, &head, &used) == WIRE_DONE) {
		at += used;
		if (head.status / 100 != 1 || head.status == 101)
			return at;
	}
	return 0;
}

static void
check_rest(struct conn *conn, const uint8_t *data, size_t len)
{
	size_t end = find_end((const char *)data, len);
	uint8_t rest[INPUT_MAX];
	size_t n = 0;
	ssize_t got;

	while ((got = conn_read(conn, rest + n, sizeof(rest) - n)) > 0)
		n += (size_t)got;
	REQUIRE(end > 0 && n == len - end);
	REQUIRE(n == 0 || memcmp(rest, data + end, n) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct proxy proxy = {"proxy.test", 3128, "user:password"};
	static struct loop *loop;
	struct conn conn = CONN_CLOSED;
	struct tunnel *tunnel = tunnel_new(&proxy, "relay.test", 443);
	enum tunnel_result result;
	int pair[2];

	if (loop == NULL)
		loop = loop_new();
	if (len == 0 || len > INPUT_MAX) {
		tunnel_free(&tunnel);
		return 0;
	}
	REQUIRE(loop != NULL && tunnel != NULL);
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	REQUIRE(conn_init(&conn, loop, pair[0], &ops, NULL) == 0);
	tunnel_ask(tunnel, &conn);
	REQUIRE(write(pair[1], data, len) == (ssize_t)len);
	result = tunnel_read(tunnel, &conn);
	if (result == TUNNEL_OPEN)
		check_rest(&conn, data, len);
	if (result == TUNNEL_FAILED)
		REQUIRE(tunnel_error(tunnel)[0] != '\0');
	tunnel_free(&tunnel);
	conn_fini(&conn);
	close(pair[1]);
	return 0;
}
