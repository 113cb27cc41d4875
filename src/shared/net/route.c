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
    "http", "sni", "tcp", "relay", "allow", "revoked"};

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

/* LIST/4/HEX or LIST/6/HEX: the first digits of an address, as HAProxy's hex writes it */
static bool
list_key_valid(struct str key)
{
	struct str list, family, digits;

	return str_split(key, '/', &list, &family) &&
	    str_split(family, '/', &family, &digits) &&
	    list.len == ROUTE_LIST_LEN && str_only(list, "09af") &&
	    str_only(digits, "09AF") &&
	    ((str_is(family, "4") && digits.len <= 8) ||
		(str_is(family, "6") && digits.len <= 32));
}

bool
route_kind_has_access(enum route_kind kind)
{
	return kind == ROUTE_HTTP || kind == ROUTE_SNI || kind == ROUTE_TCP;
}

bool
route_key_valid(enum route_kind kind, struct str key)
{
	uint16_t port;

	if (kind == ROUTE_TCP)
		return port_parse(key, &port);
	if (kind == ROUTE_ALLOW)
		return list_key_valid(key);
	if (kind == ROUTE_REVOKED)
		return key.len > 0 && key.len <= 64 && str_only(key, "09af");
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

/* Base64 with padding of so many bytes (RFC 4648 section 4). */
static bool
base64_valid(struct str text, size_t bytes)
{
	size_t pad = (3 - bytes % 3) % 3;

	if (text.len != 4 * ((bytes + 2) / 3))
		return false;
	for (size_t i = text.len - pad; i < text.len; i++)
		if (text.ptr[i] != '=')
			return false;
	text.len -= pad;
	return str_only(text, "azAZ09++//");
}

bool
route_access_valid(struct str text)
{
	struct str mode, key, more, last;
	bool has_more;

	if (text.len >= ROUTE_ACCESS_TEXT_MAX ||
	    !str_split(text, ',', &mode, &key))
		return false;
	has_more = str_split(key, ',', &key, &more);
	if (!base64_valid(key, 32))
		return false;
	if (str_is(mode, "private"))
		return !has_more;
	if (str_is(mode, "allow"))
		return has_more && more.len == ROUTE_LIST_LEN &&
		    str_only(more, "09af");
	return str_is(mode, "password") && has_more &&
	    str_split(more, ',', &more, &last) && base64_valid(more, 16) &&
	    base64_valid(last, 32);
}

static bool
place_parse(struct str ip, struct str port, struct route_target *target)
{
	char ip_text[INET6_ADDRSTRLEN];

	memset(target, 0, sizeof(*target));
	if (!port_parse(port, &target->port) ||
	    memchr(ip.ptr, '\0', ip.len) != NULL ||
	    !str_copy(ip, ip_text, sizeof(ip_text)))
		return false;
	if (inet_pton(AF_INET, ip_text, target->ip) == 1)
		target->ip_len = 4;
	else if (inet_pton(AF_INET6, ip_text, target->ip) == 1)
		target->ip_len = 16;
	return target->ip_len != 0;
}

static bool
access_parse(struct str text, struct route_target *target)
{
	if (!route_access_valid(text))
		return false;
	target->access = text.ptr;
	target->access_len = (uint8_t)text.len;
	return true;
}

bool
route_target_parse(struct str text, struct route_target *target)
{
	struct str ip, port, access;

	if (!str_split(text, ',', &ip, &port))
		return false;
	if (!str_split(port, ',', &port, &access))
		return place_parse(ip, port, target);
	return place_parse(ip, port, target) && access_parse(access, target);
}

bool
route_value_parse(struct str text, struct route_target *target, uint64_t *epoch)
{
	struct str ip, port, number, access;
	bool has_access;

	if (!str_split(text, ',', &ip, &port) ||
	    !str_split(port, ',', &port, &number))
		return false;
	has_access = str_split(number, ',', &number, &access);
	return str_to_number(number, UINT64_MAX, epoch) &&
	    place_parse(ip, port, target) &&
	    (!has_access || access_parse(access, target));
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
	if (target->access == NULL)
		snprintf(out, ROUTE_VALUE_TEXT_MAX, "%s,%u", ip, target->port);
	else
		snprintf(out, ROUTE_VALUE_TEXT_MAX, "%s,%u,%.*s", ip,
		    target->port, (int)target->access_len, target->access);
	return out;
}

struct str
route_text_shown(struct str text)
{
	unsigned commas = 0;

	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] == ',' && ++commas == 3)
			return (struct str){text.ptr, i};
	return text;
}

bool
route_target_equal(const struct route_target *a, const struct route_target *b)
{
	return a->ip_len == b->ip_len && a->port == b->port &&
	    memcmp(a->ip, b->ip, sizeof(a->ip)) == 0 &&
	    str_equal((struct str){a->access, a->access_len},
		(struct str){b->access, b->access_len});
}
