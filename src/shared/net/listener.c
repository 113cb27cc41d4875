/* SPDX-License-Identifier: MIT */
/*
 * The sockets stand in an epoll instance of their own, which is one event of the loop: an
 * event of libevent for each would cost 170 bytes more. It accepts in bounded batches, so
 * that a storm of new connections does not starve those that exist, and it rests when the
 * process has run out of descriptors, because a listening socket stays readable then and
 * would spin.
 */
#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/util.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/conn.h"
#include "net/listener.h"

#define BACKLOG 4096 /* the system cuts it to its own limit */
#define ACCEPT_BATCH 64
#define PROBE_TURNS 8 /* of these, one looks if a second waits */
#define READY_MAX 64
#define REST_MS 1000
#define AWAIT_BYTES_S 1

struct listeners {
	struct loop *loop;
	struct event event;
	struct timer rest;
	int epoll_fd;
	bool complained; /* of the shortage that lasts now */
	bool crowded;	 /* several connections came at once the last time */
	unsigned turns;
	int n_ready; /* of those below, which are being served */
	struct epoll_event ready[READY_MAX]; /* ptr NULL: closed meanwhile */
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
take_a_rest(struct listeners *set, const struct listener *listener)
{
	char text[ADDRESS_TEXT_MAX];
	struct address address;
	int error = errno;

	listener_address(listener, &address);
	errno = error;
	if (!set->complained)
		log_warn("cannot accept connections, resting",
		    LOG_S("address", address_text(&address, text)),
		    LOG_S("error", log_errno()));
	set->complained = true;
	event_del(&set->event);
	timer_set(set->loop, &set->rest, REST_MS);
}

static void
rest_over_cb(void *ctx)
{
	struct listeners *set = ctx;

	if (event_add(&set->event, NULL) != 0)
		timer_set(set->loop, &set->rest, REST_MS);
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

/* One connection comes alone as a rule, and to ask for the next costs as much as to take it. Who is
 * left over is news in the next turn. */
static int
batch_size(struct listeners *set)
{
	if (set->crowded)
		return ACCEPT_BATCH;
	return set->turns++ % PROBE_TURNS == 0 ? 2 : 1;
}

static void
accept_batch(struct listeners *set, const struct epoll_event *ready)
{
	struct address peer;
	int most = batch_size(set);

	set->crowded = false;
	for (int i = 0; i < most && ready->data.ptr != NULL; i++) {
		const struct listener *listener = ready->data.ptr;
		int accepted = accept_one(listener->fd, &peer);

		if (accepted >= 0) {
			set->complained = false;
			set->crowded = i > 0;
			listener->cb(listener->ctx, accepted, &peer);
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			break;
		} else if (!is_of_one_connection(errno)) {
			take_a_rest(set, listener);
			break;
		}
	}
}

static void
ready_cb(evutil_socket_t fd, short what, void *ctx)
{
	struct listeners *set = ctx;
	struct loop *loop = set->loop;

	(void)what;
	loop_enter(loop);
	set->n_ready = epoll_wait(fd, set->ready, READY_MAX, 0);
	for (int i = 0; i < set->n_ready && !timer_is_set(&set->rest); i++)
		accept_batch(set, &set->ready[i]);
	set->n_ready = 0;
	loop_leave(loop);
}

struct listeners *
listeners_new(struct loop *loop)
{
	struct listeners *set = calloc(1, sizeof(*set));
	int saved;

	if (set == NULL)
		return NULL;
	set->loop = loop;
	timer_init(&set->rest, rest_over_cb, set);
	set->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (set->epoll_fd < 0)
		goto fail;
	if (event_assign(&set->event, loop_base(loop), set->epoll_fd,
		EV_READ | EV_PERSIST, ready_cb, set) != 0 ||
	    event_add(&set->event, NULL) != 0) {
		errno = ENOMEM;
		goto fail;
	}
	return set;
fail:
	saved = errno;
	if (set->epoll_fd >= 0)
		close(set->epoll_fd);
	free(set);
	errno = saved;
	return NULL;
}

void
listeners_free(struct listeners **setp)
{
	struct listeners *set = *setp;

	if (set == NULL)
		return;
	*setp = NULL;
	timer_clear(set->loop, &set->rest);
	event_del(&set->event);
	close(set->epoll_fd);
	free(set);
}

static int
open_socket(const struct address *address, bool reuse_port)
{
	int on = 1, unsent = CONN_UNSENT_BYTES, saved;
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
#ifdef TCP_NOTSENT_LOWAT
	/* and this one: a peer that does not read takes no more than its share; a system that
	 * cannot bound it serves all the same, as in conn_bound_unsent() */
	(void)setsockopt(
	    fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
#endif
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

unsigned
listener_queue(void)
{
	FILE *file = fopen("/proc/sys/net/core/somaxconn", "re");
	unsigned limit = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%u", &limit) != 1)
		limit = 0;
	fclose(file);
	return limit < BACKLOG ? limit : BACKLOG;
}

int
listener_open(struct listener *listener, struct listeners *set,
    const struct address *address, bool reuse_port, listener_cb cb, void *ctx)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};
	int saved;

	*listener = (struct listener){set, cb, ctx, -1};
	if (address->len == 0) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	listener->fd = open_socket(address, reuse_port);
	if (listener->fd < 0)
		return -1;
	if (epoll_ctl(set->epoll_fd, EPOLL_CTL_ADD, listener->fd, &event) == 0)
		return 0;
	saved = errno;
	close(listener->fd);
	listener->fd = -1;
	errno = saved;
	return -1;
}

void
listener_close(struct listener *listener)
{
	struct listeners *set = listener->set;

	if (listener->fd < 0)
		return;
	for (int i = 0; i < set->n_ready; i++)
		if (set->ready[i].data.ptr == listener)
			set->ready[i].data.ptr = NULL;
	/* closing does not take it out while a copy is open in a process just forked */
	(void)epoll_ctl(set->epoll_fd, EPOLL_CTL_DEL, listener->fd, NULL);
	close(listener->fd);
	listener->fd = -1;
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
	address_of_socket(listener->fd, address);
}
