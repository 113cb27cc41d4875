/* SPDX-License-Identifier: MIT */
/*
 * A port is free when the system lets us bind it: no list of our own can know better.
 * Each range remembers where it went last, so that a search rarely meets a port in use
 * and a port rests before it is used again.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relay/service_ports.h"

struct service_ports {
	struct listeners *set;
	size_t n;
	size_t turn;			 /* the range to try first */
	struct port_set kept, contested; /* contested: kept for two */
	uint8_t
	    times[UINT16_MAX + 1]; /* that each was kept, or as many as fit */
	struct {
		struct listen_range range;
		uint16_t next;
	} ranges[];
};

struct service_ports *
service_ports_new(
    struct listeners *set, const struct listen_range *ranges, size_t n)
{
	struct service_ports *ports =
	    calloc(1, sizeof(*ports) + n * sizeof(ports->ranges[0]));
	size_t i;

	if (ports == NULL)
		return NULL;
	ports->set = set;
	ports->n = n;
	for (i = 0; i < n; i++) {
		ports->ranges[i].range = ranges[i];
		ports->ranges[i].next = ranges[i].low;
	}
	return ports;
}

void
service_ports_free(struct service_ports **ports)
{
	free(*ports);
	*ports = NULL;
}

void
service_ports_numbers(const struct service_ports *ports, struct port_set *set)
{
	size_t i;
	uint32_t port;

	port_set_clear(set);
	for (i = 0; i < ports->n; i++)
		for (port = ports->ranges[i].range.low;
		     port <= ports->ranges[i].range.high; port++)
			port_set_add(set, (uint16_t)port);
}

bool
service_ports_have(const struct service_ports *ports, uint16_t port)
{
	for (size_t i = 0; i < ports->n; i++)
		if (port >= ports->ranges[i].range.low &&
		    port <= ports->ranges[i].range.high)
			return true;
	return false;
}

bool
service_ports_hold(
    const struct service_ports *ports, struct str ip, uint16_t port)
{
	char text[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < ports->n; i++)
		if (port >= ports->ranges[i].range.low &&
		    port <= ports->ranges[i].range.high &&
		    (ip.len == 0 ||
			str_equal(ip,
			    str_of(address_ip_text(
				&ports->ranges[i].range.address, text)))))
			return true;
	return false;
}

void
service_ports_keep(struct service_ports *ports, uint16_t port)
{
	if (port_set_has(&ports->kept, port))
		port_set_add(&ports->contested, port);
	port_set_add(&ports->kept, port);
	if (ports->times[port] < UINT8_MAX)
		ports->times[port]++;
	for (size_t i = 0; i < ports->n; i++)
		if (port >= ports->ranges[i].next &&
		    port < ports->ranges[i].range.high)
			ports->ranges[i].next = (uint16_t)(port + 1);
}

bool
service_ports_give_back_times(
    struct service_ports *ports, uint16_t port, unsigned times)
{
	if (port_set_has(&ports->contested, port) &&
	    ports->times[port] != times)
		return false;
	port_set_remove(&ports->kept, port);
	port_set_remove(&ports->contested, port);
	ports->times[port] = 0;
	return true;
}

bool
service_ports_give_back(struct service_ports *ports, uint16_t port)
{
	return service_ports_give_back_times(ports, port, 1);
}

void
service_ports_give_back_all(struct service_ports *ports)
{
	port_set_clear(&ports->kept);
	port_set_clear(&ports->contested);
	memset(ports->times, 0, sizeof(ports->times));
}

static int
open_at(struct service_ports *ports, struct listener *listener, size_t i,
    uint16_t port, listener_cb cb, void *ctx)
{
	struct address address = ports->ranges[i].range.address;

	address_set_port(&address, port);
	return listener_open(listener, ports->set, &address, false, cb, ctx);
}

/* How many ports from here to the end of the range are all to be avoided. */
static uint32_t
count_avoided(const struct listen_range *range, const struct port_set *avoid,
    uint16_t port)
{
	uint16_t next = port_set_next_absent(avoid, port);

	return next >= port && next <= range->high
	    ? (uint32_t)(next - port)
	    : (uint32_t)(range->high - port) + 1;
}

/* Any free port of one range; avoid may be NULL. */
static int
open_any(struct service_ports *ports, struct listener *listener, size_t i,
    const struct port_set *avoid, listener_cb cb, void *ctx)
{
	const struct listen_range *range = &ports->ranges[i].range;
	uint32_t count = (uint32_t)range->high - range->low + 1, tried = 0;
	uint32_t port = ports->ranges[i].next;

	while (tried < count) {
		uint32_t avoided = avoid != NULL
		    ? count_avoided(range, avoid, (uint16_t)port)
		    : 0;

		tried += avoided;
		port += avoided;
		if (port > range->high) {
			port = range->low;
			continue;
		}
		if (tried++ >= count)
			break;
		/* moves on by what was tried only: the next search goes on from there */
		ports->ranges[i].next =
		    port == range->high ? range->low : (uint16_t)(port + 1);
		if (port_set_has(&ports->kept, (uint16_t)port)) {
			port = ports->ranges[i].next;
			errno = EADDRINUSE;
			continue;
		}
		if (open_at(ports, listener, i, (uint16_t)port, cb, ctx) == 0)
			return 0;
		if (errno != EADDRINUSE && errno != EACCES)
			return -1;
		port = ports->ranges[i].next;
	}
	return -1;
}

int
service_ports_open(struct service_ports *ports, struct listener *listener,
    uint16_t wanted, const struct port_set *avoid, listener_cb cb, void *ctx)
{
	size_t i, pass, first = ports->turn++;

	errno = EADDRNOTAVAIL;
	if (port_set_has(&ports->kept, wanted))
		wanted = 0;
	for (i = 0; i < ports->n && wanted != 0; i++)
		if (wanted >= ports->ranges[i].range.low &&
		    wanted <= ports->ranges[i].range.high &&
		    open_at(ports, listener, i, wanted, cb, ctx) == 0)
			return 0;
	for (pass = 0; pass < 2; pass++)
		for (i = 0; i < ports->n; i++)
			if (open_any(ports, listener, (first + i) % ports->n,
				pass == 0 ? avoid : NULL, cb, ctx) == 0)
				return 0;
	return -1;
}
