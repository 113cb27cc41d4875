/* SPDX-License-Identifier: MIT */
/*
 * The PROXY protocol, version 2 (HAProxy's doc/proxy-protocol.txt, section 2.2): what a proxy says
 * in front of a connection's bytes about who is behind it. Version 1 is neither read nor written.
 */
#ifndef TAUPE_WIRE_PROXY_HEADER_H
#define TAUPE_WIRE_PROXY_HEADER_H

#include "wire/cursor.h"
#include "wire/result.h"

/* Bytes of a header that is taken: addresses, and 2 KiB of what we do not read. */
#define PROXY_HEADER_MAX 2048
#define PROXY_HEADER_WRITTEN_MAX 52

enum proxy_family {
	PROXY_NONE, /* LOCAL, or addresses that are none of TCP: the connection's own hold */
	PROXY_IPV4,
	PROXY_IPV6
};

struct proxy_end {
	uint8_t ip[16]; /* IPv4: the first four; network byte order */
	uint16_t port;
};

struct proxy_header {
	enum proxy_family family;
	struct proxy_end from, to; /* all zeros with PROXY_NONE */
	bool tls; /* the proxy's client came with TLS */
	const char *error; /* on WIRE_BAD: a static text */
};

/* Parse the header at the start of in. WIRE_BAD as soon as it can be none. *consumed is set on
 * WIRE_DONE only. */
WIRE_MUST_CHECK enum wire_result proxy_header_parse(const uint8_t *in,
    size_t len, struct proxy_header *header, size_t *consumed);
/* Write it; PROXY_NONE becomes LOCAL. Returns its length. */
size_t proxy_header_write(const struct proxy_header *header,
    uint8_t out[PROXY_HEADER_WRITTEN_MAX]);

#endif
