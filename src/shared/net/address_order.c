/* SPDX-License-Identifier: MIT */
/*
 * libevent hands on what the name server sent, IPv4 first; a system's getaddrinfo()
 * sorts. The system is asked for its routes by connecting a datagram socket, which sends
 * nothing.
 */
#include "config.h"

#include "net/address_order.h"
#include "net/socket.h"

#define SORTED_MAX 16
#define ANY_PORT 9

/* RFC 6724 section 2.1; the first that fits is the longest that fits. */
static const struct policy {
	uint8_t prefix[16];
	uint8_t bits, precedence, label;
} policies[] = {
    {{[15] = 1}, 128, 50, 0},
    {{[10] = 0xff, [11] = 0xff}, 96, 35, 4},
    {{0}, 96, 1, 3},
    {{0x20, 0x01}, 32, 5, 5},
    {{0x20, 0x02}, 16, 30, 2},
    {{0x3f, 0xfe}, 16, 1, 12},
    {{0xfe, 0xc0}, 10, 1, 11},
    {{0xfc}, 7, 3, 13},
    {{0}, 0, 40, 1},
};

static bool
has_prefix(const uint8_t ip[16], const uint8_t prefix[16], unsigned bits)
{
	unsigned bytes = bits / 8;

	if (memcmp(ip, prefix, bytes) != 0)
		return false;
	return bits % 8 == 0 ||
	    (ip[bytes] ^ prefix[bytes]) >> (8 - bits % 8) == 0;
}

static const struct policy *
policy_of(const struct address *address)
{
	uint8_t ip[16] = {
	    [10] = 0xff, [11] = 0xff}; /* IPv4 as its mapped address */
	const struct policy *policy = policies;

	if (address->sa.sa_family == AF_INET6)
		memcpy(ip, &address->in6.sin6_addr, sizeof(ip));
	else
		memcpy(ip + 12, &address->in.sin_addr, 4);
	while (!has_prefix(ip, policy->prefix, policy->bits))
		policy++;
	return policy;
}

/* The address that the system would send from; false when it has no route. */
static bool
source_for(const struct address *to, struct address *source)
{
	struct address probe = *to;
	evutil_socket_t fd = socket_open(to->sa.sa_family, SOCK_DGRAM);
	bool found;

	if (fd < 0)
		return false;
	address_set_port(&probe, ANY_PORT);
	found = socket_connect(fd, &probe.sa, probe.len) == 0;
	if (found)
		address_of_socket(fd, source);
	socket_close(fd);
	return found && source->len > 0;
}

static unsigned
merit(const struct address *to)
{
	const struct policy *policy = policy_of(to);
	struct address source;

	if (!source_for(to, &source))
		return policy->precedence;
	if (policy_of(&source)->label != policy->label)
		return 1000 + policy->precedence;
	return 2000 + policy->precedence;
}

void
address_order(struct address *addresses, size_t n)
{
	unsigned merits[SORTED_MAX];

	if (n > SORTED_MAX)
		n = SORTED_MAX;
	for (size_t i = 0; i < n; i++) {
		struct address address = addresses[i];
		unsigned own = merit(&address);
		size_t at = i;

		for (; at > 0 && merits[at - 1] < own; at--) {
			merits[at] = merits[at - 1];
			addresses[at] = addresses[at - 1];
		}
		merits[at] = own;
		addresses[at] = address;
	}
}
