/* SPDX-License-Identifier: MIT */
/*
 * Three bits per viewer in each entry say where it stands: dirty (in the list of pending
 * changes), overlaid (in the overlay's list), fresh (sent while the big map was being
 * written, so that the overlay must keep it). An entry is in a list exactly when its bit
 * is set.
 */
#include <assert.h>
#include <stdio.h>

#include "router/hap_reply.h"
#include "router/map_view.h"

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

static void
drop_overlaid(struct map_view *view)
{
	struct route_entry *entry;

	while ((entry = entry_list_shift(&view->overlaid)) != NULL) {
		entry->overlaid &= (uint8_t)~view->bit;
		entry->fresh &= (uint8_t)~view->bit;
		route_table_release(view->table, entry);
	}
}

void
map_view_reset(struct map_view *view)
{
	drop_dirty(view);
	drop_overlaid(view);
	view->synced = view->lost = false;
	view->base[0] = view->overlay[0] = '\0';
	view->base_entries = view->overlay_entries = 0;
}

void
map_view_fini(struct map_view *view)
{
	map_view_reset(view);
	entry_list_fini(&view->dirty);
	entry_list_fini(&view->overlaid);
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
	const char *kind = route_kind_name(view->kind);
	struct hap_map_line line;

	map_view_reset(view);
	view->indexed = indexed;
	while (hap_map_line_next(&text, &line)) {
		if (!name_is_usable(line.file))
			continue;
		if (has_file_name(line.file, kind, ".map"))
			(void)str_copy(
			    line.file, view->base, sizeof(view->base));
		else if (has_file_name(line.file, kind, ".new.map"))
			(void)str_copy(
			    line.file, view->overlay, sizeof(view->overlay));
	}
}

bool
map_view_has_overlay(const struct map_view *view)
{
	return !view->indexed && view->overlay[0] != '\0';
}

void
map_view_note(struct map_view *view, struct route_entry *entry)
{
	if (view->base[0] == '\0' || (entry->dirty & view->bit))
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
	    .changed = map_view_has_overlay(view) ? view->overlay_entries
						  : view->base_entries,
	    .overlay = map_view_has_overlay(view),
	    .indexed = view->indexed,
	};

	if (view->base[0] == '\0')
		return MAP_PLAN_REST;
	return view->synced && !view->lost ? map_plan_choose(&now)
					   : MAP_PLAN_REBUILD;
}

static void
line_of(const struct route_entry *entry, struct map_line *line)
{
	memcpy(line->key, entry->key, entry->key_len);
	line->key[entry->key_len] = '\0';
	if (entry->live)
		route_target_text(&entry->target, line->value);
	else
		memcpy(line->value, ROUTE_TOMBSTONE, sizeof(ROUTE_TOMBSTONE));
}

static void
change_overlay(struct map_view *view, struct route_entry *entry,
    bool rebuilding, struct map_change *change)
{
	change->map = view->overlay;
	change->verb =
	    entry->overlaid & view->bit ? MAP_CHANGE_SET : MAP_CHANGE_ADD;
	if (change->verb == MAP_CHANGE_ADD) {
		/* what cannot be kept in the list is in the overlay all the same: the next
		 * rebuild empties it */
		if (entry_list_push(&view->overlaid, entry) != 0)
			view->lost = true;
		else
			entry->overlaid |= view->bit;
		view->overlay_entries++;
	}
	if (rebuilding && (entry->overlaid & view->bit))
		entry->fresh |= view->bit;
}

bool
map_view_take(struct map_view *view, bool rebuilding, struct map_change *change)
{
	struct route_entry *entry = entry_list_shift(&view->dirty);

	if (entry == NULL)
		return false;
	entry->dirty &= (uint8_t)~view->bit;
	line_of(entry, &change->line);
	if (map_view_has_overlay(view)) {
		change_overlay(view, entry, rebuilding, change);
	} else {
		change->map = view->base;
		change->verb = entry->live ? MAP_CHANGE_SET : MAP_CHANGE_DEL;
	}
	route_table_release(view->table, entry);
	return true;
}

void
map_view_begin_base(struct map_view *view)
{
	drop_dirty(view);
	view->lost = false;
	view->cursor = 0;
}

bool
map_view_next_base(void *ctx, struct str *key, char value[ROUTE_VALUE_TEXT_MAX])
{
	struct map_view *view = ctx;
	const struct route_entry *entry =
	    route_table_next(view->table, view->kind, &view->cursor);

	if (entry == NULL)
		return false;
	*key = route_entry_key(entry);
	route_target_text(&entry->target, value);
	return true;
}

void
map_view_end_base(struct map_view *view, uint64_t entries)
{
	view->base_entries = entries;
	view->synced = true;
}

void
map_view_begin_overlay(struct map_view *view)
{
	view->cursor = view->overlaid.first;
}

bool
map_view_next_overlay(
    void *ctx, struct str *key, char value[ROUTE_VALUE_TEXT_MAX])
{
	struct map_view *view = ctx;
	const struct route_entry *entry;
	struct map_line line;

	while (view->cursor < view->overlaid.end) {
		entry = view->overlaid.items[view->cursor++];
		if (!(entry->fresh & view->bit))
			continue;
		*key = route_entry_key(entry);
		line_of(entry, &line);
		memcpy(value, line.value, sizeof(line.value));
		return true;
	}
	return false;
}

void
map_view_end_overlay(struct map_view *view, uint64_t entries)
{
	size_t i, kept = 0;
	struct entry_list *list = &view->overlaid;

	for (i = list->first; i < list->end; i++) {
		struct route_entry *entry = list->items[i];

		if (entry->fresh & view->bit) {
			entry->fresh &= (uint8_t)~view->bit;
			list->items[kept++] = entry;
		} else {
			entry->overlaid &= (uint8_t)~view->bit;
			route_table_release(view->table, entry);
		}
	}
	list->first = 0;
	list->end = kept;
	view->overlay_entries = entries;
}

bool
map_view_agrees(const struct map_view *view, struct str text)
{
	bool base = false, overlay = view->overlay[0] == '\0';
	struct hap_map_line line;

	while (hap_map_line_next(&text, &line)) {
		if (str_equal(line.file, str_of(view->base)))
			base = !line.has_entries ||
			    line.entries == view->base_entries;
		else if (str_equal(line.file, str_of(view->overlay)))
			overlay = !line.has_entries ||
			    line.entries == view->overlay_entries;
	}
	return base && overlay;
}
