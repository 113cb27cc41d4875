/* SPDX-License-Identifier: MIT */
/*
 * A listening TCP socket. It accepts in bounded batches, so that a storm of new
 * connections does not starve those that exist, and it rests when the process has run
 * out of descriptors, because a listening socket stays readable then and would spin.
 */
#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/util.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/listener.h"

#define BACKLOG 4096 /* the system cuts it to its own limit */
#define ACCEPT_BATCH 64
#define REST_MS 1000
#define AWAIT_BYTES_S 1

struct listener {
	struct event event;
	struct timer rest;
	struct loop *loop;
	struct address address;
	listener_cb cb;
	void *ctx;
	int fd;
	bool accepting;	 /* its callback is running */
	bool freed;	 /* meanwhile: the memory goes when it returns */
	bool complained; /* of the shortage that lasts now */
};

static int
set_fd_flags(int fd)
{
	if (evutil_make_socket_nonblocking(fd) != 0)
		return -1;
	return evutil_make_socket_closeonexec(fd);
}

static int
accept_one(int fd, struct address *peer)
{
	socklen_t len = sizeof(peer->in6);
	int accepted;

	memset(peer, 0, sizeof(*peer));
#ifdef HAVE_ACCEPT4
	accepted = accept4(fd, &peer->sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
	accepted = accept(fd, &peer->sa, &len);
	if (accepted >= 0 && set_fd_flags(accepted) != 0) {
		close(accepted);
		errno = ECONNABORTED;
		accepted = -1;
	}
#endif
	peer->len = accepted >= 0 ? len : 0;
	return accepted;
}

static void
take_a_rest(struct listener *listener)
{
	char text[ADDRESS_TEXT_MAX];

	if (!listener->complained)
		log_warn("cannot accept connections, resting",
		    LOG_S("address", address_text(&listener->address, text)),
		    LOG_S("error", log_errno()));
	listener->complained = true;
	event_del(&listener->event);
	timer_set(listener->loop, &listener->rest, REST_MS);
}

static void
rest_over_cb(void *ctx)
{
	struct listener *listener = ctx;

	if (event_add(&listener->event, NULL) != 0)
		timer_set(listener->loop, &listener->rest, REST_MS);
}

/* The connection died in the queue; those behind it are fine (accept(2)). */
static bool
is_of_one_connection(int error)
{
	switch (error) {
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case EPERM:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTUNREACH:
		return true;
	default:
		return false;
	}
}

static void
acceptable_cb(evutil_socket_t fd, short what, void *ctx)
{
	struct listener *listener = ctx;
	struct address peer;

	(void)what;
	listener->accepting = true;
	for (int i = 0; i < ACCEPT_BATCH && !listener->freed; i++) {
		int accepted = accept_one(fd, &peer);

		if (accepted >= 0) {
			listener->complained = false;
			listener->cb(listener->ctx, accepted, &peer);
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			break;
		} else if (!is_of_one_connection(errno)) {
			take_a_rest(listener);
			break;
		}
	}
	listener->accepting = false;
	if (listener->freed)
		free(listener);
}

static int
open_socket(const struct address *address, bool reuse_port)
{
	int on = 1, saved;
	int fd = socket(address->sa.sa_family, SOCK_STREAM, IPPROTO_TCP);

	if (fd < 0)
		return -1;
	if (set_fd_flags(fd) != 0)
		goto fail;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
		goto fail;
	/* what is accepted inherits it: a peer that has vanished in the middle of a silent
	 * visit is noticed at last */
	if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) != 0)
		goto fail;
	/* this one, too: a small write must not wait for an acknowledgement */
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
		goto fail;
	if (reuse_port &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0)
		goto fail;
	if (address->sa.sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)
		goto fail;
	if (bind(fd, &address->sa, address->len) != 0 ||
	    listen(fd, BACKLOG) != 0)
		goto fail;
	return fd;
fail:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

struct listener *
listener_new(struct loop *loop, const struct address *address, bool reuse_port,
    listener_cb cb, void *ctx)
{
	struct listener *listener;
	int saved;

	if (address->len == 0) {
		errno = EADDRNOTAVAIL;
		return NULL;
	}
	listener = calloc(1, sizeof(*listener));
	if (listener == NULL)
		return NULL;
	listener->loop = loop;
	listener->cb = cb;
	listener->ctx = ctx;
	timer_init(&listener->rest, rest_over_cb, listener);
	listener->fd = open_socket(address, reuse_port);
	if (listener->fd < 0)
		goto fail;
	address_of_socket(listener->fd, &listener->address);
	if (event_assign(&listener->event, loop_base(loop), listener->fd,
		EV_READ | EV_PERSIST, acceptable_cb, listener) != 0 ||
	    event_add(&listener->event, NULL) != 0) {
		errno = ENOMEM;
		goto fail;
	}
	return listener;
fail:
	saved = errno;
	if (listener->fd >= 0)
		close(listener->fd);
	free(listener);
	errno = saved;
	return NULL;
}

void
listener_free(struct listener **listenerp)
{
	struct listener *listener = *listenerp;

	if (listener == NULL)
		return;
	*listenerp = NULL;
	timer_clear(listener->loop, &listener->rest);
	event_del(&listener->event);
	close(listener->fd);
	if (listener->accepting)
		listener->freed = true;
	else
		free(listener);
}

void
listener_await_bytes(struct listener *listener)
{
#ifdef TCP_DEFER_ACCEPT
	int seconds = AWAIT_BYTES_S;

	/* without it, all is as it should be, and slower */
	(void)setsockopt(listener->fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds,
	    sizeof(seconds));
#else
	(void)listener;
#endif
}

void
listener_address(const struct listener *listener, struct address *address)
{
	*address = listener->address;
}
