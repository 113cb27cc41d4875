/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "net/farewell.h"
#include "side.h"

#define LONG_MS 60000
#define SHORT_MS 60

static struct farewells *farewells;

static void
begin(int backend, uint64_t stall_ms, uint64_t linger_ms)
{
	side_begin(backend);
	farewells = farewells_new(loop, stall_ms, linger_ms);
	ck_assert_ptr_nonnull(farewells);
}

static void
teardown(void)
{
	farewells_free(&farewells);
	side_teardown();
}

/* A connection with so many bytes to say is taken over. */
static size_t
take(struct peer *peer, int backend, bool plenty)
{
	struct side *side = side_open(peer, SMALL_BUFFERS, backend);
	size_t total = 4;

	if (plenty)
		total = side_write_plenty(side);
	else
		ck_assert_int_eq(conn_write(&side->conn, "bye!", 4), 0);
	farewell_take(farewells, &side->conn);
	ck_assert(!conn_is_open(&side->conn));
	side_free(side);
	ck_assert_uint_eq(farewells_count(farewells), 1);
	return total;
}

START_TEST(says_all_and_waits_for_the_peer)
{
	struct peer peer;
	size_t total;

	for (int plenty = 0; plenty < 2; plenty++) {
		if (plenty == 0)
			begin(_i, LONG_MS, LONG_MS);
		total = take(&peer, _i, plenty);
		ck_assert_uint_eq(farewells_unsent(farewells), plenty);
		run_until_ended(loop, &peer);
		ck_assert_uint_eq(peer.len, total);
		ck_assert_uint_eq(farewells_count(farewells), 1);
		ck_assert_uint_eq(farewells_unsent(farewells), 0);
		peer_close(&peer);
		RUN_UNTIL(farewells_count(farewells) == 0);
	}
}
END_TEST

START_TEST(a_peer_that_has_ended_still_gets_all)
{
	struct peer peer;
	size_t total;

	begin(_i, LONG_MS, LONG_MS);
	total = take(&peer, _i, true);
	peer_end(&peer);
	run_for_ms(loop, 30);
	ck_assert_uint_eq(farewells_count(farewells), 1);
	run_until_ended(loop, &peer);
	ck_assert_uint_eq(peer.len, total);
	RUN_UNTIL(farewells_count(farewells) == 0);
	peer_close(&peer);
}
END_TEST

/* What the peer says meanwhile is read and forgotten: unread, it would make a reset of the
 * close, and the answer would be lost. */
START_TEST(input_does_not_cost_the_answer)
{
	static const uint8_t request[30000];
	struct peer peer;
	struct side *side;

	begin(_i, LONG_MS, LONG_MS);
	side = side_open(&peer, 0, _i);
	conn_pause(&side->conn);
	peer_send(&peer, request, sizeof(request));
	run_for_ms(loop, 10);
	ck_assert_int_eq(conn_write(&side->conn, "no\n", 3), 0);
	farewell_take(farewells, &side->conn);
	side_free(side);
	peer_send(&peer, request, sizeof(request));
	run_until_ended(loop, &peer);
	peer_send(&peer, request, sizeof(request));
	peer_end(&peer);
	RUN_UNTIL(farewells_count(farewells) == 0);
	ck_assert_uint_eq(peer.len, 3);
	ck_assert(!peer.reset);
	peer_close(&peer);
}
END_TEST

START_TEST(a_peer_that_never_ends_is_closed)
{
	struct peer peer;
	uint64_t began;

	begin(_i, LONG_MS, SHORT_MS);
	(void)take(&peer, _i, false);
	began = loop_now_ms(loop);
	while (farewells_count(farewells) > 0) {
		(void)peer_send_some(&peer, "and another thing", 17);
		run_for_ms(loop, 5);
		ck_assert_uint_lt(loop_now_ms(loop) - began, 10000);
	}
	ck_assert_uint_ge(loop_now_ms(loop) - began, SHORT_MS);
	peer_receive(&peer);
	ck_assert_uint_eq(peer.len, 4);
	peer_close(&peer);
}
END_TEST

START_TEST(a_slow_reader_gets_all)
{
	struct peer peer;
	size_t total;
	char piece[4096];

	begin(_i, 20 * SHORT_MS, SHORT_MS);
	total = take(&peer, _i, true);
	/* slower than the linger, faster than the stall */
	for (int i = 0; i < 10; i++) {
		ck_assert_int_gt(recv(peer.fd, piece, sizeof(piece), 0), 0);
		total -= sizeof(piece);
		run_for_ms(loop, SHORT_MS);
	}
	run_until_ended(loop, &peer);
	ck_assert_uint_eq(peer.len, total);
	peer_close(&peer);
}
END_TEST

START_TEST(a_reader_who_takes_nothing_is_reset)
{
	struct peer peer;

	begin(_i, 3 * SHORT_MS, SHORT_MS);
	(void)take(&peer, _i, true);
	run_for_ms(loop, SHORT_MS);
	ck_assert_uint_eq(farewells_count(farewells), 1);
	RUN_UNTIL(farewells_count(farewells) == 0);
	run_until_reset(loop, &peer);
	peer_close(&peer);
}
END_TEST

START_TEST(a_reset_ends_it)
{
	struct peer peer;

	for (int plenty = 0; plenty < 2; plenty++) {
		if (plenty == 0)
			begin(_i, LONG_MS, LONG_MS);
		(void)take(&peer, _i, plenty);
		run_for_ms(loop, 5);
		peer_reset(&peer);
		RUN_UNTIL(farewells_count(farewells) == 0);
	}
}
END_TEST

START_TEST(a_broken_connection_is_dropped)
{
	struct peer peer;
	struct side *side;

	begin(_i, LONG_MS, LONG_MS);
	side = side_open(&peer, 0, _i);
	peer_reset(&peer);
	ck_assert_int_eq(conn_write(&side->conn, "x", 1), -1);
	farewell_take(farewells, &side->conn);
	side_free(side);
	RUN_UNTIL(farewells_count(farewells) == 0);
}
END_TEST

/* The peer's end was read before, and nothing is left to say. */
START_TEST(what_is_over_already_is_closed_soon)
{
	struct peer peer;
	struct side *side;

	begin(_i, LONG_MS, LONG_MS);
	side = side_open(&peer, 0, _i);
	peer_end(&peer);
	RUN_UNTIL(side->ended);
	farewell_take(farewells, &side->conn);
	side_free(side);
	RUN_UNTIL(farewells_count(farewells) == 0);
	run_until_ended(loop, &peer);
	peer_close(&peer);
}
END_TEST

static void
leave_cb(struct conn *conn)
{
	struct side *side = conn->owner;
	char byte;

	ck_assert_int_eq(conn_read(conn, &byte, 1), 1);
	ck_assert_int_eq(conn_write(conn, "bye", 3), 0);
	farewell_take(farewells, conn);
	side_free(side);
}

START_TEST(takes_a_connection_from_its_own_callback)
{
	static const struct conn_ops ops = {.readable_cb = leave_cb};
	struct peer peer;
	struct side *side;

	begin(_i, LONG_MS, LONG_MS);
	side = side_open(&peer, 0, _i);
	conn_set_owner(&side->conn, &ops, side);
	peer_send(&peer, "hello", 5);
	run_until_ended(loop, &peer);
	ck_assert_uint_eq(peer.len, 3);
	peer_close(&peer);
	RUN_UNTIL(farewells_count(farewells) == 0);
}
END_TEST

START_TEST(those_that_are_left_go_with_all)
{
	struct peer first, second;
	struct side *side;

	begin(_i, LONG_MS, LONG_MS);
	(void)take(&first, _i, true);
	side = side_open(&second, 0, _i);
	farewell_take(farewells, &side->conn);
	side_free(side);
	ck_assert_uint_eq(farewells_count(farewells), 2);
	farewells_free(&farewells);
	ck_assert_ptr_null(farewells);
	run_until_ended(loop, &second);
	peer_close(&first);
	peer_close(&second);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("farewell");
	TCase *tests = tcase_create("farewell");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_loop_test(tests, says_all_and_waits_for_the_peer, 0, 2);
	tcase_add_loop_test(tests, a_peer_that_has_ended_still_gets_all, 0, 2);
	tcase_add_loop_test(tests, input_does_not_cost_the_answer, 0, 2);
	tcase_add_loop_test(tests, a_peer_that_never_ends_is_closed, 0, 2);
	tcase_add_loop_test(tests, a_slow_reader_gets_all, 0, 2);
	tcase_add_loop_test(tests, a_reader_who_takes_nothing_is_reset, 0, 2);
	tcase_add_loop_test(tests, a_reset_ends_it, 0, 2);
	tcase_add_loop_test(tests, a_broken_connection_is_dropped, 0, 2);
	tcase_add_loop_test(tests, what_is_over_already_is_closed_soon, 0, 2);
	tcase_add_loop_test(
	    tests, takes_a_connection_from_its_own_callback, 0, 2);
	tcase_add_loop_test(tests, those_that_are_left_go_with_all, 0, 2);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
