/* SPDX-License-Identifier: MIT */
/*
 * Numeric socket addresses to and from text. Nothing here looks a name up: that takes
 * time, and belongs to resolve.
 */
#include <stdio.h>

#include "net/address.h"
#include "net/socket.h"
#include "wire/cursor.h"

#define IP_TEXT_MAX INET6_ADDRSTRLEN

static void
set_in(struct address *address, struct in_addr ip, uint16_t port)
{
	memset(address, 0, sizeof(*address));
	address->in.sin_family = AF_INET;
	address->in.sin_addr = ip;
	address->in.sin_port = htons(port);
	address->len = sizeof(address->in);
}

static void
set_in6(struct address *address, struct in6_addr ip, uint16_t port)
{
	memset(address, 0, sizeof(*address));
	address->in6.sin6_family = AF_INET6;
	address->in6.sin6_addr = ip;
	address->in6.sin6_port = htons(port);
	address->len = sizeof(address->in6);
}

bool
address_parse_ip(struct str text, uint16_t port, struct address *address)
{
	char copy[IP_TEXT_MAX];
	struct in_addr ip;
	struct in6_addr ip6;
	bool bracketed = text.len >= 2 && text.ptr[0] == '[' &&
	    text.ptr[text.len - 1] == ']';

	address->len = 0;
	if (bracketed)
		text = (struct str){text.ptr + 1, text.len - 2};
	if (text.len == 0 || memchr(text.ptr, '\0', text.len) != NULL ||
	    !str_copy(text, copy, sizeof(copy)))
		return false;
	if (!bracketed && inet_pton(AF_INET, copy, &ip) == 1) {
		set_in(address, ip, port);
		return true;
	}
	if (inet_pton(AF_INET6, copy, &ip6) == 1) {
		set_in6(address, ip6, port);
		return true;
	}
	return false;
}

bool
address_parse(struct str text, struct address *address)
{
	struct str ip, digits;
	uint64_t port;
	size_t colon = text.len;

	address->len = 0;
	while (colon > 0 && text.ptr[colon - 1] != ':')
		colon--;
	if (colon == 0)
		return false;
	ip = (struct str){text.ptr, colon - 1};
	digits = (struct str){text.ptr + colon, text.len - colon};
	/* Without brackets, "::1:80" could be an address as well as address and port. */
	if (ip.len == 0 ||
	    (ip.ptr[0] != '[' && memchr(ip.ptr, ':', ip.len) != NULL))
		return false;
	if (!str_to_number(digits, UINT16_MAX, &port))
		return false;
	return address_parse_ip(ip, (uint16_t)port, address);
}

/* False when there is no address, or one that is not of the internet. Each visitor's is told to
 * its agent: without the C library's formatting, which inet_ntop() uses, for most. */
static bool
write_ip(struct writer *w, const struct address *address)
{
	const uint8_t *bytes = (const uint8_t *)&address->in.sin_addr;
	char text[IP_TEXT_MAX];

	if (address->len == 0)
		return false;
	if (address->sa.sa_family == AF_INET6 &&
	    inet_ntop(AF_INET6, &address->in6.sin6_addr, text, sizeof(text)) !=
		NULL) {
		writer_cstr(w, text);
		return true;
	}
	if (address->sa.sa_family != AF_INET)
		return false;
	for (int i = 0; i < 4; i++) {
		if (i > 0)
			writer_char(w, '.');
		writer_u64(w, bytes[i]);
	}
	return true;
}

const char *
address_text(const struct address *address, char out[ADDRESS_TEXT_MAX])
{
	bool brackets = address->len > 0 && address->sa.sa_family == AF_INET6;
	struct writer w;

	writer_init(&w, out, ADDRESS_TEXT_MAX - 1);
	if (brackets)
		writer_char(&w, '[');
	if (write_ip(&w, address)) {
		if (brackets)
			writer_char(&w, ']');
		writer_char(&w, ':');
		writer_u64(&w, address_port(address));
	} else {
		writer_char(&w, '-');
	}
	*w.at = '\0';
	return out;
}

const char *
address_ip_text(const struct address *address, char out[ADDRESS_TEXT_MAX])
{
	struct writer w;

	writer_init(&w, out, ADDRESS_TEXT_MAX - 1);
	if (!write_ip(&w, address))
		writer_char(&w, '-');
	*w.at = '\0';
	return out;
}

uint16_t
address_port(const struct address *address)
{
	if (address->len == 0)
		return 0;
	if (address->sa.sa_family == AF_INET)
		return ntohs(address->in.sin_port);
	if (address->sa.sa_family == AF_INET6)
		return ntohs(address->in6.sin6_port);
	return 0;
}

void
address_set_port(struct address *address, uint16_t port)
{
	if (address->len == 0)
		return;
	if (address->sa.sa_family == AF_INET)
		address->in.sin_port = htons(port);
	else if (address->sa.sa_family == AF_INET6)
		address->in6.sin6_port = htons(port);
}

bool
address_is_loopback(const struct address *address)
{
	const struct in6_addr *ip6 = &address->in6.sin6_addr;

	if (address->len == 0)
		return false;
	if (address->sa.sa_family == AF_INET)
		return ntohl(address->in.sin_addr.s_addr) >> 24 == 127;
	if (address->sa.sa_family != AF_INET6)
		return false;
	return IN6_IS_ADDR_LOOPBACK(ip6) ||
	    (IN6_IS_ADDR_V4MAPPED(ip6) && ip6->s6_addr[12] == 127);
}

bool
address_is_wildcard(const struct address *address)
{
	if (address->len == 0)
		return false;
	if (address->sa.sa_family == AF_INET)
		return address->in.sin_addr.s_addr == htonl(INADDR_ANY);
	return address->sa.sa_family == AF_INET6 &&
	    IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr);
}

static void
address_of(int (*ask)(evutil_socket_t, struct sockaddr *, socklen_t *),
    evutil_socket_t fd, struct address *address)
{
	memset(address, 0, sizeof(*address));
	address->len = sizeof(address->in6);
	if (ask(fd, &address->sa, &address->len) != 0 ||
	    (address->sa.sa_family != AF_INET &&
		address->sa.sa_family != AF_INET6))
		address->len = 0;
}

static int
ask_peer(evutil_socket_t fd, struct sockaddr *sa, socklen_t *len)
{
	return getpeername(fd, sa, len);
}

static int
ask_socket(evutil_socket_t fd, struct sockaddr *sa, socklen_t *len)
{
	return getsockname(fd, sa, len);
}

void
address_of_peer(evutil_socket_t fd, struct address *address)
{
	address_of(ask_peer, fd, address);
}

void
address_of_socket(evutil_socket_t fd, struct address *address)
{
	address_of(ask_socket, fd, address);
}
