/* SPDX-License-Identifier: MIT */
/* The name servers of a configuration: "9.9.9.9, [2620:fe::fe]:53". */
#ifndef TAUPE_NET_NAME_SERVERS_H
#define TAUPE_NET_NAME_SERVERS_H

#include "net/address.h"

/* Asking them all, a second each, must be over before a dial is given up. */
#define NAME_SERVERS_MAX 4

struct name_servers {
	size_t n; /* 0: those of the system */
	struct address list[NAME_SERVERS_MAX];
};

/* Add the servers of text: numeric addresses with commas between them, each with a port or
 * without one (53). False when one is malformed or there are too many; then some may have
 * been added. */
bool name_servers_add(struct name_servers *servers, struct str text);

#endif
