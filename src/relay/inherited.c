/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "relay/inherited.h"
#include "relay/service_ports.h"

#define LOOK_MS 10000
/* For the sweep, and the way to the proxies, after a trouble that ended right after a look. */
#define SLACK_MS (2 * LOOK_MS)

struct inherited {
	struct hash_node by_key;
	uint16_t port;
	char key[];
};

static struct inherited *
of_node(struct hash_node *node)
{
	return HASH_ENTRY(node, struct inherited, by_key);
}

static struct str
key_cb(const struct hash_node *node)
{
	return str_of(HASH_ENTRY(node, struct inherited, by_key)->key);
}

/* The port, if it is free now; else 0. */
static uint16_t
give_up(struct relay *relay, struct inherited *route)
{
	uint16_t port = route->port;
	bool freed = service_ports_give_back(relay->service_ports, port);

	hash_map_remove(&relay->inherited, &route->by_key);
	free(route);
	return freed ? port : 0;
}

static void
give_up_cb(void *ctx, struct hash_node *node)
{
	(void)give_up(ctx, of_node(node));
}

static void
give_up_all(struct relay *relay)
{
	hash_map_each(&relay->inherited, give_up_cb, relay);
}

/* Old routes may stand for so long. */
static void
wait_at_least(struct relay *relay, uint64_t ms)
{
	uint64_t until_ms = loop_now_ms(relay->loop) + ms;

	if (relay->inherited_until_ms < until_ms)
		relay->inherited_until_ms = until_ms;
	timer_set(relay->loop, &relay->inherited_timer, LOOK_MS);
}

static void
timer_cb(void *ctx)
{
	struct relay *relay = ctx;
	bool troubled = relay->registry->ops->trouble(relay->registry) != NULL;

	/* in trouble, it keeps the routes of leases that have ended, and so do the proxies */
	if (troubled || loop_now_ms(relay->loop) < relay->inherited_until_ms) {
		wait_at_least(relay, troubled ? SLACK_MS : 0);
		return;
	}
	give_up_all(relay);
	/* and those to which several led: no old route leads to any of them now */
	service_ports_give_back_all(relay->service_ports);
}

void
inherited_init(struct relay *relay)
{
	hash_map_init(&relay->inherited, key_cb);
	timer_init(&relay->inherited_timer, timer_cb, relay);
}

void
inherited_fini(struct relay *relay)
{
	give_up_all(relay);
	if (relay->loop != NULL)
		timer_clear(relay->loop, &relay->inherited_timer);
	hash_map_fini(&relay->inherited);
}

/* The port, if "IP,PORT,EPOCH" is a listener of ours; else 0. */
static uint16_t
port_here(const struct relay *relay, struct str value)
{
	const char *advertised = relay->options.advertise_address;
	struct str ip, rest, port, epoch;
	uint64_t number;

	if (!str_split(value, ',', &ip, &rest) ||
	    !str_split(rest, ',', &port, &epoch) ||
	    !str_to_number(port, UINT16_MAX, &number))
		return 0;
	if (advertised != NULL && !str_equal(ip, str_of(advertised)))
		return 0;
	return service_ports_hold(relay->service_ports,
		   advertised == NULL ? ip : (struct str){0}, (uint16_t)number)
	    ? (uint16_t)number
	    : 0;
}

static void
keep(struct relay *relay, struct str key, uint16_t port)
{
	struct inherited *route = malloc(sizeof(*route) + key.len + 1);

	/* without memory nobody gets it in time, and the service that comes back takes another */
	service_ports_keep(relay->service_ports, port);
	if (route == NULL)
		return;
	route->port = port;
	memcpy(route->key, key.ptr, key.len);
	route->key[key.len] = '\0';
	if (hash_map_insert(&relay->inherited, &route->by_key) != 0)
		free(route);
}

void
inherited_note(struct relay *relay, const struct registry_event *event)
{
	struct hash_node *node = hash_map_find(&relay->inherited, event->key);
	enum route_kind kind;
	struct str name;
	uint16_t port;

	/* nobody is led anywhere by a list or a revocation */
	if (route_key_parse(event->key, &kind, &name) &&
	    (kind == ROUTE_ALLOW || kind == ROUTE_REVOKED))
		return;
	/* who tells us is there, and tells it to the end */
	if (!relay->inherited_complete)
		relay->registry_due_ms = loop_now_ms(relay->loop) +
		    (uint64_t)relay->options.registry.redis_timeout_ms;
	else if (node == NULL)
		return;
	port = port_here(relay, event->value);
	if (node != NULL && of_node(node)->port == port)
		return;
	if (node != NULL)
		(void)give_up(relay, of_node(node));
	if (!relay->inherited_complete && port != 0)
		keep(relay, event->key, port);
}

void
inherited_complete(struct relay *relay)
{
	if (relay->inherited_complete)
		return;
	relay->inherited_complete = true;
	if (relay->inherited.count > 0)
		log_info("ports are kept for devices that were here",
		    LOG_U("ports", relay->inherited.count));
	/* no lease lasts longer, and its end may have been told to nobody */
	wait_at_least(relay, (uint64_t)relay->options.lease_ms + SLACK_MS);
}

bool
inherited_has(const struct relay *relay, const char *key)
{
	return hash_map_find(&relay->inherited, str_of(key)) != NULL;
}

uint16_t
inherited_take(struct relay *relay, const char *key)
{
	struct hash_node *node = hash_map_find(&relay->inherited, str_of(key));
	uint16_t port;

	if (node == NULL)
		return 0;
	port = of_node(node)->port;
	hash_map_remove(&relay->inherited, node);
	free(of_node(node));
	return port;
}

bool
inherited_free(struct relay *relay, uint16_t port, unsigned times)
{
	return service_ports_give_back_times(
	    relay->service_ports, port, times);
}

uint16_t
inherited_claim(struct relay *relay, const char *key)
{
	uint16_t port = inherited_take(relay, key);

	return port != 0 && inherited_free(relay, port, 1) ? port : 0;
}
