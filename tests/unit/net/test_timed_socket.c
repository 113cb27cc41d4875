/* SPDX-License-Identifier: MIT */
/* Waiting for a socket while signals come: they neither end it nor make it longer. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "net/timed_socket.h"

#define TICK_US 5000
#define TICKS 20 /* then the peer does something */

static struct timed_socket timed;
static char error[100];
static int peer;
static volatile sig_atomic_t ticks;
static void (*volatile act)(void); /* safe in a handler */

static void
tick(int signal)
{
	int saved = errno;

	(void)signal;
	if (++ticks >= TICKS && act != NULL)
		act();
	errno = saved;
}

static void
speak(void)
{
	(void)!write(peer, "x", 1);
	act = NULL;
}

static void
drain(void)
{
	char piece[4096];

	while (recv(peer, piece, sizeof(piece), MSG_DONTWAIT) > 0)
		;
}

static void
begin_ticks(void (*then)(void))
{
	struct sigaction action = {.sa_handler = tick}; /* calls are not restarted */
	struct itimerval every = {{0, TICK_US}, {0, TICK_US}};

	ticks = 0;
	act = then;
	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &every, NULL), 0);
}

static void
setup(void)
{
	int fds[2];

	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	peer = fds[1];
	timed = (struct timed_socket){.fd = fds[0],
	    .deadline_ms = timed_now_ms() + 10000,
	    .error = error,
	    .error_size = sizeof(error)};
	error[0] = '\0';
}

static void
teardown(void)
{
	struct itimerval none = {{0, 0}, {0, 0}};

	(void)setitimer(ITIMER_REAL, &none, NULL);
	timed_close(&timed);
	close(peer);
}

START_TEST(signals_do_not_end_the_wait)
{
	begin_ticks(speak);
	ck_assert_int_eq(timed_await(&timed, POLLIN), 0);
	ck_assert_int_ge(ticks, TICKS);
	ck_assert_str_eq(error, "");
}
END_TEST

START_TEST(signals_do_not_make_it_longer)
{
	uint64_t begun_ms = timed_now_ms(), took_ms;

	timed.deadline_ms = begun_ms + 60;
	begin_ticks(NULL);
	ck_assert_int_eq(timed_await(&timed, POLLIN), -1);
	took_ms = timed_now_ms() - begun_ms;
	ck_assert_str_eq(error, "no answer in time");
	ck_assert_uint_ge(took_ms, 60);
	ck_assert_uint_lt(took_ms, 5000); /* on a machine that is busy */
	ck_assert_int_ge(ticks, 2);
}
END_TEST

START_TEST(receiving_goes_on_behind_signals)
{
	char out[4];
	int got;

	begin_ticks(speak);
	while ((got = timed_receive(&timed, out, sizeof(out))) == 0)
		;
	ck_assert_int_eq(got, 1);
	ck_assert_int_eq(out[0], 'x');
	ck_assert_int_ge(ticks, TICKS);
}
END_TEST

START_TEST(sending_goes_on_behind_signals)
{
	static char data[65536];
	int waits = 0, sent;

	begin_ticks(drain);
	/* until the peer has made room twice */
	while (waits < 2) {
		sent = timed_send(&timed, data, sizeof(data));
		ck_assert_msg(sent >= 0, "%s", error);
		waits += sent == 0;
	}
	ck_assert_int_ge(ticks, TICKS);
}
END_TEST

START_TEST(a_time_that_is_over_is_no_wait)
{
	timed.deadline_ms = timed_now_ms();
	ck_assert_int_eq(timed_await(&timed, POLLOUT), -1);
	ck_assert_str_eq(error, "no answer in time");
}
END_TEST

START_TEST(the_end_of_the_peer_is_told)
{
	char out[4];

	ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);
	ck_assert_int_eq(timed_receive(&timed, out, sizeof(out)), -1);
	ck_assert_str_eq(error, "the connection ended without an answer");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("timed_socket");
	TCase *tcase = tcase_create("signals");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, signals_do_not_end_the_wait);
	tcase_add_test(tcase, signals_do_not_make_it_longer);
	tcase_add_test(tcase, receiving_goes_on_behind_signals);
	tcase_add_test(tcase, sending_goes_on_behind_signals);
	tcase_add_test(tcase, a_time_that_is_over_is_no_wait);
	tcase_add_test(tcase, the_end_of_the_peer_is_told);
	tcase_set_timeout(tcase, 30);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
