/* SPDX-License-Identifier: MIT */
/*
 * What the system knows about the way that a TCP connection takes: what it has cost, whether
 * all of it has arrived, and over which network it goes. Each of these is known on Linux; where it is
 * not, the answer says so.
 */
#ifndef TAUPE_NET_WAY_H
#define TAUPE_NET_WAY_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/str.h"

/* Does it go over IPv6? Stays so: asked once, for way_bytes(). */
bool way_is_ipv6(int fd);

/* Bytes of its packets so far, in both directions, retransmissions and acknowledgements among
 * them, with the headers of TCP, IP and Ethernet. False: not known. */
bool way_bytes(int fd, bool ipv6, uint64_t *bytes);

/* Has the peer's TCP acknowledged all that the system was given? -1: not known. */
int way_is_acked(int fd);

/*
 * A number for the network between here and a host, the same when the device comes back to it: of
 * the interface where that leads to one network only, else of the address range and the gateway;
 * and of the host's name. Needs no rights.
 */
uint32_t way_network(int fd, struct str host);

#endif
