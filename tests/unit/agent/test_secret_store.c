/* SPDX-License-Identifier: MIT */
/*
 * The device's own secrets through restarts, power cuts and operators. A power cut is a
 * process that ends right before one of its system calls: whatever is in the folder then is
 * what the next one finds.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "agent/secret_store.h"
#include "agent/state_file.h"
#include "base/log.h"
#include "support.h"

#define GIVEN "q3vJ0mB7yZkR1sT5uXnEwA"

/* ---- power cuts and broken disks ---- */

static int calls_until_cut = -1; /* -1: never */
static int syncs_until_failure = -1, sync_error = EIO;
static int folder_error; /* of opening a folder; 0: none */
/* What was done to files, a letter each: open a folder, make a file, write, sync a file, sync a
 * folder, close, rename, unlink. */
static char steps[100];

static void
step(char letter)
{
	size_t len = strlen(steps);

	if (calls_until_cut-- == 0)
		_exit(99);
	if (len < sizeof(steps) - 1) {
		steps[len] = letter;
		steps[len + 1] = '\0';
	}
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
/* what glibc makes of open() on machines of 32 bits */
int __wrap_open64(const char *path, int flags, ...)
    __attribute__((alias("__wrap_open")));
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_close(int fd);
int __wrap_close(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);

int
__wrap_open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode = 0;

	if (flags & O_CREAT) {
		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
		step('M');
	} else if (flags & O_DIRECTORY) {
		step('O');
		if (folder_error != 0) {
			errno = folder_error;
			return -1;
		}
	}
	return __real_open(path, flags, mode);
}

ssize_t
__wrap_write(int fd, const void *data, size_t len)
{
	/* a half of it may have come to the disk */
	if (calls_until_cut == 0 && len > 1)
		(void)!__real_write(fd, data, len / 2);
	step('W');
	return __real_write(fd, data, len);
}

int
__wrap_fsync(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	step(S_ISDIR(st.st_mode) ? 'D' : 'F');
	if (syncs_until_failure-- == 0) {
		errno = sync_error;
		return -1;
	}
	return __real_fsync(fd);
}

int
__wrap_close(int fd)
{
	step('C');
	return __real_close(fd);
}

int
__wrap_rename(const char *from, const char *to)
{
	step('R');
	return __real_rename(from, to);
}

int
__wrap_unlink(const char *path)
{
	step('U');
	return __real_unlink(path);
}

/* ---- */

static const char *
file_of(const char *state_file)
{
	static char path[600];

	ck_assert_int_lt(snprintf(path, sizeof(path), "%s.secret", state_file),
	    (int)sizeof(path));
	return path;
}

static bool
exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void
init(struct secret_store *store, const char *state_file, const char *given)
{
	ck_assert_int_eq(
	    secret_store_init(store, state_file, "alice", given), EX_OK);
}

/* What the device has, of its own or not, while the operator gives it that. */
static void
expect(const char *state_file, const char *given, const char *secret,
    const char *old)
{
	struct secret_store store;

	init(&store, state_file, given);
	ck_assert_str_eq(store.secret, secret);
	ck_assert_str_eq(store.old, old);
	secret_store_fini(&store);
}

/* The text of the file, NUL-terminated. */
static const char *
text_of(const char *state_file)
{
	static char text[65536];

	ck_assert_int_ge(
	    state_file_read_whole(file_of(state_file), text, sizeof(text)), 0);
	return text;
}

/* A device that was rotated once, with `given` as what it began with. */
static void
make_rotated(const char *state_file, const char *given,
    char secret[TAUPE_SECRET_MAX + 1])
{
	char why[SECRET_STORE_WHY_MAX];
	struct secret_store store;

	init(&store, state_file, given);
	ck_assert_int_eq(secret_store_need(&store), EX_OK);
	ck_assert_int_eq(secret_store_rotate(&store, TAUPE_SECRET, why), 0);
	strcpy(secret, store.secret);
	secret_store_fini(&store);
}

START_TEST(without_a_file_the_given_secret_counts)
{
	struct taupe_config config = {.old_secret = "x", .enrolled = true};
	struct secret_store store;

	init(&store, test_path("none"), GIVEN);
	secret_store_apply(&store, &config);
	ck_assert_str_eq(config.secret, GIVEN);
	ck_assert_uint_eq(strlen(config.secret_sha256), TAUPE_SHA256_LEN);
	ck_assert_ptr_null(config.old_secret);
	ck_assert(!exists(file_of(test_path("none"))));
	secret_store_fini(&store);
	init(&store, test_path("none"), "");
	secret_store_apply(&store, &config);
	ck_assert_ptr_null(config.secret);
	ck_assert_ptr_null(config.secret_sha256);
	ck_assert(!config.enrolled);
	secret_store_fini(&store);
}
END_TEST

START_TEST(rotation_is_kept_with_the_secret_before_it)
{
	const char *state = test_path("rotated");
	char why[SECRET_STORE_WHY_MAX], first[TAUPE_SECRET_MAX + 1];
	struct secret_store store;
	struct stat st;

	make_rotated(state, GIVEN, first);
	ck_assert_uint_eq(strlen(first), 43);
	ck_assert_int_eq(stat(file_of(state), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	init(&store, state, GIVEN);
	ck_assert_str_eq(store.secret, first);
	ck_assert_str_eq(store.old, GIVEN);
	/* once more: the given one is forgotten, but not that it was the first */
	ck_assert_int_eq(secret_store_rotate(&store, TAUPE_SECRET, why), 0);
	secret_store_fini(&store);
	init(&store, state, GIVEN);
	ck_assert_str_ne(store.secret, first);
	ck_assert_str_eq(store.old, first);
	secret_store_fini(&store);
	/* nor is it needed any more */
	init(&store, state, "");
	ck_assert_str_eq(store.old, first);
	secret_store_fini(&store);
}
END_TEST

START_TEST(hash_is_of_the_secret)
{
	struct secret_store store;

	init(&store, NULL, "abc");
	ck_assert_str_eq(store.sha256,
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	secret_store_fini(&store);
}
END_TEST

/* The registry has not got what was drawn: it is not drawn again. */
START_TEST(on_a_session_with_the_old_one_the_new_one_stays)
{
	const char *state = test_path("again");
	char why[SECRET_STORE_WHY_MAX], secret[TAUPE_SECRET_MAX + 1];
	struct secret_store store;

	make_rotated(state, GIVEN, secret);
	init(&store, state, GIVEN);
	ck_assert_int_eq(secret_store_rotate(&store, TAUPE_OLD_SECRET, why), 0);
	ck_assert_str_eq(store.secret, secret);
	ck_assert_str_eq(store.old, GIVEN);
	secret_store_fini(&store);
}
END_TEST

START_TEST(what_cannot_be_kept_is_not_drawn)
{
	const char *const states[] = {"/nowhere/at/all", NULL};
	char why[SECRET_STORE_WHY_MAX];
	struct secret_store store;

	for (size_t i = 0; i < COUNT(states); i++) {
		init(&store, states[i], GIVEN);
		ck_assert_int_eq(
		    secret_store_rotate(&store, TAUPE_SECRET, why), -1);
		ck_assert_ptr_eq(strstr(why,
				     "a secret cannot be kept: No such file or "
				     "directory ("),
		    why);
		ck_assert_str_eq(store.secret, GIVEN);
		ck_assert_str_eq(store.old, "");
		secret_store_fini(&store);
		init(&store, states[i], "");
		ck_assert_int_eq(secret_store_need(&store), EX_CANTCREAT);
		ck_assert_str_eq(store.secret, "");
		ck_assert_int_eq(
		    secret_store_rotate(&store, TAUPE_SECRET, why), -1);
		ck_assert_ptr_nonnull(strstr(why, "and no secret: "));
		secret_store_fini(&store);
	}
}
END_TEST

/* A cut that ends a process leaves what the system still holds in memory: that all is on the disk,
 * and when, is seen from the calls alone. */
START_TEST(text_is_synced_before_it_is_renamed_and_the_folder_after)
{
	steps[0] = '\0';
	ck_assert_int_eq(state_file_write(test_path("steps"), "text", 4), 0);
	ck_assert_str_eq(steps, "OUMWWFCRDC");
}
END_TEST

/* What a disk may not have taken is not offered, whichever of the syncs it is that fails. */
START_TEST(failed_sync_is_a_failure)
{
	const char *state = test_path("sync");
	char why[SECRET_STORE_WHY_MAX];
	struct secret_store store;
	int n = 0;

	init(&store, state, GIVEN);
	for (;; n++) {
		syncs_until_failure = n;
		if (secret_store_rotate(&store, TAUPE_SECRET, why) == 0)
			break;
		ck_assert_ptr_nonnull(strstr(why, "Input/output error"));
		ck_assert_str_eq(store.secret, GIVEN);
		ck_assert_str_eq(store.old, "");
	}
	syncs_until_failure = -1;
	ck_assert_int_eq(n, 2); /* the file's and the folder's */
	secret_store_fini(&store);
}
END_TEST

/* As some file systems say of a folder. */
START_TEST(folder_that_knows_no_sync_is_no_failure)
{
	static const int errors[] = {EINVAL, ENOTSUP};
	char why[SECRET_STORE_WHY_MAX];
	struct secret_store store;

	init(&store, test_path("no_sync"), GIVEN);
	for (size_t i = 0; i < COUNT(errors); i++) {
		sync_error = errors[i];
		syncs_until_failure = 1; /* the file's comes first */
		ck_assert_int_eq(
		    secret_store_rotate(&store, TAUPE_SECRET, why), 0);
		ck_assert_int_eq(syncs_until_failure, -1);
	}
	sync_error = EIO;
	secret_store_fini(&store);
}
END_TEST

/* Sync by sync, as the file has it then: the new name is there, and may not last. */
START_TEST(disk_that_fails_for_long_does_not_fill_the_file)
{
	static const char *const given[] = {GIVEN, ""};
	const char *state = test_path("long-failure");
	char why[SECRET_STORE_WHY_MAX], *text = NULL;
	struct secret_store store;

	for (size_t i = 0; i < COUNT(given); i++) {
		init(&store, state, given[i]);
		for (int n = 0; n < 100; n++) {
			syncs_until_failure = 1;
			if (given[i][0] == '\0')
				ck_assert_int_eq(
				    secret_store_need(&store), EX_CANTCREAT);
			else
				ck_assert_int_eq(secret_store_rotate(
						     &store, TAUPE_SECRET, why),
				    -1);
			ck_assert_str_eq(store.secret, given[i]);
			ck_assert_str_eq(store.old, "");
			if (n > 0)
				ck_assert_str_eq(text_of(state), text);
			free(text);
			text = strdup(text_of(state));
		}
		syncs_until_failure = -1;
		/* what the file has had all the time is what is used at last */
		if (given[i][0] == '\0')
			ck_assert_int_eq(secret_store_need(&store), EX_OK);
		else
			ck_assert_int_eq(
			    secret_store_rotate(&store, TAUPE_SECRET, why), 0);
		ck_assert_str_eq(text_of(state), text);
		expect(state, given[i], store.secret, given[i]);
		ck_assert_str_eq(store.drawn, "");
		/* and the next one is another */
		ck_assert_int_eq(
		    secret_store_rotate(&store, TAUPE_SECRET, why), 0);
		ck_assert_str_ne(store.secret, store.old);
		secret_store_fini(&store);
		ck_assert_int_eq(remove(file_of(state)), 0);
	}
	free(text);
}
END_TEST

START_TEST(folder_that_cannot_be_opened_fails_before_anything_is_renamed)
{
	static const int errors[] = {EMFILE, ENFILE, ENOMEM, EINTR, EIO};
	const char *path = test_path("folder-error");
	char text[100];

	ck_assert_int_eq(state_file_write(path, "old", 3), 0);
	for (size_t i = 0; i < COUNT(errors); i++) {
		folder_error = errors[i];
		ck_assert_int_eq(state_file_write(path, "new!", 4), -1);
		ck_assert_int_eq(errno, errors[i]);
		ck_assert_int_eq(state_file_read(path, text, sizeof(text)), 3);
	}
	folder_error = 0;
}
END_TEST

/* One that is for writing alone is no reason to keep nothing. */
START_TEST(folder_that_may_not_be_read_is_written_to)
{
	static const int errors[] = {EACCES, EPERM};
	const char *path = test_path("folder-unread");

	for (size_t i = 0; i < COUNT(errors); i++) {
		folder_error = errors[i];
		ck_assert_int_eq(state_file_write(path, "new", 3), 0);
	}
	folder_error = 0;
}
END_TEST

/* Rotate in a process that is cut off at its n-th call. True: it was not. */
static bool
rotate_until(const char *state, int n)
{
	char why[SECRET_STORE_WHY_MAX];
	struct secret_store store;
	int status;
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		init(&store, state, GIVEN);
		calls_until_cut = n;
		_exit(secret_store_rotate(&store, TAUPE_SECRET, why) == 0 ? 0
									  : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_ne(WEXITSTATUS(status), 1);
	return WEXITSTATUS(status) == 0;
}

/* Whatever the registry has, the secret of before is there, as the one or as the other. */
START_TEST(power_cut_at_any_step_loses_no_secret)
{
	const char *state = test_path("cut");
	char secret[TAUPE_SECRET_MAX + 1], why[SECRET_STORE_WHY_MAX];
	char other[TAUPE_SECRET_MAX + 1];
	bool before = false, after = false, done = false;
	struct secret_store store;
	int n;

	for (n = 0; !done; n++) {
		ck_assert_int_lt(n, 30);
		(void)remove(file_of(state));
		make_rotated(state, "another", other);
		make_rotated(state, GIVEN, secret);
		done = rotate_until(state, n);
		expect(state, "another", other, "another");
		init(&store, state, GIVEN);
		if (strcmp(store.secret, secret) == 0) {
			ck_assert_str_eq(store.old, GIVEN);
			before = true;
		} else {
			ck_assert_str_eq(store.old, secret);
			after = true;
		}
		/* and it goes on from there, over what the cut left behind */
		ck_assert_int_eq(
		    secret_store_rotate(&store, TAUPE_SECRET, why), 0);
		secret_store_fini(&store);
		expect(state, "another", other, "another");
	}
	ck_assert(before && after);
}
END_TEST

/* The first of what the operator gives now; what it has of before is still there. */
START_TEST(power_cut_in_the_first_rotation_leaves_the_given_secret)
{
	const char *state = test_path("first");
	char other[TAUPE_SECRET_MAX + 1];
	struct secret_store store;
	bool done = false;

	for (int n = 0; !done; n++) {
		(void)remove(file_of(state));
		make_rotated(state, "another", other);
		done = rotate_until(state, n);
		expect(state, "another", other, "another");
		init(&store, state, GIVEN);
		ck_assert(strcmp(store.secret, GIVEN) == 0 ||
		    strcmp(store.old, GIVEN) == 0);
		secret_store_fini(&store);
	}
}
END_TEST

/* ---- what the operator does ---- */

START_TEST(another_given_secret_wins_and_undoing_it_brings_ours_back)
{
	const char *state = test_path("given");
	char secret[TAUPE_SECRET_MAX + 1], text[2048];

	make_rotated(state, GIVEN, secret);
	strcpy(text, text_of(state));
	expect(state, "another", "another", "");
	ck_assert_str_eq(text_of(state), text);
	expect(state, GIVEN, secret, GIVEN);
}
END_TEST

START_TEST(each_given_secret_has_its_own_however_often_they_change)
{
	static const char *const given[] = {GIVEN, "another", "third"};
	const char *state = test_path("many");
	char ours[COUNT(given)][TAUPE_SECRET_MAX + 1],
	    why[SECRET_STORE_WHY_MAX], old[TAUPE_SECRET_MAX + 1];
	struct secret_store store;

	for (size_t i = 0; i < COUNT(given); i++)
		make_rotated(state, given[i], ours[i]);
	for (size_t round = 0; round < 4 * COUNT(given); round++) {
		size_t i = round * 2 % COUNT(given);

		strcpy(old, ours[i]);
		init(&store, state, given[i]);
		ck_assert_str_eq(store.secret, old);
		ck_assert_int_eq(
		    secret_store_rotate(&store, TAUPE_SECRET, why), 0);
		strcpy(ours[i], store.secret);
		secret_store_fini(&store);
		for (size_t k = 0; k < COUNT(given); k++) {
			init(&store, state, given[k]);
			ck_assert_str_eq(store.secret, ours[k]);
			secret_store_fini(&store);
		}
		/* the latest is what counts where none is given */
		expect(state, "", ours[i], old);
	}
}
END_TEST

/* Rather than to forget one, no other is drawn. */
START_TEST(full_file_is_left_as_it_is)
{
	const char *state = test_path("full");
	char why[SECRET_STORE_WHY_MAX], given[24], first[TAUPE_SECRET_MAX + 1],
	    second[TAUPE_SECRET_MAX + 1], *text = NULL;
	struct secret_store store;
	int result = 0;

	make_rotated(state, GIVEN, first);
	for (int i = 0; result == 0; i++) {
		ck_assert_int_lt(i, 500);
		free(text);
		text = strdup(text_of(state));
		snprintf(given, sizeof(given), "given-%d", i);
		init(&store, state, given);
		result = secret_store_rotate(&store, TAUPE_SECRET, why);
		ck_assert_str_eq(result == 0 ? store.old : store.secret, given);
		secret_store_fini(&store);
	}
	ck_assert_ptr_nonnull(strstr(why, "File too large"));
	ck_assert_str_eq(text_of(state), text);
	free(text);
	/* what is in it already may change */
	expect(state, GIVEN, first, GIVEN);
	make_rotated(state, GIVEN, second);
	expect(state, GIVEN, second, first);
}
END_TEST

START_TEST(given_secret_that_is_the_present_one_is_no_other)
{
	const char *state = test_path("same");
	char secret[TAUPE_SECRET_MAX + 1];
	struct secret_store store;

	make_rotated(state, GIVEN, secret);
	init(&store, state, secret);
	ck_assert_str_eq(store.secret, secret);
	ck_assert_str_eq(store.old, GIVEN);
	ck_assert(exists(file_of(state)));
	secret_store_fini(&store);
}
END_TEST

START_TEST(given_secret_that_is_the_one_before_is_no_other)
{
	const char *state = test_path("before");
	char first[TAUPE_SECRET_MAX + 1], second[TAUPE_SECRET_MAX + 1],
	    third[TAUPE_SECRET_MAX + 1];

	make_rotated(state, GIVEN, first);
	make_rotated(state, GIVEN, second);
	expect(state, first, second, first);
	/* and what the next one descends from */
	make_rotated(state, first, third);
	expect(state, first, third, second);
}
END_TEST

/* An image that was copied with what it had. */
START_TEST(what_the_operator_has_taken_over_is_what_the_next_descends_from)
{
	const char *state = test_path("taken-over");
	char why[SECRET_STORE_WHY_MAX], drawn[TAUPE_SECRET_MAX + 1],
	    next[TAUPE_SECRET_MAX + 1];
	struct secret_store store;

	init(&store, state, GIVEN);
	ck_assert_int_eq(secret_store_rotate(&store, TAUPE_SECRET, why), 0);
	strcpy(drawn, store.secret);
	secret_store_fini(&store);
	init(&store, state, drawn);
	ck_assert_int_eq(secret_store_rotate(&store, TAUPE_SECRET, why), 0);
	strcpy(next, store.secret);
	secret_store_fini(&store);
	init(&store, state, drawn);
	ck_assert_str_eq(store.secret, next);
	ck_assert_str_eq(store.old, drawn);
	secret_store_fini(&store);
}
END_TEST

/* It is in its line still, for who gives what was given before. */
START_TEST(what_the_operator_has_taken_over_stays_in_its_line)
{
	const char *state = test_path("taken-over-line");
	char first[TAUPE_SECRET_MAX + 1], second[TAUPE_SECRET_MAX + 1],
	    third[TAUPE_SECRET_MAX + 1];

	make_rotated(state, GIVEN, first);
	make_rotated(state, first, second);
	make_rotated(state, first, third);
	expect(state, first, third, second);
	expect(state, GIVEN, first, GIVEN);
}
END_TEST

/* ---- which line's secrets the registry has ---- */

static void
expect_next(struct secret_store *store, const char *secret, const char *old)
{
	ck_assert(secret_store_next(store));
	ck_assert_str_eq(store->secret, secret);
	ck_assert_str_eq(store->old, old);
}

START_TEST(without_a_given_secret_each_line_has_its_turn)
{
	const char *state = test_path("turns");
	char a[TAUPE_SECRET_MAX + 1], b[TAUPE_SECRET_MAX + 1],
	    c[TAUPE_SECRET_MAX + 1], bobs[TAUPE_SECRET_MAX + 1],
	    why[SECRET_STORE_WHY_MAX];
	struct secret_store store;

	make_rotated(state, "a", a);
	make_rotated(state, "b", b);
	ck_assert_int_eq(secret_store_init(&store, state, "bob", ""), EX_OK);
	ck_assert_int_eq(secret_store_need(&store), EX_OK);
	strcpy(bobs, store.secret);
	ck_assert(!secret_store_next(&store));
	ck_assert_str_eq(store.secret, bobs);
	secret_store_fini(&store);
	make_rotated(state, "c", c);
	init(&store, state, "");
	ck_assert_str_eq(store.secret, c);
	for (int round = 0; round < 3; round++) {
		expect_next(&store, b, "b");
		expect_next(&store, a, "a");
		expect_next(&store, c, "c");
	}
	/* what is drawn replaces the line that it was drawn for */
	expect_next(&store, b, "b");
	ck_assert_int_eq(secret_store_rotate(&store, TAUPE_SECRET, why), 0);
	expect_next(&store, c, "c");
	expect_next(&store, a, "a");
	ck_assert(secret_store_next(&store));
	ck_assert_str_eq(store.old, b);
	secret_store_fini(&store);
}
END_TEST

/* The operator undoes a change, and later takes away what it gives. */
START_TEST(what_the_device_was_welcomed_with_is_what_it_begins_with)
{
	const char *state = test_path("welcomed");
	char a[TAUPE_SECRET_MAX + 1], b[TAUPE_SECRET_MAX + 1], *text;
	struct secret_store store;

	make_rotated(state, "a", a);
	make_rotated(state, "b", b);
	init(&store, state, "a");
	ck_assert_str_eq(store.secret, a);
	secret_store_welcomed(&store);
	secret_store_fini(&store);
	expect(state, "", a, "a");
	expect(state, "b", b, "b");
	expect(state, "a", a, "a");
	/* or it was found by trying: another welcome writes nothing */
	init(&store, state, "");
	expect_next(&store, b, "b");
	secret_store_welcomed(&store);
	text = strdup(text_of(state));
	ck_assert_int_eq(remove(file_of(state)), 0);
	secret_store_welcomed(&store);
	ck_assert(!exists(file_of(state)));
	test_file(file_of(state), text, 0600);
	free(text);
	secret_store_fini(&store);
	expect(state, "", b, "b");
	expect(state, "a", a, "a");
}
END_TEST

START_TEST(given_secret_itself_has_its_turn)
{
	const char *state = test_path("given-itself");
	char first[TAUPE_SECRET_MAX + 1], second[TAUPE_SECRET_MAX + 1],
	    other[TAUPE_SECRET_MAX + 1], why[SECRET_STORE_WHY_MAX];
	struct secret_store store;

	make_rotated(state, GIVEN, first);
	/* as the old one it has had it */
	init(&store, state, GIVEN);
	ck_assert(!secret_store_next(&store));
	ck_assert_str_eq(store.secret, first);
	/* nor is it forgotten while the agent runs */
	ck_assert_int_eq(secret_store_rotate(&store, TAUPE_SECRET, why), 0);
	strcpy(second, store.secret);
	expect_next(&store, GIVEN, "");
	expect_next(&store, second, first);
	secret_store_fini(&store);
	/* nobody else's are tried: they may be for other relays */
	make_rotated(state, "another", other);
	init(&store, state, GIVEN);
	ck_assert_str_eq(store.secret, second);
	expect_next(&store, GIVEN, "");
	expect_next(&store, second, first);
	expect_next(&store, GIVEN, "");
	/* the registry has it: it is what the next start begins with, and the others stay */
	secret_store_welcomed(&store);
	secret_store_fini(&store);
	expect(state, "another", other, "another");
	init(&store, state, GIVEN);
	ck_assert_str_eq(store.secret, GIVEN);
	expect_next(&store, second, first);
	expect_next(&store, GIVEN, "");
	ck_assert_int_eq(secret_store_rotate(&store, TAUPE_SECRET, why), 0);
	ck_assert_str_eq(store.old, GIVEN);
	expect_next(&store, second, first);
	secret_store_fini(&store);
	/* a line is not tried that the operator's next secret does not go with */
	init(&store, state, "new");
	ck_assert(!secret_store_next(&store));
	ck_assert_str_eq(store.secret, "new");
	secret_store_fini(&store);
	init(&store, NULL, GIVEN);
	ck_assert(!secret_store_next(&store));
	secret_store_fini(&store);
}
END_TEST

START_TEST(secrets_of_a_device_of_another_name_are_its_own)
{
	const char *state = test_path("clone");
	char secret[TAUPE_SECRET_MAX + 1];
	struct secret_store store;

	make_rotated(state, "", secret);
	ck_assert_int_eq(secret_store_init(&store, state, "bob", ""), EX_OK);
	ck_assert_str_eq(store.secret, "");
	ck_assert_int_eq(secret_store_need(&store), EX_OK);
	ck_assert_str_ne(store.secret, secret);
	secret_store_fini(&store);
	init(&store, state, "");
	ck_assert_str_eq(store.secret, secret);
	secret_store_fini(&store);
}
END_TEST

START_TEST(damaged_file_is_not_used_and_not_lost)
{
	const char *state = test_path("torn");
	char secret[TAUPE_SECRET_MAX + 1], fresh[TAUPE_SECRET_MAX + 1],
	    line[2048];
	struct secret_store store;
	long len;

	make_rotated(state, GIVEN, secret);
	len = state_file_read(file_of(state), line, sizeof(line));
	ck_assert_int_gt(len, 0);
	for (long cut = 0; cut <= len; cut++) {
		char copy[2049];

		memcpy(copy, line, (size_t)len + 1);
		copy[len] = '\0';
		if (cut < len)
			copy[cut] = cut % 2 == 0 ? '\0' : (char)(copy[cut] ^ 1);
		test_file(file_of(state), copy, 0600);
		init(&store, state, GIVEN);
		ck_assert_str_eq(store.secret, cut < len ? GIVEN : secret);
		ck_assert_str_eq(store.old, cut < len ? "" : GIVEN);
		secret_store_fini(&store);
		copy[len] = '\0';
		ck_assert_str_eq(text_of(state), copy);
	}
	/* what is written then comes before it */
	line[len / 2] ^= 1;
	test_file(file_of(state), line, 0600);
	make_rotated(state, GIVEN, fresh);
	expect(state, GIVEN, fresh, GIVEN);
	line[len] = '\0';
	ck_assert_ptr_nonnull(strstr(text_of(state), line));
}
END_TEST

START_TEST(file_that_is_too_long_is_not_used_and_not_lost)
{
	const char *state = test_path("long");
	char why[SECRET_STORE_WHY_MAX], *text = malloc(20001);
	struct secret_store store;

	memset(text, 'x', 20000);
	text[20000] = '\0';
	text[3000] = '\n';
	test_file(file_of(state), text, 0600);
	init(&store, state, GIVEN);
	ck_assert_str_eq(store.secret, GIVEN);
	ck_assert_int_eq(secret_store_rotate(&store, TAUPE_SECRET, why), -1);
	ck_assert_ptr_nonnull(strstr(why, "File too large"));
	ck_assert_ptr_nonnull(strstr(why, "): take out its last lines"));
	ck_assert_str_eq(text_of(state), text);
	secret_store_fini(&store);
	free(text);
}
END_TEST

/* Something was written behind them: each line says for itself whether it is whole. */
START_TEST(whole_lines_of_a_file_that_is_too_long_are_used)
{
	const char *state = test_path("long-tail");
	char a[TAUPE_SECRET_MAX + 1], b[TAUPE_SECRET_MAX + 1], text[20001];
	struct secret_store store;
	size_t len;

	make_rotated(state, "a", a);
	make_rotated(state, "b", b);
	len = strlen(text_of(state));
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, text_of(state), len);
	text[sizeof(text) - 1] = '\0';
	test_file(file_of(state), text, 0600);
	expect(state, "a", a, "a");
	init(&store, state, "");
	ck_assert_str_eq(store.secret, b);
	ck_assert_int_eq(secret_store_need(&store), EX_OK);
	expect_next(&store, a, "a");
	secret_store_fini(&store);
	ck_assert_str_eq(text_of(state), text);
}
END_TEST

/* Whatever is in the way, a device enters its fleet, and nothing is lost. */
START_TEST(enrolment_moves_a_file_aside_that_has_no_room)
{
	const char *state = test_path("no-room");
	char aside[600], text[20001], kept[20001], secret[TAUPE_SECRET_MAX + 1];
	struct secret_store store;

	/* too long to be taken along; and just not long enough for that */
	for (int n = 1; n <= 2; n++) {
		memset(text, '0' + n, sizeof(text) - 1);
		text[n == 1 ? sizeof(text) - 1 : 16383] = '\0';
		test_file(file_of(state), text, 0600);
		init(&store, state, "");
		ck_assert_int_eq(secret_store_need(&store), EX_OK);
		strcpy(secret, store.secret);
		secret_store_fini(&store);
		expect(state, "", secret, "");
		snprintf(aside, sizeof(aside), "%s.%d", file_of(state), n);
		ck_assert_int_eq(
		    state_file_read_whole(aside, kept, sizeof(kept)),
		    (long)strlen(text));
		ck_assert_str_eq(kept, text);
	}
}
END_TEST

START_TEST(file_that_is_open_to_others_is_closed)
{
	const char *state = test_path("open");
	char secret[TAUPE_SECRET_MAX + 1];
	struct secret_store store;
	struct stat st;

	make_rotated(state, GIVEN, secret);
	ck_assert_int_eq(chmod(file_of(state), 0644), 0);
	init(&store, state, GIVEN);
	ck_assert_str_eq(store.secret, secret);
	ck_assert_int_eq(stat(file_of(state), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	secret_store_fini(&store);
}
END_TEST

START_TEST(file_that_cannot_be_read_ends_the_start)
{
	const char *state = test_path("folder");
	struct secret_store store;

	/* reading a folder is EISDIR */
	ck_assert_int_eq(mkdir(file_of(state), 0700), 0);
	ck_assert_int_eq(
	    secret_store_init(&store, state, "alice", GIVEN), EX_NOINPUT);
	secret_store_fini(&store);
	ck_assert_int_eq(rmdir(file_of(state)), 0);
}
END_TEST

/* The exit code of secret_store_init() for somebody who is not root. */
static int
init_as_nobody(const char *state)
{
	struct secret_store store;
	int status;
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(1);
		_exit(secret_store_init(&store, state, "alice", GIVEN));
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* As an agent does that was once started by root: going on with the given secret would look
 * like a wrong one. */
START_TEST(file_of_somebody_else_ends_the_start_and_a_closed_folder_does_not)
{
	char secret[TAUPE_SECRET_MAX + 1], state[600];
	const char *folder = test_path("closed");

	if (geteuid() != 0) /* nobody else may become nobody */
		return;
	ck_assert_int_eq(chmod(test_folder(), 0755), 0);
	ck_assert_int_eq(mkdir(folder, 0755), 0);
	snprintf(state, sizeof(state), "%s/agent.state", folder);
	ck_assert_int_eq(init_as_nobody(state), EX_OK);
	make_rotated(state, GIVEN, secret);
	ck_assert_int_eq(init_as_nobody(state), EX_NOINPUT);
	ck_assert_int_eq(chmod(folder, 0700), 0);
	ck_assert_int_eq(init_as_nobody(state), EX_OK);
	ck_assert_int_eq(remove(file_of(state)), 0);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* ---- enrolment ---- */

START_TEST(enrolment_draws_once_and_remembers_that_it_is_done)
{
	const char *state = test_path("enrol");
	char secret[TAUPE_SECRET_MAX + 1], why[SECRET_STORE_WHY_MAX];
	struct taupe_config config;
	struct secret_store store;

	init(&store, state, "");
	ck_assert_int_eq(secret_store_need(&store), EX_OK);
	strcpy(secret, store.secret);
	ck_assert_uint_eq(strlen(secret), 43);
	secret_store_fini(&store);
	/* a power cut before the welcome: the same again */
	init(&store, state, "");
	ck_assert_int_eq(secret_store_need(&store), EX_OK);
	ck_assert_str_eq(store.secret, secret);
	ck_assert(!store.enrolled);
	secret_store_welcomed(&store);
	secret_store_fini(&store);
	init(&store, state, "");
	secret_store_apply(&store, &config);
	ck_assert_str_eq(config.secret, secret);
	ck_assert(config.enrolled);
	ck_assert_int_eq(secret_store_rotate(&store, TAUPE_SECRET, why), 0);
	secret_store_fini(&store);
	init(&store, state, "");
	ck_assert(store.enrolled);
	ck_assert_str_eq(store.old, secret);
	secret_store_fini(&store);
}
END_TEST

START_TEST(welcome_of_a_given_secret_writes_nothing)
{
	const char *state = test_path("welcome");
	struct secret_store store;

	init(&store, state, GIVEN);
	secret_store_welcomed(&store);
	ck_assert(!store.enrolled);
	ck_assert(!exists(file_of(state)));
	secret_store_fini(&store);
	init(&store, state, "");
	secret_store_welcomed(&store);
	ck_assert(!exists(file_of(state)));
	secret_store_fini(&store);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    without_a_file_the_given_secret_counts,
	    rotation_is_kept_with_the_secret_before_it,
	    hash_is_of_the_secret,
	    on_a_session_with_the_old_one_the_new_one_stays,
	    what_cannot_be_kept_is_not_drawn,
	    text_is_synced_before_it_is_renamed_and_the_folder_after,
	    failed_sync_is_a_failure,
	    folder_that_knows_no_sync_is_no_failure,
	    disk_that_fails_for_long_does_not_fill_the_file,
	    folder_that_cannot_be_opened_fails_before_anything_is_renamed,
	    folder_that_may_not_be_read_is_written_to,
	    power_cut_at_any_step_loses_no_secret,
	    power_cut_in_the_first_rotation_leaves_the_given_secret,
	    another_given_secret_wins_and_undoing_it_brings_ours_back,
	    each_given_secret_has_its_own_however_often_they_change,
	    full_file_is_left_as_it_is,
	    given_secret_that_is_the_present_one_is_no_other,
	    given_secret_that_is_the_one_before_is_no_other,
	    what_the_operator_has_taken_over_is_what_the_next_descends_from,
	    what_the_operator_has_taken_over_stays_in_its_line,
	    without_a_given_secret_each_line_has_its_turn,
	    what_the_device_was_welcomed_with_is_what_it_begins_with,
	    given_secret_itself_has_its_turn,
	    secrets_of_a_device_of_another_name_are_its_own,
	    damaged_file_is_not_used_and_not_lost,
	    file_that_is_too_long_is_not_used_and_not_lost,
	    whole_lines_of_a_file_that_is_too_long_are_used,
	    enrolment_moves_a_file_aside_that_has_no_room,
	    file_that_is_open_to_others_is_closed,
	    file_that_cannot_be_read_ends_the_start,
	    file_of_somebody_else_ends_the_start_and_a_closed_folder_does_not,
	    enrolment_draws_once_and_remembers_that_it_is_done,
	    welcome_of_a_given_secret_writes_nothing,
	};

	log_setup("test", LOG_LEVEL_ERROR, false);
	return run_suite("secret_store", tests, COUNT(tests));
}
