/* SPDX-License-Identifier: MIT */
/* The link against a Redis that can do everything wrong. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_redis.h"
#include "net/redis_link.h"
#include "support.h"

static struct loop *loop;
static struct fake_redis redis;
static struct redis_link *up_link;
static struct redis_link_config config;
static int n_up, n_down, n_replies, n_nulls;
static bool free_when_up, free_when_down;
static char last_reply[256];

static void
state_cb(void *ctx, bool up)
{
	ck_assert_ptr_eq(ctx, &redis);
	if (up)
		n_up++;
	else
		n_down++;
	ck_assert(n_up == n_down || n_up == n_down + 1);
	ck_assert(redis_link_is_up(up_link) == up);
	if (up ? free_when_up : free_when_down)
		redis_link_free(&up_link);
}

static void
reply_cb(void *ctx, const redisReply *reply)
{
	ck_assert_ptr_eq(ctx, &config);
	if (reply == NULL) {
		n_nulls++;
		/* Until the owner has been told, it may still try. */
		if (up_link != NULL)
			ck_assert_int_eq(redis_link_commandf(
					     up_link, reply_cb, &config, "X"),
			    -1);
		return;
	}
	n_replies++;
	snprintf(last_reply, sizeof(last_reply), "%d:%s", reply->type,
	    reply->str != NULL ? reply->str : "");
}

static void
open_link(void)
{
	up_link = redis_link_new(loop, &config, state_cb, &redis);
	ck_assert_ptr_nonnull(up_link);
	ck_assert(!redis_link_is_up(up_link));
}

static void
open_up(void)
{
	open_link();
	run_until(loop, &n_up, 1);
}

static void
ask(const char *command)
{
	ck_assert_int_eq(
	    redis_link_commandf(up_link, reply_cb, &config, command), 0);
}

static void
setup(void)
{
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	fake_redis_start(&redis, loop);
	config = (struct redis_link_config){
	    .host = "127.0.0.1",
	    .port = address_port(&redis.address),
	    .timeout_ms = 5000,
	};
}

static void
teardown(void)
{
	redis_link_free(&up_link);
	fake_redis_stop(&redis);
	loop_free(&loop);
}

START_TEST(greets_before_it_is_up)
{
	config.user = "relay";
	config.password = "s3cret";
	config.database = 3;
	config.name = "taupe-relay:r1";
	open_up();
	ck_assert_str_eq(redis.heard,
	    "AUTH relay s3cret\nSELECT 3\nCLIENT SETNAME "
	    "taupe-relay:r1\nPING\n");
}
END_TEST

START_TEST(greets_with_no_more_than_it_needs)
{
	config.password = "s3cret";
	open_up();
	ck_assert_str_eq(redis.heard, "AUTH s3cret\nPING\n");
}
END_TEST

START_TEST(answers_come_in_order)
{
	open_up();
	for (int i = 0; i < 10000; i++)
		ask("GET x");
	run_until(loop, &n_replies, 10000);
	ck_assert_int_eq(n_nulls, 0);
	ck_assert_str_eq(last_reply, "5:OK");
	ck_assert_int_eq(
	    redis_link_commandf(up_link, NULL, NULL, "GET %s", "y"), 0);
	ask("LAST");
	run_until(loop, &n_replies, 10001);
}
END_TEST

START_TEST(pieces_may_hold_any_bytes)
{
	const char *argv[] = {"SET", "k", "a\0\r\nb"};
	const size_t lens[] = {3, 1, 5};
	int before;

	open_up();
	before = redis.n_commands;
	ck_assert_int_eq(
	    redis_link_command(up_link, reply_cb, &config, 3, argv, lens), 0);
	ck_assert_int_eq(
	    redis_link_command(up_link, reply_cb, &config, 2, argv, NULL), 0);
	ck_assert_int_eq(redis_link_commandf(up_link, reply_cb, &config,
			     "SET %s %b", "k", "\0\n", (size_t)2),
	    0);
	run_until(loop, &n_replies, 3);
	ck_assert_int_eq(redis.n_commands, before + 3);
}
END_TEST

static char large_reply[(3 << 20) + 64];

static const char *
large(const char *command)
{
	return strncmp(command, "GET", 3) == 0 ? large_reply : NULL;
}

static void
large_cb(void *ctx, const redisReply *reply)
{
	ck_assert_ptr_nonnull(reply);
	ck_assert_uint_eq(reply->len, 3 << 20);
	++*(int *)ctx;
}

START_TEST(commands_and_replies_may_be_large)
{
	int n = snprintf(large_reply, sizeof(large_reply), "$%d\r\n", 3 << 20);
	char *value = large_reply + n;

	memset(value, 'v', 3 << 20);
	redis.answer = large;
	open_up();
	ck_assert_int_eq(
	    redis_link_commandf(up_link, reply_cb, &config, "SET k %s", value),
	    0);
	run_until(loop, &n_replies, 1);
	strcpy(value + (3 << 20), "\r\n");
	ck_assert_int_eq(
	    redis_link_commandf(up_link, large_cb, &n_replies, "GET k"), 0);
	run_until(loop, &n_replies, 2);
}
END_TEST

static const char *
whole_zoo(const char *command)
{
	return strcmp(command, "ZOO") != 0
	    ? NULL
	    : "*6\r\n$3\r\nfoo\r\n:42\r\n$-1\r\n*-1\r\n-ERR "
	      "no\r\n*2\r\n+a\r\n$0\r\n\r\n";
}

static void
zoo_cb(void *ctx, const redisReply *reply)
{
	ck_assert_ptr_nonnull(reply);
	ck_assert_int_eq(reply->type, REDIS_REPLY_ARRAY);
	ck_assert_uint_eq(reply->elements, 6);
	ck_assert_str_eq(reply->element[0]->str, "foo");
	ck_assert_int_eq(reply->element[1]->integer, 42);
	ck_assert_int_eq(reply->element[2]->type, REDIS_REPLY_NIL);
	ck_assert_int_eq(reply->element[4]->type, REDIS_REPLY_ERROR);
	ck_assert_uint_eq(reply->element[5]->elements, 2);
	++*(int *)ctx;
}

START_TEST(replies_of_all_types_split_at_every_byte)
{
	redis.answer = whole_zoo;
	redis.piece = (size_t)_i;
	open_up();
	ck_assert_int_eq(
	    redis_link_commandf(up_link, zoo_cb, &n_replies, "ZOO"), 0);
	ck_assert_int_eq(
	    redis_link_commandf(up_link, zoo_cb, &n_replies, "ZOO"), 0);
	run_until(loop, &n_replies, 2);
}
END_TEST

START_TEST(a_link_that_is_down_takes_no_commands)
{
	const char *argv[] = {"GET", "x"};

	open_link();
	ck_assert_int_eq(
	    redis_link_commandf(up_link, reply_cb, &config, "GET x"), -1);
	ck_assert_int_eq(
	    redis_link_command(up_link, reply_cb, &config, 2, argv, NULL), -1);
	run_until(loop, &n_up, 1);
	ck_assert_int_eq(n_nulls, 0);
}
END_TEST

static const char *
silence(const char *command)
{
	return strcmp(command, "PING") == 0 ? NULL : "";
}

START_TEST(a_lost_connection_fails_what_waits_and_comes_back)
{
	redis.answer = silence;
	open_up();
	for (int i = 0; i < 5; i++)
		ask("GET x");
	run_until(loop, &redis.n_commands, 6);
	fake_redis_hang_up(&redis);
	run_until(loop, &n_down, 1);
	ck_assert_int_eq(n_nulls, 5);
	run_until(loop, &n_up, 2);
	ck_assert_int_eq(redis.n_connections, 2);
}
END_TEST

#define BYTES(literal)                                                         \
	{                                                                      \
		literal, sizeof(literal) - 1                                   \
	}

static const struct {
	const char *bytes;
	size_t len;
} malformed[] = {
    BYTES("garbage\r\n"),
    BYTES("\0\0\0\0\r\n"),
    BYTES(":12x\r\n"),
    BYTES(":\r\n"),
    BYTES("$x\r\n"),
    BYTES("$-5\r\n"),
    BYTES("*-9\r\n"),
    BYTES("*99999999999999999999\r\n"),
    BYTES("*4294967296\r\n"),
    BYTES("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*"
	  "1\r\n:1\r\n"),
    BYTES("HTTP/1.1 400 Bad Request\r\n\r\n"),
    /* well-formed, but nobody asked */
    BYTES("+OK\r\n+OK\r\n"),
    BYTES("+OK\r\n*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n"),
    BYTES("+OK\r\n-ERR max number of clients reached\r\n"),
};

/* hiredis' own asynchronous context ends the process at some of these. */
START_TEST(a_server_that_talks_nonsense_costs_one_connection)
{
	redis.answer = silence;
	open_up();
	ask("GET x");
	run_until(loop, &redis.n_commands, 2);
	fake_redis_say(&redis, malformed[_i].bytes, malformed[_i].len);
	run_until(loop, &n_down, 1);
	ck_assert_int_eq(n_replies + n_nulls, 1);
	run_until(loop, &n_up, 2);
}
END_TEST

START_TEST(nonsense_instead_of_a_greeting_is_tried_again)
{
	redis.banner = "-ERR max number of clients reached\r\n";
	open_link();
	run_until(loop, &redis.n_connections, 2);
	ck_assert_int_eq(n_up, 0);
	redis.banner = NULL;
	run_until(loop, &n_up, 1);
	ck_assert_int_eq(n_down, 0);
}
END_TEST

START_TEST(an_overdue_reply_cuts_the_link)
{
	redis.answer = silence;
	config.timeout_ms = 100;
	open_up();
	ask("GET x");
	run_until(loop, &n_nulls, 1);
	run_until(loop, &n_up, 2);
}
END_TEST

START_TEST(replies_in_time_keep_the_link)
{
	config.timeout_ms = 1000;
	open_up();
	for (int i = 0; i < 12; i++) {
		ask("GET x");
		run_until(loop, &n_replies, i + 1);
		run_for_ms(loop, 100);
	}
	ck_assert_int_eq(n_down, 0);
}
END_TEST

START_TEST(an_idle_link_is_not_cut)
{
	config.timeout_ms = 30;
	open_up();
	run_for_ms(loop, 150);
	ck_assert_int_eq(n_down, 0);
}
END_TEST

START_TEST(a_blocking_link_waits_for_ever)
{
	redis.answer = silence;
	config.timeout_ms = 0;
	open_up();
	ask("XREAD BLOCK 0 STREAMS s $");
	run_for_ms(loop, 200);
	ck_assert_int_eq(n_down, 0);
	fake_redis_say(&redis, "*-1\r\n", 5);
	run_until(loop, &n_replies, 1);
}
END_TEST

static const char *
deaf(const char *command)
{
	(void)command;
	return "";
}

START_TEST(a_server_that_does_not_greet_is_left)
{
	redis.answer = deaf;
	config.timeout_ms = 60;
	open_link();
	run_until(loop, &redis.n_connections, 2);
	ck_assert_int_eq(n_up, 0);
	redis.answer = NULL;
	run_until(loop, &n_up, 1);
}
END_TEST

static const char *
loading(const char *command)
{
	return strcmp(command, "PING") == 0
	    ? "-LOADING Redis is loading the dataset in memory\r\n"
	    : NULL;
}

START_TEST(a_server_that_loads_is_not_up_yet)
{
	redis.answer = loading;
	open_link();
	run_until(loop, &redis.n_connections, 2);
	ck_assert_int_eq(n_up, 0);
	redis.answer = NULL;
	run_until(loop, &n_up, 1);
}
END_TEST

static const char *
no_permission(const char *command)
{
	return strncmp(command, "AUTH", 4) == 0
	    ? NULL
	    : "-NOPERM this user has no permissions to run that command\r\n";
}

START_TEST(a_user_who_may_not_ping_is_up)
{
	redis.answer = no_permission;
	config.password = "s3cret";
	config.name = "x";
	open_up();
}
END_TEST

static const char *
cannot_save(const char *command)
{
	return strcmp(command, "PING") != 0
	    ? NULL
	    : "-MISCONF Redis is configured to save RDB snapshots, but it's "
	      "currently unable to persist to disk.\r\n";
}

/* It can be read. */
START_TEST(a_server_that_takes_no_writes_is_up)
{
	redis.answer = cannot_save;
	open_up();
}
END_TEST

static const char *
quoting(const char *command)
{
	return strncmp(command, "AUTH", 4) != 0
	    ? NULL
	    : "-ERR unknown command `AUTH`, with args beginning with: "
	      "`s3cret`\r\n";
}

static const char *
wrong_password(const char *command)
{
	return strncmp(command, "AUTH", 4) != 0
	    ? NULL
	    : "-WRONGPASS invalid username-password pair or user is "
	      "disabled.\r\n";
}

/* What the log says while the server answers so; to be freed. */
static char *
log_of_attempts(const char *(*answer)(const char *))
{
	char *text = calloc(1, 65536);
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);

	ck_assert(text != NULL && file != NULL && saved >= 0);
	fflush(stderr);
	dup2(fileno(file), STDERR_FILENO);
	redis.answer = answer;
	redis.n_connections = 0;
	open_link();
	run_until(loop, &redis.n_connections, 3);
	redis_link_free(&up_link);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	ck_assert_uint_gt(fread(text, 1, 65535, file), 0);
	fclose(file);
	return text;
}

START_TEST(a_refused_password_is_logged_once_and_not_shown)
{
	char *text;

	config.password = "s3cret";
	text = log_of_attempts(wrong_password);
	ck_assert_ptr_null(strstr(text, "s3cret"));
	ck_assert_ptr_nonnull(strstr(text, "WRONGPASS"));
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
	free(text);
	text = log_of_attempts(quoting);
	ck_assert_ptr_null(strstr(text, "s3cret"));
	ck_assert_ptr_nonnull(strstr(text, "AUTH was refused"));
	free(text);
	ck_assert_int_eq(n_up, 0);
}
END_TEST

START_TEST(keeps_trying_until_there_is_a_server)
{
	fake_redis_stop(&redis);
	open_link();
	run_for_ms(loop, 250);
	ck_assert_int_eq(n_up, 0);
	fake_redis_start(&redis, loop);
	run_until(loop, &n_up, 1);
}
END_TEST

START_TEST(a_name_is_resolved)
{
	/* The server is on 127.0.0.1 alone: the other address of localhost is tried too. */
	config.host = "localhost";
	open_up();
}
END_TEST

START_TEST(an_unknown_name_is_tried_for_ever)
{
	config.host = "";
	open_link();
	run_for_ms(loop, 200);
	ck_assert_int_eq(n_up, 0);
}
END_TEST

START_TEST(a_missing_unix_socket_is_tried_for_ever)
{
	config.host = "/nonexistent/redis.sock";
	open_link();
	run_for_ms(loop, 200);
	ck_assert_int_eq(n_up, 0);
}
END_TEST

static void
free_cb(void *ctx, const redisReply *reply)
{
	reply_cb(ctx, reply);
	redis_link_free(&up_link);
}

START_TEST(may_be_freed_from_a_reply)
{
	open_up();
	ask("A");
	ck_assert_int_eq(
	    redis_link_commandf(up_link, free_cb, &config, "B"), 0);
	ask("C");
	ask("D");
	run_until(loop, &n_nulls, 2);
	ck_assert_int_eq(n_replies, 2);
	run_for_ms(loop, 30);
	ck_assert_int_eq(n_down, 0);
}
END_TEST

START_TEST(may_be_freed_from_a_reply_that_never_came)
{
	redis.answer = silence;
	open_up();
	ck_assert_int_eq(
	    redis_link_commandf(up_link, free_cb, &config, "B"), 0);
	ask("C");
	run_until(loop, &redis.n_commands, 3);
	fake_redis_hang_up(&redis);
	run_until(loop, &n_nulls, 2);
	run_for_ms(loop, 30);
	ck_assert_int_eq(n_down, 0);
}
END_TEST

START_TEST(may_be_freed_when_it_goes_up_or_down)
{
	free_when_up = true;
	open_link();
	run_until(loop, &n_up, 1);
	ck_assert_ptr_null(up_link);
	run_for_ms(loop, 30);
	free_when_up = false;
	free_when_down = true;
	n_up = n_down = 0;
	open_link();
	run_until(loop, &n_up, 1);
	ask("A");
	fake_redis_hang_up(&redis);
	run_until(loop, &n_down, 1);
	ck_assert_ptr_null(up_link);
	run_for_ms(loop, 30);
}
END_TEST

START_TEST(freeing_fails_what_waits_but_does_not_say_down)
{
	open_up();
	ask("A");
	ask("B");
	redis_link_free(&up_link);
	ck_assert_ptr_null(up_link);
	ck_assert_int_eq(n_nulls, 2);
	ck_assert_int_eq(n_down, 0);
	redis_link_free(&up_link);
}
END_TEST

START_TEST(may_be_freed_before_anything_happened)
{
	open_link();
	redis_link_free(&up_link);
	run_for_ms(loop, 30);
	ck_assert_int_eq(redis.n_connections, 0);
}
END_TEST

static void
reset_cb(void *ctx, const redisReply *reply)
{
	reply_cb(ctx, reply);
	redis_link_reset(up_link, "the reply makes no sense");
	redis_link_reset(up_link, "twice");
	ck_assert(!redis_link_is_up(up_link));
	/* Nothing is called from inside. */
	ck_assert_int_eq(n_down, 0);
	ck_assert_int_eq(n_nulls, 0);
}

START_TEST(may_be_reset_from_a_reply)
{
	open_up();
	ck_assert_int_eq(
	    redis_link_commandf(up_link, reset_cb, &config, "A"), 0);
	ask("B");
	run_until(loop, &n_down, 1);
	ck_assert_int_eq(n_replies, 1);
	ck_assert_int_eq(n_nulls, 1);
	run_until(loop, &n_up, 2);
	ask("C");
	run_until(loop, &n_replies, 2);
}
END_TEST

START_TEST(resetting_what_is_down_does_nothing)
{
	open_link();
	redis_link_reset(up_link, "why not");
	run_until(loop, &n_up, 1);
	ck_assert_int_eq(redis.n_connections, 1);
	fake_redis_hang_up(&redis);
	run_until(loop, &n_down, 1);
	redis_link_reset(up_link, "why not");
	run_until(loop, &n_up, 2);
}
END_TEST

START_TEST(descriptors_do_not_leak)
{
	int before;

	open_up();
	before = open_descriptors();
	for (int i = 2; i < 6; i++) {
		redis_link_reset(up_link, "again");
		run_until(loop, &n_up, i);
	}
	/* the server notices in its own time */
	for (int i = 0; i < 100 && open_descriptors() != before; i++)
		run_for_ms(loop, 10);
	ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("redis_link");
	TCase *tests = tcase_create("redis_link");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, greets_before_it_is_up);
	tcase_add_test(tests, greets_with_no_more_than_it_needs);
	tcase_add_test(tests, answers_come_in_order);
	tcase_add_test(tests, pieces_may_hold_any_bytes);
	tcase_add_test(tests, commands_and_replies_may_be_large);
	tcase_add_loop_test(
	    tests, replies_of_all_types_split_at_every_byte, 1, 12);
	tcase_add_test(tests, a_link_that_is_down_takes_no_commands);
	tcase_add_test(
	    tests, a_lost_connection_fails_what_waits_and_comes_back);
	tcase_add_loop_test(tests,
	    a_server_that_talks_nonsense_costs_one_connection, 0,
	    (int)(sizeof(malformed) / sizeof(malformed[0])));
	tcase_add_test(tests, nonsense_instead_of_a_greeting_is_tried_again);
	tcase_add_test(tests, an_overdue_reply_cuts_the_link);
	tcase_add_test(tests, replies_in_time_keep_the_link);
	tcase_add_test(tests, an_idle_link_is_not_cut);
	tcase_add_test(tests, a_blocking_link_waits_for_ever);
	tcase_add_test(tests, a_server_that_does_not_greet_is_left);
	tcase_add_test(tests, a_server_that_loads_is_not_up_yet);
	tcase_add_test(tests, a_user_who_may_not_ping_is_up);
	tcase_add_test(tests, a_server_that_takes_no_writes_is_up);
	tcase_add_test(tests, a_refused_password_is_logged_once_and_not_shown);
	tcase_add_test(tests, keeps_trying_until_there_is_a_server);
	tcase_add_test(tests, a_name_is_resolved);
	tcase_add_test(tests, an_unknown_name_is_tried_for_ever);
	tcase_add_test(tests, a_missing_unix_socket_is_tried_for_ever);
	tcase_add_test(tests, may_be_freed_from_a_reply);
	tcase_add_test(tests, may_be_freed_from_a_reply_that_never_came);
	tcase_add_test(tests, may_be_freed_when_it_goes_up_or_down);
	tcase_add_test(tests, freeing_fails_what_waits_but_does_not_say_down);
	tcase_add_test(tests, may_be_freed_before_anything_happened);
	tcase_add_test(tests, may_be_reset_from_a_reply);
	tcase_add_test(tests, resetting_what_is_down_does_nothing);
	tcase_add_test(tests, descriptors_do_not_leak);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
