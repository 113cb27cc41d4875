/* SPDX-License-Identifier: MIT */
/*
 * The router's mirror of the registry's routes, compact: one small allocation a route
 * (about 90 bytes with a usual host name) and 20 bytes of index. It knows which route is
 * newer, which one the registry no longer confirms, and which HAProxy still has to hear
 * of a change; it knows neither Redis nor HAProxy.
 */
#ifndef TAUPE_ROUTER_ROUTE_TABLE_H
#define TAUPE_ROUTER_ROUTE_TABLE_H

#include "base/hash_map.h"
#include "net/route.h"

#define ROUTE_VIEWERS_MAX 8 /* HAProxy processes: one bit each */
#define ROUTE_OVERLAYS 2    /* maps that HAProxy looks at before the big one */

struct route_entry {
	struct hash_node node;
	uint64_t epoch;
	struct route_target target; /* its access is the entry's own */
	uint32_t slot; /* its place in the table */
	uint8_t kind;  /* enum route_kind */
	uint8_t key_len;
	uint8_t dirty; /* viewers that have not been told of its last change */
	uint8_t overlaid[ROUTE_OVERLAYS]; /* viewers whose overlay has the key */
	uint8_t
	    fresh; /* viewers that were told while a map of theirs was written */
	uint8_t mark; /* the snapshot that saw it last */
	bool
	    live : 1; /* false: the route is gone; kept while a viewer needs the key */
	bool doubtful : 1; /* the registry did not confirm it */
	bool derived : 1;  /* made by the router, not by the registry */
	bool stricter : 1; /* its last change: who was let in before is to be asked, or refused */
	char key[];	   /* key_len characters, no terminator */
};

enum route_source {
	ROUTE_FROM_EVENT,
	ROUTE_FROM_SNAPSHOT,
	ROUTE_FROM_FILE, /* of an earlier run: doubtful until the registry confirms it */
	ROUTE_DERIVED
};

struct route_table;

/* A route came, changed or went (entry->live). The entry stays valid during the call,
 * and after it for as long as a bit of dirty or overlaid is set. */
typedef void (*route_changed_cb)(void *ctx, struct route_entry *entry);

/* NULL when there is no memory. */
struct route_table *route_table_new(route_changed_cb cb, void *ctx);
void route_table_free(struct route_table **table);

/* The live route of a key, or NULL. */
struct route_entry *route_table_find(
    struct route_table *table, enum route_kind kind, struct str key);

/* Take a route in, unless a derived one has the key. Events come in the order of the
 * changes, so the last one counts: epochs of two devices that had a port one after the
 * other are of two clocks. A snapshot may be of an older copy of the registry: of it, what
 * has an older epoch is left out, unless it is to be believed. -1: no memory, nothing
 * changed. */
int route_table_put(struct route_table *table, enum route_kind kind,
    struct str key, const struct route_target *target, uint64_t epoch,
    enum route_source source);

/* The registry (or, derived: the router itself) removed a route. */
void route_table_remove(struct route_table *table, enum route_kind kind,
    struct str key, bool derived);

/* From here on, what is put counts as confirmed. believe: older epochs are taken, too. */
void route_table_begin_snapshot(struct route_table *table, bool believe);
/* What was not confirmed is removed, or with keep_missing becomes doubtful. Returns how
 * many routes that concerns. */
size_t route_table_end_snapshot(struct route_table *table, bool keep_missing);

/* How many live routes there are of a kind. */
size_t route_table_count(const struct route_table *table, enum route_kind kind);
/* Walk the live routes of a kind: *cursor 0 at first; NULL at the end. Changes in
 * between are allowed: a route that is there all the time is met exactly once. */
struct route_entry *route_table_next(
    struct route_table *table, enum route_kind kind, size_t *cursor);
/* A viewer cleared its bits: free the entry if nobody needs it. */
void route_table_release(struct route_table *table, struct route_entry *entry);

static inline struct str
route_entry_key(const struct route_entry *entry)
{
	return (struct str){entry->key, entry->key_len};
}

#endif
