/* SPDX-License-Identifier: MIT */
/*
 * A search asks the registry for a service's route until it leads elsewhere: the new relay
 * writes it a moment after its claim has told us that the device has moved. A handover is
 * two connections that copy to each other; each is read only while the other has taken what
 * was read before.
 */
#include "config.h"

#include <stdlib.h>

#include "base/log.h"
#include "net/proxy_end.h"
#include "relay/handover.h"
#include "relay/introduction.h"
#include "relay/service.h"
#include "relay/visitor.h"

#define SEEK_AGAIN_MS 20

struct handover_search {
	LIST_ENTRY(handover_search) link; /* in relay->handover_searches */
	struct relay *relay;
	struct timer timer;
	struct route route; /* as it is here */
	char name[];	    /* the device's */
};

struct handover {
	LIST_ENTRY(handover) link; /* in relay->handovers */
	struct relay *relay;
	struct conn visitor, place;
	bool visitor_ended, place_ended; /* their directions */
};

/* ---- copying ---- */

static void
handover_free(struct handover *handover)
{
	LIST_REMOVE(handover, link);
	handover->relay->n_visitors--;
	conn_fini(&handover->visitor);
	conn_fini(&handover->place);
	free(handover);
}

static void
cut(struct handover *handover)
{
	conn_abort(&handover->visitor);
	conn_abort(&handover->place);
	handover_free(handover);
}

static struct conn *
other_of(struct handover *handover, const struct conn *conn)
{
	return conn == &handover->visitor ? &handover->place
					  : &handover->visitor;
}

/* One direction has ended: the other side is told; after both, what is queued is written. */
static void
end_direction(struct handover *handover, struct conn *conn)
{
	if (conn == &handover->visitor)
		handover->visitor_ended = true;
	else
		handover->place_ended = true;
	conn_pause(conn);
	if (handover->visitor_ended && handover->place_ended) {
		farewell_take(handover->relay->farewells, &handover->visitor);
		farewell_take(handover->relay->farewells, &handover->place);
		handover_free(handover);
	} else {
		conn_shutdown(other_of(handover, conn));
	}
}

static void
readable_cb(struct conn *conn)
{
	struct handover *handover = conn->owner;
	struct conn *other = other_of(handover, conn);
	struct buf *buf = buf_get(BUF_LARGE);
	ssize_t got;

	if (buf == NULL) {
		cut(handover);
		return;
	}
	got = conn_read(conn, buf_data(buf), buf->capacity);
	if (got > 0) {
		buf_add_span(buf, BUF_HEADROOM, (uint32_t)got);
		(void)conn_write_buf(other, &buf); /* broken_cb tells */
		if (conn_queued(other) > 0)
			conn_pause(conn);
		return;
	}
	buf_put(&buf);
	if (got == 0)
		end_direction(handover, conn);
	else if (got == CONN_ERROR)
		cut(handover);
}

static void
drained_cb(struct conn *conn)
{
	struct handover *handover = conn->owner;
	bool ended = conn == &handover->visitor ? handover->place_ended
						: handover->visitor_ended;

	if (!ended)
		conn_resume(other_of(handover, conn));
}

static void
broken_cb(struct conn *conn)
{
	cut(conn->owner);
}

static void
connected_cb(struct conn *conn, const char *error)
{
	struct handover *handover = conn->owner;

	if (error == NULL) {
		conn_resume(&handover->visitor);
		return;
	}
	log_info("a visitor could not be handed over", LOG_S("error", error));
	handover->relay->counters.visits_failed++;
	cut(handover);
}

static const struct conn_ops handover_conn_ops = {
    .connected_cb = connected_cb,
    .readable_cb = readable_cb,
    .drained_cb = drained_cb,
    .broken_cb = broken_cb,
};

/* A relay that trusts us as a proxy is told whom we bring. It is configured as we are. */
static void
introduce(struct handover *handover, const struct visitor *visitor,
    const struct address *to)
{
	uint8_t header[PROXY_HEADER_WRITTEN_MAX];
	struct address own;

	address_of_socket(handover->place.fd, &own);
	if (visitor->kind != SERVICE_HTTP &&
	    introduction_is_due(handover->relay, &own))
		(void)conn_append(&handover->place, header,
		    proxy_header_between(&visitor->from, to, header));
}

/* Takes the visitor; one that cannot be led on is held on. */
static void
hand_over(struct visitor *visitor, const struct address *to)
{
	struct relay *relay = visitor->device->relay;
	struct handover *handover = calloc(1, sizeof(*handover));
	struct buf *first;
	size_t first_len;

	if (handover == NULL)
		return;
	handover->relay = relay;
	handover->visitor = (struct conn)CONN_CLOSED;
	handover->place = (struct conn)CONN_CLOSED;
	if (conn_connect(&handover->place, relay->loop, to, &handover_conn_ops,
		handover) != 0) {
		free(handover);
		return;
	}
	LIST_INSERT_HEAD(&relay->handovers, handover, link);
	relay->n_visitors++;
	relay->counters.visits_handed_over++;
	introduce(handover, visitor, to);
	if (visitor_release(visitor, &handover->visitor, &handover_conn_ops,
		handover, &first, &first_len) != 0) {
		buf_put(&first);
		cut(handover);
		return;
	}
	conn_pause(&handover->visitor);
	if (first == NULL)
		return;
	buf_add_span(first, BUF_HEADROOM, (uint32_t)first_len);
	(void)conn_write_buf(&handover->place, &first);
}

/* ---- searching ---- */

static void
search_free(struct handover_search *search)
{
	timer_clear(search->relay->loop, &search->timer);
	LIST_REMOVE(search, link);
	free(search);
}

static bool
has_route(const struct service *service, const struct route *route)
{
	struct route own;

	service_route(service, &own);
	return strcmp(own.key, route->key) == 0;
}

/* The service that is sought; NULL: it is closed. */
static struct service *
service_of(const struct handover_search *search)
{
	struct device *device =
	    device_find(search->relay, str_of(search->name));
	struct service *service;

	if (device == NULL)
		return NULL;
	LIST_FOREACH (service, &device->services, link)
		if (has_route(service, &search->route))
			return service;
	return NULL;
}

/* Is there somebody who would be led on? */
static bool
is_waited_for(const struct service *service)
{
	const struct device *device = service->device;
	const struct visitor *visitor;

	if (!device->moved || device->session != NULL)
		return false;
	TAILQ_FOREACH (visitor, &device->waiting, link)
		if (visitor->service == service)
			return true;
	return false;
}

static bool
parse_place(const char *value, struct address *address)
{
	struct str ip, port;
	uint64_t number;

	return str_split(str_of(value), ',', &ip, &port) &&
	    str_to_number(port, UINT16_MAX, &number) &&
	    address_parse_ip(ip, (uint16_t)number, address);
}

static void
hand_over_all(struct service *service, const struct address *to)
{
	struct visitor *visitor, *next;

	for (visitor = TAILQ_FIRST(&service->device->waiting); visitor != NULL;
	     visitor = next) {
		next = TAILQ_NEXT(visitor, link);
		if (visitor->service == service)
			hand_over(visitor, to);
	}
}

static void
route_cb(
    void *ctx, enum registry_status status, const struct route *route)
{
	struct handover_search *search = ctx;
	struct service *service = service_of(search);
	struct address to;

	if (service == NULL) {
		search_free(search);
	} else if (!is_waited_for(service)) {
		service->sought = false;
		search_free(search);
	} else if (status == REGISTRY_OK &&
	    strcmp(route->value, search->route.value) != 0 &&
	    parse_place(route->value, &to)) {
		service->sought = false;
		search_free(search);
		hand_over_all(service, &to);
	} else {
		timer_set(search->relay->loop, &search->timer, SEEK_AGAIN_MS);
	}
}

static void
ask_cb(void *ctx)
{
	struct handover_search *search = ctx;
	struct registry *registry = search->relay->registry;

	if (registry->ops->route_get(
		registry, search->route.key, route_cb, search) != 0)
		timer_set(search->relay->loop, &search->timer, SEEK_AGAIN_MS);
}

static void
seek(struct service *service)
{
	struct device *device = service->device;
	struct relay *relay = device->relay;
	size_t size = strlen(device->name) + 1;
	struct handover_search *search =
	    calloc(1, offsetof(struct handover_search, name) + size);

	if (search == NULL)
		return;
	search->relay = relay;
	memcpy(search->name, device->name, size);
	service_route(service, &search->route);
	timer_init(&search->timer, ask_cb, search);
	LIST_INSERT_HEAD(&relay->handover_searches, search, link);
	service->sought = true;
	ask_cb(search);
}

void
handovers_seek(struct device *device)
{
	struct service *service;

	LIST_FOREACH (service, &device->services, link)
		if (!service->sought && is_waited_for(service))
			seek(service);
}

void
handovers_free_all(struct relay *relay)
{
	while (!LIST_EMPTY(&relay->handovers))
		handover_free(LIST_FIRST(&relay->handovers));
	while (!LIST_EMPTY(&relay->handover_searches))
		search_free(LIST_FIRST(&relay->handover_searches));
}
