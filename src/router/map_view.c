/* SPDX-License-Identifier: MIT */
/*
 * Bits per viewer in each entry say where it stands: dirty (in the list of pending
 * changes), overlaid (in an overlay's list), fresh (sent while a map below was being
 * written, so that the overlays must keep it). An entry is in a list exactly when its bit
 * is set.
 */
#include <assert.h>
#include <stdio.h>

#include "net/hap_reply.h"
#include "router/map_view.h"

#define PRESSING_CHANGES 256 /* that HAProxy has not been told of */
#define PRESSING_LIMITS 4    /* times an overlay may be as big as it should */

void
map_view_init(struct map_view *view, struct route_table *table, unsigned viewer,
    enum route_kind kind)
{
	assert(viewer < ROUTE_VIEWERS_MAX);
	memset(view, 0, sizeof(*view));
	view->table = table;
	view->bit = (uint8_t)(1u << viewer);
	view->kind = kind;
}

static void
drop_dirty(struct map_view *view)
{
	struct route_entry *entry;

	while ((entry = entry_list_shift(&view->dirty)) != NULL) {
		entry->dirty &= (uint8_t)~view->bit;
		route_table_release(view->table, entry);
	}
}

static bool
stands_in(const struct map_view *view, const struct route_entry *entry,
    enum map_level level)
{
	return (entry->overlaid[level - MAP_OVERLAY] & view->bit) != 0;
}

static void
leave(struct map_view *view, struct route_entry *entry, enum map_level level)
{
	entry->overlaid[level - MAP_OVERLAY] &= (uint8_t)~view->bit;
	route_table_release(view->table, entry);
}

static void
drop_overlay(struct map_view *view, enum map_level level)
{
	struct route_entry *entry;

	while ((entry = entry_list_shift(&view->standing[level])) != NULL) {
		entry->fresh &= (uint8_t)~view->bit;
		leave(view, entry, level);
	}
}

void
map_view_reset(struct map_view *view)
{
	drop_dirty(view);
	drop_overlay(view, MAP_OVERLAY);
	drop_overlay(view, MAP_AGAIN);
	view->synced = view->lost = view->writing = false;
	memset(view->map, 0, sizeof(view->map));
	memset(view->entries, 0, sizeof(view->entries));
}

void
map_view_fini(struct map_view *view)
{
	map_view_reset(view);
	entry_list_fini(&view->dirty);
	entry_list_fini(&view->standing[MAP_OVERLAY]);
	entry_list_fini(&view->standing[MAP_AGAIN]);
}

/* A name that would not stay one word in a command cannot be used. */
static bool
name_is_usable(struct str name)
{
	size_t i;

	for (i = 0; i < name.len; i++)
		if (name.ptr[i] <= ' ' || name.ptr[i] == 127 ||
		    strchr(";\\\"'", name.ptr[i]))
			return false;
	return name.len > 0 && name.len <= MAP_NAME_MAX;
}

static bool
has_file_name(struct str path, const char *stem, const char *suffix)
{
	size_t stem_len = strlen(stem), suffix_len = strlen(suffix);
	size_t len = stem_len + suffix_len;
	const char *name = path.ptr + path.len - len;

	if (path.len < len || (path.len > len && name[-1] != '/'))
		return false;
	return memcmp(name, stem, stem_len) == 0 &&
	    memcmp(name + stem_len, suffix, suffix_len) == 0;
}

void
map_view_discover(struct map_view *view, struct str text, bool indexed)
{
	static const char *const suffixes[MAP_LEVELS] = {
	    ".map", ".new.map", ".again.map"};
	const char *kind = route_kind_name(view->kind);
	struct hap_map_line line;
	int i;

	map_view_reset(view);
	view->indexed = indexed;
	while (hap_map_line_next(&text, &line))
		for (i = 0; i < MAP_LEVELS; i++)
			if (name_is_usable(line.file) &&
			    has_file_name(line.file, kind, suffixes[i]))
				(void)str_copy(line.file, view->map[i],
				    sizeof(view->map[i]));
}

static bool
has_map(const struct map_view *view, enum map_level level)
{
	return view->map[level][0] != '\0';
}

bool
map_view_has_overlay(const struct map_view *view)
{
	return !view->indexed && has_map(view, MAP_OVERLAY);
}

/* The map that keys are changed in. */
static enum map_level
top_level(const struct map_view *view)
{
	if (!map_view_has_overlay(view))
		return MAP_BASE;
	return has_map(view, MAP_AGAIN) ? MAP_AGAIN : MAP_OVERLAY;
}

bool
map_view_takes_changes(const struct map_view *view)
{
	return !view->writing || view->level < top_level(view);
}

void
map_view_note(struct map_view *view, struct route_entry *entry)
{
	if (!has_map(view, MAP_BASE) || (entry->dirty & view->bit))
		return;
	if (entry_list_push(&view->dirty, entry) != 0) {
		view->lost = true;
		return;
	}
	entry->dirty |= view->bit;
}

enum map_plan
map_view_plan(const struct map_view *view)
{
	struct map_situation now = {
	    .live = route_table_count(view->table, view->kind),
	    .pending = entry_list_count(&view->dirty),
	    .overlaid = view->entries[MAP_OVERLAY],
	    .searched = view->entries[top_level(view)],
	    .overlay = map_view_has_overlay(view),
	    .again = top_level(view) == MAP_AGAIN,
	    .indexed = view->indexed,
	};

	if (!has_map(view, MAP_BASE))
		return MAP_PLAN_REST;
	return view->synced && !view->lost ? map_plan_choose(&now)
					   : MAP_PLAN_REBUILD;
}

bool
map_view_is_told(const struct map_view *view)
{
	return !has_map(view, MAP_BASE) ||
	    (view->synced && !view->lost &&
		entry_list_count(&view->dirty) == 0);
}

bool
map_view_presses(const struct map_view *view)
{
	size_t live = route_table_count(view->table, view->kind);
	uint64_t overlaid = view->entries[MAP_OVERLAY];

	return entry_list_count(&view->dirty) > PRESSING_CHANGES ||
	    overlaid > PRESSING_LIMITS * map_plan_overlay_limit(live) ||
	    view->entries[MAP_AGAIN] >
	    PRESSING_LIMITS * map_plan_search_limit(overlaid);
}

/* A configuration of before takes the address out of the value and lets anybody go there. */
static bool
is_served(const struct map_view *view, const struct route_entry *entry)
{
	return entry->live &&
	    (!view->unguarded || entry->target.access == NULL);
}

static void
line_of(const struct map_view *view, const struct route_entry *entry,
    struct map_line *line)
{
	memcpy(line->key, entry->key, entry->key_len);
	line->key[entry->key_len] = '\0';
	if (is_served(view, entry))
		route_target_text(&entry->target, line->value);
	else
		memcpy(line->value, ROUTE_TOMBSTONE, sizeof(ROUTE_TOMBSTONE));
}

/* Which overlay a change goes to. */
static enum map_level
level_for(const struct map_view *view, const struct route_entry *entry)
{
	if (top_level(view) == MAP_OVERLAY)
		return MAP_OVERLAY;
	/* what is added to a map while it is written anew would be lost */
	if (view->writing && view->level == MAP_OVERLAY)
		return MAP_AGAIN;
	return stands_in(view, entry, MAP_OVERLAY) ||
		stands_in(view, entry, MAP_AGAIN)
	    ? MAP_AGAIN
	    : MAP_OVERLAY;
}

/* It is in that overlay from now on. What cannot be kept in the list is in HAProxy's map
 * all the same: writing the maps anew mends that. */
static void
enter(struct map_view *view, struct route_entry *entry, enum map_level level)
{
	if (entry_list_push(&view->standing[level], entry) != 0)
		view->lost = true;
	else
		entry->overlaid[level - MAP_OVERLAY] |= view->bit;
}

static void
change_overlay(
    struct map_view *view, struct route_entry *entry, struct map_change *change)
{
	enum map_level level = level_for(view, entry);

	change->map = view->map[level];
	change->verb =
	    stands_in(view, entry, level) ? MAP_CHANGE_SET : MAP_CHANGE_ADD;
	if (change->verb == MAP_CHANGE_ADD) {
		enter(view, entry, level);
		view->entries[level]++;
	}
	if (view->writing && stands_in(view, entry, level))
		entry->fresh |= view->bit;
}

bool
map_view_take(struct map_view *view, struct map_change *change)
{
	struct route_entry *entry = entry_list_shift(&view->dirty);

	assert(map_view_takes_changes(view));
	if (entry == NULL)
		return false;
	entry->dirty &= (uint8_t)~view->bit;
	line_of(view, entry, &change->line);
	if (map_view_has_overlay(view)) {
		change_overlay(view, entry, change);
	} else {
		change->map = view->map[MAP_BASE];
		change->verb = entry->live ? MAP_CHANGE_SET : MAP_CHANGE_DEL;
	}
	route_table_release(view->table, entry);
	return true;
}

/* Whatever has not changed since the map below was begun leaves an overlay. */
static void
keep_fresh(struct map_view *view, enum map_level level)
{
	struct entry_list *list = &view->standing[level];
	size_t i, kept = 0;

	for (i = list->first; i < list->end; i++)
		if (list->items[i]->fresh & view->bit)
			list->items[kept++] = list->items[i];
		else
			leave(view, list->items[i], level);
	list->first = 0;
	list->end = kept;
}

static void
forget_fresh(struct map_view *view, enum map_level level)
{
	struct entry_list *list = &view->standing[level];
	size_t i;

	for (i = list->first; i < list->end; i++)
		list->items[i]->fresh &= (uint8_t)~view->bit;
}

/* The overlay takes in what stands above it. */
static void
begin_overlay(struct map_view *view)
{
	const struct entry_list *above = &view->standing[MAP_AGAIN];
	bool folding = view->written_from == MAP_BASE;
	size_t i;

	if (folding)
		keep_fresh(view, MAP_OVERLAY);
	for (i = above->first; i < above->end; i++) {
		struct route_entry *entry = above->items[i];

		if (!stands_in(view, entry, MAP_OVERLAY) &&
		    (!folding || (entry->fresh & view->bit)))
			enter(view, entry, MAP_OVERLAY);
	}
	forget_fresh(view, MAP_OVERLAY);
	forget_fresh(view, MAP_AGAIN);
}

void
map_view_begin(struct map_view *view, enum map_level level)
{
	if (!view->writing)
		view->written_from = level;
	view->writing = true;
	view->level = level;
	switch (level) {
	case MAP_BASE:
		drop_dirty(view);
		view->lost = false;
		break;
	case MAP_OVERLAY:
		begin_overlay(view);
		break;
	case MAP_AGAIN:
		keep_fresh(view, MAP_AGAIN);
		break;
	}
	view->cursor = level == MAP_BASE ? 0 : view->standing[level].first;
}

static const struct route_entry *
next_entry(struct map_view *view)
{
	const struct entry_list *list = &view->standing[view->level];

	if (view->level == MAP_BASE)
		return route_table_next(view->table, view->kind, &view->cursor);
	return view->cursor < list->end ? list->items[view->cursor++] : NULL;
}

bool
map_view_next(void *ctx, struct str *key, char value[ROUTE_VALUE_TEXT_MAX])
{
	struct map_view *view = ctx;
	const struct route_entry *entry = next_entry(view);
	struct map_line line;

	if (entry == NULL)
		return false;
	line_of(view, entry, &line);
	*key = route_entry_key(entry);
	memcpy(value, line.value, sizeof(line.value));
	return true;
}

bool
map_view_end(struct map_view *view, uint64_t entries)
{
	view->entries[view->level] = entries;
	if (view->level < MAP_AGAIN &&
	    has_map(view, (enum map_level)(view->level + 1)))
		return true;
	forget_fresh(view, MAP_OVERLAY);
	forget_fresh(view, MAP_AGAIN);
	view->writing = false;
	view->synced = true;
	return false;
}

bool
map_view_agrees(const struct map_view *view, struct str text)
{
	unsigned agree = 0, wanted = 0;
	struct hap_map_line line;
	int i;

	for (i = 0; i < MAP_LEVELS; i++)
		wanted |= (unsigned)has_map(view, (enum map_level)i) << i;
	while (hap_map_line_next(&text, &line))
		for (i = 0; i < MAP_LEVELS; i++)
			if (str_equal(line.file, str_of(view->map[i])) &&
			    (!line.has_entries ||
				line.entries == view->entries[i]))
				agree |= 1u << i;
	return agree == wanted;
}
