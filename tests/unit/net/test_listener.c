/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "net/listener.h"
#include "support.h"

#define MANY 200 /* more than one batch */

static struct loop *loop;
static struct listeners *set;
static struct listener listener = LISTENER_CLOSED;
static struct listener other = LISTENER_CLOSED;
static struct address bound;
static int n_accepted, accepted[MANY];
static struct address last_peer;
static struct listener *close_on_accept[2];

static void
accepted_cb(void *ctx, int fd, const struct address *peer)
{
	ck_assert_ptr_eq(ctx, &bound);
	ck_assert_int_lt(n_accepted, MANY);
	accepted[n_accepted++] = fd;
	last_peer = *peer;
	for (int i = 0; i < 2 && close_on_accept[i] != NULL; i++)
		listener_close(close_on_accept[i]);
}

static void
open_listener(
    struct listener *to_open, const struct address *address, bool reuse_port)
{
	ck_assert_int_eq(listener_open(to_open, set, address, reuse_port,
			     accepted_cb, &bound),
	    0);
}

static void
listen_on(const char *text)
{
	struct address address = address_from(text);

	open_listener(&listener, &address, false);
	listener_address(&listener, &bound);
}

static void
setup(void)
{
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	set = listeners_new(loop);
	ck_assert_ptr_nonnull(set);
}

static void
teardown(void)
{
	listener_close(&listener);
	listener_close(&other);
	listeners_free(&set);
	ck_assert_ptr_null(set);
	loop_free(&loop);
	for (int i = 0; i < n_accepted; i++)
		close(accepted[i]);
}

START_TEST(accepts_on_the_port_that_the_system_chose)
{
	struct address client;
	int fd;

	listen_on("127.0.0.1:0");
	ck_assert_uint_ne(address_port(&bound), 0);
	fd = dial(&bound);
	run_until(loop, &n_accepted, 1);
	address_of_socket(fd, &client);
	ck_assert_uint_eq(address_port(&last_peer), address_port(&client));
	ck_assert(address_is_loopback(&last_peer));
	close(fd);
}
END_TEST

START_TEST(connections_do_not_block_and_are_not_inherited)
{
	int fd;

	listen_on("127.0.0.1:0");
	fd = dial(&bound);
	run_until(loop, &n_accepted, 1);
	ck_assert(fcntl(accepted[0], F_GETFL) & O_NONBLOCK);
	ck_assert(fcntl(accepted[0], F_GETFD) & FD_CLOEXEC);
	close(fd);
}
END_TEST

START_TEST(accepts_more_than_one_batch)
{
	int fds[MANY];

	listen_on("127.0.0.1:0");
	for (int i = 0; i < MANY; i++)
		fds[i] = dial(&bound);
	run_until(loop, &n_accepted, MANY);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
}
END_TEST

START_TEST(may_be_closed_from_its_callback)
{
	int fds[3];

	listen_on("127.0.0.1:0");
	close_on_accept[0] = &listener;
	for (int i = 0; i < 3; i++)
		fds[i] = dial(&bound);
	run_until(loop, &n_accepted, 1);
	run_for_ms(loop, 20);
	ck_assert_int_eq(n_accepted, 1);
	ck_assert_int_eq(listener.fd, -1);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}
END_TEST

/* Both are ready in the same turn: whichever comes first closes both, and the memory of the
 * other is not its own any more. */
START_TEST(may_be_closed_from_anothers_callback)
{
	struct address address = address_from("127.0.0.1:0"), bound_too;
	struct listener *second = malloc(sizeof(*second));
	int fds[2];

	ck_assert_ptr_nonnull(second);
	listen_on("127.0.0.1:0");
	open_listener(second, &address, false);
	listener_address(second, &bound_too);
	close_on_accept[0] = &listener;
	close_on_accept[1] = second;
	fds[0] = dial(&bound);
	fds[1] = dial(&bound_too);
	run_until(loop, &n_accepted, 1);
	free(second);
	run_for_ms(loop, 20);
	ck_assert_int_eq(n_accepted, 1);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

/* As in a process that was just forked: the socket lives on, but not for us. */
START_TEST(is_closed_while_its_descriptor_has_a_copy)
{
	struct address address = address_from("127.0.0.1:0");
	struct listener *closed = malloc(sizeof(*closed));
	int copy, fd;

	ck_assert_ptr_nonnull(closed);
	open_listener(closed, &address, false);
	listener_address(closed, &bound);
	copy = dup(closed->fd);
	listener_close(closed);
	free(closed);
	fd = dial(&bound);
	run_for_ms(loop, 20);
	ck_assert_int_eq(n_accepted, 0);
	close(fd);
	close(copy);
}
END_TEST

START_TEST(many_at_once_are_all_served)
{
	struct address address = address_from("127.0.0.1:0"), to;
	struct listener many[MANY];
	int fds[MANY];

	for (int i = 0; i < MANY; i++) {
		open_listener(&many[i], &address, false);
		listener_address(&many[i], &to);
		fds[i] = dial(&to);
	}
	run_until(loop, &n_accepted, MANY);
	for (int i = 0; i < MANY; i++) {
		listener_close(&many[i]);
		close(fds[i]);
	}
}
END_TEST

START_TEST(a_port_in_use_is_refused)
{
	int before;

	listen_on("127.0.0.1:0");
	before = open_descriptors();
	ck_assert_int_ne(
	    listener_open(&other, set, &bound, false, accepted_cb, NULL), 0);
	ck_assert_int_eq(errno, EADDRINUSE);
	ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

START_TEST(processes_may_share_a_port)
{
	struct address address = address_from("127.0.0.1:0");

	open_listener(&listener, &address, true);
	listener_address(&listener, &bound);
	open_listener(&other, &bound, true);
}
END_TEST

START_TEST(ip6_leaves_ip4_alone)
{
	struct address any4 = address_from("0.0.0.0:0"),
		       any6 = address_from("[::]:0");

	if (listener_open(&listener, set, &any6, false, accepted_cb, &bound) !=
		0 &&
	    errno == EAFNOSUPPORT)
		return;
	listener_address(&listener, &bound);
	address_set_port(&any4, address_port(&bound));
	open_listener(&other, &any4, false);
}
END_TEST

START_TEST(no_address_is_refused)
{
	struct address none = {.len = 0};

	ck_assert_int_ne(
	    listener_open(&listener, set, &none, false, accepted_cb, NULL), 0);
	ck_assert_int_eq(errno, EADDRNOTAVAIL);
	ck_assert_int_eq(listener.fd, -1);
}
END_TEST

/* Without descriptors it must neither spin nor lose the connection that waits. */
START_TEST(rests_when_descriptors_run_out)
{
	struct rlimit limit, few;
	uint64_t cpu_before, began;
	int fd;

	listen_on("127.0.0.1:0");
	run_for_ms(loop, 10);
	fd = dial(&bound);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	few.rlim_cur = 3; /* below what is open already */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	cpu_before = (uint64_t)clock();
	run_for_ms(loop, 300);
	ck_assert_int_eq(n_accepted, 0);
	ck_assert_uint_lt((uint64_t)clock() - cpu_before, CLOCKS_PER_SEC / 5);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	began = loop_now_ms(loop);
	run_until(loop, &n_accepted, 1);
	ck_assert_uint_lt(loop_now_ms(loop) - began, 2000);
	close(fd);
}
END_TEST

START_TEST(awaits_the_first_bytes_but_not_for_ever)
{
	int speaker, silent;

	listen_on("127.0.0.1:0");
	listener_await_bytes(&listener);
	speaker = dial(&bound);
#ifdef TCP_DEFER_ACCEPT
	run_for_ms(loop, 50);
	ck_assert_int_eq(n_accepted, 0);
#endif
	ck_assert_int_eq(write(speaker, "hello", 5), 5);
	run_until(loop, &n_accepted, 1);
	silent = dial(&bound);
	run_until(loop, &n_accepted, 2);
	close(speaker);
	close(silent);
}
END_TEST

START_TEST(may_be_closed_while_it_rests)
{
	struct rlimit limit, few;
	int fd;

	listen_on("127.0.0.1:0");
	fd = dial(&bound);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	few.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	run_for_ms(loop, 20);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	listener_close(&listener);
	run_for_ms(loop, 1100);
	ck_assert_int_eq(n_accepted, 0);
	close(fd);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("listener");
	TCase *tests = tcase_create("listener");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, accepts_on_the_port_that_the_system_chose);
	tcase_add_test(tests, connections_do_not_block_and_are_not_inherited);
	tcase_add_test(tests, accepts_more_than_one_batch);
	tcase_add_test(tests, may_be_closed_from_its_callback);
	tcase_add_test(tests, may_be_closed_from_anothers_callback);
	tcase_add_test(tests, is_closed_while_its_descriptor_has_a_copy);
	tcase_add_test(tests, many_at_once_are_all_served);
	tcase_add_test(tests, a_port_in_use_is_refused);
	tcase_add_test(tests, processes_may_share_a_port);
	tcase_add_test(tests, ip6_leaves_ip4_alone);
	tcase_add_test(tests, no_address_is_refused);
	tcase_add_test(tests, rests_when_descriptors_run_out);
	tcase_add_test(tests, awaits_the_first_bytes_but_not_for_ever);
	tcase_add_test(tests, may_be_closed_while_it_rests);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
