/* SPDX-License-Identifier: MIT */
/*
 * A service of a device at this relay: its public name or port, the listener behind it,
 * and its route.
 */
#ifndef TAUPE_RELAY_SERVICE_H
#define TAUPE_RELAY_SERVICE_H

#include "relay/device.h"

struct service {
	LIST_ENTRY(service) link;
	struct hash_node by_host; /* in relay->services, unless it is tcp */
	struct device *device;
	uint64_t serial; /* no other one of this relay has or had it */
	struct listener listener; /* closed: the routes were not read yet, or no port was free */
	uint16_t public_port; /* tcp; 0 for the others */
	uint8_t kind;	      /* enum service_kind */
	bool kept : 1;	      /* while services are reconciled: it stays */
	bool down : 1;	      /* as the agent says */
	bool sought : 1; /* its device has moved: where to is being asked */
	char name[];	 /* behind it, for http and tls: the public host name */
};

void services_init(struct relay *relay);
/* The http or tls service behind a normalised host name, its own or a further one; NULL: none. */
struct service *service_find(struct relay *relay, struct str host);

/* Was this device here before this relay was started, and do its routes lead here still? By its
 * signed lease and its first service. */
bool service_is_expected(
    const struct relay *relay, const struct claim *claim);
/* Its own public host name; NULL for tcp. */
const char *service_host(const struct service *service);

/*
 * Make the device's services what the claim offers, under this lease: those that stay
 * the same keep their listeners, others are opened, and only when all that worked are the
 * rest closed. -1 with *error a text for people, and nothing changed.
 */
int services_reconcile(struct device *device, const struct claim *claim,
    const struct lease *lease, const char **error);
/* Which ports proxies lead to is known now: open the listeners that have waited for that. Nothing
 * happens to the others. */
void services_listen(struct relay *relay);
bool service_is_open(const struct service *service);
/* Close all of a device. Visitors who wait for one are failed. */
void services_close(struct device *device);

/* The agent says that a service of this name is down, or up again; what it has not is ignored. */
void services_take_health(struct device *device, struct str name, bool down);
/* How many it says are down. */
unsigned services_down(const struct device *device);
/* Its session has ended, or another one has begun, which has said nothing yet. */
void services_forget_health(struct device *device);

/* The public URL: "https://k7….example.com/", "tcp://example.com:20022". */
void service_url_write(const struct service *service, struct writer *w);
/* The route to its listener by its own name or port; without a value if that is closed. */
void service_route(const struct service *service, struct route *route);
/* The key of the route by a further name. False: another service has it for its own. */
bool service_host_key(const struct service *service, const char *host,
    char key[ROUTE_KEY_MAX]);

#endif
