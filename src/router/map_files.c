/* SPDX-License-Identifier: MIT */
/*
 * Written by a copy of the process, because a disk may take its time, and 200,000 lines do
 * anyway; a change of a route must not wait for that. The file is that moment's table; what
 * changes meanwhile makes it be written once more.
 * It is on the disk before it takes the old one's place: an older file would open services that
 * were closed since, until the router has spoken with HAProxy.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "net/child.h"
#include "router/map_files.h"

#define PAUSE_SHARE 20 /* times as long as the last writing took */
#define RETRY_MS 1000
#define PATH_MAX_LEN 4200
#define LINE_MAX_LEN 512

static const char head_mark[] = "# taupe-router wrote this; events up to ";

struct map_files {
	struct loop *loop;
	struct route_table *table;
	const char *dir;
	uint64_t delay_ms;
	map_files_position_cb position_cb;
	void *ctx;
	unsigned dirty;	  /* a bit a kind: changed since it was written */
	unsigned writing; /* kinds that the child is at work on */
	bool urgent;	  /* among what is dirty: what was open is not any more */
	bool was_urgent;  /* the same of what is being written */
	bool held;
	struct child child;
	uint64_t began_ms; /* when the child did */
	struct timer timer;
	uint64_t failures;
	int failed; /* what the last try ended with; 0: it went well */
};

static void
path_of(const struct map_files *files, enum route_kind kind, const char *suffix,
    char out[PATH_MAX_LEN])
{
	snprintf(out, PATH_MAX_LEN, "%s/%s%s", files->dir,
	    route_kind_name(kind), suffix);
}

/* There are keys in it: nobody reads it but us and HAProxy's group, from its first moment on and
 * whatever the umask is. how: O_APPEND, O_TRUNC or O_EXCL. */
static FILE *
open_file(const char *path, int how)
{
	int fd = open(path,
	    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | how, 0640);
	FILE *file = NULL;
	int saved;

	if (fd >= 0 && fchmod(fd, 0640) == 0)
		file = fdopen(fd, "w");
	if (file == NULL && fd >= 0) {
		saved = errno;
		close(fd);
		errno = saved;
	}
	return file;
}

static int
touch(const struct map_files *files, enum route_kind kind, const char *suffix,
    int how)
{
	char path[PATH_MAX_LEN];
	FILE *file;

	path_of(files, kind, suffix, path);
	file = open_file(path, how);
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
	    !route_key_valid(kind, key) ||
	    !route_target_parse(value, &target) ||
	    (target.access != NULL && !route_kind_has_access(kind)))
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
	file = fopen(path, "re");
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
write_lines(const struct map_files *files, enum route_kind kind, FILE *file)
{
	char value[ROUTE_VALUE_TEXT_MAX];
	const struct route_entry *entry;
	size_t cursor = 0;

	while ((entry = route_table_next(files->table, kind, &cursor)) != NULL)
		fprintf(file, "%.*s %s\n", (int)entry->key_len, entry->key,
		    route_target_text(&entry->target, value));
}

/* Is all of it on the disk? Closes the file. Returns 0 or errno. */
static int
close_file(FILE *file)
{
	bool failed = ferror(file) != 0;

	failed |= fflush(file) != 0 || fsync(fileno(file)) != 0;
	failed |= fclose(file) != 0;
	if (!failed)
		return 0;
	return errno != 0 ? errno : EIO;
}

/* Returns 0 or errno. */
static int
write_file(const struct map_files *files, enum route_kind kind)
{
	struct stream_id at = files->position_cb(files->ctx);
	char temporary[PATH_MAX_LEN], path[PATH_MAX_LEN];
	char id[STREAM_ID_TEXT_MAX];
	FILE *file;
	int error;

	path_of(files, kind, ".map.tmp", temporary);
	path_of(files, kind, ".map", path);
	/* what a crash left there, or a link that somebody put there */
	if (unlink(temporary) != 0 && errno != ENOENT)
		return errno;
	errno = 0;
	file = open_file(temporary, O_EXCL);
	if (file == NULL)
		return errno;
	fprintf(file, "%s%s\n", head_mark, stream_id_text(&at, id));
	write_lines(files, kind, file);
	error = close_file(file);
	if (error == 0 && rename(temporary, path) != 0)
		error = errno;
	if (error != 0)
		(void)unlink(temporary); /* a full disk has no room for it */
	return error;
}

/* Not every file system can do that with a folder. */
static void
sync_folder(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
}

/* The child's work. */
static int
write_cb(void *ctx)
{
	const struct map_files *files = ctx;
	int kind, error = 0;

	for (kind = 0; kind < ROUTE_KINDS && error == 0; kind++)
		if (files->writing & 1u << kind)
			error = write_file(files, (enum route_kind)kind);
	if (files->writing != 0)
		sync_folder(files->dir);
	return error;
}

/* It is tried each second, and said when it begins and when it ends: a log has the same disk. */
static void
report(struct map_files *files, int error)
{
	if (error != 0)
		files->failures++;
	if (error != 0 && error != files->failed)
		log_error("cannot write the map files: HAProxy would start "
			  "with old ones",
		    LOG_S("dir", files->dir),
		    LOG_S("error",
			error > 0 ? strerror(error) : "it was killed"));
	if (error == 0 && files->failed != 0)
		log_info(
		    "the map files are written again", LOG_S("dir", files->dir));
	files->failed = error;
}

/* Big files are written less often, so that it costs a small share of the time. */
static uint64_t
pause_ms(const struct map_files *files)
{
	uint64_t took_ms = loop_now_ms(files->loop) - files->began_ms;

	return took_ms * PAUSE_SHARE > files->delay_ms ? took_ms * PAUSE_SHARE
						       : files->delay_ms;
}

static void
done_cb(void *ctx, int result)
{
	struct map_files *files = ctx;

	report(files, result);
	if (result != 0) {
		files->dirty |= files->writing;
		files->urgent |= files->was_urgent;
	}
	files->writing = 0;
	/* changes up to then wait for it, too */
	timer_set(files->loop, &files->timer,
	    (files->urgent ? 0 : pause_ms(files)) +
		(result != 0 ? RETRY_MS : 0));
}

static void
timer_cb(void *ctx)
{
	struct map_files *files = ctx;

	if (files->dirty == 0 || files->held || child_is_running(&files->child))
		return; /* what comes after that looks again */
	files->writing = files->dirty;
	files->dirty = 0;
	files->was_urgent = files->urgent;
	files->urgent = false;
	files->began_ms = loop_now_ms(files->loop);
	if (child_run(&files->child, write_cb) != 0)
		done_cb(files, errno);
}

static int
prepare(struct map_files *files, struct stream_id *known)
{
	struct stream_id id;
	int kind;

	*known = (struct stream_id){0, 0};
	for (kind = 0; kind < ROUTE_KINDS; kind++) {
		if (touch(files, (enum route_kind)kind, ".map", O_APPEND) !=
			0 ||
		    touch(files, (enum route_kind)kind, ".new.map", O_TRUNC) !=
			0 ||
		    touch(files, (enum route_kind)kind, ".again.map",
			O_TRUNC) != 0)
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
	if (child_init(&files->child, loop, done_cb, files) != 0 ||
	    prepare(files, known) != 0) {
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
	int error;

	if (*files == NULL)
		return;
	timer_clear((*files)->loop, &(*files)->timer);
	if (child_wait(&(*files)->child) != 0)
		(*files)->dirty |= (*files)->writing;
	(*files)->writing = (*files)->held ? 0 : (*files)->dirty;
	error = write_cb(*files);
	report(*files, error);
	free(*files);
	*files = NULL;
}

/* now: unless it is being written, and what comes after that looks again. */
static void
write_soon(struct map_files *files, bool now)
{
	if (now && !files->held && !child_is_running(&files->child))
		timer_set(files->loop, &files->timer, 0);
	else if (!timer_is_set(&files->timer))
		timer_set(files->loop, &files->timer, files->delay_ms);
}

void
map_files_note(struct map_files *files, const struct route_entry *entry)
{
	files->dirty |= 1u << entry->kind;
	files->urgent |= entry->stricter;
	write_soon(files, entry->stricter);
}

void
map_files_hold(struct map_files *files, bool held)
{
	files->held = held;
	if (!held && files->dirty != 0)
		write_soon(files, files->urgent);
}

uint64_t
map_files_failures(const struct map_files *files)
{
	return files->failures;
}
