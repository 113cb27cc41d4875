/* SPDX-License-Identifier: MIT */
/*
 * The device file on the disk: read as a whole, replaced as a whole. A reader sees the
 * old file or the new one, a crash leaves one of the two, and two writers wait for each
 * other. What a line means is device_lines' business.
 */
#include "base/device_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/device_lines.h"

#define PATH_BYTES 1024
#define LOCK_WAIT_MS 5000 /* a writer has it for milliseconds */
#define LOCK_POLL_MS 5
#define DEVICE_FILE_MAX                                                        \
	((off_t)256 << 20) /* bytes; a larger one is no device file */

struct text {
	char *ptr;
	size_t len;
};

static int
fail_errno(struct device_file_error *error, const char *what)
{
	device_file_error_set(error, 0, "%s: %s", what, strerror(errno));
	return -1;
}

static int
read_all(int fd, struct text *text, struct device_file_error *error)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) != 0)
		return fail_errno(error, "cannot be examined");
	if (!S_ISREG(st.st_mode) || st.st_size > DEVICE_FILE_MAX) {
		device_file_error_set(
		    error, 0, "is not a regular file of a sensible size");
		return -1;
	}
	if ((text->ptr = malloc((size_t)st.st_size + 1)) == NULL)
		return fail_errno(error, "cannot be read");
	while (text->len < (size_t)st.st_size) {
		n = read(
		    fd, text->ptr + text->len, (size_t)st.st_size - text->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fail_errno(error, "cannot be read");
			free(text->ptr);
			text->ptr = NULL;
			return -1;
		}
		if (n == 0)
			break;
		text->len += (size_t)n;
	}
	return 0;
}

/* The file's text, from malloc; empty when there is no such file. */
static int
load(const char *path, struct text *text, struct device_file_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), result;

	*text = (struct text){NULL, 0};
	if (fd < 0)
		return errno == ENOENT ? 0
				       : fail_errno(error, "cannot be opened");
	result = read_all(fd, text, error);
	close(fd);
	return result;
}

static int
tell_all(const struct device_lines *lines, device_file_cb device_cb,
    fleet_file_cb fleet_cb, void *ctx)
{
	int result = 0;

	for (size_t i = 0; device_cb != NULL && result == 0 && i < lines->count;
	     i++)
		result = device_cb(ctx, &lines->items[i].record);
	for (size_t i = 0;
	     fleet_cb != NULL && result == 0 && i < lines->n_fleets; i++)
		result = fleet_cb(ctx, &lines->fleets[i].record);
	return result;
}

static int
read_lines(const char *path, struct device_lines *lines,
    struct device_file_error *error)
{
	struct text text;
	int result;

	*error = (struct device_file_error){0};
	if (load(path, &text, error) != 0)
		return -1;
	result =
	    device_lines_parse(lines, (struct str){text.ptr, text.len}, error);
	free(text.ptr);
	return result;
}

int
device_file_read(const char *path, device_file_cb device_cb,
    fleet_file_cb fleet_cb, void *ctx, struct device_file_error *error)
{
	struct device_lines lines;
	int result;

	if (read_lines(path, &lines, error) != 0)
		return -1;
	result = tell_all(&lines, device_cb, fleet_cb, ctx);
	device_lines_fini(&lines);
	return result;
}

int
device_file_read_tokens(const char *path, token_file_cb cb, void *ctx,
    struct device_file_error *error)
{
	struct device_lines lines;
	int result = 0;

	if (read_lines(path, &lines, error) != 0)
		return -1;
	for (size_t i = 0; result == 0 && i < lines.n_tokens; i++)
		result = cb(ctx, &lines.tokens[i].record);
	device_lines_fini(&lines);
	return result;
}

static void
folder_of(const char *path, char folder[PATH_BYTES])
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		snprintf(folder, PATH_BYTES, ".");
	else
		snprintf(folder, PATH_BYTES, "%.*s",
		    slash == path ? 1 : (int)(slash - path), path);
}

/* The new file belongs to whom the old one did. Without root that is not possible when it
 * was somebody else's: better no change than a file that the relay can read no more. */
static int
keep_owner(int fd, const char *path, const char *folder)
{
	struct stat old, new;
	bool exists = stat(path, &old) == 0;

	if (fstat(fd, &new) != 0 || (!exists && stat(folder, &old) != 0))
		return -1;
	if (old.st_uid == new.st_uid && old.st_gid == new.st_gid)
		return 0;
	if (fchown(fd, old.st_uid, old.st_gid) == 0)
		return 0;
	return exists && old.st_uid != new.st_uid ? -1 : 0;
}

/* A relay's loop waits here, too: never for ever, or whoever stops a taupectl in the middle
 * stops every tunnel. */
static int
take_lock(int fd, bool wait)
{
	const struct timespec pause = {.tv_nsec = LOCK_POLL_MS * 1000000L};

	for (int waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) != 0;
	     waited_ms += LOCK_POLL_MS) {
		if ((errno != EWOULDBLOCK && errno != EINTR) || !wait ||
		    waited_ms >= LOCK_WAIT_MS)
			return -1;
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

/* Take the lock; it ends with the descriptor. The lock file stays: whoever removed it
 * would let two writers hold locks on two files of one name. */
static int
lock(const char *path, bool wait, struct device_file_error *error)
{
	char name[PATH_BYTES], folder[PATH_BYTES];
	struct stat st;
	int fd;

	if (snprintf(name, sizeof(name), "%s.lock", path) >=
	    (int)sizeof(name)) {
		errno = ENAMETOOLONG;
		return fail_errno(error, "cannot be locked");
	}
	if ((fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) <
	    0)
		return fail_errno(error, "its .lock file cannot be opened");
	folder_of(path, folder);
	/* a relay that is not root shall be able to lock what root has made; a link that it
	 * might have put here is no reason to give it anything else */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
	    st.st_size == 0 && st.st_uid == geteuid())
		(void)keep_owner(fd, path, folder);
	if (take_lock(fd, wait) == 0)
		return fd;
	if (errno == EWOULDBLOCK) {
		device_file_error_set(error, 0,
		    "another program has it locked: end that, and try again");
		error->busy = true;
	} else {
		fail_errno(error, "cannot be locked");
	}
	close(fd);
	return -1;
}

static int
write_all(int fd, const struct text *text)
{
	size_t done = 0;

	while (done < text->len) {
		ssize_t n = write(fd, text->ptr + done, text->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

static void
sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* the file itself is safe already; not every file system can sync a folder */
	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
}

static int
replace(
    const char *path, const struct text *text, struct device_file_error *error)
{
	char name[PATH_BYTES], folder[PATH_BYTES];
	int fd;

	if (snprintf(name, sizeof(name), "%s.XXXXXX", path) >=
	    (int)sizeof(name)) {
		errno = ENAMETOOLONG;
		return fail_errno(error, "cannot be written");
	}
	folder_of(path, folder);
	if ((fd = mkstemp(name)) < 0) /* mode 0600 */
		return fail_errno(error, "cannot be written");
	if (keep_owner(fd, path, folder) != 0 || write_all(fd, text) != 0 ||
	    fsync(fd) != 0) {
		fail_errno(error, "cannot be written");
		close(fd);
		goto fail;
	}
	if (close(fd) != 0 || rename(name, path) != 0) {
		fail_errno(error, "cannot be replaced");
		goto fail;
	}
	sync_folder(folder);
	return 0;
fail:
	unlink(name);
	return -1;
}

/* A change under way: the text as it is so far, and what it says. */
struct change {
	struct text text;
	struct device_lines lines;
	int lock_fd;
	bool changed;
	struct device_file_error *error;
};

static int
begin(struct change *change, const char *path, bool wait,
    struct device_file_error *error)
{
	*error = (struct device_file_error){0};
	*change = (struct change){.error = error};
	if ((change->lock_fd = lock(path, wait, error)) < 0)
		return -1;
	if (load(path, &change->text, error) == 0 &&
	    device_lines_parse(&change->lines,
		(struct str){change->text.ptr, change->text.len}, error) == 0)
		return 0;
	free(change->text.ptr);
	close(change->lock_fd);
	return -1;
}

/* Write it if so far all went well. */
static int
end(struct change *change, const char *path, int result)
{
	if (result == 0 && change->changed)
		result = replace(path, &change->text, change->error);
	device_lines_fini(&change->lines);
	free(change->text.ptr);
	close(change->lock_fd);
	return result;
}

static void
append(struct text *text, struct str line)
{
	if (line.len > 0)
		memcpy(text->ptr + text->len, line.ptr, line.len);
	text->len += line.len;
	text->ptr[text->len++] = '\n';
}

/* Put a line in the place of the one of that number (0: at the end); absent: leave it out. Then
 * look at the whole again. */
static int
edit_line(struct change *change, unsigned number, struct str line)
{
	struct text new = {malloc(change->text.len + line.len + 3), 0};
	struct str rest = {change->text.ptr, change->text.len}, at;

	if (new.ptr == NULL)
		return fail_errno(change->error, "cannot be changed");
	for (unsigned i = 1; device_lines_next(&rest, &at); i++) {
		if (i != number)
			append(&new, at);
		else if (line.ptr != NULL)
			append(&new, line);
	}
	if (number == 0)
		append(&new, line);
	free(change->text.ptr);
	change->text = new;
	change->changed = true;
	device_lines_fini(&change->lines);
	return device_lines_parse(
	    &change->lines, (struct str){new.ptr, new.len}, change->error);
}

/* The line of that number; 0: empty. */
static struct str
line_at(const struct change *change, unsigned number)
{
	struct str rest = {change->text.ptr, change->text.len}, line;

	for (unsigned i = 1; device_lines_next(&rest, &line); i++)
		if (i == number)
			return line;
	return (struct str){0};
}

static int
put_line(
    struct change *change, unsigned number, struct writer *w, const char *room)
{
	if (!w->full)
		return edit_line(
		    change, number, (struct str){room, writer_len(w)});
	device_file_error_set(change->error, number,
	    "with this change the line would be longer than %d characters: "
	    "shorten what stands there under keys that this version does not "
	    "know",
	    DEVICE_LINE_MAX);
	return -1;
}

static int
put_device(struct change *change, const struct device_record *record)
{
	const struct device_line *old =
	    device_lines_find(&change->lines, str_of(record->name));
	unsigned number = old != NULL ? old->number : 0;
	char room[DEVICE_LINE_MAX];
	struct writer w;

	writer_init(&w, room, sizeof(room));
	device_line_write(&w, record, line_at(change, number));
	return put_line(change, number, &w, room);
}

static int
put_fleet(struct change *change, const struct fleet_record *record)
{
	const struct fleet_line *old =
	    device_lines_find_fleet(&change->lines, str_of(record->name));
	unsigned number = old != NULL ? old->number : 0;
	char room[DEVICE_LINE_MAX];
	struct writer w;

	writer_init(&w, room, sizeof(room));
	fleet_line_write(&w, record, line_at(change, number));
	return put_line(change, number, &w, room);
}

static int
put_token(struct change *change, const struct token_record *record)
{
	const struct token_line *old =
	    device_lines_find_token(&change->lines, str_of(record->name));
	unsigned number = old != NULL ? old->number : 0;
	char room[DEVICE_LINE_MAX];
	struct writer w;

	writer_init(&w, room, sizeof(room));
	token_line_write(&w, record, line_at(change, number));
	return put_line(change, number, &w, room);
}

int
device_file_put(const char *path, const struct device_record *record,
    bool *found, struct device_file_error *error)
{
	struct change change;

	if (begin(&change, path, true, error) != 0)
		return -1;
	if (found != NULL &&
	    (*found = device_lines_find(&change.lines, str_of(record->name)) !=
		    NULL))
		return end(&change, path, 0);
	return end(&change, path, put_device(&change, record));
}

int
device_file_change(const char *path, struct str name, device_file_edit edit,
    void *ctx, bool wait, bool *found, struct device_file_error *error)
{
	const struct device_line *line;
	struct device_record record = {0};
	struct change change;
	int result = 0;

	*found = false;
	if (begin(&change, path, wait, error) != 0)
		return -1;
	if ((line = device_lines_find(&change.lines, name)) != NULL) {
		*found = true;
		device_record_copy(&record, &line->record);
		if (edit(ctx, &record))
			result = put_device(&change, &record);
		device_record_drop(&record);
	}
	return end(&change, path, result);
}

int
device_file_remove(const char *path, struct str name, bool *found,
    struct device_file_error *error)
{
	const struct device_line *line;
	struct change change;
	int result = 0;

	*found = false;
	if (begin(&change, path, true, error) != 0)
		return -1;
	if ((line = device_lines_find(&change.lines, name)) != NULL) {
		*found = true;
		result =
		    edit_line(&change, line->number, (struct str){NULL, 0});
	}
	return end(&change, path, result);
}

int
device_file_put_fleet(const char *path, const struct fleet_record *record,
    bool *found, struct device_file_error *error)
{
	struct change change;

	if (begin(&change, path, true, error) != 0)
		return -1;
	if (found != NULL &&
	    (*found = device_lines_find_fleet(
			  &change.lines, str_of(record->name)) != NULL))
		return end(&change, path, 0);
	return end(&change, path, put_fleet(&change, record));
}

int
device_file_remove_fleet(const char *path, struct str name, bool *found,
    struct device_file_error *error)
{
	const struct fleet_line *line;
	struct change change;
	int result = 0;

	*found = false;
	if (begin(&change, path, true, error) != 0)
		return -1;
	if ((line = device_lines_find_fleet(&change.lines, name)) != NULL) {
		*found = true;
		result =
		    edit_line(&change, line->number, (struct str){NULL, 0});
	}
	return end(&change, path, result);
}

int
device_file_put_token(const char *path, const struct token_record *record,
    bool *found, struct device_file_error *error)
{
	struct change change;

	if (begin(&change, path, true, error) != 0)
		return -1;
	if (found != NULL &&
	    (*found = device_lines_find_token(
			  &change.lines, str_of(record->name)) != NULL))
		return end(&change, path, 0);
	return end(&change, path, put_token(&change, record));
}

int
device_file_remove_token(const char *path, struct str name, bool *found,
    struct device_file_error *error)
{
	const struct token_line *line;
	struct change change;
	int result = 0;

	*found = false;
	if (begin(&change, path, true, error) != 0)
		return -1;
	if ((line = device_lines_find_token(&change.lines, name)) != NULL) {
		*found = true;
		result =
		    edit_line(&change, line->number, (struct str){NULL, 0});
	}
	return end(&change, path, result);
}

int
device_file_enrol(const char *path, struct str fleet_name, struct str name,
    device_file_judge judge, void *ctx, struct device_file_error *error)
{
	const struct fleet_line *fleet;
	const struct device_line *device;
	struct device_record record = {0};
	struct fleet_record counted;
	struct change change;
	int result = 0;

	if (begin(&change, path, false, error) != 0)
		return -1;
	fleet = device_lines_find_fleet(&change.lines, fleet_name);
	device = device_lines_find(&change.lines, name);
	if (judge(ctx, fleet != NULL ? &fleet->record : NULL,
		device != NULL ? &device->record : NULL, &record)) {
		counted = fleet->record;
		counted.used++;
		result = put_device(&change, &record);
		if (result == 0)
			result = put_fleet(&change, &counted);
	}
	return end(&change, path, result);
}
