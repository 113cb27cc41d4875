/* SPDX-License-Identifier: MIT */
#include "relay/init/init_write.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/option_value.h"
#include "base/wipe.h"
#include "relay/init/init_template.h"

#define BACKUPS_MAX 99
#define PATH_BYTES 512

/* Signals that a person, or a lost terminal, ends us with. */
static const int ends[] = {SIGHUP, SIGINT, SIGTERM};

enum file_state { FILE_ABSENT, FILE_SAME, FILE_DIFFERS };

struct writing {
	const struct init_plan *plan;
	enum file_state states[INIT_FILES_MAX];
	struct option_list made; /* folders, each behind the one it is in */
	size_t n_new; /* so many have been looked at for their .new */
};

/* ---- what is there ---- */

/* Where two texts part: the line's number, and its beginnings. */
static unsigned
first_difference(const char **a, const char **b)
{
	unsigned line = 1;

	for (;;) {
		size_t a_len = strcspn(*a, "\n"), b_len = strcspn(*b, "\n");

		if (a_len != b_len || memcmp(*a, *b, a_len) != 0 ||
		    (*a)[a_len] == '\0' || (*b)[b_len] == '\0')
			return line;
		*a += a_len + 1;
		*b += b_len + 1;
		line++;
	}
}

static void
tell_difference(const struct init_file *file, const char *found)
{
	const char *theirs = found, *ours = file->text;
	unsigned line = first_difference(&theirs, &ours);

	if (file->secret) {
		fprintf(stderr,
		    "  %s:%u: differs, and what is in it is not shown\n",
		    file->path, line);
		return;
	}
	fprintf(stderr, "  %s:%u: \"%.*s\" is there, it would be \"%.*s\"\n",
	    file->path, line, (int)strcspn(theirs, "\n"), theirs,
	    (int)strcspn(ours, "\n"), ours);
}

static int
look(struct writing *writing)
{
	const struct init_plan *plan = writing->plan;
	bool differs = false;

	for (size_t i = 0; i < plan->n_files; i++) {
		const struct init_file *file = &plan->files[i];
		char *found = init_read(file->path);

		if (found == NULL && errno != ENOENT)
			return init_fail_errno(file->path);
		if (found == NULL) {
			writing->states[i] = FILE_ABSENT;
			continue;
		}
		writing->states[i] =
		    strcmp(found, file->text) == 0 ? FILE_SAME : FILE_DIFFERS;
		if (writing->states[i] == FILE_DIFFERS &&
		    !plan->options->force) {
			tell_difference(file, found);
			differs = true;
		}
		wipe(found, strlen(found));
		free(found);
	}
	return differs
	    ? init_fail(EX_CANTCREAT,
		  "these files are there and differ: nothing was written. With "
		  "--force they are replaced, and kept with .bak behind their "
		  "names")
	    : EX_OK;
}

/* ---- whose it is ---- */

/* Give it to root and the group; who is not root, or tries things out, has what he made. */
static int
give(const struct init_plan *plan, int fd, const char *path, const char *group)
{
	const struct group *found;

	if (geteuid() != 0 || plan->root[0] != '\0' || group == NULL)
		return EX_OK;
	if ((found = getgrnam(group)) == NULL) {
		fprintf(stderr,
		    "  there is no group %s here yet: once there is, chgrp %s "
		    "%s\n",
		    group, group, path);
		return EX_OK;
	}
	return fchown(fd, 0, found->gr_gid) == 0 ? EX_OK
						 : init_fail_errno(path);
}

/* Of a folder of Redis: its user writes there. */
static int
give_redis(const struct init_plan *plan, const char *path)
{
	const struct passwd *user = getpwnam("redis");

	if (geteuid() != 0 || plan->root[0] != '\0' ||
	    strstr(path, "/redis/") == NULL || user == NULL)
		return EX_OK;
	return chown(path, user->pw_uid, user->pw_gid) == 0
	    ? EX_OK
	    : init_fail_errno(path);
}

/* ---- folders ---- */

static int
give_made(struct writing *writing, const char *path, mode_t mode)
{
	int fd, code;

	if (option_list_add(&writing->made, path) != 0) {
		rmdir(path);
		return init_fail(EX_OSERR, "out of memory");
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return init_fail_errno(path);
	code = give(writing->plan, fd, path, mode == 0750 ? "taupe" : NULL);
	close(fd);
	return code;
}

/* Make the folder and those above it. */
static int
make_folder(struct writing *writing, const char *path, mode_t mode)
{
	char above[PATH_BYTES];
	char *slash;
	int code;

	if (mkdir(path, mode) == 0)
		return give_made(writing, path, mode);
	if (errno == EEXIST)
		return EX_OK;
	if (errno != ENOENT || strlen(path) >= sizeof(above))
		return init_fail_errno(path);
	snprintf(above, sizeof(above), "%s", path);
	slash = strrchr(above, '/');
	if (slash == NULL || slash == above)
		return init_fail_errno(path);
	*slash = '\0';
	code = make_folder(writing, above, 0755);
	return code == EX_OK ? make_folder(writing, path, mode) : code;
}

static int
make_folder_of(struct writing *writing, const struct init_file *file)
{
	char folder[PATH_BYTES];
	mode_t mode = 0755;

	snprintf(folder, sizeof(folder), "%s", file->path);
	*strrchr(folder, '/') = '\0';
	if (strstr(folder, TAUPE_SYSCONFDIR) != NULL)
		mode = 0750;
	else if (file->read_by_folder)
		mode = 0700;
	return make_folder(writing, folder, mode);
}

static int
make_folders(struct writing *writing)
{
	const struct init_plan *plan = writing->plan;
	int code = EX_OK;

	for (size_t i = 0; i < plan->n_folders && code == EX_OK; i++) {
		code = make_folder(writing, plan->folders[i], 0755);
		if (code == EX_OK)
			code = give_redis(plan, plan->folders[i]);
	}
	return code;
}

/* ---- files ---- */

static int
write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0)
			return -1;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd);
}

/* Write it under another name. What such a one has left that was interrupted is in the way. */
static int
write_new(const struct init_plan *plan, const struct init_file *file,
    const char *name)
{
	int fd, code;

	unlink(name);
	fd = open(
	    name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return init_fail_errno(name);
	/* the group first: nobody else reads it meanwhile */
	code = give(plan, fd, file->path, file->group);
	if (code == EX_OK &&
	    (fchmod(fd, file->mode) != 0 ||
		write_all(fd, file->text, strlen(file->text)) != 0))
		code = init_fail_errno(name);
	close(fd);
	return code;
}

/* Another name for the file: beside it, or beside its folder where nothing else may lie. */
static int
other_name(const struct init_file *file, const char *suffix, int number,
    char out[PATH_BYTES])
{
	const char *name = strrchr(file->path, '/');
	const char *above = name;
	char digits[12] = "";
	int len;

	if (file->read_by_folder)
		while (above > file->path && *--above != '/')
			continue;
	if (number > 0)
		snprintf(digits, sizeof(digits), "%d", number);
	len = snprintf(out, PATH_BYTES, "%.*s%s%s%s", (int)(above - file->path),
	    file->path, name, suffix, digits);
	return len < PATH_BYTES
	    ? EX_OK
	    : init_fail(EX_CANTCREAT, "%s: the name is too long", file->path);
}

static int
new_name(const struct init_file *file, char out[PATH_BYTES])
{
	return other_name(file, ".new", 0, out);
}

static int
write_all_new(struct writing *writing)
{
	const struct init_plan *plan = writing->plan;
	char name[PATH_BYTES];
	int code = EX_OK;

	for (size_t i = 0; i < plan->n_files && code == EX_OK; i++) {
		writing->n_new = i + 1;
		if (writing->states[i] == FILE_SAME)
			continue;
		code = new_name(&plan->files[i], name);
		if (code == EX_OK)
			code = make_folder_of(writing, &plan->files[i]);
		if (code == EX_OK)
			code = write_new(plan, &plan->files[i], name);
	}
	return code;
}

/* Take away what was made; a folder with something of others in it stays. */
static void
take_back(const struct writing *writing)
{
	char name[PATH_BYTES];

	for (size_t i = 0; i < writing->n_new; i++)
		if (writing->states[i] != FILE_SAME &&
		    new_name(&writing->plan->files[i], name) == EX_OK)
			unlink(name);
	for (size_t i = writing->made.count; i > 0; i--)
		rmdir(writing->made.items[i - 1]);
}

/* A second name for what is there, which no older one is lost for. */
static int
keep_old(const struct init_file *file)
{
	char name[PATH_BYTES];
	int code;

	for (int i = 0; i <= BACKUPS_MAX; i++) {
		if ((code = other_name(file, ".bak", i, name)) != EX_OK)
			return code;
		if (link(file->path, name) == 0) {
			printf(
			    "  %s: what was there is %s\n", file->path, name);
			return EX_OK;
		}
		if (errno != EEXIST)
			break;
	}
	return init_fail_errno(name);
}

static int
put_in_place(const struct writing *writing, size_t i)
{
	const struct init_file *file = &writing->plan->files[i];
	char name[PATH_BYTES];
	int code = new_name(file, name);

	if (code == EX_OK && writing->states[i] == FILE_DIFFERS)
		code = keep_old(file);
	if (code == EX_OK && rename(name, file->path) != 0)
		code = init_fail_errno(file->path);
	return code;
}

static void
tell_file(const struct init_plan *plan, const struct init_file *file)
{
	const char *group = plan->root[0] == '\0' ? file->group : NULL;

	printf("  %04o %s%s%s\n", (unsigned)file->mode, file->path,
	    group ? " for the group " : "", group ? group : "");
}

/* From here on all of it is written, whoever wants to end us. */
static int
check_not_interrupted(void)
{
	sigset_t pending;

	sigpending(&pending);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (sigismember(&pending, ends[i]) == 1)
			return init_fail(
			    EX_TEMPFAIL, "interrupted: nothing was written");
	return EX_OK;
}

static int
write_files(struct writing *writing)
{
	const struct init_plan *plan = writing->plan;
	size_t n_written = 0;
	int code = write_all_new(writing);

	if (code == EX_OK)
		code = make_folders(writing);
	if (code == EX_OK)
		code = check_not_interrupted();
	for (size_t i = 0; i < plan->n_files && code == EX_OK; i++) {
		if (writing->states[i] == FILE_SAME)
			continue;
		if ((code = put_in_place(writing, i)) == EX_OK) {
			tell_file(plan, &plan->files[i]);
			n_written++;
		}
	}
	if (code != EX_OK)
		take_back(writing);
	else if (n_written == 0)
		printf("  all %zu files are there as they should be\n",
		    plan->n_files);
	return code;
}

void
init_hold(sigset_t *before)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaddset(&set, ends[i]);
	sigprocmask(SIG_BLOCK, &set, before);
}

int
init_write(const struct init_plan *plan)
{
	struct writing writing = {.plan = plan};
	int code = look(&writing);

	if (code == EX_OK)
		code = write_files(&writing);
	option_list_clear(&writing.made);
	return code;
}
