/* SPDX-License-Identifier: MIT */
/*
 * Written in slices, so that 200,000 lines do not keep a change of a route waiting. A
 * change in the middle of a file leaves it out or not; the file is then written once more.
 * No fsync: after a power cut HAProxy may find an older file, or an empty one, and gets
 * the routes from the router all the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "router/map_files.h"

#define SLICE 4000 /* lines */
#define PATH_MAX_LEN 4200
#define LINE_MAX_LEN 512
#define ALL_KINDS ((1u << ROUTE_KINDS) - 1)

static const char head_mark[] = "# taupe-router wrote this; events up to ";

struct map_files {
	struct loop *loop;
	struct route_table *table;
	const char *dir;
	uint64_t delay_ms;
	map_files_position_cb position_cb;
	void *ctx;
	unsigned dirty; /* a bit a kind */
	bool held;
	FILE *file;	      /* the one that is being written; NULL: none */
	enum route_kind kind; /* its kind */
	size_t cursor;
	struct timer timer;
	struct task task;
	uint64_t failures;
};

static void
path_of(const struct map_files *files, enum route_kind kind, const char *suffix,
    char out[PATH_MAX_LEN])
{
	snprintf(out, PATH_MAX_LEN, "%s/%s%s", files->dir,
	    route_kind_name(kind), suffix);
}

static int
touch(const struct map_files *files, enum route_kind kind, const char *suffix,
    const char *mode)
{
	char path[PATH_MAX_LEN];
	FILE *file;

	path_of(files, kind, suffix, path);
	file = fopen(path, mode);
	if (file == NULL)
		return -1;
	return fclose(file);
}

static void
load_line(struct map_files *files, enum route_kind kind, struct str line)
{
	struct route_target target;
	struct str key, value;

	if (!str_split(line, ' ', &key, &value) ||
	    !route_key_valid(kind, key) || !route_target_parse(value, &target))
		return;
	if (route_table_put(
		files->table, kind, key, &target, 0, ROUTE_FROM_FILE) != 0)
		log_error("no memory for the routes of the last run");
}

/* The head says how far the registry was known. */
static bool
load_head(struct str line, struct stream_id *id)
{
	struct str mark = STR(head_mark);

	return line.len > mark.len &&
	    memcmp(line.ptr, mark.ptr, mark.len) == 0 &&
	    stream_id_parse(
		(struct str){line.ptr + mark.len, line.len - mark.len}, id);
}

static struct stream_id
load(struct map_files *files, enum route_kind kind)
{
	char path[PATH_MAX_LEN], text[LINE_MAX_LEN];
	struct stream_id id = {0, 0};
	FILE *file;

	path_of(files, kind, ".map", path);
	file = fopen(path, "r");
	if (file == NULL)
		return id;
	while (fgets(text, sizeof(text), file) != NULL) {
		struct str line = {text, strcspn(text, "\n")};

		if (line.len > 0 && text[0] == '#')
			(void)load_head(line, &id);
		else
			load_line(files, kind, line);
	}
	fclose(file);
	return id;
}

static void
give_up(struct map_files *files, const char *path)
{
	log_error("cannot write a map file", LOG_S("file", path),
	    LOG_S("error", log_errno()));
	files->failures++;
	if (files->file != NULL)
		fclose(files->file);
	files->file = NULL;
	files->dirty |= 1u << files->kind;
	timer_set(files->loop, &files->timer, files->delay_ms + 1000);
}

static void
begin_file(struct map_files *files)
{
	struct stream_id at = files->position_cb(files->ctx);
	char path[PATH_MAX_LEN], id[STREAM_ID_TEXT_MAX];
	int kind = 0;

	while (!(files->dirty & 1u << kind))
		kind++;
	files->kind = (enum route_kind)kind;
	files->dirty &= ~(1u << kind);
	files->cursor = 0;
	path_of(files, files->kind, ".map.tmp", path);
	files->file = fopen(path, "w");
	if (files->file == NULL)
		give_up(files, path);
	else
		fprintf(
		    files->file, "%s%s\n", head_mark, stream_id_text(&at, id));
}

static void
end_file(struct map_files *files)
{
	char from[PATH_MAX_LEN], to[PATH_MAX_LEN];
	bool failed = ferror(files->file) != 0;

	path_of(files, files->kind, ".map.tmp", from);
	path_of(files, files->kind, ".map", to);
	failed |= fclose(files->file) != 0;
	files->file = NULL;
	if (failed || rename(from, to) != 0)
		give_up(files, from);
}

/* Some lines more; false when the file is finished. */
static bool
write_slice(struct map_files *files)
{
	char value[ROUTE_VALUE_TEXT_MAX];
	const struct route_entry *entry;
	int i;

	for (i = 0; i < SLICE; i++) {
		entry =
		    route_table_next(files->table, files->kind, &files->cursor);
		if (entry == NULL)
			return false;
		fprintf(files->file, "%.*s %s\n", (int)entry->key_len,
		    entry->key, route_target_text(&entry->target, value));
	}
	return true;
}

static void
task_cb(void *ctx)
{
	struct map_files *files = ctx;

	if (files->file == NULL && files->dirty != 0 && !files->held)
		begin_file(files);
	if (files->file == NULL)
		return;
	if (!write_slice(files))
		end_file(files);
	if (files->file != NULL ||
	    (files->dirty != 0 && !timer_is_set(&files->timer)))
		task_post(files->loop, &files->task);
}

static void
timer_cb(void *ctx)
{
	struct map_files *files = ctx;

	task_post(files->loop, &files->task);
}

static int
prepare(struct map_files *files, struct stream_id *known)
{
	struct stream_id id;
	int kind;

	*known = (struct stream_id){0, 0};
	if (mkdir(files->dir, 0755) != 0 && errno != EEXIST)
		return -1;
	for (kind = 0; kind < ROUTE_KINDS; kind++) {
		if (touch(files, (enum route_kind)kind, ".map", "a") != 0 ||
		    touch(files, (enum route_kind)kind, ".new.map", "w") != 0 ||
		    touch(files, (enum route_kind)kind, ".again.map", "w") != 0)
			return -1;
		id = load(files, (enum route_kind)kind);
		if (stream_id_before(known, &id))
			*known = id;
	}
	return 0;
}

struct map_files *
map_files_new(struct loop *loop, struct route_table *table, const char *dir,
    uint64_t delay_ms, map_files_position_cb position_cb, void *ctx,
    struct stream_id *known)
{
	struct map_files *files = calloc(1, sizeof(*files));
	int saved;

	if (files == NULL)
		return NULL;
	files->loop = loop;
	files->table = table;
	files->dir = dir;
	files->delay_ms = delay_ms;
	files->position_cb = position_cb;
	files->ctx = ctx;
	files->held = true;
	timer_init(&files->timer, timer_cb, files);
	task_init(&files->task, task_cb, files);
	if (prepare(files, known) != 0) {
		saved = errno;
		free(files);
		errno = saved;
		return NULL;
	}
	return files;
}

void
map_files_free(struct map_files **files)
{
	uint64_t failures;

	if (*files == NULL)
		return;
	failures = (*files)->failures;
	timer_clear((*files)->loop, &(*files)->timer);
	while (((*files)->file != NULL ||
		   ((*files)->dirty != 0 && !(*files)->held)) &&
	    (*files)->failures == failures)
		task_cb(*files);
	timer_clear((*files)->loop, &(*files)->timer);
	task_cancel((*files)->loop, &(*files)->task);
	free(*files);
	*files = NULL;
}

void
map_files_note(struct map_files *files, const struct route_entry *entry)
{
	files->dirty |= 1u << entry->kind;
	if (!timer_is_set(&files->timer))
		timer_set(files->loop, &files->timer, files->delay_ms);
}

void
map_files_hold(struct map_files *files, bool held)
{
	files->held = held;
	if (!held && files->dirty != 0 && !timer_is_set(&files->timer))
		timer_set(files->loop, &files->timer, files->delay_ms);
}

uint64_t
map_files_failures(const struct map_files *files)
{
	return files->failures;
}
