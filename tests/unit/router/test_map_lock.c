/* SPDX-License-Identifier: MIT */
/* Who writes the maps, and what another one that wants to is told of it. */
#include "config.h" /* F_OFD_SETLK */

#include "../wire/support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "router/map_lock.h"

static char dir[40], path[60];
static struct map_lock lock;

static void
begin(void)
{
	strcpy(dir, "/tmp/taupe-test-lock-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/.lock", dir);
	ck_assert_int_eq(map_lock_open(&lock, dir), 0);
	ck_assert_str_eq(lock.holder, "");
}

static void
end(void)
{
	map_lock_close(&lock);
	unlink(path);
	rmdir(dir);
}

/* A lock that names no process, as one does which is held in another container. */
static int
hold_unseen(const char *text)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(path, O_RDWR | O_TRUNC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &all), 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

/* Another process that has the lock until the pipe ends. */
static pid_t
hold_elsewhere(int *until)
{
	int begun[2], over[2];
	char byte;
	pid_t child;

	ck_assert_int_eq(pipe(begun), 0);
	ck_assert_int_eq(pipe(over), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		struct map_lock own;

		close(over[1]);
		if (map_lock_open(&own, dir) != 0 || map_lock_try(&own) != 0 ||
		    write(begun[1], "x", 1) != 1)
			_exit(1);
		_exit(read(over[0], &byte, 1) != 0);
	}
	close(begun[1]);
	close(over[0]);
	ck_assert_int_eq(read(begun[0], &byte, 1), 1);
	close(begun[0]);
	*until = over[1];
	return child;
}

START_TEST(is_taken_when_its_holder_has_ended)
{
	char host[65] = "", holder[100];
	int until, status;
	pid_t child;

	begin();
	child = hold_elsewhere(&until);
	ck_assert_int_eq(map_lock_try(&lock), 1);
	gethostname(host, sizeof(host) - 1);
	snprintf(holder, sizeof(holder), "%s/%ld", host, (long)child);
	ck_assert_str_eq(lock.holder, holder);
	close(until);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(map_lock_try(&lock), 0);
	end();
}
END_TEST

START_TEST(a_holder_in_another_container_is_named)
{
	int fd;

	begin();
	fd = hold_unseen("0123456789ab/7\n");
	ck_assert_int_eq(map_lock_try(&lock), 1);
	ck_assert_str_eq(lock.holder, "0123456789ab/7");
	close(fd);
	ck_assert_int_eq(map_lock_try(&lock), 0);
	end();
}
END_TEST

/* Of an older version, or what somebody else has written there. */
START_TEST(a_holder_that_has_not_signed_is_said_to_be_there)
{
	static const char *const texts[] = {"", "\n", "a/1", "a b/1\n",
	    "\033[2J/1\n",
	    "0123456789012345678901234567890123456789012345678901234567890123"
	    "456789012345678901234567890123456789/1\n"};

	for (size_t i = 0; i < COUNT(texts); i++) {
		int fd;

		begin();
		fd = hold_unseen(texts[i]);
		ck_assert_int_eq(map_lock_try(&lock), 1);
		ck_assert_str_eq(lock.holder, "unknown");
		close(fd);
		end();
	}
}
END_TEST

START_TEST(a_visible_holder_that_has_not_signed_is_named_by_its_process)
{
	char holder[40];
	int until, status;
	pid_t child;

	begin();
	child = hold_elsewhere(&until);
	ck_assert_int_eq(truncate(path, 0), 0);
	ck_assert_int_eq(map_lock_try(&lock), 1);
	snprintf(holder, sizeof(holder), "process %ld", (long)child);
	ck_assert_str_eq(lock.holder, holder);
	close(until);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	end();
}
END_TEST

/* It could not sign, or is of an older version: what stands there is its predecessor's. */
START_TEST(a_visible_holder_is_not_taken_for_the_one_before)
{
	char host[65] = "", holder[40], before[100];
	int until, status, fd;
	pid_t child;

	begin();
	child = hold_elsewhere(&until);
	gethostname(host, sizeof(host) - 1);
	snprintf(before, sizeof(before), "%s/%ld\n", host, (long)child + 1);
	fd = open(path, O_WRONLY | O_TRUNC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, before, strlen(before)), strlen(before));
	close(fd);
	ck_assert_int_eq(map_lock_try(&lock), 1);
	snprintf(holder, sizeof(holder), "process %ld", (long)child);
	ck_assert_str_eq(lock.holder, holder);
	close(until);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	end();
}
END_TEST

/* The line of the one before was longer, and its end is not cut off yet. */
START_TEST(a_new_signature_is_whole_over_an_old_one)
{
	int fd;

	begin();
	fd = hold_unseen("router-2/7\n56789\n");
	ck_assert_int_eq(map_lock_try(&lock), 1);
	ck_assert_str_eq(lock.holder, "router-2/7");
	close(fd);
	end();
}
END_TEST

START_TEST(a_signature_replaces_a_longer_one)
{
	char host[65] = "", text[200] = "", expected[100];
	int fd;

	begin();
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	memset(text, 'x', 150);
	ck_assert_int_eq(write(fd, text, 150), 150);
	ck_assert_int_eq(map_lock_try(&lock), 0);
	memset(text, 0, sizeof(text));
	ck_assert_int_gt(pread(fd, text, sizeof(text) - 1, 0), 0);
	gethostname(host, sizeof(host) - 1);
	snprintf(expected, sizeof(expected), "%s/%ld\n", host, (long)getpid());
	ck_assert_str_eq(text, expected);
	close(fd);
	end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {is_taken_when_its_holder_has_ended,
	    a_holder_in_another_container_is_named,
	    a_holder_that_has_not_signed_is_said_to_be_there,
	    a_visible_holder_that_has_not_signed_is_named_by_its_process,
	    a_visible_holder_is_not_taken_for_the_one_before,
	    a_new_signature_is_whole_over_an_old_one,
	    a_signature_replaces_a_longer_one};

	return run_suite("map_lock", tests, COUNT(tests));
}
