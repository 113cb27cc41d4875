/* SPDX-License-Identifier: MIT */
/*
 * Stream sockets as the rest of net uses them: the same calls and the same errno everywhere. On
 * Unix they are the system's own calls and cost nothing; on Windows a socket is no file
 * descriptor, and its errors stand elsewhere (socket_windows.c).
 *
 * All sockets are non-blocking, and no child inherits them. Sends never raise a signal: SIGPIPE is
 * ignored from loop_new() on.
 */
#ifndef TAUPE_NET_SOCKET_H
#define TAUPE_NET_SOCKET_H

#include <event2/util.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>

#define SHUT_WR SD_SEND
#define MSG_MORE 0 /* there is no such hint */

struct iovec {
	void *iov_base;
	size_t iov_len;
};

/* -1 with errno: EAGAIN, EINPROGRESS and EINTR are as on Unix. */
evutil_socket_t socket_open(int family, int type);
void socket_close(evutil_socket_t fd);
int socket_connect(
    evutil_socket_t fd, const struct sockaddr *to, socklen_t len);
ssize_t socket_receive(evutil_socket_t fd, void *out, size_t cap);
ssize_t socket_send(
    evutil_socket_t fd, const void *data, size_t len, int flags);
ssize_t socket_send_vector(
    evutil_socket_t fd, struct iovec *iov, size_t n, int flags);
int socket_set(evutil_socket_t fd, int level, int option, const void *value,
    socklen_t len);
/* Set *error to what has become of a connect. */
int socket_error(evutil_socket_t fd, int *error);
/* Is it connected, or is there room to write, right now? */
bool socket_is_writable(evutil_socket_t fd);
/* As conn_hung_up(). */
bool socket_hung_up(evutil_socket_t fd);

#else
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static inline evutil_socket_t
socket_open(int family, int type)
{
	return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static inline void
socket_close(evutil_socket_t fd)
{
	close(fd);
}

static inline int
socket_connect(evutil_socket_t fd, const struct sockaddr *to, socklen_t len)
{
	return connect(fd, to, len);
}

static inline ssize_t
socket_receive(evutil_socket_t fd, void *out, size_t cap)
{
	return recv(fd, out, cap, 0);
}

static inline ssize_t
socket_send(evutil_socket_t fd, const void *data, size_t len, int flags)
{
	return send(fd, data, len, flags);
}

/* The socket's own calls are shorter ways than writev(2), which leads through the file system. */
static inline ssize_t
socket_send_vector(evutil_socket_t fd, struct iovec *iov, size_t n, int flags)
{
	return sendmsg(
	    fd, &(struct msghdr){.msg_iov = iov, .msg_iovlen = n}, flags);
}

static inline int
socket_set(evutil_socket_t fd, int level, int option, const void *value,
    socklen_t len)
{
	return setsockopt(fd, level, option, value, len);
}

static inline int
socket_error(evutil_socket_t fd, int *error)
{
	socklen_t len = sizeof(*error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, error, &len);
}

static inline bool
socket_is_writable(evutil_socket_t fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};

	return poll(&poll_fd, 1, 0) == 1 && poll_fd.revents == POLLOUT;
}

static inline bool
socket_hung_up(evutil_socket_t fd)
{
	short ends = POLLHUP | POLLERR;
	struct pollfd poll_fd = {.fd = fd};

#ifdef POLLRDHUP
	ends |= POLLRDHUP;
#endif
	poll_fd.events = ends;
	return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & ends) != 0;
}

#endif
#endif
