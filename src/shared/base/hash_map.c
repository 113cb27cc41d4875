/* SPDX-License-Identifier: MIT */
/*
 * Chained buckets that double when there are more than two entries a bucket: the hash stands
 * in the node, so that one entry more to pass costs less than the memory of an empty bucket.
 * The hash is FNV-1a from a seed drawn per process, because some keys come from outside.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/hash_map.h"

#define FIRST_BUCKETS 32
#define ENTRIES_PER_BUCKET 2

static uint64_t
seed(void)
{
	static uint64_t value;

	if (value == 0) {
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		value = ((uint64_t)now.tv_nsec << 24) ^ (uint64_t)now.tv_sec ^
		    ((uint64_t)getpid() << 40) ^ UINT64_C(0xcbf29ce484222325);
		value |= 1;
	}
	return value;
}

static uint64_t
hash_of(struct str key)
{
	uint64_t hash = seed();
	size_t i;

	for (i = 0; i < key.len; i++)
		hash = (hash ^ (uint8_t)key.ptr[i]) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 32;
}

static struct hash_node **
bucket_of(const struct hash_map *map, uint64_t hash)
{
	return &map->buckets[hash & (map->n_buckets - 1)];
}

void
hash_map_init(
    struct hash_map *map, struct str (*key_cb)(const struct hash_node *node))
{
	*map = (struct hash_map){.key_cb = key_cb};
}

void
hash_map_fini(struct hash_map *map)
{
	free(map->buckets);
	map->buckets = NULL;
	map->n_buckets = map->count = 0;
}

static int
grow(struct hash_map *map)
{
	struct hash_map wider = *map;
	size_t i;

	wider.n_buckets = map->n_buckets ? map->n_buckets * 2 : FIRST_BUCKETS;
	wider.buckets = calloc(wider.n_buckets, sizeof(struct hash_node *));
	if (wider.buckets == NULL)
		return map->n_buckets ? 0
				      : -1; /* a full table only gets slower */
	for (i = 0; i < map->n_buckets; i++)
		while (map->buckets[i] != NULL) {
			struct hash_node *node = map->buckets[i];
			struct hash_node **to = bucket_of(&wider, node->hash);

			map->buckets[i] = node->next;
			node->next = *to;
			*to = node;
		}
	free(map->buckets);
	*map = wider;
	return 0;
}

/* From this node of a bucket on. */
static struct hash_node *
find_from(const struct hash_map *map, struct hash_node *node, uint64_t hash,
    struct str key)
{
	while (node != NULL &&
	    !(node->hash == hash && str_equal(map->key_cb(node), key)))
		node = node->next;
	return node;
}

struct hash_node *
hash_map_find(const struct hash_map *map, struct str key)
{
	uint64_t hash = hash_of(key);

	return find_from(
	    map, map->n_buckets ? *bucket_of(map, hash) : NULL, hash, key);
}

struct hash_node *
hash_map_find_next(const struct hash_map *map, const struct hash_node *node)
{
	return find_from(map, node->next, node->hash, map->key_cb(node));
}

int
hash_map_insert(struct hash_map *map, struct hash_node *node)
{
	struct hash_node **bucket;

	if (map->count >= ENTRIES_PER_BUCKET * map->n_buckets && grow(map) != 0)
		return -1;
	node->hash = hash_of(map->key_cb(node));
	bucket = bucket_of(map, node->hash);
	node->next = *bucket;
	*bucket = node;
	map->count++;
	return 0;
}

void
hash_map_remove(struct hash_map *map, struct hash_node *node)
{
	struct hash_node **at = bucket_of(map, node->hash);

	while (*at != node) {
		assert(*at != NULL);
		at = &(*at)->next;
	}
	*at = node->next;
	map->count--;
}

void
hash_map_each(struct hash_map *map,
    void (*cb)(void *ctx, struct hash_node *node), void *ctx)
{
	size_t i;

	for (i = 0; i < map->n_buckets; i++) {
		struct hash_node *node = map->buckets[i], *next;

		for (; node != NULL; node = next) {
			next = node->next;
			cb(ctx, node);
		}
	}
}

void
hash_map_step(struct hash_map *map, size_t *at,
    void (*cb)(void *ctx, struct hash_node *node), void *ctx)
{
	struct hash_node *node;

	if (*at >= map->n_buckets)
		*at = 0;
	if (map->n_buckets == 0)
		return;
	for (node = map->buckets[*at]; node != NULL; node = node->next)
		cb(ctx, node);
	(*at)++;
}
