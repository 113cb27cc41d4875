/* SPDX-License-Identifier: MIT */
/* Socket addresses: "192.0.2.1:80", "[2001:db8::1]:443", to and from text. */
#ifndef TAUPE_NET_ADDRESS_H
#define TAUPE_NET_ADDRESS_H

#include <event2/util.h>
#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#else
#include <sys/socket.h>
#include <netinet/in.h>
#endif

#include "wire/str.h"

#define ADDRESS_TEXT_MAX 64 /* bytes, the NUL included */

struct address {
	socklen_t len; /* 0: none */
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
};

/* Parse numeric "ip:port"; port 0 is allowed. Names are not looked up. */
bool address_parse(struct str text, struct address *address);
/* Parse a numeric address without a port ("::1", "[::1]" and "127.0.0.1" are fine). */
bool address_parse_ip(struct str text, uint16_t port, struct address *address);
/* "ip:port"; "-" when there is none. Returns out. */
const char *address_text(const struct address *address, char out[ADDRESS_TEXT_MAX]);
/* The address alone, without port and brackets. */
const char *address_ip_text(const struct address *address, char out[ADDRESS_TEXT_MAX]);
uint16_t address_port(const struct address *address);
void address_set_port(struct address *address, uint16_t port);
/* 127.0.0.0/8, ::1 and ::ffff:127.0.0.0/104 */
bool address_is_loopback(const struct address *address);
/* 0.0.0.0 or :: */
bool address_is_wildcard(const struct address *address);
/* The addresses of a socket's two ends; *len is 0 when the system gives none. */
void address_of_peer(evutil_socket_t fd, struct address *address);
void address_of_socket(evutil_socket_t fd, struct address *address);

#endif
