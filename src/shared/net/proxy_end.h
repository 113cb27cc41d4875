/* SPDX-License-Identifier: MIT */
/* Socket addresses in PROXY protocol headers. */
#ifndef TAUPE_NET_PROXY_END_H
#define TAUPE_NET_PROXY_END_H

#include "net/address.h"
#include "wire/proxy_header.h"

/* Precondition: family is not PROXY_NONE. */
void proxy_end_to_address(enum proxy_family family, const struct proxy_end *end,
    struct address *address);
/* Write the header of a connection from `from` to `to`: where only one is IPv6, the other is mapped
 * into that (RFC 4291 section 2.5.5.2); LOCAL where one is none. Returns its length. */
size_t proxy_header_between(const struct address *from,
    const struct address *to, uint8_t out[PROXY_HEADER_WRITTEN_MAX]);

#endif
