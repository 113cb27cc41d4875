/* SPDX-License-Identifier: MIT */
/*
 * The header mostly comes with the connection, or with the visitor's first bytes: it is read as the
 * connection is accepted, and only what is not there then has to be waited for.
 */
#include "config.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "net/proxy_end.h"
#include "relay/access.h"
#include "relay/introduction.h"
#include "relay/limits.h"
#include "relay/sources.h"
#include "relay/visitor.h"

struct introduction {
	LIST_ENTRY(introduction) link; /* in relay->introductions */
	struct relay *relay;
	struct service *service;
	struct conn conn;
	struct buf *buf;
	size_t len;
	struct timer timer;
	struct address from;
};

bool
introduction_is_due(const struct relay *relay, const struct address *peer)
{
	return relay->options.proxy_protocol &&
	    sources_trusts(relay->sources, peer);
}

static void
complain(const struct address *from, const char *error)
{
	char text[ADDRESS_TEXT_MAX];

	log_warn("no visitor introduced: proxy_protocol wants a PROXY header "
		 "from a trusted_proxy",
	    LOG_S("from", address_text(from, text)), LOG_S("error", error));
}

enum wire_result
introduction_read(
    struct buf *buf, size_t *len, struct address *from, bool *tls)
{
	struct proxy_header header;
	size_t consumed = 0;
	enum wire_result result =
	    proxy_header_parse(buf_data(buf), *len, &header, &consumed);

	if (result == WIRE_BAD)
		complain(from, header.error);
	if (result != WIRE_DONE)
		return result;
	*len -= consumed;
	memmove(buf_data(buf), buf_data(buf) + consumed, *len);
	*tls = header.tls;
	if (header.family != PROXY_NONE)
		proxy_end_to_address(header.family, &header.from, from);
	return WIRE_DONE;
}

static void
introduction_free(struct introduction *introduction)
{
	struct relay *relay = introduction->relay;

	timer_clear(relay->loop, &introduction->timer);
	conn_abort(&introduction->conn);
	buf_put(&introduction->buf);
	LIST_REMOVE(introduction, link);
	relay->n_introductions--;
	free(introduction);
}

static void
let_in(struct introduction *introduction)
{
	if (access_check_address(
		introduction->service, &introduction->from) != ACCESS_GRANTED) {
		introduction_free(introduction);
		return;
	}
	if (introduction->len == 0)
		buf_put(&introduction->buf);
	visitor_adopt(introduction->service, &introduction->conn,
	    &introduction->buf, introduction->len, &introduction->from);
	introduction_free(introduction);
}

/* So many bytes have come, or as conn_read() says. */
static void
take(struct introduction *introduction, ssize_t got)
{
	bool tls;

	if (got == CONN_AGAIN)
		return;
	if (got <= 0) { /* the proxy looks whether we are there */
		introduction_free(introduction);
		return;
	}
	introduction->len += (size_t)got;
	switch (introduction_read(introduction->buf, &introduction->len,
	    &introduction->from, &tls)) {
	case WIRE_DONE:
		let_in(introduction);
		break;
	case WIRE_BAD:
		introduction_free(introduction);
		break;
	case WIRE_MORE:
		break;
	}
}

static void
readable_cb(struct conn *conn)
{
	struct introduction *introduction = conn->owner;

	/* a header that is taken is not longer than the buffer */
	take(introduction,
	    conn_read(conn,
		buf_data(introduction->buf) + introduction->len,
		introduction->buf->capacity - introduction->len));
}

static void
broken_cb(struct conn *conn)
{
	introduction_free(conn->owner);
}

static const struct conn_ops introduction_conn_ops = {
    .readable_cb = readable_cb,
    .broken_cb = broken_cb,
};

static void
timeout_cb(void *ctx)
{
	struct introduction *introduction = ctx;

	complain(&introduction->from, "it did not come in time");
	introduction_free(introduction);
}

void
introduction_await(
    struct service *service, int fd, const struct address *peer)
{
	struct relay *relay = service->device->relay;
	struct introduction *introduction = NULL;
	ssize_t got;

	if (relay->n_introductions < (size_t)relay->options.max_handshakes)
		introduction = calloc(1, sizeof(*introduction));
	if (introduction == NULL ||
	    (introduction->buf = buf_get(PROXY_HEADER_MAX)) == NULL ||
	    conn_init_read(&introduction->conn, relay->loop, fd,
		&introduction_conn_ops, introduction, introduction->buf,
		&got) != 0) {
		if (introduction != NULL)
			buf_put(&introduction->buf);
		free(introduction);
		close(fd);
		return;
	}
	introduction->relay = relay;
	introduction->service = service;
	introduction->from = *peer;
	LIST_INSERT_HEAD(&relay->introductions, introduction, link);
	relay->n_introductions++;
	timer_init(&introduction->timer, timeout_cb, introduction);
	timer_set(relay->loop, &introduction->timer,
	    (uint64_t)relay->options.handshake_timeout_ms);
	take(introduction, got);
}

void
introductions_forget_service(const struct service *service)
{
	struct introduction *introduction, *next;

	for (introduction = LIST_FIRST(&service->device->relay->introductions);
	     introduction != NULL; introduction = next) {
		next = LIST_NEXT(introduction, link);
		if (introduction->service == service)
			introduction_free(introduction);
	}
}
