/* SPDX-License-Identifier: MIT */
/* See support.h. Tests run in forked children, so that nothing here outlives a test. */
#include "support.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[256];
static int captured_fd, saved_fd;

void
scratch_setup(void)
{
	const char *parent = getenv("TMPDIR");

	snprintf(folder, sizeof(folder), "%s/taupe-test-XXXXXX",
	    parent ? parent : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chdir(folder), 0);
}

void
scratch_teardown(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			ck_assert_int_eq(remove(entry->d_name), 0);
	}
	closedir(dir);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(folder), 0);
}

void
file_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

const char *
file_read(const char *path)
{
	static char text[131072];
	FILE *file = fopen(path, "r");
	size_t len;

	ck_assert_ptr_nonnull(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = '\0';
	fclose(file);
	return text;
}

void
capture_begin(int fd)
{
	int file = open("captured", O_CREAT | O_TRUNC | O_RDWR, 0600);

	ck_assert_int_ge(file, 0);
	fflush(NULL);
	captured_fd = fd;
	saved_fd = dup(fd);
	ck_assert_int_eq(dup2(file, fd), fd);
	close(file);
}

const char *
capture_end(void)
{
	fflush(NULL);
	ck_assert_int_eq(dup2(saved_fd, captured_fd), captured_fd);
	close(saved_fd);
	return file_read("captured");
}
