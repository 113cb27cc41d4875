/* SPDX-License-Identifier: MIT */
/* Which of a host's addresses to try first (RFC 6724 section 6). */
#ifndef TAUPE_NET_ADDRESS_ORDER_H
#define TAUPE_NET_ADDRESS_ORDER_H

#include "net/address.h"

/*
 * Put the best destination first: one that this system has a route to (rule 1), from a
 * source of the same kind (rule 5: no global IPv6 address from a private one), of the
 * higher precedence (rule 6: IPv6 before IPv4). What is equal keeps its order, the name
 * server's. At most 16 addresses are sorted.
 */
void address_order(struct address *addresses, size_t n);

#endif
