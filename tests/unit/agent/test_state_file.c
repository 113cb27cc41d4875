/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/state_file.h"
#include "support.h"

START_TEST(what_was_written_is_read_back)
{
	const char *path = test_path("back");
	char text[100];

	ck_assert_int_eq(state_file_write(path, "label=abc&lease=x", 17), 0);
	ck_assert_int_eq(state_file_read(path, text, sizeof(text)), 17);
	ck_assert_int_eq(memcmp(text, "label=abc&lease=x", 17), 0);
}
END_TEST

START_TEST(no_file_is_an_empty_state)
{
	char text[100];

	ck_assert_int_eq(
	    state_file_read(test_path("none"), text, sizeof(text)), 0);
}
END_TEST

START_TEST(only_the_first_line_counts)
{
	const char *path = test_path("lines");
	char text[100];

	test_file(path, "one\ntwo\n", 0600);
	ck_assert_int_eq(state_file_read(path, text, sizeof(text)), 3);
	test_file(path, "\n", 0600);
	ck_assert_int_eq(state_file_read(path, text, sizeof(text)), 0);
	test_file(path, "without end", 0600);
	ck_assert_int_eq(state_file_read(path, text, sizeof(text)), 11);
}
END_TEST

START_TEST(too_long_a_file_is_an_error)
{
	const char *path = test_path("long");
	char text[100];

	test_file(path, "0123456789", 0600);
	ck_assert_int_eq(state_file_read(path, text, 10), -1);
	ck_assert_int_eq(errno, EFBIG);
	ck_assert_int_eq(state_file_read(path, text, 11), 10);
}
END_TEST

START_TEST(file_is_private_whatever_it_was_before)
{
	const char *path = test_path("mode");
	struct stat st;

	test_file(path, "old", 0666);
	test_file(test_path("mode.new"), "left by a crash", 0666);
	ck_assert_int_eq(state_file_write(path, "new", 3), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(access(test_path("mode.new"), F_OK), -1);
}
END_TEST

START_TEST(a_failed_write_leaves_the_old_file)
{
	const char *path = test_path("kept"), *fresh = test_path("kept.new");
	char text[100];

	ck_assert_int_eq(state_file_write(path, "old", 3), 0);
	/* a folder in the way of the new file */
	ck_assert_int_eq(mkdir(fresh, 0700), 0);
	ck_assert_int_eq(state_file_write(path, "new", 3), -1);
	ck_assert_int_eq(rmdir(fresh), 0);
	ck_assert_int_eq(state_file_read(path, text, sizeof(text)), 3);
	ck_assert_int_eq(memcmp(text, "old", 3), 0);
	ck_assert_int_eq(state_file_write("/nowhere/at/all", "new", 3), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(reader_never_sees_a_half_written_file)
{
	const char *path = test_path("whole");
	char text[100];

	/* whoever has the old file open keeps the old one: it was replaced, not rewritten */
	struct stat before, after;

	ck_assert_int_eq(state_file_write(path, "old", 3), 0);
	ck_assert_int_eq(stat(path, &before), 0);
	ck_assert_int_eq(link(path, test_path("witness")), 0);
	ck_assert_int_eq(state_file_write(path, "newer", 5), 0);
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert_uint_ne(before.st_ino, after.st_ino);
	ck_assert_int_eq(
	    state_file_read(test_path("witness"), text, sizeof(text)), 3);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    what_was_written_is_read_back,
	    no_file_is_an_empty_state,
	    only_the_first_line_counts,
	    too_long_a_file_is_an_error,
	    file_is_private_whatever_it_was_before,
	    a_failed_write_leaves_the_old_file,
	    reader_never_sees_a_half_written_file,
	};

	return run_suite("state_file", tests, COUNT(tests));
}
