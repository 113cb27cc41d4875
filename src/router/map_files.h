/* SPDX-License-Identifier: MIT */
/*
 * The map files that HAProxy begins with: KIND.map with all routes, written anew by a copy of the
 * process: at once when somebody may not visit any more what they might before, a moment later
 * after any other change; and KIND.new.map and KIND.again.map,
 * which are always empty. They are kept so that HAProxy serves from its first moment and
 * the router remembers across a restart; the registry is what counts.
 */
#ifndef TAUPE_ROUTER_MAP_FILES_H
#define TAUPE_ROUTER_MAP_FILES_H

#include "net/loop.h"
#include "router/feed.h"

struct map_files;

/* Asked when a file is written, for its head. */
typedef struct stream_id (*map_files_position_cb)(void *ctx);

/*
 * Create the files that do not exist, empty the overlays, and put what
 * the others hold into the table, in doubt. *known is how far the registry was known
 * when the youngest of them was written, 0-0 when none says. NULL with errno: dir cannot
 * be written to. dir is kept, not copied.
 */
struct map_files *map_files_new(struct loop *loop, struct route_table *table,
    const char *dir, uint64_t delay_ms, map_files_position_cb position_cb,
    void *ctx, struct stream_id *known);

/* Writes what is not written yet, and frees. */
void map_files_free(struct map_files **files);

/* A route changed. */
void map_files_note(struct map_files *files, const struct route_entry *entry);
/* While held, nothing is written. */
void map_files_hold(struct map_files *files, bool held);
uint64_t map_files_failures(const struct map_files *files);

#endif
