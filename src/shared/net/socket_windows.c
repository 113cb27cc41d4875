/* SPDX-License-Identifier: MIT */
/* Winsock behind the interface of socket.h: each error goes from WSAGetLastError() to errno. */
#include "config.h"

#include <winsock2.h>
#include <ws2tcpip.h>

#include <errno.h>
#include <limits.h>

#include "base/winapi.h"
#include "net/socket.h"

#define VECTOR_MAX 64 /* spans in one send */

/* Before main(), so that no call can come first. */
static void __attribute__((constructor)) begin(void)
{
	WSADATA data;

	(void)WSAStartup(MAKEWORD(2, 2), &data);
}

static int
fail(void)
{
	winapi_set_errno((uint32_t)WSAGetLastError());
	return -1;
}

evutil_socket_t
socket_open(int family, int type)
{
	SOCKET fd = WSASocketW(family, type, 0, NULL, 0,
	    WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
	u_long on = 1;

	if (fd == INVALID_SOCKET)
		return fail();
	if (ioctlsocket(fd, FIONBIO, &on) != 0) {
		(void)fail();
		closesocket(fd);
		return -1;
	}
	return (evutil_socket_t)fd;
}

void
socket_close(evutil_socket_t fd)
{
	closesocket((SOCKET)fd);
}

int
socket_connect(evutil_socket_t fd, const struct sockaddr *to, socklen_t len)
{
	if (connect((SOCKET)fd, to, len) == 0)
		return 0;
	(void)fail();
	if (errno == EAGAIN) /* Winsock's word for it */
		errno = EINPROGRESS;
	return -1;
}

static int
clamp(size_t len)
{
	return len < INT_MAX ? (int)len : INT_MAX;
}

ssize_t
socket_receive(evutil_socket_t fd, void *out, size_t cap)
{
	int got = recv((SOCKET)fd, out, clamp(cap), 0);

	return got >= 0 ? got : fail();
}

ssize_t
socket_send(evutil_socket_t fd, const void *data, size_t len, int flags)
{
	int done = send((SOCKET)fd, data, clamp(len), flags);

	return done >= 0 ? done : fail();
}

ssize_t
socket_send_vector(evutil_socket_t fd, struct iovec *iov, size_t n, int flags)
{
	WSABUF pieces[VECTOR_MAX];
	DWORD done;

	if (n > VECTOR_MAX)
		n = VECTOR_MAX;
	for (size_t i = 0; i < n; i++)
		pieces[i] =
		    (WSABUF){(ULONG)clamp(iov[i].iov_len), iov[i].iov_base};
	if (WSASend((SOCKET)fd, pieces, (DWORD)n, &done, (DWORD)flags, NULL,
		NULL) != 0)
		return fail();
	return (ssize_t)done;
}

int
socket_set(
    evutil_socket_t fd, int level, int option, const void *value, socklen_t len)
{
	return setsockopt((SOCKET)fd, level, option, value, len) == 0 ? 0
								      : fail();
}

int
socket_error(evutil_socket_t fd, int *error)
{
	socklen_t len = sizeof(*error);
	int saved = errno;

	if (getsockopt((SOCKET)fd, SOL_SOCKET, SO_ERROR, (char *)error, &len) !=
	    0)
		return fail();
	if (*error != 0) {
		winapi_set_errno((uint32_t)*error);
		*error = errno;
		errno = saved;
	}
	return 0;
}

bool
socket_is_writable(evutil_socket_t fd)
{
	struct timeval at_once = {0, 0};
	fd_set writable;

	FD_ZERO(&writable);
	writable.fd_array[0] = (SOCKET)fd;
	writable.fd_count = 1;
	return select(0, NULL, &writable, NULL, &at_once) == 1;
}

bool
socket_hung_up(evutil_socket_t fd)
{
	char byte;
	int got = recv((SOCKET)fd, &byte, 1, MSG_PEEK);

	return got == 0 || (got < 0 && WSAGetLastError() != WSAEWOULDBLOCK);
}
