/* SPDX-License-Identifier: MIT */
/* A link that two Sentinels lead to one of two servers; each of the four says what the test
 * wants. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_redis.h"
#include "net/redis_access.h"
#include "net/redis_sync.h"
#include "support.h"

#define MASTER "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
#define REPLICA                                                                \
	"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$9\r\nconnected\r\n:"   \
	"0\r\n"

#define SUBSCRIBED "*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n"

enum { FIRST, SECOND, N };

static struct loop *loop;
static struct fake_redis sentinels[N], servers[N];
static char named[N][80];   /* what each Sentinel answers; "": nothing at all */
static const char *role[N]; /* what each server answers */
static const char *to_get;  /* what they answer to GET */
static const char *to_subscribe; /* what the Sentinels answer to SUBSCRIBE */
static struct redis_sentinel *sentinel;
static struct redis_link *up_link;
static struct redis_sentinel_config config;
static int n_up, n_down, n_replies;

static const char *
sentinel_answer(const char *command, int which)
{
	if (strncmp(command, "SENTINEL ", 9) == 0) {
		ck_assert_str_eq(
		    command, "SENTINEL get-master-addr-by-name taupe");
		return named[which];
	}
	if (strcmp(command, "SUBSCRIBE +switch-master") == 0)
		return to_subscribe;
	return NULL;
}

static const char *
first_sentinel(const char *command)
{
	return sentinel_answer(command, FIRST);
}

static const char *
second_sentinel(const char *command)
{
	return sentinel_answer(command, SECOND);
}

static const char *
server_answer(const char *command, int which)
{
	if (strcmp(command, "ROLE") == 0)
		return role[which];
	return strncmp(command, "GET", 3) == 0 ? to_get : NULL;
}

static const char *
first_server(const char *command)
{
	return server_answer(command, FIRST);
}

static const char *
second_server(const char *command)
{
	return server_answer(command, SECOND);
}

static void
name_server(int which_sentinel, int which_server)
{
	char port[8];
	int n = snprintf(port, sizeof(port), "%u",
	    (unsigned)address_port(&servers[which_server].address));

	snprintf(named[which_sentinel], sizeof(named[0]),
	    "*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%s\r\n", n, port);
}

/* Tell those who have subscribed of a switch. */
static void
say_switch(int which_sentinel, const char *master, int to)
{
	char text[100], message[200];
	int n = snprintf(text, sizeof(text), "%s 127.0.0.1 1 127.0.0.1 %u",
	    master, (unsigned)address_port(&servers[to].address));

	n = snprintf(message, sizeof(message),
	    "*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$%d\r\n%s\r\n", n,
	    text);
	fake_redis_publish(&sentinels[which_sentinel], message, (size_t)n);
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
	n_replies += reply != NULL;
}

static void
open_link(void)
{
	struct redis_link_config link = {.timeout_ms = 1000};

	sentinel = redis_sentinel_new(loop, &config);
	ck_assert_ptr_nonnull(sentinel);
	link.sentinel = sentinel;
	up_link = redis_link_new(loop, &link, state_cb, NULL);
	ck_assert_ptr_nonnull(up_link);
}

static void
open_up(void)
{
	open_link();
	run_until(loop, &n_up, 1);
}

static void
setup(void)
{
	static const char *(*const answers[2 * N])(const char *) = {
	    first_sentinel, second_sentinel, first_server, second_server};

	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	config = (struct redis_sentinel_config){
	    .n_sentinels = N, .master_name = "taupe", .timeout_ms = 300};
	for (int i = 0; i < N; i++) {
		fake_redis_start(&sentinels[i], loop);
		fake_redis_start(&servers[i], loop);
		sentinels[i].answer = answers[i];
		servers[i].answer = answers[N + i];
		strcpy(config.sentinels[i].host, "127.0.0.1");
		config.sentinels[i].port = address_port(&sentinels[i].address);
		role[i] = MASTER;
		name_server(i, FIRST);
	}
	to_get = "$-1\r\n";
	to_subscribe = SUBSCRIBED;
}

static void
teardown(void)
{
	redis_link_free(&up_link);
	redis_sentinel_free(&sentinel);
	for (int i = 0; i < N; i++) {
		fake_redis_stop(&sentinels[i]);
		fake_redis_stop(&servers[i]);
	}
	loop_free(&loop);
}

START_TEST(goes_where_the_first_sentinel_says)
{
	open_up();
	ck_assert_str_eq(servers[FIRST].heard, "ROLE\nPING\n");
	ck_assert_int_eq(servers[SECOND].n_connections, 0);
	run_for_ms(loop, 50);
	ck_assert_int_eq(sentinels[FIRST].n_connections, 2);
	ck_assert_int_eq(sentinels[SECOND].n_connections, 0);
	ck_assert(!redis_link_has_moved(up_link));
}
END_TEST

START_TEST(shows_its_password_to_the_sentinels)
{
	config.user = "relay";
	config.password = "s3cret";
	open_up();
	ck_assert_ptr_nonnull(
	    strstr(sentinels[FIRST].heard, "AUTH relay s3cret\n"));
	ck_assert_str_eq(servers[FIRST].heard, "ROLE\nPING\n");
}
END_TEST

static const char *const useless[] = {"", "*-1\r\n", "$-1\r\n",
    "-ERR no such thing\r\n", "*2\r\n$1\r\nx\r\n$1\r\ny\r\n",
    "*2\r\n$1\r\nx\r\n$1\r\n0\r\n", "*2\r\n$1\r\nx\r\n$5\r\n65536\r\n",
    "*2\r\n$0\r\n\r\n$4\r\n6379\r\n", "*2\r\n:1\r\n:2\r\n", "*1\r\n$1\r\nx\r\n",
    "!!\r\n"};

/* It answers nothing, does not know the name, or talks nonsense. */
START_TEST(a_sentinel_of_no_use_is_passed_over)
{
	strcpy(named[FIRST], useless[_i]);
	open_up();
	ck_assert_int_eq(servers[FIRST].n_connections, 1);
	/* and the other one is asked first from now on */
	sentinels[FIRST].heard[0] = '\0';
	fake_redis_hang_up(&servers[FIRST]);
	run_until(loop, &n_up, 2);
	ck_assert_ptr_null(strstr(sentinels[FIRST].heard, "SENTINEL"));
}
END_TEST

START_TEST(a_sentinel_that_is_gone_is_passed_over)
{
	fake_redis_stop(&sentinels[FIRST]);
	open_up();
	fake_redis_start(&sentinels[FIRST], loop); /* for teardown() */
}
END_TEST

START_TEST(keeps_asking_until_a_sentinel_answers)
{
	strcpy(named[FIRST], "*-1\r\n");
	strcpy(named[SECOND], "*-1\r\n");
	open_link();
	run_for_ms(loop, 500);
	ck_assert_int_eq(n_up, 0);
	/* with pauses */
	ck_assert_int_lt(
	    sentinels[FIRST].n_connections + sentinels[SECOND].n_connections,
	    16);
	name_server(FIRST, SECOND);
	run_until(loop, &n_up, 1);
	ck_assert_int_eq(servers[SECOND].n_connections, 1);
}
END_TEST

/* The Sentinel does not know yet; or the server does not say what it is. */
static const char *const no_primary[] = {
    REPLICA, "-NOPERM no ROLE\r\n", "*0\r\n", "+OK\r\n", "*1\r\n:1\r\n"};

START_TEST(is_not_up_at_what_is_no_primary)
{
	role[FIRST] = no_primary[_i];
	open_link();
	run_for_ms(loop, 300);
	ck_assert_int_eq(n_up, 0);
	ck_assert_int_gt(servers[FIRST].n_connections, 0);
	ck_assert_int_lt(servers[FIRST].n_connections, 6);
	name_server(FIRST, SECOND);
	name_server(SECOND, SECOND);
	run_until(loop, &n_up, 1);
	ck_assert_int_eq(servers[SECOND].n_connections, 1);
}
END_TEST

/* One that is cut off from the others names the old primary for ever. */
START_TEST(a_sentinel_that_is_wrong_is_left_for_another)
{
	role[FIRST] = REPLICA;
	name_server(SECOND, SECOND);
	open_up();
	ck_assert_int_eq(servers[SECOND].n_connections, 1);
}
END_TEST

START_TEST(follows_a_switch)
{
	open_up();
	run_for_ms(loop, 50);
	name_server(FIRST, SECOND);
	say_switch(FIRST, "taupe", SECOND);
	run_until(loop, &n_up, 2);
	ck_assert_int_eq(n_down, 1);
	ck_assert_int_eq(servers[SECOND].n_connections, 1);
	ck_assert(redis_link_has_moved(up_link));
	ck_assert(!redis_link_has_moved(up_link)); /* said once */
}
END_TEST

START_TEST(a_switch_of_another_master_is_none_of_ours)
{
	open_up();
	run_for_ms(loop, 50);
	say_switch(FIRST, "other", SECOND);
	say_switch(FIRST, "taupe", FIRST); /* we are there */
	run_for_ms(loop, 200);
	ck_assert_int_eq(n_down, 0);
}
END_TEST

START_TEST(a_message_without_sense_costs_one_connection)
{
	static const char nonsense[] =
	    "*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$5\r\na b c\r\n";

	open_up();
	run_for_ms(loop, 50);
	fake_redis_publish(&sentinels[FIRST], nonsense, sizeof(nonsense) - 1);
	run_for_ms(loop, 300);
	ck_assert_int_eq(n_down, 0);
	/* its switch is heard of at the next one */
	name_server(SECOND, SECOND);
	say_switch(SECOND, "taupe", SECOND);
	run_until(loop, &n_up, 2);
	ck_assert_int_eq(servers[SECOND].n_connections, 1);
}
END_TEST

/* The old primary thinks that it is one for some seconds more. */
START_TEST(who_tells_of_a_switch_is_asked_for_it)
{
	fake_redis_stop(&sentinels[FIRST]);
	open_up(); /* both lines lead to the second one */
	fake_redis_start(&sentinels[FIRST], loop);
	run_for_ms(loop, 200);
	name_server(SECOND, SECOND);
	say_switch(SECOND, "taupe", SECOND);
	run_until(loop, &n_up, 2);
	ck_assert_int_eq(servers[FIRST].n_connections, 1);
	ck_assert_int_eq(servers[SECOND].n_connections, 1);
}
END_TEST

static int
times_asked(int which_sentinel)
{
	const char *at = sentinels[which_sentinel].heard;
	int n = 0;

	while ((at = strstr(at, "SENTINEL ")) != NULL) {
		at++;
		n++;
	}
	return n;
}

/* Who tells is asked, also when that line had failed and waits; and when that fails, too, it is
 * another one's turn. */
START_TEST(who_tells_is_asked_once_by_a_line_that_waits)
{
	to_subscribe = "";
	strcpy(named[FIRST], "*-1\r\n");
	open_link();
	run_until(loop, &sentinels[FIRST].n_commands, 4);
	ck_assert_int_eq(times_asked(FIRST), 1);
	ck_assert_ptr_nonnull(strstr(sentinels[FIRST].heard, "SUBSCRIBE"));
	run_for_ms(loop, 10); /* until it has the answer, and waits */
	fake_redis_publish(
	    &sentinels[FIRST], SUBSCRIBED, sizeof(SUBSCRIBED) - 1);
	run_until(loop, &n_up, 1);
	ck_assert_int_le(times_asked(FIRST), 2);
	ck_assert_int_eq(times_asked(SECOND), 1);
}
END_TEST

/* The switch happened while nobody was listening. */
START_TEST(a_missed_switch_is_noticed_when_it_listens_again)
{
	open_up();
	run_for_ms(loop, 50);
	name_server(FIRST, SECOND);
	name_server(SECOND, SECOND);
	fake_redis_hang_up(&sentinels[FIRST]);
	run_until(loop, &n_up, 2);
	ck_assert_int_eq(servers[SECOND].n_connections, 1);
}
END_TEST

START_TEST(leaves_a_server_that_takes_no_writes)
{
	open_up();
	run_for_ms(loop, 50);
	name_server(FIRST, SECOND);
	to_get = "-READONLY You can't write against a read only replica.\r\n";
	ck_assert_int_eq(
	    redis_link_commandf(up_link, reply_cb, NULL, "GET x"), 0);
	run_until(loop, &n_up, 2);
	ck_assert_int_eq(n_replies, 1);
	ck_assert_int_eq(servers[SECOND].n_connections, 1);
}
END_TEST

START_TEST(back_at_the_same_server_has_not_moved)
{
	open_up();
	fake_redis_hang_up(&servers[FIRST]);
	run_until(loop, &n_up, 2);
	ck_assert_int_eq(servers[FIRST].n_connections, 2);
	ck_assert(!redis_link_has_moved(up_link));
}
END_TEST

START_TEST(may_be_freed_while_it_asks)
{
	named[FIRST][0] = named[SECOND][0] = '\0';
	open_link();
	run_for_ms(loop, 50);
	redis_link_free(&up_link);
	run_for_ms(loop, 50);
	redis_sentinel_free(&sentinel);
	run_for_ms(loop, 50);
	ck_assert_int_eq(n_up + n_down, 0);
}
END_TEST

START_TEST(options_say_what_is_wrong)
{
	char item[] = "127.0.0.1:26379", *items[] = {item};
	struct redis_options options = {
	    .redis_timeout_ms = 5000, .redis_sentinel = {items, 1}};
	char error[REDIS_ACCESS_ERROR_MAX], text[64];
	struct redis_access access;

	ck_assert_int_eq(redis_access_init(&access, &options, "x", error), -1);
	ck_assert_ptr_nonnull(strstr(error, "redis_master_name is not set"));
	options.redis_master_name = (char[]){"taupe"};
	ck_assert_int_eq(redis_access_init(&access, &options, "x", error), 0);
	ck_assert_uint_eq(access.sentinel.sentinels[0].port, 26379);
	ck_assert_str_eq(redis_options_text(&options, text, sizeof(text)),
	    "taupe by Sentinel");
	options.redis_sentinel_password_file = (char[]){"/none/such"};
	ck_assert_int_eq(redis_access_init(&access, &options, "x", error), -1);
	ck_assert_str_eq(error,
	    "/none/such: no password can be read: No such file or directory");
	options.redis_sentinel.count = 0;
	ck_assert_int_eq(redis_access_init(&access, &options, "x", error), -1);
	ck_assert_ptr_nonnull(strstr(error, "redis: "));
	ck_assert(!redis_options_given(&options));
	ck_assert_ptr_nonnull(redis_sentinel_check("/run/socket"));
	ck_assert_ptr_nonnull(redis_sentinel_check("10.0.0.1"));
	ck_assert_ptr_null(redis_sentinel_check("10.0.0.1:26379"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("redis_sentinel");
	TCase *tests = tcase_create("redis_sentinel");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, goes_where_the_first_sentinel_says);
	tcase_add_test(tests, shows_its_password_to_the_sentinels);
	tcase_add_loop_test(tests, a_sentinel_of_no_use_is_passed_over, 0,
	    (int)(sizeof(useless) / sizeof(useless[0])));
	tcase_add_test(tests, a_sentinel_that_is_gone_is_passed_over);
	tcase_add_test(tests, keeps_asking_until_a_sentinel_answers);
	tcase_add_loop_test(tests, is_not_up_at_what_is_no_primary, 0,
	    (int)(sizeof(no_primary) / sizeof(no_primary[0])));
	tcase_add_test(tests, a_sentinel_that_is_wrong_is_left_for_another);
	tcase_add_test(tests, follows_a_switch);
	tcase_add_test(tests, a_switch_of_another_master_is_none_of_ours);
	tcase_add_test(tests, a_message_without_sense_costs_one_connection);
	tcase_add_test(tests, who_tells_of_a_switch_is_asked_for_it);
	tcase_add_test(tests, who_tells_is_asked_once_by_a_line_that_waits);
	tcase_add_test(tests, a_missed_switch_is_noticed_when_it_listens_again);
	tcase_add_test(tests, leaves_a_server_that_takes_no_writes);
	tcase_add_test(tests, back_at_the_same_server_has_not_moved);
	tcase_add_test(tests, may_be_freed_while_it_asks);
	tcase_add_test(tests, options_say_what_is_wrong);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
