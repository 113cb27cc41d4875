/* SPDX-License-Identifier: MIT */
/*
 * Rules for proxies: what each service's route says, the lists of addresses, and the share links
 * that were revoked.
 *
 * A list is named by what is on it, so that an entry of a list never changes: it comes with its list
 * and goes with it. HAProxy finds an address by the longest entry that it begins with, and
 * looks at the overlay of a map first; because of the name, what an overlay hides belongs to a list
 * that nobody asks any more.
 */
#include "config.h"

#include <stdlib.h>

#include "net/crypto.h"
#include "relay/access.h"
#include "relay/hosts.h"

#define BASE64_LEN(bytes) (4 * (((bytes) + 2) / 3) + 1)
#define DIGIT_BITS 4

static const struct access_rule *
rule_of(const struct service *service)
{
	return access_rule_of(service->device->access, str_of(service->name));
}

static void
put_base64(struct writer *w, const uint8_t *data, size_t len)
{
	char text[BASE64_LEN(ACCESS_KEY_LEN)];

	crypto_base64_encode(data, len, text);
	writer_char(w, ',');
	writer_cstr(w, text);
}

/* Other devices, services and lists have other names. */
static void
put_list_name(struct writer *w, const struct service *service,
    const struct access_rule *rule)
{
	char text[DEVICE_NAME_MAX + SERVICE_NAME_MAX + 2 + ACCESS_NETS_MAX * 50];
	uint8_t digest[SHA256_LEN];
	struct writer list;

	writer_init(&list, text, sizeof(text));
	writer_cstr(&list, service->device->name);
	writer_char(&list, '/');
	writer_cstr(&list, service->name);
	for (size_t i = 0; i < rule->n_nets; i++) {
		writer_char(&list, ' ');
		access_net_write(&list, &rule->nets[i]);
	}
	crypto_sha256(text, writer_len(&list), digest);
	writer_hex(w, digest, ROUTE_LIST_LEN / 2);
}

void
access_route_write(
    const struct service *service, char out[ROUTE_ACCESS_TEXT_MAX])
{
	const struct access_rule *rule = rule_of(service);
	struct writer w;

	writer_init(&w, out, ROUTE_ACCESS_TEXT_MAX - 1);
	if (rule != NULL) {
		writer_cstr(&w, access_mode_name(rule->mode));
		put_base64(&w, rule->key, sizeof(rule->key));
		if (rule->mode == ACCESS_PASSWORD) {
			put_base64(&w, rule->salt, sizeof(rule->salt));
			put_base64(&w, rule->hash, sizeof(rule->hash));
		} else if (rule->mode == ACCESS_ALLOW) {
			writer_char(&w, ',');
			put_list_name(&w, service, rule);
		}
	}
	*w.at = '\0';
}

/* An array of routes that grows. */
struct routes {
	struct route *items;
	size_t n, room;
};

static struct route *
add(struct routes *routes)
{
	if (routes->n == routes->room) {
		size_t room = routes->room > 0 ? 2 * routes->room : 8;
		struct route *items =
		    realloc(routes->items, room * sizeof(*items));

		if (items == NULL)
			return NULL;
		routes->items = items;
		routes->room = room;
	}
	memset(&routes->items[routes->n], 0, sizeof(*routes->items));
	return &routes->items[routes->n++];
}

/* Is all of it in another network of the list, too? Of two that are the same, in the first. */
static bool
is_covered(const struct access_rule *rule, size_t which)
{
	const struct access_net *net = &rule->nets[which];

	for (size_t i = 0; i < rule->n_nets; i++) {
		const struct access_net *other = &rule->nets[i];

		if (i != which && access_net_has(other, net->ip, net->ip_len) &&
		    (other->bits < net->bits ||
			(other->bits == net->bits && i < which)))
			return true;
	}
	return false;
}

/* LIST/4/HEX: the first digits that all its addresses have, and one more of them. */
static int
add_prefix(struct routes *routes, const struct route *of_service,
    const char *list, const struct access_net *net, unsigned last)
{
	static const char hex[] = "0123456789ABCDEF";
	struct route *route = add(routes);
	unsigned whole = net->bits / DIGIT_BITS;
	struct writer w;

	if (route == NULL)
		return -1;
	memcpy(route->value, of_service->value, sizeof(route->value));
	writer_init(&w, route->key, sizeof(route->key) - 1);
	writer_cstr(&w, "allow/");
	writer_cstr(&w, list);
	writer_cstr(&w, net->ip_len == 4 ? "/4/" : "/6/");
	for (unsigned i = 0; i < whole; i++)
		writer_char(&w,
		    hex[i % 2 == 0 ? net->ip[i / 2] >> 4
				   : net->ip[i / 2] & 15]);
	if (net->bits % DIGIT_BITS != 0)
		writer_char(&w, hex[last]);
	*w.at = '\0';
	return 0;
}

/* A length that is no whole number of digits is that of several that are. */
static int
add_net(struct routes *routes, const struct route *of_service,
    const char *list, const struct access_net *net)
{
	unsigned whole = net->bits / DIGIT_BITS, rest = net->bits % DIGIT_BITS;
	unsigned first, count = rest == 0 ? 1 : 1u << (DIGIT_BITS - rest);

	first = rest == 0	 ? 0
	    : whole % 2 == 0 ? net->ip[whole / 2] >> 4
			     : net->ip[whole / 2] & 15;
	for (unsigned i = 0; i < count; i++)
		if (add_prefix(routes, of_service, list, net, first + i) != 0)
			return -1;
	return 0;
}

static int
add_list(struct routes *routes, const struct service *service,
    const struct access_rule *rule, const struct route *of_service)
{
	char list[ROUTE_LIST_LEN + 1];
	struct writer w;

	writer_init(&w, list, ROUTE_LIST_LEN);
	put_list_name(&w, service, rule);
	*w.at = '\0';
	for (size_t i = 0; i < rule->n_nets; i++)
		if (!is_covered(rule, i) &&
		    add_net(routes, of_service, list, &rule->nets[i]) != 0)
			return -1;
	return 0;
}

/* Those alone that somebody could still come with. */
static int
add_revoked(struct routes *routes, const struct service *service,
    const struct route *of_service, uint64_t now_ms)
{
	const struct access *access = service->device->access;

	for (size_t i = 0; i < access->n_shares; i++) {
		const struct access_share *share = &access->shares[i];
		struct route *route;

		if (!share->revoked || share->expires_ms <= now_ms ||
		    strcmp(share->service, service->name) != 0)
			continue;
		if ((route = add(routes)) == NULL)
			return -1;
		memcpy(route->value, of_service->value, sizeof(route->value));
		snprintf(route->key, sizeof(route->key), "revoked/%s",
		    share->id);
	}
	return 0;
}

static int
add_hosts(struct routes *routes, const struct service *service,
    const struct route *of_service)
{
	char key[ROUTE_KEY_MAX];
	struct route *route;
	const char *host;
	size_t at = 0;

	while ((host = hosts_next(service, &at)) != NULL) {
		if (!service_host_key(service, host, key))
			continue;
		if ((route = add(routes)) == NULL)
			return -1;
		*route = *of_service;
		memcpy(route->key, key, sizeof(route->key));
		route->is_further = true;
	}
	return 0;
}

/* Lists and revocations before the route that is the reason to ask them. */
static int
add_service(
    struct routes *routes, const struct service *service, uint64_t now_ms)
{
	const struct access_rule *rule = rule_of(service);
	struct route of_service, *route;

	service_route(service, &of_service);
	if (rule != NULL && rule->mode == ACCESS_ALLOW &&
	    add_list(routes, service, rule, &of_service) != 0)
		return -1;
	if (rule != NULL &&
	    add_revoked(routes, service, &of_service, now_ms) != 0)
		return -1;
	if ((route = add(routes)) == NULL)
		return -1;
	*route = of_service;
	return add_hosts(routes, service, &of_service);
}

int
device_routes(const struct device *device, uint64_t now_ms,
    struct route **out, size_t *n)
{
	struct routes routes = {0};
	const struct service *service;

	LIST_FOREACH (service, &device->services, link)
		if (device->access_known && service_is_open(service) &&
		    add_service(&routes, service, now_ms) != 0) {
			free(routes.items);
			return -1;
		}
	*out = routes.items;
	*n = routes.n;
	return 0;
}
