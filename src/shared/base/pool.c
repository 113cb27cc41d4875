/* SPDX-License-Identifier: MIT */
/*
 * What is kept is told to the address sanitizer as freed, so that it finds who uses an
 * object after it was given back all the same.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(start, size) ((void)(start), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(start, size) ((void)(start), (void)(size))
#endif

struct pool_entry {
	SLIST_ENTRY(pool_entry) link;
};

void
pool_init(struct pool *pool, size_t size, size_t most)
{
	assert(size >= sizeof(struct pool_entry));
	SLIST_INIT(&pool->free);
	pool->size = size;
	pool->most = most;
	pool->kept = 0;
}

static struct pool_entry *
take(struct pool *pool)
{
	struct pool_entry *entry = SLIST_FIRST(&pool->free);

	if (entry == NULL)
		return NULL;
	SLIST_REMOVE_HEAD(&pool->free, link);
	pool->kept--;
	ASAN_UNPOISON_MEMORY_REGION(entry, pool->size);
	return entry;
}

void
pool_fini(struct pool *pool)
{
	struct pool_entry *entry;

	while ((entry = take(pool)) != NULL)
		free(entry);
}

void *
pool_get(struct pool *pool)
{
	struct pool_entry *entry = take(pool);

	if (entry == NULL)
		return calloc(1, pool->size);
	memset(entry, 0, pool->size);
	return entry;
}

void
pool_put(struct pool *pool, void *object)
{
	struct pool_entry *entry = object;

	if (pool->kept == pool->most) {
		free(object);
		return;
	}
	SLIST_INSERT_HEAD(&pool->free, entry, link);
	pool->kept++;
	ASAN_POISON_MEMORY_REGION(entry + 1, pool->size - sizeof(*entry));
}
