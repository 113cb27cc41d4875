/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>

#include "net/http_connections.h"

struct http_connection {
	TAILQ_ENTRY(http_connection) link;
	struct http_connections *connections;
	struct bufferevent *buffer;	/* a reference, until it is adopted */
	struct evhttp_connection *http; /* NULL: not adopted yet */
	void *owner;			/* or NULL */
};

/* It ends. */
static void
closed_cb(struct evhttp_connection *http, void *ctx)
{
	struct http_connection *connection = ctx;
	struct http_connections *connections = connection->connections;
	void *owner = connection->owner;

	evhttp_connection_set_closecb(http, NULL, NULL);
	TAILQ_REMOVE(&connections->list, connection, link);
	connections->n--;
	free(connection);
	if (owner != NULL)
		connections->lost_cb(owner);
}

/* Those with an owner are never so many. */
static void
make_room(struct http_connections *connections)
{
	struct http_connection *connection, *next;

	for (connection = TAILQ_FIRST(&connections->list);
	     connection != NULL && connections->n > connections->max;
	     connection = next) {
		next = TAILQ_NEXT(connection, link);
		if (connection->owner == NULL)
			evhttp_connection_free(connection->http);
	}
}

static void
adopt(struct http_connections *connections, struct http_connection *connection)
{
	bufferevent_data_cb read_cb;
	void *http;

	TAILQ_REMOVE(&connections->fresh, connection, link);
	bufferevent_getcb(connection->buffer, &read_cb, NULL, NULL, &http);
	bufferevent_decref(connection->buffer);
	connection->buffer = NULL;
	if (read_cb == NULL || http == NULL) { /* it could not be begun */
		free(connection);
		return;
	}
	connection->http = http;
	evhttp_connection_set_closecb(http, closed_cb, connection);
	TAILQ_INSERT_TAIL(&connections->list, connection, link);
	connections->n++;
}

/* From the loop, before it hears of any connection again. */
static void
adopt_cb(evutil_socket_t fd, short events, void *ctx)
{
	struct http_connections *connections = ctx;
	struct http_connection *connection;

	(void)fd;
	(void)events;
	while ((connection = TAILQ_FIRST(&connections->fresh)) != NULL)
		adopt(connections, connection);
	make_room(connections);
}

/* NULL: evhttp makes one, and there is no memory for a request either. */
static struct bufferevent *
begin_cb(struct event_base *base, void *ctx)
{
	struct http_connections *connections = ctx;
	struct bufferevent *buffer = bufferevent_socket_new(base, -1, 0);
	struct http_connection *connection = calloc(1, sizeof(*connection));

	if (buffer == NULL || connection == NULL) {
		free(connection);
		return buffer;
	}
	bufferevent_incref(buffer);
	*connection = (struct http_connection){
	    .connections = connections, .buffer = buffer};
	TAILQ_INSERT_TAIL(&connections->fresh, connection, link);
	event_active(connections->adopt, EV_TIMEOUT, 0);
	return buffer;
}

struct http_connection *
http_connections_find(const struct http_connections *connections,
    const struct evhttp_connection *http)
{
	struct http_connection *connection;

	/* who has just come is the last one */
	connection = TAILQ_LAST(&connections->list, http_connection_list);
	while (connection != NULL && connection->http != http)
		connection = TAILQ_PREV(connection, http_connection_list, link);
	return connection;
}

void
http_connection_own(struct http_connection *connection, void *owner)
{
	struct http_connection_list *list = &connection->connections->list;

	connection->owner = owner;
	TAILQ_REMOVE(list, connection, link);
	TAILQ_INSERT_TAIL(list, connection, link);
}

int
http_connections_init(struct http_connections *connections,
    struct event_base *base, size_t max, void (*lost_cb)(void *owner))
{
	*connections = (struct http_connections){.max = max, .lost_cb = lost_cb};
	TAILQ_INIT(&connections->fresh);
	TAILQ_INIT(&connections->list);
	connections->adopt =
	    event_new(base, -1, EV_TIMEOUT, adopt_cb, connections);
	return connections->adopt != NULL ? 0 : -1;
}

void
http_connections_watch(
    struct http_connections *connections, struct evhttp *http)
{
	evhttp_set_bevcb(http, begin_cb, connections);
}

void
http_connections_fini(struct http_connections *connections)
{
	struct http_connection *connection;

	while ((connection = TAILQ_FIRST(&connections->fresh)) != NULL) {
		TAILQ_REMOVE(&connections->fresh, connection, link);
		bufferevent_decref(connection->buffer);
		free(connection);
	}
	while ((connection = TAILQ_FIRST(&connections->list)) != NULL) {
		TAILQ_REMOVE(&connections->list, connection, link);
		evhttp_connection_set_closecb(connection->http, NULL, NULL);
		free(connection);
	}
	if (connections->adopt != NULL)
		event_free(connections->adopt);
}
