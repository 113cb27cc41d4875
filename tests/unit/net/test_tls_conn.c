/* SPDX-License-Identifier: MIT */
/* Connections with TLS on the loop, both ends ours: what is sealed and not sent counts as
 * queued, and close-notify comes behind everything. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "side.h"
#include "tls_pair.h"

#define MEGABYTE (1u << 20)

static struct side *client, *server;

static void
connect_sides(int backend, int buffers)
{
	int ends[2];

	side_begin(backend);
	stream_pair(ends, buffers);
	client = side_new();
	server = side_new();
	ck_assert_int_eq(
	    conn_init(&client->conn, loop, ends[0], &side_ops, client), 0);
	ck_assert_int_eq(
	    conn_init(&server->conn, loop, ends[1], &side_ops, server), 0);
	conn_start_tls(&client->conn, tls_pair_client());
	conn_start_tls(&server->conn, tls_pair_server());
	RUN_UNTIL(client->n_connected == 1 && server->n_connected == 1);
	ck_assert_str_eq(client->connect_error, "");
	/* A ticket that nobody reads would make a reset of an end. */
	RUN_UNTIL(tls_pair_has_ticket(client->conn.tls));
}

static void
setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	tls_pair_begin("DNS:relay.test");
}

static void
teardown(void)
{
	side_free(client);
	side_free(server);
	tls_pair_end();
	side_teardown();
}

static size_t
all_queued(void)
{
	return conn_queued(&client->conn) + conn_queued(&server->conn);
}

START_TEST(much_passes_both_ways)
{
	size_t there = 0, here = 0;

	connect_sides(_i, SMALL_BUFFERS);
	client->read_bytes = 1000;
	while (there < MEGABYTE) {
		there += side_write_plenty(client);
		here += side_write_plenty(server);
		RUN_UNTIL(all_queued() == 0);
	}
	RUN_UNTIL(server->len == there && client->len == here);
	for (size_t at = 0; at < there; at += PLENTY) {
		pattern_check(server->data + at, PLENTY, 0);
		pattern_check(client->data + at, PLENTY, 0);
	}
	ck_assert_int_gt(client->n_drained, 0);
	ck_assert_int_gt(server->n_drained, 0);
}
END_TEST

START_TEST(what_is_sealed_is_queued_until_it_is_sent)
{
	static uint8_t piece[BUF_LARGE];
	size_t sent = 0;

	connect_sides(_i, SMALL_BUFFERS);
	conn_pause(&server->conn);
	do {
		pattern_fill(piece, sizeof(piece), sent);
		ck_assert_int_eq(
		    conn_write(&client->conn, piece, sizeof(piece)), 0);
		sent += sizeof(piece);
	} while (conn_queued(&client->conn) == 0);
	/* sealed in full, so that nothing is left in the queue itself */
	ck_assert_uint_eq(client->conn.queued_bytes, 0);
	run_for_ms(loop, 10);
	ck_assert_int_eq(client->n_drained, 0);
	conn_resume(&server->conn);
	RUN_UNTIL(server->len == sent);
	RUN_UNTIL(client->n_drained == 1);
	ck_assert_uint_eq(conn_queued(&client->conn), 0);
	pattern_check(server->data, sent, 0);
}
END_TEST

START_TEST(close_notify_comes_behind_everything)
{
	size_t sent;

	connect_sides(_i, SMALL_BUFFERS);
	conn_pause(&server->conn);
	sent = side_write_plenty(client);
	conn_shutdown(&client->conn);
	run_for_ms(loop, 10);
	ck_assert(!conn_is_shut(&client->conn));
	conn_resume(&server->conn);
	RUN_UNTIL(server->ended);
	ck_assert_uint_eq(server->len, sent);
	ck_assert(conn_is_shut(&client->conn));
	ck_assert_int_eq(client->n_drained, 1);
	ck_assert(tls_pair_has_heard_bye(server->conn.tls));
	/* and the other direction still works */
	ck_assert_int_eq(conn_write(&server->conn, "bye", 3), 0);
	conn_shutdown(&server->conn);
	RUN_UNTIL(client->ended);
	ck_assert_uint_eq(client->len, 3);
	ck_assert(conn_is_over(&client->conn));
}
END_TEST

/* Fill a socket behind TLS's back: the count. */
static size_t
fill_socket(int fd)
{
	static const uint8_t filler[4096];
	size_t sent = 0;
	ssize_t n;

	while ((n = send(fd, filler, sizeof(filler), 0)) > 0)
		sent += (size_t)n;
	return sent;
}

/* Nothing else waits: the socket is full when it is its turn. */
START_TEST(close_notify_alone_waits_for_room)
{
	uint8_t data[4096];
	size_t filled, received = 0;
	ssize_t n = -1;

	connect_sides(_i, SMALL_BUFFERS);
	run_for_ms(loop, 10);
	conn_pause(&server->conn);
	filled = fill_socket(client->conn.fd);
	ck_assert_uint_eq(conn_queued(&client->conn), 0);
	conn_shutdown(&client->conn);
	run_for_ms(loop, 10);
	ck_assert(!conn_is_shut(&client->conn));
	ck_assert_uint_gt(conn_queued(&client->conn), 0);
	while (n != 0) {
		run_for_ms(loop, 1);
		while ((n = recv(server->conn.fd, data, sizeof(data), 0)) > 0)
			received += (size_t)n;
	}
	ck_assert(conn_is_shut(&client->conn));
	ck_assert_uint_eq(received, filled + tls_pair_alert_bytes);
}
END_TEST

START_TEST(moves_with_what_is_sealed)
{
	struct side *elsewhere = side_new();
	size_t sent;

	connect_sides(_i, SMALL_BUFFERS);
	conn_pause(&server->conn);
	sent = side_write_plenty(client);
	ck_assert_int_eq(
	    conn_move(&elsewhere->conn, &client->conn, &side_ops, elsewhere),
	    0);
	ck_assert_uint_gt(conn_queued(&elsewhere->conn), 0);
	conn_resume(&server->conn);
	RUN_UNTIL(server->len == sent);
	RUN_UNTIL(elsewhere->n_drained > 0);
	pattern_check(server->data, sent, 0);
	side_free(client);
	client = elsewhere;
}
END_TEST

START_TEST(what_was_not_read_is_not_forgotten)
{
	size_t sent;

	connect_sides(_i, 0);
	server->reads_max = 1;
	server->read_bytes = 100;
	server->on_readable = PAUSE;
	sent = 1000;
	ck_assert_int_eq(
	    conn_write(&client->conn, (uint8_t[1000]){1, 2, 3}, sent), 0);
	while (server->len < sent) {
		int before = server->n_readable;

		conn_resume(&server->conn);
		RUN_UNTIL(server->n_readable > before);
	}
	ck_assert_int_ge(server->n_readable, 10);
	ck_assert_uint_eq(server->len, sent);
}
END_TEST

START_TEST(bytes_and_end_at_once_are_both_seen)
{
	connect_sides(_i, 0);
	conn_pause(&server->conn);
	ck_assert_int_eq(conn_write(&client->conn, "hello", 5), 0);
	conn_fini(&client->conn);
	run_for_ms(loop, 10);
	conn_resume(&server->conn);
	RUN_UNTIL(server->ended);
	ck_assert_uint_eq(server->len, 5);
}
END_TEST

START_TEST(a_reset_breaks_it)
{
	connect_sides(_i, SMALL_BUFFERS);
	conn_pause(&server->conn);
	(void)side_write_plenty(client);
	conn_abort(&server->conn);
	RUN_UNTIL(client->n_broken == 1 || client->error != 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls_conn");
	TCase *tests = tcase_create("tls_conn");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, much_passes_both_ways, 0, 2);
	tcase_add_loop_test(
	    tests, what_is_sealed_is_queued_until_it_is_sent, 0, 2);
	tcase_add_loop_test(tests, close_notify_comes_behind_everything, 0, 2);
	tcase_add_loop_test(tests, close_notify_alone_waits_for_room, 0, 2);
	tcase_add_loop_test(tests, moves_with_what_is_sealed, 0, 2);
	tcase_add_loop_test(tests, what_was_not_read_is_not_forgotten, 0, 2);
	tcase_add_loop_test(tests, bytes_and_end_at_once_are_both_seen, 0, 2);
	tcase_add_loop_test(tests, a_reset_breaks_it, 0, 2);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
