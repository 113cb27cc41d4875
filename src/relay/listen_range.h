/* SPDX-License-Identifier: MIT */
/* An address and the ports on it, as the configuration writes them: where listeners are opened. */
#ifndef TAUPE_RELAY_LISTEN_RANGE_H
#define TAUPE_RELAY_LISTEN_RANGE_H

#include "net/address.h"

struct listen_range {
	struct address address; /* its port is meaningless */
	uint16_t low, high;
};

/* "127.0.0.1:30000-30999", "[::1]:30000-30000", or with a single port. */
bool listen_range_parse(struct str text, struct listen_range *range);

#endif
