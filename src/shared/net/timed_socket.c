/* SPDX-License-Identifier: MIT */
/* A non-blocking socket and poll(). */
#include "config.h"

#include "net/timed_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error_text.h"
#include "net/loop.h"

uint64_t
timed_now_ms(void)
{
	return loop_now_us() / 1000;
}

int
timed_fail(struct timed_socket *timed, const char *text)
{
	snprintf(timed->error, timed->error_size, "%s", text);
	return -1;
}

int
timed_await(struct timed_socket *timed, short events)
{
	struct pollfd poller = {.fd = timed->fd, .events = events};
	uint64_t now;
	int n;

	do {
		now = timed_now_ms();
		n = now < timed->deadline_ms
		    ? poll(&poller, 1, (int)(timed->deadline_ms - now))
		    : 0;
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return timed_fail(timed, error_text(errno));
	return n == 0 ? timed_fail(timed, "no answer in time") : 0;
}

int
timed_connect(struct timed_socket *timed, int type,
    const struct sockaddr *address, socklen_t len)
{
	socklen_t error_len = sizeof(int);
	int error;

	timed->fd = socket(address->sa_family,
	    type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (timed->fd < 0)
		return timed_fail(timed, error_text(errno));
	if (connect(timed->fd, address, len) == 0)
		return 0;
	if ((error = errno) == EINPROGRESS) {
		if (timed_await(timed, POLLOUT) != 0)
			return -1;
		(void)getsockopt(
		    timed->fd, SOL_SOCKET, SO_ERROR, &error, &error_len);
	}
	return error == 0 ? 0 : timed_fail(timed, error_text(error));
}

void
timed_close(struct timed_socket *timed)
{
	if (timed->fd >= 0)
		close(timed->fd);
	timed->fd = -1;
}

/* What a call that may have to be made again has come to. */
static int
moved(struct timed_socket *timed, ssize_t n, short events)
{
	if (n > 0)
		return (int)n;
	if (n == 0)
		return timed_fail(
		    timed, "the connection ended without an answer");
	if (errno != EAGAIN && errno != EINTR)
		return timed_fail(timed, error_text(errno));
	return timed_await(timed, events);
}

int
timed_send(struct timed_socket *timed, const char *data, size_t len)
{
	return moved(
	    timed, send(timed->fd, data, len, MSG_NOSIGNAL), POLLOUT);
}

int
timed_receive(struct timed_socket *timed, char *out, size_t cap)
{
	return moved(timed, recv(timed->fd, out, cap, 0), POLLIN);
}
