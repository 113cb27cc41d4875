/* SPDX-License-Identifier: MIT */
/* A pipe, or where the loop can wait for sockets alone, a pair of those. */
#include "config.h"

#include <event2/event.h>
#include <fcntl.h>
#include <unistd.h>

#include "net/bell.h"
#include "net/socket.h"

#ifdef _WIN32

static int
open_pair(evutil_socket_t fd[2])
{
	if (evutil_socketpair(AF_INET, SOCK_STREAM, 0, fd) != 0)
		return -1;
	if (evutil_make_socket_nonblocking(fd[0]) == 0 &&
	    evutil_make_socket_nonblocking(fd[1]) == 0)
		return 0;
	socket_close(fd[0]);
	socket_close(fd[1]);
	return -1;
}

static ssize_t
put(evutil_socket_t fd)
{
	return socket_send(fd, "", 1, 0);
}

static ssize_t
take(evutil_socket_t fd, void *out, size_t cap)
{
	return socket_receive(fd, out, cap);
}

#else

static int
open_pair(evutil_socket_t fd[2])
{
	return pipe2(fd, O_NONBLOCK | O_CLOEXEC);
}

static ssize_t
put(evutil_socket_t fd)
{
	return write(fd, "", 1);
}

static ssize_t
take(evutil_socket_t fd, void *out, size_t cap)
{
	return read(fd, out, cap);
}

#endif

static void
heard_cb(evutil_socket_t fd, short what, void *arg)
{
	struct bell *bell = arg;
	char bytes[64];

	(void)what;
	while (take(fd, bytes, sizeof(bytes)) > 0)
		continue;
	bell->cb(bell->ctx);
}

int
bell_init(
    struct bell *bell, struct loop *loop, void (*cb)(void *ctx), void *ctx)
{
	if (open_pair(bell->fd) != 0)
		return -1;
	bell->cb = cb;
	bell->ctx = ctx;
	if (event_assign(&bell->event, loop_base(loop), bell->fd[0],
		EV_READ | EV_PERSIST, heard_cb, bell) == 0 &&
	    event_add(&bell->event, NULL) == 0)
		return 0;
	socket_close(bell->fd[0]);
	socket_close(bell->fd[1]);
	return -1;
}

void
bell_fini(struct bell *bell)
{
	event_del(&bell->event);
	socket_close(bell->fd[0]);
	socket_close(bell->fd[1]);
}

void
bell_ring(struct bell *bell)
{
	/* full: it rings already */
	(void)!put(bell->fd[1]);
}
