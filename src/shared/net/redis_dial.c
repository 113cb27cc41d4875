/* SPDX-License-Identifier: MIT */
/*
 * From what the configuration says to a connection: a unix socket, a numeric address, or
 * a name with addresses that are tried one after the other.
 */
#include "config.h"

#include <netinet/tcp.h>
#include <unistd.h>

#include "base/log.h"
#include "net/redis_link_internal.h"
#include "net/unix_socket.h"

static void try_next_address(struct redis_link *link);

static void
connected_cb(struct conn *conn, const char *error)
{
	struct redis_link *link = conn->owner;

	redis_link_enter(link);
	if (link->state == LINK_DOOMED) {
		/* redis_link_go_down() is about to come */
	} else if (error == NULL) {
		redis_greet(link);
	} else if (link->next_address < link->n_addresses) {
		conn_fini(&link->conn);
		try_next_address(link);
	} else {
		redis_link_go_down(link, error);
	}
	redis_link_leave(link);
}

static const struct conn_ops ops = {
    .readable_cb = redis_link_readable_cb,
    .connected_cb = connected_cb,
    .broken_cb = redis_link_broken_cb,
};

/* A server that is gone without goodbye is noticed by a link that only waits, too. */
static void
set_keepalive(int fd)
{
	int on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
#ifdef TCP_KEEPIDLE
	int idle_s = 15, every_s = 5, times = 3;

	(void)setsockopt(
	    fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	(void)setsockopt(
	    fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof(every_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
#endif
}

static void
try_next_address(struct redis_link *link)
{
	link->state = LINK_CONNECTING;
	while (link->next_address < link->n_addresses) {
		const struct address *to =
		    &link->addresses[link->next_address++];

		if (conn_connect(&link->conn, link->loop, to, &ops, link) ==
		    0) {
			set_keepalive(link->conn.fd);
			return;
		}
	}
	redis_link_go_down(link, log_errno());
}

static void
start_unix(struct redis_link *link)
{
	int fd = unix_socket_connect(link->host);

	if (fd < 0) {
		redis_link_go_down(link, log_errno());
	} else if (conn_init(&link->conn, link->loop, fd, &ops, link) != 0) {
		close(fd);
		redis_link_go_down(link, "out of memory");
	} else {
		redis_greet(link);
	}
}

static void
resolved_cb(
    void *ctx, const struct address *addresses, size_t n, const char *error)
{
	struct redis_link *link = ctx;

	link->request = NULL;
	if (link->state == LINK_DOOMED)
		return;
	redis_link_enter(link);
	link->n_addresses = n;
	link->next_address = 0;
	for (size_t i = 0; i < n; i++)
		link->addresses[i] = addresses[i];
	if (n == 0)
		redis_link_go_down(link, error);
	else
		try_next_address(link);
	redis_link_leave(link);
}

static void
start_resolve(struct redis_link *link)
{
	link->state = LINK_RESOLVING;
	if (link->resolver == NULL)
		link->resolver = resolver_new(link->loop, NULL);
	if (link->resolver != NULL)
		link->request = resolve_start(
		    link->resolver, link->host, link->port, resolved_cb, link);
	if (link->request == NULL)
		redis_link_go_down(link, "out of memory");
}

void
redis_dial(struct redis_link *link)
{
	if (link->host[0] == '/') {
		start_unix(link);
	} else if (address_parse_ip(
		       str_of(link->host), link->port, &link->addresses[0])) {
		link->n_addresses = 1;
		link->next_address = 0;
		try_next_address(link);
	} else {
		start_resolve(link);
	}
}
