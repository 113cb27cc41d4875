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
#include <unistd.h>

#include "base/device_lines.h"

#define PATH_BYTES 1024
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

int
device_file_read(const char *path, device_file_cb cb, void *ctx,
    struct device_file_error *error)
{
	struct device_lines lines;
	struct text text;
	int result;

	*error = (struct device_file_error){0};
	if (load(path, &text, error) != 0)
		return -1;
	result =
	    device_lines_parse(&lines, (struct str){text.ptr, text.len}, error);
	free(text.ptr);
	if (result != 0)
		return -1;
	for (size_t i = 0; result == 0 && i < lines.count; i++)
		result = cb(ctx, &lines.items[i].record);
	device_lines_fini(&lines);
	return result;
}

/* Take the lock; it ends with the descriptor. The lock file stays: whoever removed it
 * would let two writers hold locks on two files of one name. */
static int
lock(const char *path, struct device_file_error *error)
{
	char name[PATH_BYTES];
	int fd;

	if (snprintf(name, sizeof(name), "%s.lock", path) >=
	    (int)sizeof(name)) {
		errno = ENAMETOOLONG;
		return fail_errno(error, "cannot be locked");
	}
	if ((fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
		return fail_errno(error, "its .lock file cannot be opened");
	while (flock(fd, LOCK_EX) != 0) {
		if (errno != EINTR) {
			fail_errno(error, "cannot be locked");
			close(fd);
			return -1;
		}
	}
	return fd;
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

static void
append(struct text *text, struct str line)
{
	memcpy(text->ptr + text->len, line.ptr, line.len);
	text->len += line.len;
	text->ptr[text->len++] = '\n';
}

/* Copy a text that was checked, with the line of that name replaced by another one, or
 * left out when that is absent. A new line goes to the end. */
static int
edit(const struct text *old, const struct device_lines *lines, struct str name,
    struct str line, struct text *out, bool *found)
{
	struct str rest = {old->ptr, old->len}, at;
	size_t next = 0; /* the device that comes next */

	*found = false;
	*out = (struct text){malloc(old->len + line.len + 3), 0};
	if (out->ptr == NULL)
		return -1;
	for (unsigned number = 1; device_lines_next(&rest, &at); number++) {
		const struct device_line *item =
		    next < lines->count ? &lines->items[next] : NULL;
		bool is_device = item != NULL && item->number == number;

		if (is_device && str_equal(str_of(item->record.name), name)) {
			*found = true;
			if (line.ptr != NULL)
				append(out, line);
		} else if (at.len > 0) {
			append(out, at);
		} else {
			out->ptr[out->len++] = '\n';
		}
		next += is_device;
	}
	if (!*found && line.ptr != NULL)
		append(out, line);
	return 0;
}

/* What a device's line shall be. All NULL: gone. */
struct wish {
	struct str name;
	const struct device_record *record; /* a new line, or another one */
	const uint8_t *secret_sha256;	    /* the same one with this secret */
	const struct limit_change *limits;  /* the same one with these */
};

/* The new line, from what stands there now; absent when none shall be. */
static int
wished_line(const struct wish *wish, const struct device_lines *lines,
    char room[DEVICE_LINE_MAX], struct str *line,
    struct device_file_error *error)
{
	struct device_record record;
	struct writer w;

	*line = (struct str){NULL, 0};
	if (wish->record != NULL) {
		record = *wish->record;
	} else {
		size_t i = 0;

		while (i < lines->count &&
		    !str_equal(str_of(lines->items[i].record.name), wish->name))
			i++;
		if ((wish->secret_sha256 == NULL && wish->limits == NULL) ||
		    i == lines->count)
			return 0;
		record = lines->items[i].record;
		if (wish->secret_sha256 != NULL)
			memcpy(record.secret_sha256, wish->secret_sha256,
			    SECRET_HASH_LEN);
		if (wish->limits != NULL)
			device_limits_change(record.limits, wish->limits);
	}
	writer_init(&w, room, DEVICE_LINE_MAX);
	device_line_write(&w, &record);
	if (w.full) {
		device_file_error_set(
		    error, 0, "the device's line would be too long");
		return -1;
	}
	*line = (struct str){room, writer_len(&w)};
	return 0;
}

/* Read, edit, check what came out, and replace, under the lock. */
static int
change(const char *path, const struct wish *wish, bool *found,
    struct device_file_error *error)
{
	char room[DEVICE_LINE_MAX];
	struct str line;
	struct text old = {NULL, 0}, new = {NULL, 0};
	struct device_lines lines = {NULL, 0};
	int result = -1, lock_fd;

	*error = (struct device_file_error){0};
	if ((lock_fd = lock(path, error)) < 0)
		return -1;
	if (load(path, &old, error) != 0 ||
	    device_lines_parse(&lines, (struct str){old.ptr, old.len}, error) !=
		0)
		goto out;
	if (wished_line(wish, &lines, room, &line, error) != 0)
		goto out;
	if (edit(&old, &lines, wish->name, line, &new, found) != 0) {
		fail_errno(error, "cannot be changed");
		goto out;
	}
	device_lines_fini(&lines);
	if (device_lines_parse(&lines, (struct str){new.ptr, new.len}, error) !=
	    0)
		goto out;
	result = line.ptr == NULL && !*found ? 0 : replace(path, &new, error);
out:
	device_lines_fini(&lines);
	free(new.ptr);
	free(old.ptr);
	close(lock_fd);
	return result;
}

int
device_file_put(const char *path, const struct device_record *record,
    struct device_file_error *error)
{
	struct wish wish = {.name = str_of(record->name), .record = record};
	bool found;

	return change(path, &wish, &found, error);
}

int
device_file_set_secret(const char *path, struct str name,
    const uint8_t secret_sha256[SECRET_HASH_LEN], bool *found,
    struct device_file_error *error)
{
	struct wish wish = {.name = name, .secret_sha256 = secret_sha256};

	*found = false;
	return change(path, &wish, found, error);
}

int
device_file_set_limits(const char *path, struct str name,
    const struct limit_change changes[DEVICE_LIMITS], bool *found,
    struct device_file_error *error)
{
	struct wish wish = {.name = name, .limits = changes};

	*found = false;
	return change(path, &wish, found, error);
}

int
device_file_remove(const char *path, struct str name, bool *found,
    struct device_file_error *error)
{
	struct wish wish = {.name = name};

	*found = false;
	return change(path, &wish, found, error);
}
