/* SPDX-License-Identifier: MIT */
/*
 * What one HAProxy has of one kind of routes: the names of its maps, how many entries
 * they must have, which keys stand in the overlay, and which changes it has not been
 * told of. Bookkeeping only; no I/O.
 */
#ifndef TAUPE_ROUTER_MAP_VIEW_H
#define TAUPE_ROUTER_MAP_VIEW_H

#include "router/entry_list.h"
#include "router/map_plan.h"
#include "router/map_transaction.h"
#include "router/route_table.h"

struct map_view {
	struct route_table *table;
	uint8_t bit; /* the viewer's, in the entries */
	enum route_kind kind;
	bool synced; /* it had the whole map since its process was met */
	bool
	    lost; /* a change could not be noted down: it needs the whole map */
	bool indexed; /* HAProxy 2.9 or later */
	char base[MAP_NAME_MAX +
	    1]; /* the big map's name; "" when HAProxy has none */
	char overlay[MAP_NAME_MAX + 1]; /* "" when changes go to the big map */
	uint64_t base_entries, overlay_entries;
	struct entry_list overlaid; /* what stands in the overlay */
	struct entry_list dirty;    /* what HAProxy has not been told of */
	size_t cursor;		    /* of the rebuild under way */
};

void map_view_init(struct map_view *view, struct route_table *table,
    unsigned viewer, enum route_kind kind);
void map_view_fini(struct map_view *view);

/* Nothing is known of HAProxy's maps any more. */
void map_view_reset(struct map_view *view);

/* Another process, with other maps perhaps. Takes those of this kind by their file
 * names: KIND.map and KIND.new.map. text: the reply to "show map". */
void map_view_discover(struct map_view *view, struct str text, bool indexed);

/* HAProxy has to be told of this change. */
void map_view_note(struct map_view *view, struct route_entry *entry);

enum map_plan map_view_plan(const struct map_view *view);

/* A change to send. */
struct map_change {
	enum { MAP_CHANGE_SET, MAP_CHANGE_ADD, MAP_CHANGE_DEL } verb;
	const char *map;
	struct map_line line; /* a DEL has no value */
};

/* Do single changes go to an overlay? */
bool map_view_has_overlay(const struct map_view *view);

/* Take the next change; false when there is none. rebuilding: the big map is written
 * anew just now, so that the change has to survive in the overlay. */
bool map_view_take(
    struct map_view *view, bool rebuilding, struct map_change *change);

/* The big map is about to be written whole: what was pending goes with it. */
void map_view_begin_base(struct map_view *view);
/* A map_source_cb with the view as ctx: every live route. */
bool map_view_next_base(
    void *ctx, struct str *key, char value[ROUTE_VALUE_TEXT_MAX]);
/* It was written. */
void map_view_end_base(struct map_view *view, uint64_t entries);

/* The same for the overlay: what changed meanwhile. */
void map_view_begin_overlay(struct map_view *view);
bool map_view_next_overlay(
    void *ctx, struct str *key, char value[ROUTE_VALUE_TEXT_MAX]);
void map_view_end_overlay(struct map_view *view, uint64_t entries);

/* Does HAProxy's list of maps (as in map_view_discover()) agree with what was sent? */
bool map_view_agrees(const struct map_view *view, struct str text);

#endif
