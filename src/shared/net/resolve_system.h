/* SPDX-License-Identifier: MIT */
/* Where the system keeps its name servers and its own table of hosts. */
#ifndef TAUPE_NET_RESOLVE_SYSTEM_H
#define TAUPE_NET_RESOLVE_SYSTEM_H

#include <stdint.h>

struct evdns_base;

/* Tells one state of both from another. */
struct resolve_stamp {
	uint64_t servers[4], hosts[4];
};

struct resolve_stamp resolve_system_stamp(void);

/* Have evdns ask the servers that the system asks, the local host where there are none; it knows
 * the table of hosts then, too. */
void resolve_system_servers(struct evdns_base *dns);
/* NULL, or that the system has no name server, for people. */
const char *resolve_system_missing(void);
/* The table of hosts alone. */
void resolve_system_hosts(struct evdns_base *dns);

#endif
