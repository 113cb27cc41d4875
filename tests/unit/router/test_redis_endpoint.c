/* SPDX-License-Identifier: MIT */
#include "../wire/support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/redis_endpoint.h"

START_TEST(reads_hosts_and_sockets)
{
	static const struct {
		const char *text, *host;
		unsigned port;
	} cases[] = {
	    {"127.0.0.1:6379", "127.0.0.1", 6379},
	    {"redis.example.com:1", "redis.example.com", 1},
	    {"[::1]:65535", "::1", 65535},
	    {"/run/redis/redis.sock", "/run/redis/redis.sock", 0},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct redis_endpoint endpoint;

		ck_assert(redis_endpoint_parse(cases[i].text, &endpoint));
		ck_assert_str_eq(endpoint.host, cases[i].host);
		ck_assert_uint_eq(endpoint.port, cases[i].port);
		ck_assert_ptr_null(redis_endpoint_check(cases[i].text));
	}
}
END_TEST

START_TEST(refuses_what_is_neither)
{
	static const char *const cases[] = {"", ":", "redis", "redis:", ":6379",
	    "redis:0", "redis:65536", "redis:x", "::1:6379", "redis:-1"};

	for (size_t i = 0; i < COUNT(cases); i++)
		ck_assert_msg(
		    redis_endpoint_check(cases[i]) != NULL, "%s", cases[i]);
}
END_TEST

static int
read_from(
    const char *content, size_t len, char password[REDIS_PASSWORD_MAX + 1])
{
	char path[] = "/tmp/taupe-test-XXXXXX";
	int fd = mkstemp(path), result;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, content, len), (ssize_t)len);
	close(fd);
	result = redis_password_read(path, password);
	unlink(path);
	return result;
}

START_TEST(a_password_is_the_first_line_of_its_file)
{
	char password[REDIS_PASSWORD_MAX + 1], longest[REDIS_PASSWORD_MAX + 2];

	ck_assert_int_eq(read_from("geheim\r\nrest\n", 14, password), 0);
	ck_assert_str_eq(password, "geheim");
	ck_assert_int_eq(read_from("no newline", 10, password), 0);
	ck_assert_str_eq(password, "no newline");
	ck_assert_int_eq(read_from("", 0, password), -1);
	ck_assert_int_eq(read_from("\nx", 2, password), -1);
	memset(longest, 'x', sizeof(longest));
	ck_assert_int_eq(read_from(longest, sizeof(longest), password), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(redis_password_read("/nonexistent", password), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {reads_hosts_and_sockets,
	    refuses_what_is_neither, a_password_is_the_first_line_of_its_file};

	return run_suite("redis_endpoint", tests, COUNT(tests));
}
