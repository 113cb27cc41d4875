/* SPDX-License-Identifier: MIT */
/* Somebody else on this host may connect to the listener first: the port of who was accepted tells. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "net/address.h"
#include "net/socket.h"
#include "net/tcp_pair.h"

static bool
is_ours(evutil_socket_t accepted, evutil_socket_t ours)
{
	struct address address = {.len = sizeof(address.in)};
	struct address peer = {.len = sizeof(peer.in)};

	return getsockname(ours, &address.sa, &address.len) == 0 &&
	    getpeername(accepted, &peer.sa, &peer.len) == 0 &&
	    address.in.sin_port == peer.in.sin_port &&
	    address.in.sin_addr.s_addr == peer.in.sin_addr.s_addr;
}

/* A connect to the loopback is done, or fails, within the call, but the socket says so later. */
static evutil_socket_t
accept_ours(evutil_socket_t listener, evutil_socket_t ours)
{
	struct pollfd ready = {.fd = listener, .events = POLLIN};
	evutil_socket_t fd;

	for (int strangers = 0; strangers < 16; strangers++) {
		if (poll(&ready, 1, 100) <= 0 ||
		    (fd = accept4(listener, NULL, NULL,
			 SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0)
			return -1;
		if (is_ours(fd, ours))
			return fd;
		socket_close(fd);
	}
	errno = ECONNABORTED;
	return -1;
}

int
tcp_pair(evutil_socket_t fds[2])
{
	struct address at;
	evutil_socket_t listener;

	(void)address_parse_ip(STR("127.0.0.1"), 0, &at);
	fds[0] = fds[1] = -1;
	listener = socket_open(AF_INET, SOCK_STREAM);
	if (listener < 0)
		return -1;
	if (bind(listener, &at.sa, at.len) == 0 && listen(listener, 16) == 0 &&
	    getsockname(listener, &at.sa, &at.len) == 0 &&
	    (fds[0] = socket_open(AF_INET, SOCK_STREAM)) >= 0 &&
	    (socket_connect(fds[0], &at.sa, at.len) == 0 ||
		errno == EINPROGRESS))
		fds[1] = accept_ours(listener, fds[0]);
	socket_close(listener);
	if (fds[1] >= 0)
		return 0;
	if (fds[0] >= 0)
		socket_close(fds[0]);
	return -1;
}
