/* SPDX-License-Identifier: MIT */
/*
 * An intrusive hash map with text keys: the nodes stand inside the caller's structs, so
 * that an entry costs two words and no allocation. Keys are the caller's, too: a node is
 * found by comparing its key, which key_cb reads out of the struct around it.
 */
#ifndef TAUPE_BASE_HASH_MAP_H
#define TAUPE_BASE_HASH_MAP_H

#include "wire/str.h"

struct hash_node {
	struct hash_node *next;
	uint64_t hash;
};

struct hash_map {
	struct hash_node **buckets;
	size_t n_buckets; /* a power of two, or 0 before the first insert */
	size_t count;
	struct str (*key_cb)(const struct hash_node *node);
};

/* From a node to the struct around it. */
#define HASH_ENTRY(node, type, member)                                         \
	((type *)(void *)((char *)(node)-offsetof(type, member)))

void hash_map_init(
    struct hash_map *map, struct str (*key_cb)(const struct hash_node *node));
/* Free the table; the entries are the caller's. */
void hash_map_fini(struct hash_map *map);
struct hash_node *hash_map_find(const struct hash_map *map, struct str key);
/* The next entry with the same key as this one of the map, for maps whose keys may repeat. */
struct hash_node *hash_map_find_next(
    const struct hash_map *map, const struct hash_node *node);
/* A key may be in the map several times, if the caller can do with that. -1: no memory. */
int hash_map_insert(struct hash_map *map, struct hash_node *node);
/* Precondition: it is in the map. */
void hash_map_remove(struct hash_map *map, struct hash_node *node);
/* Visit the entries of the bucket *at, and go on to the next one, or to the first again: who
 * begins with 0 and calls n_buckets times has seen all that were there. The callback may not
 * remove. */
void hash_map_step(struct hash_map *map, size_t *at,
    void (*cb)(void *ctx, struct hash_node *node), void *ctx);
/* Visit every entry; the callback may remove the one that it is given. */
void hash_map_each(struct hash_map *map,
    void (*cb)(void *ctx, struct hash_node *node), void *ctx);

#endif
