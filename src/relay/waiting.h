/* SPDX-License-Identifier: MIT */
/* Bytes that were read of a connection, and are not passed on yet. */
#ifndef TAUPE_RELAY_WAITING_H
#define TAUPE_RELAY_WAITING_H

#include "net/buf.h"

/* They are at..at+len of the buffer. No buffer: none. All zeros is empty. */
struct waiting {
	struct buf *buf;
	uint32_t at, len;
};

/* Precondition: there are some, or there is a buffer with room for them. */
uint8_t *waiting_data(const struct waiting *waiting);
/* So many of them are done with; the buffer goes with the last one. */
void waiting_consume(struct waiting *waiting, size_t len);
/* Move up to cap bytes to out: how many. */
size_t waiting_take(struct waiting *waiting, uint8_t *out, size_t cap);
/* Have room for more behind them. -1: no memory, or they are as many as can be. */
int waiting_make_room(struct waiting *waiting);
/* Keep a copy. Precondition: there are none. -1: no memory. */
int waiting_keep(struct waiting *waiting, const uint8_t *data, size_t len);

#endif
