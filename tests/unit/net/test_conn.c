/* SPDX-License-Identifier: MIT */
/* Reading, writing and connecting. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "side.h"

/* Reading. */

START_TEST(reads_what_comes_and_the_end)
{
	struct peer peer;
	struct side *side;

	side_begin(_i);
	side = side_open(&peer, 0, _i);
	for (int i = 0; i < 20; i++) {
		peer_send(&peer, "0123456789", 10);
		RUN_UNTIL(side->len == 10u * (size_t)(i + 1));
	}
	run_for_ms(loop, 10);
	ck_assert(!side->ended);
	peer_end(&peer);
	RUN_UNTIL(side->ended);
	ck_assert_int_eq(side->error, 0);
	side_free(side);
	peer_close(&peer);
}
END_TEST

START_TEST(an_end_that_comes_with_the_data_is_seen)
{
	struct peer peer;
	struct side *side;
	uint64_t began;

	side_begin(_i);
	side = side_open(&peer, 0, _i);
	peer_send(&peer, "last words", 10);
	peer_end(&peer);
	began = loop_now_ms(loop);
	RUN_UNTIL(side->ended);
	/* with the data, and not by a second look */
	ck_assert_uint_lt(loop_now_ms(loop) - began, 800);
	ck_assert_uint_eq(side->len, 10);
	side_free(side);
	peer_close(&peer);
}
END_TEST

START_TEST(a_reset_that_comes_with_the_data_is_seen)
{
	struct peer peer;
	struct side *side;

	side_begin(_i);
	side = side_open(&peer, 0, _i);
	peer_send(&peer, "last words", 10);
	peer_reset(&peer);
	RUN_UNTIL(side->error != 0);
	ck_assert_int_eq(side->error, ECONNRESET);
	ck_assert_uint_eq(side->len, 10);
	side_free(side);
}
END_TEST

START_TEST(what_came_while_paused_is_read_afterwards)
{
	struct peer peer;
	struct side *side;

	side_begin(_i);
	side = side_open(&peer, 0, _i);
	conn_pause(&side->conn);
	peer_send(&peer, "abc", 3);
	run_for_ms(loop, 20);
	peer_send(&peer, "def", 3);
	run_for_ms(loop, 20);
	ck_assert_int_eq(side->n_readable, 0);
	conn_resume(&side->conn);
	ck_assert_int_eq(side->n_readable, 0);
	RUN_UNTIL(side->len == 6);
	conn_resume(&side->conn);
	peer_send(&peer, "ghi", 3);
	RUN_UNTIL(side->len == 9);
	side_free(side);
	peer_close(&peer);
}
END_TEST

START_TEST(an_end_while_paused_is_seen_afterwards)
{
	struct peer peer;
	struct side *side;

	side_begin(_i);
	side = side_open(&peer, 0, _i);
	conn_pause(&side->conn);
	peer_send(&peer, "abc", 3);
	run_for_ms(loop, 10);
	peer_end(&peer);
	run_for_ms(loop, 10);
	conn_resume(&side->conn);
	RUN_UNTIL(side->ended);
	ck_assert_uint_eq(side->len, 3);
	side_free(side);
	peer_close(&peer);
}
END_TEST

START_TEST(a_reset_while_paused_is_seen_afterwards)
{
	struct peer peer;
	struct side *side;

	side_begin(_i);
	side = side_open(&peer, 0, _i);
	conn_pause(&side->conn);
	peer_send(&peer, "abc", 3);
	run_for_ms(loop, 10);
	peer_reset(&peer);
	run_for_ms(loop, 10);
	conn_resume(&side->conn);
	RUN_UNTIL(side->error != 0);
	ck_assert_uint_eq(side->len, 3);
	side_free(side);
}
END_TEST

START_TEST(who_leaves_some_is_called_again)
{
	struct peer peer;
	struct side *side;

	side_begin(_i);
	side = side_open(&peer, 0, _i);
	side->read_bytes = 1;
	side->reads_max = 1;
	peer_send(&peer, "0123456789", 10);
	peer_end(&peer);
	RUN_UNTIL(side->ended);
	ck_assert_uint_eq(side->len, 10);
	ck_assert_int_ge(side->n_readable, 11);
	side_free(side);
	peer_close(&peer);
}
END_TEST

START_TEST(pausing_in_the_callback_stops_at_once)
{
	struct peer peer;
	struct side *side;

	side_begin(_i);
	side = side_open(&peer, 0, _i);
	side->read_bytes = 2;
	side->reads_max = 1;
	side->on_readable = PAUSE;
	peer_send(&peer, "0123456789", 10);
	for (int i = 1; i <= 5; i++) {
		RUN_UNTIL(side->n_readable == i);
		run_for_ms(loop, 10);
		ck_assert_int_eq(side->n_readable, i);
		ck_assert_uint_eq(side->len, (size_t)i * 2);
		conn_resume(&side->conn);
	}
	side_free(side);
	peer_close(&peer);
}
END_TEST

START_TEST(nothing_comes_from_inside_a_call)
{
	struct peer peer;
	struct side *side;

	side_begin(_i);
	side = side_open(&peer, 0, _i);
	peer_send(&peer, "abc", 3);
	conn_pause(&side->conn);
	conn_resume(&side->conn);
	ck_assert_int_eq(conn_write(&side->conn, "x", 1), 0);
	ck_assert_int_eq(side->n_readable + side->n_drained, 0);
	RUN_UNTIL(side->len == 3);
	ck_assert_int_eq(side->n_drained, 0);
	side_free(side);
	peer_close(&peer);
}
END_TEST

/* Much data, read in small bites with pauses: no byte is lost and none comes twice. */
START_TEST(a_long_stream_survives_pauses)
{
	static uint8_t out[100000];
	size_t sent = 0;
	struct peer peer;
	struct side *side;

	side_begin(_i);
	side = side_open(&peer, SMALL_BUFFERS, _i);
	side->read_bytes = 1500;
	side->reads_max = 3;
	pattern_fill(out, sizeof(out), 0);
	while (side->len < sizeof(out)) {
		sent += peer_send_some(&peer, out + sent, sizeof(out) - sent);
		if (random() % 4 == 0)
			conn_pause(&side->conn);
		run_for_ms(loop, 1);
		conn_resume(&side->conn);
	}
	pattern_check(side->data, side->len, 0);
	side_free(side);
	peer_close(&peer);
}
END_TEST

/* Writing. */

START_TEST(writes_at_once_when_there_is_room)
{
	struct peer peer;
	struct side *side;

	side_begin(_i);
	side = side_open(&peer, 0, _i);
	ck_assert_int_eq(conn_write(&side->conn, "hello", 5), 0);
	ck_assert_uint_eq(conn_queued(&side->conn), 0);
	peer_receive(&peer);
	ck_assert_uint_eq(peer.len, 5);
	run_for_ms(loop, 10);
	ck_assert_int_eq(side->n_drained, 0);
	side_free(side);
	peer_close(&peer);
}
END_TEST

START_TEST(queues_what_does_not_fit_and_says_when_it_is_written)
{
	struct peer peer;
	struct side *side;
	size_t total;

	side_begin(_i);
	side = side_open(&peer, SMALL_BUFFERS, _i);
	total = side_write_plenty(side);
	run_for_ms(loop, 20);
	ck_assert_int_eq(side->n_drained, 0);
	run_until_received(loop, &peer, total);
	pattern_check(peer.data, peer.len, 0);
	RUN_UNTIL(side->n_drained == 1);
	run_for_ms(loop, 10);
	ck_assert_int_eq(side->n_drained, 1);
	ck_assert_uint_eq(conn_queued(&side->conn), 0);
	ck_assert(!conn_is_shut(&side->conn));
	side_free(side);
	peer_close(&peer);
}
END_TEST

/* Spans of many buffers, more than one system call takes, with gaps between them. */
START_TEST(writes_spans_in_order)
{
	enum { BUFS = 40, SPANS = 16, SPAN = 40, GAP = 3 };
	struct peer peer;
	struct side *side;
	size_t total = 0;

	side_begin(_i);
	side = side_open(&peer, SMALL_BUFFERS, _i);
	for (int i = 0; i < BUFS; i++) {
		struct buf *buf = buf_get(BUF_SMALL);

		for (uint32_t j = 0; j < SPANS; j++) {
			uint32_t at = BUF_HEADROOM + j * (SPAN + GAP);

			pattern_fill(buf->space + at, SPAN, total);
			buf_add_span(buf, at, SPAN);
			total += SPAN;
		}
		ck_assert_int_eq(conn_write_buf(&side->conn, &buf), 0);
		ck_assert_ptr_null(buf);
	}
	run_until_received(loop, &peer, total);
	pattern_check(peer.data, total, 0);
	side_free(side);
	peer_close(&peer);
}
END_TEST

/* Answers to a peer that does not read share buffers, and stand in their order. */
START_TEST(little_writes_behind_a_jam_are_put_together)
{
	struct peer peer;
	struct side *side;
	struct buf *buf;
	size_t total, bufs = 0;
	uint8_t word[10];

	side_begin(_i);
	side = side_open(&peer, SMALL_BUFFERS, _i);
	total = side_write_plenty(side);
	for (int i = 0; i < 10000; i++) {
		pattern_fill(word, sizeof(word), total);
		ck_assert_int_eq(
		    conn_write(&side->conn, word, sizeof(word)), 0);
		total += sizeof(word);
	}
	STAILQ_FOREACH (buf, &side->conn.queue, link)
		bufs++;
	ck_assert_uint_le(bufs, total / BUF_SMALL + 2);
	run_until_received(loop, &peer, total);
	pattern_check(peer.data, total, 0);
	RUN_UNTIL(side->n_drained == 1);
	side_free(side);
	peer_close(&peer);
}
END_TEST

START_TEST(an_empty_buffer_is_no_write)
{
	struct peer peer;
	struct side *side;
	struct buf *buf;

	side_begin(_i);
	side = side_open(&peer, 0, _i);
	buf = buf_get(1);
	ck_assert_int_eq(conn_write_buf(&side->conn, &buf), 0);
	ck_assert_ptr_null(buf);
	ck_assert_int_eq(conn_write(&side->conn, "", 0), 0);
	ck_assert_uint_eq(conn_queued(&side->conn), 0);
	side_free(side);
	peer_close(&peer);
}
END_TEST

START_TEST(ends_after_what_is_queued_and_still_reads)
{
	struct peer peer;
	struct side *side;
	size_t total;

	side_begin(_i);
	side = side_open(&peer, SMALL_BUFFERS, _i);
	total = side_write_plenty(side);
	conn_shutdown(&side->conn);
	conn_shutdown(&side->conn);
	ck_assert(!conn_is_shut(&side->conn));
	run_until_ended(loop, &peer);
	ck_assert_uint_eq(peer.len, total);
	pattern_check(peer.data, peer.len, 0);
	ck_assert(conn_is_shut(&side->conn));
	peer_send(&peer, "answer", 6);
	RUN_UNTIL(side->len == 6);
	peer_end(&peer);
	RUN_UNTIL(side->ended);
	side_free(side);
	peer_close(&peer);
}
END_TEST

START_TEST(both_directions_run_at_once)
{
	static uint8_t out[100000];
	struct peer peer;
	struct side *side;
	size_t total, sent = 0;

	side_begin(_i);
	side = side_open(&peer, SMALL_BUFFERS, _i);
	pattern_fill(out, sizeof(out), 0);
	total = side_write_plenty(side);
	while (side->len < sizeof(out) || peer.len < total) {
		sent += peer_send_some(&peer, out + sent, sizeof(out) - sent);
		peer_receive(&peer);
		run_for_ms(loop, 1);
	}
	pattern_check(side->data, side->len, 0);
	pattern_check(peer.data, peer.len, 0);
	side_free(side);
	peer_close(&peer);
}
END_TEST

/* Connecting. */

static int
listening(struct address *bound)
{
	struct address any = address_from("127.0.0.1:0");
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, &any.sa, any.len), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	address_of_socket(fd, bound);
	return fd;
}

static struct side *
side_connect(const struct address *to)
{
	struct side *side = side_new();

	ck_assert_int_eq(
	    conn_connect(&side->conn, loop, to, &side_ops, side), 0);
	ck_assert_int_eq(side->n_connected, 0);
	return side;
}

static void
peer_accept(struct peer *peer, int listening_fd)
{
	int fd = accept(listening_fd, NULL, NULL);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	peer_init(peer, fd);
}

START_TEST(connects_and_then_writes_what_was_queued)
{
	struct address to;
	int fd, on = 0;
	socklen_t len = sizeof(on);
	struct side *side;
	struct peer peer;

	side_begin(_i);
	fd = listening(&to);
	side = side_connect(&to);
	ck_assert_int_eq(conn_write(&side->conn, "early", 5), 0);
	ck_assert_uint_eq(conn_queued(&side->conn), 5);
	conn_shutdown(&side->conn);
	peer_accept(&peer, fd);
	run_until_ended(loop, &peer);
	ck_assert_uint_eq(peer.len, 5);
	ck_assert_int_eq(side->n_connected, 1);
	ck_assert_str_eq(side->connect_error, "");
	ck_assert_int_eq(side->n_drained, 1);
	ck_assert_int_eq(
	    getsockopt(side->conn.fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	ck_assert_int_ne(on, 0);
	peer_send(&peer, "abc", 3);
	RUN_UNTIL(side->len == 3);
	side_free(side);
	peer_close(&peer);
	close(fd);
}
END_TEST

/* Who waits for the queue must hear of it, even if the owner's own write emptied it. */
START_TEST(drained_comes_though_the_owner_writes_when_connected)
{
	struct address to;
	struct side *side;
	struct peer peer;
	int fd;

	side_begin(_i);
	fd = listening(&to);
	side = side_connect(&to);
	side->on_connected = WRITE;
	ck_assert_int_eq(conn_write(&side->conn, "early", 5), 0);
	peer_accept(&peer, fd);
	run_until_received(loop, &peer, 10);
	ck_assert_mem_eq(peer.data, "earlyagain", 10);
	RUN_UNTIL(side->n_drained == 1);
	side_free(side);
	peer_close(&peer);
	close(fd);
}
END_TEST

START_TEST(a_refused_connection_says_so_once)
{
	static const enum act acts[] = {FINI, ABORT, FREE};

	side_begin(_i);
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		struct address to;
		struct side *side;

		close(listening(&to));
		side = side_connect(&to);
		side->on_connected = acts[i];
		ck_assert_int_eq(conn_write(&side->conn, "early", 5), 0);
		run_for_ms(loop, 20);
		if (acts[i] == FREE)
			continue;
		ck_assert_int_eq(side->n_connected, 1);
		ck_assert_str_eq(side->connect_error, strerror(ECONNREFUSED));
		ck_assert_int_eq(side->n_readable + side->n_drained, 0);
		side_free(side);
	}
}
END_TEST

START_TEST(may_be_freed_in_connected)
{
	struct address to;
	struct side *side;
	struct peer peer;
	int fd;

	side_begin(_i);
	fd = listening(&to);
	side = side_connect(&to);
	side->on_connected = FREE;
	ck_assert_int_eq(conn_write(&side->conn, "early", 5), 0);
	peer_accept(&peer, fd);
	run_until_ended(loop, &peer);
	ck_assert_uint_eq(peer.len, 0);
	peer_close(&peer);
	close(fd);
}
END_TEST

START_TEST(moves_while_connecting)
{
	struct address to;
	struct side *from, *side;
	struct peer peer;
	int fd;

	side_begin(_i);
	fd = listening(&to);
	from = side_connect(&to);
	side = side_new();
	ck_assert_int_eq(conn_write(&from->conn, "early", 5), 0);
	ck_assert_int_eq(
	    conn_move(&side->conn, &from->conn, &side_ops, side), 0);
	side_free(from);
	peer_accept(&peer, fd);
	run_until_received(loop, &peer, 5);
	RUN_UNTIL(side->n_connected == 1 && side->n_drained == 1);
	side_free(side);
	peer_close(&peer);
	close(fd);
}
END_TEST

START_TEST(an_address_that_cannot_be_reached_fails_at_once)
{
	struct address to = address_from("255.255.255.255:9");
	struct side *side;
	int before;

	side_begin(_i);
	side = side_new();
	before = open_descriptors();
	errno = 0;
	ck_assert_int_eq(
	    conn_connect(&side->conn, loop, &to, &side_ops, side), -1);
	ck_assert_int_ne(errno, 0);
	ck_assert(!conn_is_open(&side->conn));
	ck_assert_int_eq(open_descriptors(), before);
	side_free(side);
}
END_TEST

static void
add_reading(Suite *suite)
{
	TCase *tests = tcase_create("reading");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, side_teardown);
	tcase_add_loop_test(tests, reads_what_comes_and_the_end, 0, 2);
	tcase_add_loop_test(
	    tests, an_end_that_comes_with_the_data_is_seen, 0, 2);
	tcase_add_loop_test(
	    tests, a_reset_that_comes_with_the_data_is_seen, 0, 2);
	tcase_add_loop_test(
	    tests, what_came_while_paused_is_read_afterwards, 0, 2);
	tcase_add_loop_test(
	    tests, an_end_while_paused_is_seen_afterwards, 0, 2);
	tcase_add_loop_test(
	    tests, a_reset_while_paused_is_seen_afterwards, 0, 2);
	tcase_add_loop_test(tests, who_leaves_some_is_called_again, 0, 2);
	tcase_add_loop_test(tests, pausing_in_the_callback_stops_at_once, 0, 2);
	tcase_add_loop_test(tests, nothing_comes_from_inside_a_call, 0, 2);
	tcase_add_loop_test(tests, a_long_stream_survives_pauses, 0, 2);
	suite_add_tcase(suite, tests);
}

static void
add_writing(Suite *suite)
{
	TCase *tests = tcase_create("writing");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, side_teardown);
	tcase_add_loop_test(tests, writes_at_once_when_there_is_room, 0, 2);
	tcase_add_loop_test(
	    tests, queues_what_does_not_fit_and_says_when_it_is_written, 0, 2);
	tcase_add_loop_test(tests, writes_spans_in_order, 0, 2);
	tcase_add_loop_test(
	    tests, little_writes_behind_a_jam_are_put_together, 0, 2);
	tcase_add_loop_test(tests, an_empty_buffer_is_no_write, 0, 2);
	tcase_add_loop_test(
	    tests, ends_after_what_is_queued_and_still_reads, 0, 2);
	tcase_add_loop_test(tests, both_directions_run_at_once, 0, 2);
	suite_add_tcase(suite, tests);
}

static void
add_connecting(Suite *suite)
{
	TCase *tests = tcase_create("connecting");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, side_teardown);
	tcase_add_loop_test(
	    tests, connects_and_then_writes_what_was_queued, 0, 2);
	tcase_add_loop_test(
	    tests, drained_comes_though_the_owner_writes_when_connected, 0, 2);
	tcase_add_loop_test(tests, a_refused_connection_says_so_once, 0, 2);
	tcase_add_loop_test(tests, may_be_freed_in_connected, 0, 2);
	tcase_add_loop_test(tests, moves_while_connecting, 0, 2);
	tcase_add_loop_test(
	    tests, an_address_that_cannot_be_reached_fails_at_once, 0, 2);
	suite_add_tcase(suite, tests);
}

int
main(void)
{
	Suite *suite = suite_create("conn");
	SRunner *runner;
	int failed;

	add_reading(suite);
	add_writing(suite);
	add_connecting(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
