/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "net/proxy_end.h"

/* RFC 4291 section 2.5.5.2 */
static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

/* IPv4 that comes mapped into IPv6 is IPv4: a proxy that listens for both at one address sees it so. */
void
proxy_end_to_address(enum proxy_family family, const struct proxy_end *end,
    struct address *address)
{
	const uint8_t *ip = end->ip;

	memset(address, 0, sizeof(*address));
	if (family == PROXY_IPV6 && memcmp(ip, mapped, sizeof(mapped)) == 0) {
		family = PROXY_IPV4;
		ip += sizeof(mapped);
	}
	if (family == PROXY_IPV4) {
		address->in.sin_family = AF_INET;
		memcpy(&address->in.sin_addr, ip, 4);
		address->len = sizeof(address->in);
	} else {
		address->in6.sin6_family = AF_INET6;
		memcpy(&address->in6.sin6_addr, ip, 16);
		address->len = sizeof(address->in6);
	}
	address_set_port(address, end->port);
}

static bool
is_ip(const struct address *address)
{
	return address->len > 0 &&
	    (address->sa.sa_family == AF_INET ||
		address->sa.sa_family == AF_INET6);
}

static void
take_end(const struct address *address, enum proxy_family family,
    struct proxy_end *end)
{
	end->port = address_port(address);
	if (address->sa.sa_family == AF_INET6) {
		memcpy(end->ip, &address->in6.sin6_addr, 16);
	} else if (family == PROXY_IPV4) {
		memcpy(end->ip, &address->in.sin_addr, 4);
	} else {
		memcpy(end->ip, mapped, sizeof(mapped));
		memcpy(end->ip + sizeof(mapped), &address->in.sin_addr, 4);
	}
}

size_t
proxy_header_between(const struct address *from, const struct address *to,
    uint8_t out[PROXY_HEADER_WRITTEN_MAX])
{
	struct proxy_header header = {.family = PROXY_NONE};

	if (is_ip(from) && is_ip(to)) {
		header.family = from->sa.sa_family == AF_INET &&
			to->sa.sa_family == AF_INET
		    ? PROXY_IPV4
		    : PROXY_IPV6;
		take_end(from, header.family, &header.from);
		take_end(to, header.family, &header.to);
	}
	return proxy_header_write(&header, out);
}
