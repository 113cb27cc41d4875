/* SPDX-License-Identifier: MIT */
/* The link against a real Redis, which every test starts and ends; without the program
 * there is nothing to test. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/redis_link.h"
#include "support.h"

#define SKIPPED 77 /* automake */

static struct loop *loop;
static struct redis_link *up_link;
static struct redis_link_config config;
static int n_up, n_down, n_replies, n_nulls;
static char last[256];
static char dir[] = "/tmp/taupe-test-redis-XXXXXX";
static char sock[64], conf[64];
static pid_t server;

static void
start_server(const char *user)
{
	FILE *file = fopen(conf, "w");
	int null;

	ck_assert_ptr_nonnull(file);
	fprintf(file, "port 0\nunixsocket %s\ndir %s\nsave \"\"\nuser %s\n",
	    sock, dir, user);
	ck_assert_int_eq(fclose(file), 0);
	server = fork();
	ck_assert_int_ge(server, 0);
	if (server != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	null = open("/dev/null", O_RDWR);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	execlp("redis-server", "redis-server", conf, (char *)NULL);
	_exit(127);
}

static void
kill_server(void)
{
	if (server <= 0)
		return;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	server = 0;
}

static void
state_cb(void *ctx, bool up)
{
	(void)ctx;
	if (up)
		n_up++;
	else
		n_down++;
}

static void
reply_cb(void *ctx, const redisReply *reply)
{
	(void)ctx;
	if (reply == NULL) {
		n_nulls++;
		return;
	}
	n_replies++;
	snprintf(last, sizeof(last), "%d %zu %lld %s", reply->type,
	    reply->elements, reply->integer,
	    reply->str != NULL ? reply->str : "");
}

static const char *
say(const char *command)
{
	int before = n_replies;

	ck_assert_int_eq(
	    redis_link_commandf(up_link, reply_cb, NULL, command), 0);
	run_until(loop, &n_replies, before + 1);
	return last;
}

static void
setup(void)
{
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(sock, sizeof(sock), "%s/s", dir);
	snprintf(conf, sizeof(conf), "%s/conf", dir);
	config = (struct redis_link_config){.host = sock,
	    .name = "taupe-test",
	    .database = 2,
	    .timeout_ms = 3000};
}

static void
teardown(void)
{
	redis_link_free(&up_link);
	loop_free(&loop);
	kill_server();
	unlink(sock);
	unlink(conf);
	rmdir(dir);
}

static void
open_link(void)
{
	up_link = redis_link_new(loop, &config, state_cb, NULL);
	ck_assert_ptr_nonnull(up_link);
}

/* The link comes first: it keeps trying until the server is there. */
START_TEST(speaks_with_a_server)
{
	open_link();
	start_server("default on nopass ~* &* +@all");
	run_until(loop, &n_up, 1);
	ck_assert_str_eq(say("CLIENT GETNAME"), "1 0 0 taupe-test");
	ck_assert_str_eq(say("SET k v"), "5 0 0 OK");
	ck_assert_str_eq(say("GET k"), "1 0 0 v");
	ck_assert_str_eq(say("INCR n"), "3 0 1 ");
	ck_assert_str_eq(say("GET none"), "4 0 0 ");
	ck_assert_int_eq(strncmp(say("INCR k"), "6 0 0 ERR", 9), 0);
}
END_TEST

START_TEST(transactions_pass)
{
	open_link();
	start_server("default on nopass ~* &* +@all");
	run_until(loop, &n_up, 1);
	ck_assert_str_eq(say("WATCH a"), "5 0 0 OK");
	ck_assert_str_eq(say("MULTI"), "5 0 0 OK");
	ck_assert_str_eq(say("SET a 1"), "5 0 0 QUEUED");
	ck_assert_str_eq(say("EXEC"), "2 1 0 ");
	ck_assert_str_eq(say("WATCH a"), "5 0 0 OK");
	ck_assert_str_eq(say("SET a 2"), "5 0 0 OK");
	ck_assert_str_eq(say("MULTI"), "5 0 0 OK");
	ck_assert_str_eq(say("SET a 3"), "5 0 0 QUEUED");
	ck_assert_str_eq(say("EXEC"), "4 0 0 ");
}
END_TEST

START_TEST(a_user_with_a_password_comes_in)
{
	config.user = "relay";
	config.password = "s3cret";
	open_link();
	start_server("relay on >s3cret ~* &* +@all");
	run_until(loop, &n_up, 1);
	ck_assert_str_eq(say("ACL WHOAMI"), "1 0 0 relay");
}
END_TEST

START_TEST(a_user_with_few_rights_comes_in)
{
	config.user = "router";
	config.password = "s3cret";
	open_link();
	start_server("router on >s3cret ~taupe:routes +hgetall +select");
	run_until(loop, &n_up, 1);
	ck_assert_str_eq(say("HGETALL taupe:routes"), "2 0 0 ");
	ck_assert_int_eq(strncmp(say("GET x"), "6 0 0 NOPERM", 12), 0);
}
END_TEST

START_TEST(a_wrong_password_keeps_it_down)
{
	config.user = "relay";
	config.password = "wrong";
	open_link();
	start_server("relay on >s3cret ~* &* +@all");
	run_for_ms(loop, 500);
	ck_assert_int_eq(n_up, 0);
}
END_TEST

START_TEST(a_blocking_read_is_woken)
{
	struct redis_link *writer;

	start_server("default on nopass ~* &* +@all");
	open_link();
	run_until(loop, &n_up, 1);
	writer = up_link;
	config.timeout_ms = 0;
	open_link();
	run_until(loop, &n_up, 2);
	ck_assert_int_eq(redis_link_commandf(up_link, reply_cb, NULL,
			     "XREAD BLOCK 0 STREAMS events $"),
	    0);
	run_for_ms(loop, 50);
	ck_assert_int_eq(n_replies, 0);
	ck_assert_int_eq(
	    redis_link_commandf(writer, NULL, NULL, "XADD events * kind route"),
	    0);
	run_until(loop, &n_replies, 1);
	ck_assert_str_eq(last, "2 1 0 ");
	redis_link_free(&writer);
}
END_TEST

START_TEST(survives_the_death_of_the_server)
{
	open_link();
	start_server("default on nopass ~* &* +@all");
	run_until(loop, &n_up, 1);
	ck_assert_int_eq(
	    redis_link_commandf(up_link, reply_cb, NULL, "BLPOP q 0"), 0);
	run_for_ms(loop, 20);
	kill_server();
	run_until(loop, &n_down, 1);
	ck_assert_int_eq(n_nulls, 1);
	start_server("default on nopass ~* &* +@all");
	run_until(loop, &n_up, 2);
	ck_assert_str_eq(say("GET k"), "4 0 0 ");
}
END_TEST

/* It accepts, but does nothing any more. */
START_TEST(notices_a_server_that_hangs)
{
	config.timeout_ms = 200;
	open_link();
	start_server("default on nopass ~* &* +@all");
	run_until(loop, &n_up, 1);
	ck_assert_int_eq(kill(server, SIGSTOP), 0);
	ck_assert_int_eq(
	    redis_link_commandf(up_link, reply_cb, NULL, "GET k"), 0);
	run_until(loop, &n_down, 1);
	ck_assert_int_eq(n_nulls, 1);
	run_for_ms(loop, 300);
	ck_assert_int_eq(n_up, 1);
	ck_assert_int_eq(kill(server, SIGCONT), 0);
	run_until(loop, &n_up, 2);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("redis_server");
	TCase *tests = tcase_create("redis_server");
	SRunner *runner;
	int failed;

	if (system("redis-server --version >/dev/null 2>&1") != 0)
		return SKIPPED;
	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, speaks_with_a_server);
	tcase_add_test(tests, transactions_pass);
	tcase_add_test(tests, a_user_with_a_password_comes_in);
	tcase_add_test(tests, a_user_with_few_rights_comes_in);
	tcase_add_test(tests, a_wrong_password_keeps_it_down);
	tcase_add_test(tests, a_blocking_read_is_woken);
	tcase_add_test(tests, survives_the_death_of_the_server);
	tcase_add_test(tests, notices_a_server_that_hangs);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
