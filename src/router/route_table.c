/* SPDX-License-Identifier: MIT */
/*
 * A vector of entries, which gives a stable order to walk in, and an index for each kind.
 * A slot of the vector that has become free is used again, but an entry never moves.
 */
#include <assert.h>
#include <stdlib.h>

#include "router/route_table.h"

struct route_table {
	struct route_entry **slots; /* NULL: free */
	uint32_t *free_slots;	    /* as many as slots has room for */
	uint32_t n_slots, slots_room, n_free;
	struct hash_map index[ROUTE_KINDS];
	size_t live[ROUTE_KINDS];
	uint8_t mark; /* of the snapshot at hand */
	bool believe;
	route_changed_cb cb;
	void *ctx;
};

static struct route_entry *
entry_of(const struct hash_node *node)
{
	return HASH_ENTRY(node, struct route_entry, node);
}

static struct str
node_key_cb(const struct hash_node *node)
{
	return route_entry_key(entry_of(node));
}

struct route_table *
route_table_new(route_changed_cb cb, void *ctx)
{
	struct route_table *table = calloc(1, sizeof(*table));
	int i;

	if (table == NULL)
		return NULL;
	table->cb = cb;
	table->ctx = ctx;
	table->mark = 1;
	for (i = 0; i < ROUTE_KINDS; i++)
		hash_map_init(&table->index[i], node_key_cb);
	return table;
}

static void
entry_free(struct route_entry *entry)
{
	if (entry == NULL)
		return;
	free((char *)(uintptr_t)entry->target.access);
	free(entry);
}

void
route_table_free(struct route_table **table)
{
	uint32_t i;

	if (*table == NULL)
		return;
	for (i = 0; i < (*table)->n_slots; i++)
		entry_free((*table)->slots[i]);
	for (i = 0; i < ROUTE_KINDS; i++)
		hash_map_fini(&(*table)->index[i]);
	free((*table)->slots);
	free((*table)->free_slots);
	free(*table);
	*table = NULL;
}

/* Live or not. */
static struct route_entry *
find_entry(struct route_table *table, enum route_kind kind, struct str key)
{
	struct hash_node *node = hash_map_find(&table->index[kind], key);

	return node == NULL ? NULL : entry_of(node);
}

static int
grow_slots(struct route_table *table)
{
	uint32_t room = table->slots_room == 0
	    ? 256
	    : table->slots_room + table->slots_room / 2;
	struct route_entry **slots =
	    realloc(table->slots, room * sizeof(*slots));
	uint32_t *free_slots;

	if (slots == NULL)
		return -1;
	table->slots = slots;
	free_slots = realloc(table->free_slots, room * sizeof(*free_slots));
	if (free_slots == NULL)
		return -1;
	table->free_slots = free_slots;
	table->slots_room = room;
	return 0;
}

static struct route_entry *
add_entry(struct route_table *table, enum route_kind kind, struct str key)
{
	struct route_entry *entry;

	assert(key.len <= ROUTE_KEY_TEXT_MAX);
	if (table->n_free == 0 && table->n_slots == table->slots_room &&
	    grow_slots(table) != 0)
		return NULL;
	entry = calloc(1, sizeof(*entry) + key.len);
	if (entry == NULL)
		return NULL;
	entry->kind = (uint8_t)kind;
	entry->key_len = (uint8_t)key.len;
	memcpy(entry->key, key.ptr, key.len);
	if (hash_map_insert(&table->index[kind], &entry->node) != 0) {
		free(entry);
		return NULL;
	}
	entry->slot = table->n_free > 0 ? table->free_slots[--table->n_free]
					: table->n_slots++;
	table->slots[entry->slot] = entry;
	return entry;
}

void
route_table_release(struct route_table *table, struct route_entry *entry)
{
	if (entry->live || entry->dirty != 0 || entry->overlaid[0] != 0 ||
	    entry->overlaid[1] != 0)
		return;
	hash_map_remove(&table->index[entry->kind], &entry->node);
	table->slots[entry->slot] = NULL;
	table->free_slots[table->n_free++] = entry->slot;
	entry_free(entry);
}

struct route_entry *
route_table_find(
    struct route_table *table, enum route_kind kind, struct str key)
{
	struct route_entry *entry = find_entry(table, kind, key);

	return entry != NULL && entry->live ? entry : NULL;
}

static bool
is_outdated(const struct route_table *table, const struct route_entry *entry,
    uint64_t epoch, enum route_source source)
{
	if (!entry->live)
		return false;
	if (source == ROUTE_FROM_FILE ||
	    (entry->derived && source != ROUTE_DERIVED))
		return true;
	return source == ROUTE_FROM_SNAPSHOT && !table->believe &&
	    epoch < entry->epoch;
}

/* Few routes have one, so that it is by itself. -1: no memory. */
static int
take_target(struct route_entry *entry, const struct route_target *target)
{
	char *access = NULL;

	if (target->access != NULL) {
		if ((access = malloc(target->access_len)) == NULL)
			return -1;
		memcpy(access, target->access, target->access_len);
	}
	free((char *)(uintptr_t)entry->target.access);
	entry->target = *target;
	entry->target.access = access;
	return 0;
}

/* What there was before, if anything, lets in whom this does not. */
static bool
is_stricter(const struct route_entry *entry, const struct route_target *target)
{
	const struct route_target *before = &entry->target;

	if (entry->kind == ROUTE_REVOKED)
		return !entry->live;
	return before->ip_len > 0 && target->access != NULL &&
	    !str_equal((struct str){before->access, before->access_len},
		(struct str){target->access, target->access_len});
}

int
route_table_put(struct route_table *table, enum route_kind kind, struct str key,
    const struct route_target *target, uint64_t epoch, enum route_source source)
{
	struct route_entry *entry = find_entry(table, kind, key);
	bool changed, stricter;

	if (entry == NULL)
		entry = add_entry(table, kind, key);
	if (entry == NULL)
		return -1;
	if (is_outdated(table, entry, epoch, source))
		return 0;
	changed = !entry->live || !route_target_equal(&entry->target, target);
	stricter = is_stricter(entry, target);
	if (changed && take_target(entry, target) != 0) {
		route_table_release(table, entry);
		return -1;
	}
	table->live[kind] += !entry->live;
	entry->live = true;
	entry->epoch = epoch;
	entry->derived = source == ROUTE_DERIVED;
	entry->doubtful = source == ROUTE_FROM_FILE;
	entry->mark = entry->doubtful ? 0 : table->mark;
	entry->stricter = stricter;
	if (changed)
		table->cb(table->ctx, entry);
	return 0;
}

static void
remove_entry(struct route_table *table, struct route_entry *entry)
{
	entry->live = entry->stricter = false;
	table->live[entry->kind]--;
	table->cb(table->ctx, entry);
	route_table_release(table, entry);
}

void
route_table_remove(struct route_table *table, enum route_kind kind,
    struct str key, bool derived)
{
	struct route_entry *entry = route_table_find(table, kind, key);

	if (entry != NULL && entry->derived == derived)
		remove_entry(table, entry);
}

void
route_table_begin_snapshot(struct route_table *table, bool believe)
{
	uint32_t i;

	table->believe = believe;
	if (++table->mark != 0)
		return;
	/* once round: no old mark may look like a new one */
	for (i = 0; i < table->n_slots; i++)
		if (table->slots[i] != NULL)
			table->slots[i]->mark = 0;
	table->mark = 1;
}

size_t
route_table_end_snapshot(struct route_table *table, bool keep_missing)
{
	struct route_entry *entry;
	size_t n = 0;
	uint32_t i;

	table->believe = false;
	for (i = 0; i < table->n_slots; i++) {
		entry = table->slots[i];
		if (entry == NULL || !entry->live || entry->derived ||
		    entry->mark == table->mark)
			continue;
		n++;
		if (keep_missing)
			entry->doubtful = true;
		else
			remove_entry(table, entry);
	}
	return n;
}

size_t
route_table_count(const struct route_table *table, enum route_kind kind)
{
	return table->live[kind];
}

struct route_entry *
route_table_next(
    struct route_table *table, enum route_kind kind, size_t *cursor)
{
	struct route_entry *entry;

	while (*cursor < table->n_slots) {
		entry = table->slots[(*cursor)++];
		if (entry != NULL && entry->live && entry->kind == kind)
			return entry;
	}
	return NULL;
}
