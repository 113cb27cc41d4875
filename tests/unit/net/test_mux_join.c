/* SPDX-License-Identifier: MIT */
/* What comes before a raw connection is joined, and after it is handed over. Each test runs twice: with edges (epoll), and without
 * (select). */
#include <check.h>
#include <string.h>

#include "mux_scene.h"

START_TEST(payload_before_the_join_is_kept)
{
	struct mux_visit *visit;

	mux_begin(_i, 0);
	visit = mux_visit_prepare(owner, 0, WINDOW, WINDOW, 0);
	far_send(&far, 'D', 0, flood, 10000);
	far_send(&far, 'D', 0, flood + 10000, 100);
	mux_some_turns();
	ck_assert_int_eq(visit->n_credit, 0);
	/* joined in the middle of what comes */
	far_send(&far, 'J', 0, NULL, 0);
	far_send(&far, 'D', 0, flood + 10100, 900);
	run_until_received(loop, &visit->peer, 11000);
	pattern_check(visit->peer.data, 11000, 0);
	ck_assert_uint_eq(visit->side.to_raw_bytes, 11000);
	peer_send(&visit->peer, "hello", 5);
	MUX_UNTIL(owner, &far, visit->len == 5);
	mux_end();
}
END_TEST

START_TEST(an_end_before_the_join_is_kept)
{
	struct mux_visit *visit;

	mux_begin(_i, 0);
	visit = mux_visit_prepare(owner, 0, WINDOW, WINDOW, 0);
	far_send(&far, 'D', 0, flood, WINDOW);
	far_send(&far, 'E', 0, NULL, 0);
	mux_some_turns();
	far_send(&far, 'J', 0, NULL, 0);
	run_until_ended(loop, &visit->peer);
	ck_assert_uint_eq(visit->peer.len, WINDOW);
	pattern_check(visit->peer.data, WINDOW, 0);
	/* its own direction still runs */
	peer_send(&visit->peer, "late", 4);
	MUX_UNTIL(owner, &far, visit->len == 4);
	/* without any payload in front of it */
	visit = mux_visit_prepare(owner, 1, WINDOW, WINDOW, 0);
	far_send(&far, 'E', 1, NULL, 0);
	far_send(&far, 'J', 1, NULL, 0);
	run_until_ended(loop, &visit->peer);
	ck_assert_uint_eq(visit->peer.len, 0);
	mux_end();
}
END_TEST

START_TEST(the_join_gives_credit_for_what_came_before)
{
	struct mux_visit *visit;

	mux_begin(_i, 0);
	visit = mux_visit_prepare(owner, 0, WINDOW, 10000, 0);
	far_send(&far, 'D', 0, flood, 10000);
	mux_some_turns();
	ck_assert_int_eq(visit->n_credit, 0);
	ck_assert_uint_eq(visit->side.window, 0);
	mux_join(&visit->side, &visit->raw, NULL, 0);
	MUX_UNTIL(owner, &far, visit->credit_bytes == 10000);
	far_send(&far, 'D', 0, flood + 10000, 10000);
	run_until_received(loop, &visit->peer, 20000);
	pattern_check(visit->peer.data, 20000, 0);
	mux_end();
}
END_TEST

START_TEST(a_full_raw_side_at_the_join_delays_its_credit)
{
	struct mux_visit *visit;

	mux_begin(_i, 0);
	visit =
	    mux_visit_prepare(owner, 0, WINDOW, 8 * BUF_LARGE, SMALL_BUFFERS);
	far_send(&far, 'D', 0, flood, 8 * BUF_LARGE);
	MUX_UNTIL(owner, &far, visit->side.window == 0);
	mux_join(&visit->side, &visit->raw, NULL, 0);
	mux_some_turns();
	ck_assert_uint_gt(conn_queued(&visit->raw), 0);
	ck_assert_int_eq(visit->n_credit, 0);
	run_until_received(loop, &visit->peer, 8 * BUF_LARGE);
	pattern_check(visit->peer.data, 8 * BUF_LARGE, 0);
	MUX_UNTIL(owner, &far, visit->credit_bytes == 8 * BUF_LARGE);
	mux_end();
}
END_TEST

/* A byte a message: the window bounds the bytes, so the memory must follow it. */
START_TEST(small_pieces_before_the_join_take_little_memory)
{
	struct mux_visit *visit;
	struct buf *buf;
	size_t memory = 0;

	mux_begin(_i, 0);
	visit = mux_visit_prepare(owner, 0, WINDOW, 20000, 0);
	for (size_t i = 0; i < 20000; i++) {
		uint8_t frame[MUX_HEADER + 1];

		(void)mux_frame_put(frame, 'D', 0, flood + i, 1);
		ck_assert_int_eq(
		    mux_feed(&owner->mux, frame, sizeof(frame)), PUMP_STEP);
	}
	STAILQ_FOREACH (buf, &visit->side.early, link)
		memory += buf->capacity;
	ck_assert_uint_le(memory, 20000 + BUF_LARGE);
	mux_join(&visit->side, &visit->raw, NULL, 0);
	run_until_received(loop, &visit->peer, 20000);
	pattern_check(visit->peer.data, 20000, 0);
	mux_end();
}
END_TEST

START_TEST(a_side_that_was_never_joined_may_leave)
{
	mux_begin(_i, 0);
	(void)mux_visit_prepare(owner, 0, WINDOW, WINDOW, 0);
	far_send(&far, 'D', 0, flood, 10000);
	far_send(&far, 'L', 0, NULL, 0);
	far_send(&far, 'D', 0, flood, 10000); /* thrown away */
	far_send(&far, 'C', 0, NULL, 100);    /* late */
	run_until_ended(loop, &owner->visits[0].peer);
	mux_some_turns();
	ck_assert_uint_eq(owner->visits[0].side.to_raw_bytes, 10000);
	mux_end();
}
END_TEST

START_TEST(what_comes_after_a_hand_over_goes_to_the_new_place)
{
	uint8_t stream[200];
	struct mux_visit *visit;
	size_t len = 0;

	mux_begin(_i, 0);
	visit = mux_visit_begin(owner, 0, WINDOW, 24, 0);
	mux_visit_begin(owner, 1, WINDOW, WINDOW, 0);
	/* right behind payload, within one read */
	len += mux_frame_put(stream + len, 'D', 0, "before, ", 8);
	len += mux_frame_put(stream + len, 'H', 0, NULL, 0);
	len += mux_frame_put(stream + len, 'D', 0, "behind, ", 8);
	len += mux_frame_put(stream + len, 'D', 1, "other", 5);
	len += mux_frame_put(stream + len, 'D', 0, "after", 5);
	peer_send(&far.peer, stream, len);
	run_until_received(loop, &visit->peer, 21);
	ck_assert_mem_eq(visit->peer.data, "before, behind, after", 21);
	run_until_received(loop, &owner->visits[1].peer, 5);
	ck_assert_mem_eq(owner->visits[1].peer.data, "other", 5);
	/* the number is nearly over: no credit is given for it any more */
	mux_some_turns();
	ck_assert_int_eq(visit->n_credit, 0);
	mux_end();
}
END_TEST

START_TEST(nothing_is_read_after_a_hand_over)
{
	struct mux_visit *visit;

	mux_begin(_i, 0);
	visit = mux_visit_begin(owner, 0, 10, WINDOW, 0);
	peer_send(&visit->peer, flood, 20);
	MUX_UNTIL(owner, &far, visit->len == 10);
	far_send(&far, 'H', 0, NULL, 0);
	far_send(&far, 'C', 0, NULL, 100);
	MUX_UNTIL(owner, &far, conn_is_open(&visit->moved));
	mux_some_turns();
	ck_assert_uint_eq(visit->len, 10);
	ck_assert(visit->moved.paused);
	mux_resume_raw(&visit->side);
	ck_assert(visit->moved.paused);
	/* and whoever has it now is not stopped from here */
	conn_resume(&visit->moved);
	mux_pause_raw(&visit->side);
	ck_assert(!visit->moved.paused);
	conn_pause(&visit->moved);
	mux_end();
}
END_TEST

/* Credit is the old place's: it is not given for what the new one takes, up to the window. */
START_TEST(a_hand_over_keeps_what_a_slow_raw_side_has_not_taken)
{
	struct mux_visit *visit;

	mux_begin(_i, 0);
	visit = mux_visit_begin(owner, 0, WINDOW, 6 * BUF_LARGE, SMALL_BUFFERS);
	far_send(&far, 'D', 0, flood, 5 * BUF_LARGE);
	MUX_UNTIL(owner, &far, visit->side.window == BUF_LARGE);
	ck_assert_uint_gt(conn_queued(&visit->raw), 0);
	far_send(&far, 'H', 0, NULL, 0);
	far_send(&far, 'D', 0, flood + 5 * BUF_LARGE, BUF_LARGE);
	MUX_UNTIL(owner, &far, visit->side.window == 0);
	far_send(&far, 'E', 0, NULL, 0);
	run_until_ended(loop, &visit->peer);
	ck_assert_uint_eq(visit->peer.len, 6 * BUF_LARGE);
	pattern_check(visit->peer.data, 6 * BUF_LARGE, 0);
	mux_some_turns();
	ck_assert_int_eq(visit->n_credit, 0);
	mux_end();
}
END_TEST

START_TEST(a_side_that_is_stopped_may_be_handed_over)
{
	struct mux_visit *visit;

	mux_begin(_i, SMALL_BUFFERS);
	mux_block(0);
	visit = mux_visit_begin(owner, 1, WINDOW, WINDOW, 0);
	peer_send(&visit->peer, "stays there", 11);
	RUN_UNTIL(visit->side.stopped);
	far_send(&far, 'H', 1, NULL, 0);
	far_send(&far, 'D', 1, "here", 4);
	run_until_received(loop, &visit->peer, 4);
	MUX_UNTIL(owner, &far, !owner->mux.blocked);
	mux_some_turns();
	ck_assert_uint_eq(visit->len, 0);
	mux_end();
}
END_TEST

static void
add_joins(Suite *suite)
{
	TCase *tests = tcase_create("joins");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, side_teardown);
	tcase_add_loop_test(tests, payload_before_the_join_is_kept, 0, 2);
	tcase_add_loop_test(tests, an_end_before_the_join_is_kept, 0, 2);
	tcase_add_loop_test(
	    tests, the_join_gives_credit_for_what_came_before, 0, 2);
	tcase_add_loop_test(
	    tests, a_full_raw_side_at_the_join_delays_its_credit, 0, 2);
	tcase_add_loop_test(
	    tests, small_pieces_before_the_join_take_little_memory, 0, 2);
	tcase_add_loop_test(
	    tests, a_side_that_was_never_joined_may_leave, 0, 2);
	suite_add_tcase(suite, tests);
}

static void
add_hand_over(Suite *suite)
{
	TCase *tests = tcase_create("hand over");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, side_teardown);
	tcase_add_loop_test(
	    tests, what_comes_after_a_hand_over_goes_to_the_new_place, 0, 2);
	tcase_add_loop_test(tests, nothing_is_read_after_a_hand_over, 0, 2);
	tcase_add_loop_test(
	    tests, a_hand_over_keeps_what_a_slow_raw_side_has_not_taken, 0, 2);
	tcase_add_loop_test(
	    tests, a_side_that_is_stopped_may_be_handed_over, 0, 2);
	suite_add_tcase(suite, tests);
}

int
main(void)
{
	Suite *suite = suite_create("mux join");
	SRunner *runner;
	int failed;

	add_joins(suite);
	add_hand_over(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
