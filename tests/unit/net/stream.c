/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream.h"
#include "support.h"

#define LIMIT_MS 10000

static void
shrink(int fd, int buffers)
{
	if (buffers == 0)
		return;
	ck_assert_int_eq(
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffers, sizeof(buffers)),
	    0);
	ck_assert_int_eq(
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffers, sizeof(buffers)),
	    0);
}

void
stream_pair(int ends[2], int buffers)
{
	struct address address = address_from("127.0.0.1:0");
	int listening = socket(AF_INET, SOCK_STREAM, 0);
	int other = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_ge(listening, 0);
	ck_assert_int_ge(other, 0);
	shrink(listening, buffers);
	shrink(other, buffers);
	ck_assert_int_eq(bind(listening, &address.sa, address.len), 0);
	ck_assert_int_eq(listen(listening, 1), 0);
	address_of_socket(listening, &address);
	ck_assert_int_eq(connect(other, &address.sa, address.len), 0);
	ends[0] = accept(listening, NULL, NULL);
	ends[1] = other;
	ck_assert_int_ge(ends[0], 0);
	close(listening);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(fcntl(ends[i], F_SETFL, O_NONBLOCK), 0);
}

void
without_edges(bool without)
{
	if (!without)
		return;
	ck_assert_int_eq(setenv("EVENT_NOEPOLL", "1", 1), 0);
	ck_assert_int_eq(setenv("EVENT_NOPOLL", "1", 1), 0);
}

void
peer_init(struct peer *peer, int fd)
{
	int on = 1;

	*peer = (struct peer){.fd = fd};
	/* two writes in a row are not to wait for an acknowledgement in between; a peer
	 * that is no TCP connection does not wait anyway */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void
peer_close(struct peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	free(peer->data);
	*peer = (struct peer){.fd = -1};
}

void
peer_reset(struct peer *peer)
{
	struct linger reset = {1, 0};

	ck_assert_int_eq(
	    setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)),
	    0);
	peer_close(peer);
}

size_t
peer_send_some(struct peer *peer, const void *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = send(peer->fd, (const char *)data + done,
		    len - done, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

void
peer_send(struct peer *peer, const void *data, size_t len)
{
	ck_assert_uint_eq(peer_send_some(peer, data, len), len);
}

void
peer_end(struct peer *peer)
{
	ck_assert_int_eq(shutdown(peer->fd, SHUT_WR), 0);
}

void
peer_receive(struct peer *peer)
{
	ssize_t n;

	while (!peer->ended && !peer->reset) {
		if (peer->len == peer->room) {
			peer->room = peer->room ? 2 * peer->room : 65536;
			peer->data = realloc(peer->data, peer->room);
			ck_assert_ptr_nonnull(peer->data);
		}
		n = recv(peer->fd, peer->data + peer->len,
		    peer->room - peer->len, 0);
		if (n > 0)
			peer->len += (size_t)n;
		else if (n == 0)
			peer->ended = true;
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		else
			peer->reset = true;
	}
}

struct reception {
	struct loop *loop;
	struct peer *peer;
	size_t len;
	bool end, reset;
};

static bool
complete(const struct reception *wanted)
{
	const struct peer *peer = wanted->peer;

	if (wanted->end)
		return peer->ended;
	if (wanted->reset)
		return peer->reset;
	return peer->len >= wanted->len;
}

static void
arrived_cb(evutil_socket_t fd, short what, void *arg)
{
	struct reception *wanted = arg;

	(void)fd;
	(void)what;
	peer_receive(wanted->peer);
	if (complete(wanted) || wanted->peer->ended || wanted->peer->reset)
		loop_stop(wanted->loop);
}

static void
limit_cb(void *ctx)
{
	loop_stop(ctx);
}

static void
run_reception(struct loop *loop, struct peer *peer, struct reception wanted)
{
	struct event *event;
	struct timer limit;

	wanted.loop = loop;
	wanted.peer = peer;
	peer_receive(peer);
	event = event_new(loop_base(loop), peer->fd, EV_READ | EV_PERSIST,
	    arrived_cb, &wanted);
	ck_assert_ptr_nonnull(event);
	ck_assert_int_eq(event_add(event, NULL), 0);
	timer_init(&limit, limit_cb, loop);
	timer_set(loop, &limit, LIMIT_MS);
	if (!complete(&wanted))
		ck_assert_int_eq(loop_run(loop), 0);
	timer_clear(loop, &limit);
	event_free(event);
	ck_assert_msg(complete(&wanted),
	    "received %zu bytes%s%s, wanted %zu%s%s", peer->len,
	    peer->ended ? ", end" : "", peer->reset ? ", reset" : "",
	    wanted.len, wanted.end ? ", end" : "",
	    wanted.reset ? ", reset" : "");
}

void
run_until_received(struct loop *loop, struct peer *peer, size_t len)
{
	run_reception(loop, peer, (struct reception){.len = len});
}

void
run_until_ended(struct loop *loop, struct peer *peer)
{
	run_reception(loop, peer, (struct reception){.end = true});
}

void
run_until_reset(struct loop *loop, struct peer *peer)
{
	run_reception(loop, peer, (struct reception){.reset = true});
}

static uint8_t
pattern_at(size_t offset)
{
	return (uint8_t)(offset * 31 + (offset >> 8) * 17 + (offset >> 16));
}

void
pattern_fill(uint8_t *out, size_t len, size_t offset)
{
	for (size_t i = 0; i < len; i++)
		out[i] = pattern_at(offset + i);
}

void
pattern_check(const uint8_t *data, size_t len, size_t offset)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] !=
		    pattern_at(offset + i)) /* libcheck notes each check */
			ck_abort_msg("byte %zu differs", offset + i);
}
