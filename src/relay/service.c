/* SPDX-License-Identifier: MIT */
/*
 * The device's first http or tls service has the label itself as its name, the others
 * have "label--service": names that an agent's configuration decides, and nothing else.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "relay/access.h"
#include "relay/front.h"
#include "relay/hosts.h"
#include "relay/inherited.h"
#include "relay/introduction.h"
#include "relay/service.h"
#include "relay/shared.h"
#include "relay/sources.h"
#include "relay/transfer.h"
#include "relay/visitor.h"

static struct str
key_cb(const struct hash_node *node)
{
	return str_of(
	    service_host(HASH_ENTRY(node, const struct service, by_host)));
}

void
services_init(struct relay *relay)
{
	hash_map_init(&relay->services, key_cb);
}

struct service *
service_find(struct relay *relay, struct str host)
{
	struct hash_node *node = hash_map_find(&relay->services, host);

	return node != NULL ? HASH_ENTRY(node, struct service, by_host)
			    : hosts_find(relay, host);
}

const char *
service_host(const struct service *service)
{
	if (service->kind == SERVICE_TCP)
		return NULL;
	return service->name + strlen(service->name) + 1;
}

/* Where a relay stands alone, its front is what looks at requests, and no way leads around it: visitors
 * of tcp services may well reach the other listeners, too. */
static bool
is_for_front(const struct service *service, const struct address *peer)
{
	const struct relay *relay = service->device->relay;

	return service->kind == SERVICE_HTTP && relay->front != NULL &&
	    !redis_options_given(&relay->options.registry) &&
	    !sources_trusts(relay->sources, peer);
}

static void
accept_cb(void *ctx, int fd, const struct address *peer)
{
	struct service *service = ctx;

	if (is_for_front(service, peer)) {
		front_take(service->device->relay->front, fd, peer);
		return;
	}
	/* HTTP visitors share a proxy's connections: their requests say who they are */
	if (service->kind != SERVICE_HTTP &&
	    introduction_is_due(service->device->relay, peer))
		introduction_await(service, fd, peer);
	else
		visitor_accept(service, fd, peer);
}

static void
set_down(struct service *service, bool down)
{
	struct relay *relay = service->device->relay;

	if (service->down == down)
		return;
	service->down = down;
	if (down)
		relay->n_services_down++;
	else
		relay->n_services_down--;
}

static void
service_free(struct service *service)
{
	struct visitor *visitor, *next;

	set_down(service, false);
	listener_close(&service->listener);
	for (visitor = TAILQ_FIRST(&service->device->waiting); visitor != NULL;
	     visitor = next) {
		next = TAILQ_NEXT(visitor, link);
		if (visitor->service == service)
			visitor_fail(visitor, PAGE_OFFLINE);
	}
	introductions_forget_service(service);
	transfers_forget_service(service);
	shareds_forget_service(service);
	if (service_host(service) != NULL)
		hash_map_remove(
		    &service->device->relay->services, &service->by_host);
	free(service);
}

static struct service *
find_same(struct device *device, const char *name, enum service_kind kind,
    const char *host, uint16_t public_port)
{
	struct service *service;

	LIST_FOREACH (service, &device->services, link)
		if (strcmp(service->name, name) == 0 && service->kind == kind &&
		    service->public_port == public_port &&
		    (host == NULL || strcmp(service_host(service), host) == 0))
			return service;
	return NULL;
}

static struct service *
service_alloc(struct device *device, const char *name, enum service_kind kind,
    const char *host, uint16_t public_port)
{
	size_t name_size = strlen(name) + 1,
	       host_size = host != NULL ? strlen(host) + 1 : 0;
	struct service *service =
	    calloc(1, offsetof(struct service, name) + name_size + host_size);

	if (service == NULL)
		return NULL;
	service->device = device;
	service->serial = ++device->relay->last_service;
	service->listener.fd = -1;
	service->kind = (uint8_t)kind;
	service->public_port = public_port;
	memcpy(service->name, name, name_size);
	if (host != NULL)
		memcpy(service->name + name_size, host, host_size);
	return service;
}

/* host is NULL for tcp. */
static void
write_route_key(enum service_kind kind, const char *host, uint16_t public_port,
    char key[ROUTE_KEY_MAX])
{
	static const char *const prefixes[] = {[SERVICE_HTTP] = "http/",
	    [SERVICE_TLS] = "sni/",
	    [SERVICE_TCP] = "tcp/"};
	struct writer w;

	writer_init(&w, key, ROUTE_KEY_MAX - 1);
	writer_cstr(&w, prefixes[kind]);
	if (host != NULL)
		writer_cstr(&w, host);
	else
		writer_u64(&w, public_port);
	*w.at = '\0';
}

static void
write_own_key(const struct service *service, char key[ROUTE_KEY_MAX])
{
	write_route_key((enum service_kind)service->kind, service_host(service),
	    service->public_port, key);
}

bool
service_host_key(const struct service *service, const char *host,
    char key[ROUTE_KEY_MAX])
{
	write_route_key((enum service_kind)service->kind, host, 0, key);
	return hash_map_find(&service->device->relay->services,
		   str_of(host)) == NULL;
}

/* The port of the listener that it had before this relay was started; 0: it had none, or another's
 * route leads there, too. Those by its further names do. */
static uint16_t
inherit_port(const struct service *service)
{
	struct relay *relay = service->device->relay;
	char key[ROUTE_KEY_MAX];
	const char *host;
	uint16_t port;
	unsigned times = 1;
	size_t at = 0;

	write_own_key(service, key);
	if ((port = inherited_take(relay, key)) == 0)
		return 0;
	while ((host = hosts_next(service, &at)) != NULL)
		if (service_host_key(service, host, key) &&
		    inherited_take(relay, key) == port)
			times++;
	return inherited_free(relay, port, times) ? port : 0;
}

static int
open_listener(struct service *service)
{
	struct relay *relay = service->device->relay;
	uint16_t wanted;

	/* a proxy may lead another device's visitors to any port */
	if (!relay->inherited_complete)
		return 0;
	if ((wanted = inherit_port(service)) == 0)
		wanted = service->public_port;
	if (service_ports_open(relay->service_ports, &service->listener, wanted,
		&relay->public_ports, accept_cb, service) != 0)
		return -1;
	if (service->kind != SERVICE_TCP)
		listener_await_bytes(&service->listener);
	return 0;
}

bool
service_is_open(const struct service *service)
{
	return service->listener.fd >= 0;
}

static uint16_t
port_of(const struct service *service)
{
	struct address address;

	listener_address(&service->listener, &address);
	return address_port(&address);
}

struct holder_search {
	uint16_t port;
	struct service *holder;
};

static void
match_port_cb(void *ctx, struct hash_node *node)
{
	struct holder_search *search = ctx;
	struct service *service = HASH_ENTRY(node, struct service, by_host);

	if (service_is_open(service) && port_of(service) == search->port)
		search->holder = service;
}

/* A public number is the tcp service's that it is leased to. A listener that has it because
 * no other number was free when it came gives way, and has its route written anew: whoever
 * comes to the number must not be led to another service. */
static void
take_number(struct service *service)
{
	struct relay *relay = service->device->relay;
	struct holder_search search = {.port = service->public_port};

	hash_map_each(&relay->services, match_port_cb, &search);
	if (search.holder == NULL)
		return; /* another program's */
	listener_close(&service->listener);
	listener_close(&search.holder->listener);
	if (open_listener(service) != 0 || open_listener(search.holder) != 0)
		log_error("a service has lost its listener",
		    LOG_S("device", search.holder->device->name),
		    LOG_S("error", log_errno()),
		    LOG_S("hint", "widen service_listen"));
	if (search.holder->device != service->device)
		device_hold(search.holder->device, NULL, NULL);
}

static int
open_service(struct service *service)
{
	const struct relay *relay = service->device->relay;
	uint16_t number = service->public_port;

	if (open_listener(service) != 0) {
		log_error("no port for a service's listener",
		    LOG_S("device", service->device->name),
		    LOG_S("service", service->name),
		    LOG_S("error", log_errno()),
		    LOG_S("hint", "widen service_listen"));
		return -1;
	}
	if (service_is_open(service) && number != 0 &&
	    port_of(service) != number &&
	    service_ports_have(relay->service_ports, number))
		take_number(service);
	return 0;
}

static void
open_services_cb(void *ctx, struct hash_node *node)
{
	struct device *device = HASH_ENTRY(node, struct device, by_name);
	struct service *service;

	(void)ctx;
	LIST_FOREACH (service, &device->services, link)
		if (!service_is_open(service))
			(void)open_service(service);
}

void
services_listen(struct relay *relay)
{
	hash_map_each(&relay->devices, open_services_cb, NULL);
}

static struct service *
service_new(struct device *device, const char *name, enum service_kind kind,
    const char *host, uint16_t public_port, const char **error)
{
	struct relay *relay = device->relay;
	struct service *service =
	    service_alloc(device, name, kind, host, public_port);

	*error = "the relay is out of memory";
	if (service == NULL)
		return NULL;
	if (host != NULL &&
	    hash_map_insert(&relay->services, &service->by_host) != 0)
		goto fail;
	if (open_service(service) == 0)
		return service;
	*error = "the relay has no free port for a service";
	if (host != NULL)
		hash_map_remove(&relay->services, &service->by_host);
fail:
	free(service);
	return NULL;
}

/* Its host name, or NULL for tcp; first: no http or tls service came before it. */
static const char *
host_of(const struct relay *relay, const struct lease *lease, const char *name,
    enum service_kind kind, bool first, char room[HOST_NAME_MAX + 1])
{
	struct writer w;

	if (kind == SERVICE_TCP)
		return NULL;
	writer_init(&w, room, HOST_NAME_MAX);
	host_name_write(&w, str_of(lease->label), str_of(name), first,
	    str_of(relay->options.domain));
	room[writer_len(&w)] = '\0';
	return room;
}

bool
service_is_expected(const struct relay *relay, const struct claim *claim)
{
	const struct lease *lease = &claim->signed_lease;
	char room[HOST_NAME_MAX + 1], key[ROUTE_KEY_MAX];

	if (!claim->has_signed_lease || claim->n_services == 0)
		return false;
	write_route_key(claim->services[0].kind,
	    host_of(relay, lease, claim->services[0].name,
		claim->services[0].kind, true, room),
	    service_port_find(
		lease->ports, lease->n_ports, str_of(claim->services[0].name)),
	    key);
	return inherited_has(relay, key);
}

static void
free_all(struct service_list *list)
{
	struct service *service;

	while ((service = LIST_FIRST(list)) != NULL) {
		LIST_REMOVE(service, link);
		service_free(service);
	}
}

int
services_reconcile(struct device *device, const struct claim *claim,
    const struct lease *lease, const char **error)
{
	struct service *wanted[SERVICES_MAX], *service, *next;
	struct service_list gone;
	bool first = true;
	size_t i;

	LIST_FOREACH (service, &device->services, link)
		service->kept = false;
	for (i = 0; i < claim->n_services; i++) {
		const char *name = claim->services[i].name;
		enum service_kind kind = claim->services[i].kind;
		char room[HOST_NAME_MAX + 1];
		const char *host =
		    host_of(device->relay, lease, name, kind, first, room);
		uint16_t port = kind == SERVICE_TCP
		    ? service_port_find(
			  lease->ports, lease->n_ports, str_of(name))
		    : 0;

		first = first && kind == SERVICE_TCP;
		wanted[i] = find_same(device, name, kind, host, port);
		if (wanted[i] != NULL)
			wanted[i]->kept = true;
		else if ((wanted[i] = service_new(
			      device, name, kind, host, port, error)) == NULL)
			goto fail;
	}
	LIST_INIT(&gone);
	for (service = LIST_FIRST(&device->services); service != NULL;
	     service = next) {
		next = LIST_NEXT(service, link);
		LIST_REMOVE(service, link);
		if (!service->kept)
			LIST_INSERT_HEAD(&gone, service, link);
	}
	for (i = claim->n_services; i > 0; i--)
		LIST_INSERT_HEAD(&device->services, wanted[i - 1], link);
	free_all(&gone);
	return 0;
fail:
	while (i-- > 0)
		if (!wanted[i]->kept)
			service_free(wanted[i]);
	return -1;
}

void
services_close(struct device *device)
{
	free_all(&device->services);
}

static void
write_port(struct writer *w, int64_t port)
{
	if (port == 0)
		return;
	writer_cstr(w, ":");
	writer_u64(w, (uint64_t)port);
}

void
service_url_write(const struct service *service, struct writer *w)
{
	const struct relay_options *options = &service->device->relay->options;

	switch ((enum service_kind)service->kind) {
	case SERVICE_HTTP:
		writer_cstr(
		    w, options->public_scheme == 0 ? "http://" : "https://");
		writer_cstr(w, service_host(service));
		write_port(w, options->public_http_port);
		writer_cstr(w, "/");
		break;
	case SERVICE_TLS:
		writer_cstr(w, "https://");
		writer_cstr(w, service_host(service));
		write_port(w, options->public_tls_port);
		writer_cstr(w, "/");
		break;
	case SERVICE_TCP:
		writer_cstr(w, "tcp://");
		writer_cstr(w, options->domain);
		write_port(w, service->public_port);
		break;
	}
}

void
service_route(const struct service *service, struct route *route)
{
	const struct relay_options *options = &service->device->relay->options;
	char ip[ADDRESS_TEXT_MAX];
	struct address address;
	struct writer w;

	write_own_key(service, route->key);
	access_route_write(service, route->access);
	route->is_further = false;
	route->value[0] = '\0';
	if (!service_is_open(service))
		return;
	listener_address(&service->listener, &address);
	writer_init(&w, route->value, sizeof(route->value) - 1);
	writer_cstr(&w,
	    options->advertise_address != NULL ? options->advertise_address
					       : address_ip_text(&address, ip));
	writer_cstr(&w, ",");
	writer_u64(&w, address_port(&address));
	*w.at = '\0';
}

/* What does not fit is left out: it is for people, who see that there is much. */
static void
write_down(const struct device *device, char names[DOWN_TEXT_MAX + 1])
{
	const struct service *service;
	size_t len = 0;

	names[0] = '\0';
	LIST_FOREACH (service, &device->services, link) {
		size_t more = strlen(service->name) + (len > 0);

		if (!service->down || len + more > DOWN_TEXT_MAX)
			continue;
		len += (size_t)snprintf(names + len, DOWN_TEXT_MAX + 1 - len,
		    "%s%s", len > 0 ? "," : "", service->name);
	}
}

void
services_take_health(struct device *device, struct str name, bool down)
{
	struct service *service;
	char names[DOWN_TEXT_MAX + 1];

	LIST_FOREACH (service, &device->services, link)
		if (str_is(name, service->name))
			break;
	if (service == NULL || service->down == down)
		return;
	set_down(service, down);
	log_debug(down ? "service is down" : "service is up again",
	    LOG_S("device", device->name), LOG_S("service", service->name));
	write_down(device, names);
	if (grant_set_down(device->grant, names))
		device_hold_soon(device);
}

unsigned
services_down(const struct device *device)
{
	const struct service *service;
	unsigned n = 0;

	LIST_FOREACH (service, &device->services, link)
		n += service->down;
	return n;
}

void
services_forget_health(struct device *device)
{
	struct service *service;

	LIST_FOREACH (service, &device->services, link)
		set_down(service, false);
	(void)grant_set_down(device->grant, "");
}
