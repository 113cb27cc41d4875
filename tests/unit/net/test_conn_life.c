/* SPDX-License-Identifier: MIT */
/* Closing, also inside of callbacks, and moving. */
#include <check.h>
#include <stdlib.h>

#include "side.h"

/* Closing. */

START_TEST(fini_ends_and_abort_resets)
{
	struct peer first, second;
	struct side *side;

	side_begin(_i);
	side = side_open(&first, 0, _i);
	conn_fini(&side->conn);
	ck_assert(!conn_is_open(&side->conn));
	conn_fini(&side->conn);
	conn_abort(&side->conn);
	run_until_ended(loop, &first);
	side_free(side);
	side = side_open(&second, 0, _i);
	conn_abort(&side->conn);
	run_until_reset(loop, &second);
	ck_assert_int_eq(side->n_broken + side->n_readable, 0);
	side_free(side);
	peer_close(&first);
	peer_close(&second);
}
END_TEST

START_TEST(what_is_queued_goes_with_the_connection)
{
	struct peer peer;
	struct side *side;

	side_begin(_i);
	side = side_open(&peer, SMALL_BUFFERS, _i);
	(void)side_write_plenty(side);
	conn_shutdown(&side->conn);
	conn_abort(&side->conn);
	run_until_reset(loop, &peer);
	ck_assert_int_eq(side->n_drained, 0);
	side_free(side);
	peer_close(&peer);
}
END_TEST

START_TEST(a_closed_connection_takes_nothing)
{
	struct conn conn = CONN_CLOSED;
	struct buf *buf = buf_get(1);

	side_begin(_i);
	ck_assert(!conn_is_open(&conn));
	conn_fini(&conn);
	conn_abort(&conn);
	conn_shutdown(&conn);
	buf_add_span(buf, BUF_HEADROOM, 1);
	ck_assert_int_eq(conn_write_buf(&conn, &buf), -1);
	ck_assert_ptr_null(buf);
}
END_TEST

/* It was paused with bytes to read, and who closes it lets go of all that held it. */
START_TEST(a_closed_connection_does_not_go_on)
{
	struct peer peer;
	struct side *side, *next;

	side_begin(_i);
	side = side_open(&peer, 0, _i);
	side->on_readable = PAUSE;
	side->reads_max = 1;
	side->read_bytes = 1;
	peer_send(&peer, "more than one byte", 18);
	RUN_UNTIL(side->n_readable > 0);
	conn_fini(&side->conn);
	conn_resume(&side->conn);
	side_free(side);
	peer_close(&peer);
	next = side_open(&peer, 0, _i);
	conn_pause(&next->conn);
	peer_send(&peer, "x", 1);
	run_for_ms(loop, 20);
	conn_resume(&next->conn);
	RUN_UNTIL(next->n_readable > 0);
	side_free(next);
	peer_close(&peer);
}
END_TEST

START_TEST(a_write_that_fails_breaks_the_connection_from_the_loop)
{
	struct peer peer;
	struct side *side;

	side_begin(_i);
	side = side_open(&peer, 0, _i);
	conn_pause(&side->conn);
	peer_reset(&peer);
	ck_assert_int_eq(conn_write(&side->conn, "x", 1), -1);
	ck_assert_int_eq(conn_write(&side->conn, "y", 1), -1);
	ck_assert_int_eq(side->n_broken, 0);
	RUN_UNTIL(side->n_broken == 1);
	run_for_ms(loop, 10);
	ck_assert_int_eq(side->n_broken, 1);
	side_free(side);
}
END_TEST

START_TEST(what_is_queued_may_break_later)
{
	struct peer peer;
	struct side *side;

	side_begin(_i);
	side = side_open(&peer, SMALL_BUFFERS, _i);
	conn_pause(&side->conn);
	(void)side_write_plenty(side);
	run_for_ms(loop, 10);
	ck_assert_int_eq(side->n_broken, 0);
	peer_reset(&peer);
	RUN_UNTIL(side->n_broken == 1);
	side_free(side);
}
END_TEST

START_TEST(what_was_received_is_read_before_the_break_is_told)
{
	struct peer peer;
	struct side *side;

	side_begin(_i);
	side = side_open(&peer, 0, _i);
	conn_pause(&side->conn);
	peer_send(&peer, "farewell", 8);
	run_for_ms(loop, 5);
	peer_reset(&peer);
	ck_assert_int_eq(conn_write(&side->conn, "x", 1), -1);
	conn_resume(&side->conn);
	RUN_UNTIL(side->n_broken == 1 || side->ended || side->error != 0);
	ck_assert(!side->ended);
	ck_assert_uint_eq(side->len, 8);
	side_free(side);
}
END_TEST

/* Closing inside of callbacks. The sides are on the heap, so that a touch is seen. */

START_TEST(may_be_freed_in_readable)
{
	struct peer peer;
	struct side *side;

	side_begin(_i);
	side = side_open(&peer, SMALL_BUFFERS, _i);
	(void)side_write_plenty(side);
	side->on_readable = FREE;
	side->read_bytes = 1;
	side->reads_max = 1;
	peer_send(&peer, "abc", 3);
	/* closed with bytes unread: a reset */
	run_until_reset(loop, &peer);
	peer_close(&peer);
}
END_TEST

START_TEST(may_be_freed_in_drained)
{
	struct peer peer;
	struct side *side;
	size_t total;

	side_begin(_i);
	side = side_open(&peer, SMALL_BUFFERS, _i);
	total = side_write_plenty(side);
	side->on_drained = FREE;
	run_until_ended(loop, &peer);
	ck_assert_uint_eq(peer.len, total);
	peer_close(&peer);
}
END_TEST

START_TEST(may_be_freed_in_broken)
{
	struct peer peer;
	struct side *side;

	side_begin(_i);
	side = side_open(&peer, 0, _i);
	side->on_broken = FREE;
	conn_pause(&side->conn);
	peer_reset(&peer);
	ck_assert_int_eq(conn_write(&side->conn, "x", 1), -1);
	run_for_ms(loop, 20);
}
END_TEST

START_TEST(may_close_another_whose_event_is_under_way)
{
	struct peer peers[2];
	struct side *sides[2];

	side_begin(_i);
	for (int i = 0; i < 2; i++)
		sides[i] = side_open(&peers[i], 0, _i);
	for (int i = 0; i < 2; i++) {
		sides[i]->other = sides[1 - i];
		sides[i]->on_readable = FINI_OTHER;
		peer_send(&peers[i], "abc", 3);
	}
	run_for_ms(loop, 20);
	ck_assert_int_eq(sides[0]->n_readable + sides[1]->n_readable, 1);
	for (int i = 0; i < 2; i++) {
		side_free(sides[i]);
		peer_close(&peers[i]);
	}
}
END_TEST

/* The same memory, another connection: the old one's event must not go on with it. */
START_TEST(may_be_opened_anew_in_its_callback)
{
	struct peer first, second;
	struct side *side;
	int ends[2];

	side_begin(_i);
	side = side_open(&first, 0, _i);
	stream_pair(ends, 0);
	peer_init(&second, ends[1]);
	side->on_readable = REOPEN;
	side->fd = ends[0];
	peer_send(&first, "abc", 3);
	RUN_UNTIL(side->n_readable == 1);
	run_until_ended(loop, &first);
	side->on_readable = NOTHING;
	peer_send(&second, "def", 3);
	RUN_UNTIL(side->len == 6);
	side_free(side);
	peer_close(&first);
	peer_close(&second);
}
END_TEST

/* Moving. */

START_TEST(moves_with_what_is_queued)
{
	struct peer peer;
	struct side *from, *to = NULL;
	size_t total;

	side_begin(_i);
	from = side_open(&peer, SMALL_BUFFERS, _i);
	to = side_new();
	total = side_write_plenty(from);
	run_for_ms(loop, 5);
	ck_assert_int_eq(conn_move(&to->conn, &from->conn, &side_ops, to), 0);
	ck_assert(!conn_is_open(&from->conn));
	conn_fini(&from->conn);
	side_free(from);
	ck_assert_uint_gt(conn_queued(&to->conn), 0);
	run_until_received(loop, &peer, total);
	pattern_check(peer.data, peer.len, 0);
	RUN_UNTIL(to->n_drained == 1);
	peer_send(&peer, "abc", 3);
	RUN_UNTIL(to->len == 3);
	side_free(to);
	peer_close(&peer);
}
END_TEST

START_TEST(moves_with_what_was_not_read)
{
	struct peer peer;
	struct side *from, *to;

	side_begin(_i);
	from = side_open(&peer, 0, _i);
	to = side_new();
	from->read_bytes = 2;
	from->reads_max = 1;
	from->on_readable = PAUSE;
	peer_send(&peer, "0123456789", 10);
	RUN_UNTIL(from->n_readable == 1);
	ck_assert_int_eq(conn_move(&to->conn, &from->conn, &side_ops, to), 0);
	run_for_ms(loop, 10);
	ck_assert_int_eq(to->n_readable, 0);
	conn_resume(&to->conn);
	RUN_UNTIL(to->len == 8);
	side_free(from);
	side_free(to);
	peer_close(&peer);
}
END_TEST

START_TEST(moves_in_its_own_callback)
{
	struct peer peer;
	struct side *from, *to;

	side_begin(_i);
	from = side_open(&peer, 0, _i);
	to = side_new();
	from->read_bytes = 4;
	from->reads_max = 1;
	from->on_readable = MOVE;
	from->other = to;
	peer_send(&peer, "0123456789", 10);
	peer_end(&peer);
	RUN_UNTIL(to->ended);
	ck_assert_int_eq(from->n_readable, 1);
	ck_assert_uint_eq(from->len, 4);
	ck_assert_uint_eq(to->len, 6);
	ck_assert_int_eq(conn_write(&to->conn, "bye", 3), 0);
	run_until_received(loop, &peer, 3);
	side_free(from);
	side_free(to);
	peer_close(&peer);
}
END_TEST

START_TEST(moves_before_its_first_event)
{
	struct peer peer;
	struct side *from, *to;

	side_begin(_i);
	from = side_open(&peer, 0, _i);
	to = side_new();
	peer_send(&peer, "abc", 3);
	peer_end(&peer);
	ck_assert_int_eq(conn_move(&to->conn, &from->conn, &side_ops, to), 0);
	RUN_UNTIL(to->ended);
	ck_assert_uint_eq(to->len, 3);
	side_free(from);
	side_free(to);
	peer_close(&peer);
}
END_TEST

START_TEST(a_break_moves_too)
{
	struct peer peer;
	struct side *from, *to;

	side_begin(_i);
	from = side_open(&peer, 0, _i);
	to = side_new();
	conn_pause(&from->conn);
	peer_reset(&peer);
	ck_assert_int_eq(conn_write(&from->conn, "x", 1), -1);
	ck_assert_int_eq(conn_move(&to->conn, &from->conn, &side_ops, to), 0);
	RUN_UNTIL(to->n_broken == 1);
	ck_assert_int_eq(from->n_broken, 0);
	side_free(from);
	side_free(to);
}
END_TEST

START_TEST(another_owner_gets_the_callbacks)
{
	struct peer peer;
	struct side *side, *owner;

	side_begin(_i);
	side = side_open(&peer, 0, _i);
	owner = side_new();
	conn_set_owner(&side->conn, &side_ops, owner);
	peer_send(&peer, "abc", 3);
	RUN_UNTIL(owner->len == 3);
	ck_assert_int_eq(side->n_readable, 0);
	side_free(side);
	side_free(owner);
	peer_close(&peer);
}
END_TEST

static void
add_closing(Suite *suite)
{
	TCase *tests = tcase_create("closing");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, side_teardown);
	tcase_add_loop_test(tests, fini_ends_and_abort_resets, 0, 2);
	tcase_add_loop_test(
	    tests, what_is_queued_goes_with_the_connection, 0, 2);
	tcase_add_loop_test(tests, a_closed_connection_takes_nothing, 0, 2);
	tcase_add_loop_test(tests, a_closed_connection_does_not_go_on, 0, 2);
	tcase_add_loop_test(tests,
	    a_write_that_fails_breaks_the_connection_from_the_loop, 0, 2);
	tcase_add_loop_test(tests, what_is_queued_may_break_later, 0, 2);
	tcase_add_loop_test(
	    tests, what_was_received_is_read_before_the_break_is_told, 0, 2);
	tcase_add_loop_test(tests, may_be_freed_in_readable, 0, 2);
	tcase_add_loop_test(tests, may_be_freed_in_drained, 0, 2);
	tcase_add_loop_test(tests, may_be_freed_in_broken, 0, 2);
	tcase_add_loop_test(
	    tests, may_close_another_whose_event_is_under_way, 0, 2);
	tcase_add_loop_test(tests, may_be_opened_anew_in_its_callback, 0, 2);
	suite_add_tcase(suite, tests);
}

static void
add_moving(Suite *suite)
{
	TCase *tests = tcase_create("moving");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, side_teardown);
	tcase_add_loop_test(tests, moves_with_what_is_queued, 0, 2);
	tcase_add_loop_test(tests, moves_with_what_was_not_read, 0, 2);
	tcase_add_loop_test(tests, moves_in_its_own_callback, 0, 2);
	tcase_add_loop_test(tests, moves_before_its_first_event, 0, 2);
	tcase_add_loop_test(tests, a_break_moves_too, 0, 2);
	tcase_add_loop_test(tests, another_owner_gets_the_callbacks, 0, 2);
	suite_add_tcase(suite, tests);
}

int
main(void)
{
	Suite *suite = suite_create("conn_life");
	SRunner *runner;
	int failed;

	add_closing(suite);
	add_moving(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
