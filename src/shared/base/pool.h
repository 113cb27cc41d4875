/* SPDX-License-Identifier: MIT */
/*
 * Objects of one size that come and go all the time: those that are given back are kept
 * for the next ones, up to a number, so that in a steady state nothing is allocated.
 */
#ifndef TAUPE_BASE_POOL_H
#define TAUPE_BASE_POOL_H

#include <stddef.h>
#include <sys/queue.h>

struct pool {
	SLIST_HEAD(, pool_entry) free;
	size_t size; /* of an object */
	size_t kept, most;
};

/* Keep up to `most` objects of `size` bytes. */
void pool_init(struct pool *pool, size_t size, size_t most);
/* Free what is kept. What was handed out is not its business. */
void pool_fini(struct pool *pool);

/* An object, all zeros; NULL when there is no memory. */
void *pool_get(struct pool *pool);
/* Give it back. */
void pool_put(struct pool *pool, void *object);

#endif
