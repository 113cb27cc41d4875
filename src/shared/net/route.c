/* SPDX-License-Identifier: MIT */
/*
 * Keys and values of routes, strict: a value that is not exactly an address, a port and
 * a number, or a key that is no host name in lower case, is no route.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "net/route.h"
#include "wire/host_name.h"

static const char *const kind_names[ROUTE_KINDS] = {
    "http", "sni", "tcp", "relay"};

const char *
route_kind_name(enum route_kind kind)
{
	assert(kind < ROUTE_KINDS);
	return kind_names[kind];
}

static bool
port_parse(struct str text, uint16_t *port)
{
	uint64_t number;

	if (text.len == 0 || text.ptr[0] == '0' ||
	    !str_to_number(text, 65535, &number))
		return false;
	*port = (uint16_t)number;
	return true;
}

bool
route_key_valid(enum route_kind kind, struct str key)
{
	uint16_t port;

	if (kind == ROUTE_TCP)
		return port_parse(key, &port);
	return key.len <= ROUTE_KEY_TEXT_MAX && host_name_valid(key);
}

bool
route_key_parse(struct str text, enum route_kind *kind, struct str *key)
{
	struct str name;
	int i;

	if (!str_split(text, '/', &name, key))
		return false;
	for (i = 0; i < ROUTE_KINDS; i++) {
		if (!str_equal(name, str_of(kind_names[i])))
			continue;
		*kind = (enum route_kind)i;
		return route_key_valid(*kind, *key);
	}
	return false;
}

bool
route_target_parse(struct str text, struct route_target *target)
{
	char ip_text[INET6_ADDRSTRLEN];
	struct str ip, port;

	memset(target, 0, sizeof(*target));
	if (!str_split(text, ',', &ip, &port) ||
	    !port_parse(port, &target->port))
		return false;
	if (memchr(ip.ptr, '\0', ip.len) != NULL ||
	    !str_copy(ip, ip_text, sizeof(ip_text)))
		return false;
	if (inet_pton(AF_INET, ip_text, target->ip) == 1)
		target->ip_len = 4;
	else if (inet_pton(AF_INET6, ip_text, target->ip) == 1)
		target->ip_len = 16;
	return target->ip_len != 0;
}

bool
route_value_parse(struct str text, struct route_target *target, uint64_t *epoch)
{
	struct str ip, rest, port, number;

	if (!str_split(text, ',', &ip, &rest) ||
	    !str_split(rest, ',', &port, &number))
		return false;
	if (!str_to_number(number, UINT64_MAX, epoch))
		return false;
	return route_target_parse(
	    (struct str){text.ptr, ip.len + 1 + port.len}, target);
}

const char *
route_target_text(
    const struct route_target *target, char out[ROUTE_VALUE_TEXT_MAX])
{
	char ip[INET6_ADDRSTRLEN] = "";

	if (target->ip_len == 0) {
		memcpy(out, ROUTE_ANY, sizeof(ROUTE_ANY));
		return out;
	}
	/* cannot fail: the family is known and the room is enough */
	(void)inet_ntop(target->ip_len == 4 ? AF_INET : AF_INET6, target->ip,
	    ip, sizeof(ip));
	snprintf(out, ROUTE_VALUE_TEXT_MAX, "%s,%u", ip, target->port);
	return out;
}

bool
route_target_equal(const struct route_target *a, const struct route_target *b)
{
	return a->ip_len == b->ip_len && a->port == b->port &&
	    memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}
