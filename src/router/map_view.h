/* SPDX-License-Identifier: MIT */
/*
 * What one HAProxy has of one kind of routes: the names of its maps, how many entries
 * they must have, which keys stand in the overlays, and which changes it has not been
 * told of. Bookkeeping only; no I/O.
 *
 * There are up to three maps, of which HAProxy takes the last one that has a key: the big
 * one with every route; an overlay that keys are only added to, because that costs
 * nothing at any size; and a small one for keys of the overlay that change again,
 * because "set map" looks through the whole map.
 */
#ifndef TAUPE_ROUTER_MAP_VIEW_H
#define TAUPE_ROUTER_MAP_VIEW_H

#include "router/entry_list.h"
#include "router/map_plan.h"
#include "router/map_transaction.h"
#include "router/route_table.h"

enum map_level { MAP_BASE, MAP_OVERLAY, MAP_AGAIN };
#define MAP_LEVELS 3

struct map_view {
	struct route_table *table;
	uint8_t bit; /* the viewer's, in the entries */
	enum route_kind kind;
	bool synced; /* it had the whole map since its process was met */
	bool
	    lost; /* a change could not be noted down: it needs the whole map */
	bool indexed; /* HAProxy 2.9 or later */
	bool unguarded; /* it asks nobody's rule: restricted routes are gone for it */
	bool writing; /* maps are being written whole, from written_from on */
	enum map_level written_from, level; /* level: the one at hand */
	char map[MAP_LEVELS][MAP_NAME_MAX + 1]; /* "": HAProxy has none */
	uint64_t entries[MAP_LEVELS];
	struct entry_list standing[MAP_LEVELS]; /* what an overlay has */
	struct entry_list dirty; /* what HAProxy has not been told of */
	size_t cursor;		 /* in what is being written */
};

void map_view_init(struct map_view *view, struct route_table *table,
    unsigned viewer, enum route_kind kind);
void map_view_fini(struct map_view *view);

/* Nothing is known of HAProxy's maps any more. */
void map_view_reset(struct map_view *view);

/* Another process, with other maps perhaps. Takes those of this kind by their file
 * names: KIND.map, KIND.new.map and KIND.again.map. text: the reply to "show map". */
void map_view_discover(struct map_view *view, struct str text, bool indexed);

/* HAProxy has to be told of this change. */
void map_view_note(struct map_view *view, struct route_entry *entry);

enum map_plan map_view_plan(const struct map_view *view);

/* Nothing is left that HAProxy would have to be told of. */
bool map_view_is_told(const struct map_view *view);
/* While maps are written: does too much wait for them to be written at leisure? */
bool map_view_presses(const struct map_view *view);

/* A change to send. */
struct map_change {
	enum { MAP_CHANGE_SET, MAP_CHANGE_ADD, MAP_CHANGE_DEL } verb;
	const char *map;
	struct map_line line; /* a DEL has no value */
};

/* Do single changes go to an overlay? */
bool map_view_has_overlay(const struct map_view *view);
/* Is there a map that single changes can go to just now? While one is written, that is
 * one above it. */
bool map_view_takes_changes(const struct map_view *view);

/* Take the next change; false when there is none. Precondition:
 * map_view_takes_changes(). */
bool map_view_take(struct map_view *view, struct map_change *change);

/*
 * A map is about to be written whole. First the base (what was pending goes with it) or
 * the overlay, then each one above, which keeps only what changed meanwhile.
 */
void map_view_begin(struct map_view *view, enum map_level level);
/* A map_source_cb with the view as ctx: what that map shall have. */
bool map_view_next(
    void *ctx, struct str *key, char value[ROUTE_VALUE_TEXT_MAX]);
/* It was written. Returns whether another one has to follow: level + 1. */
bool map_view_end(struct map_view *view, uint64_t entries);

/* Does HAProxy's list of maps (as in map_view_discover()) agree with what was sent? */
bool map_view_agrees(const struct map_view *view, struct str text);

#endif
