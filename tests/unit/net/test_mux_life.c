/* SPDX-License-Identifier: MIT */
/* How sides and channels end. Each test runs twice: with edges (epoll), and without
 * (select). */
#include <check.h>
#include <string.h>

#include "mux_scene.h"

START_TEST(what_comes_for_a_side_that_has_left_is_thrown_away)
{
	uint8_t stream[200];
	size_t len = 0;

	mux_begin(_i, 0);
	mux_visit_begin(owner, 0, WINDOW, WINDOW, 0);
	mux_visit_begin(owner, 1, WINDOW, WINDOW, 0);
	len += mux_frame_put(stream + len, 'D', 0, "written before it", 17);
	len += mux_frame_put(stream + len, 'R', 0, NULL, 0);
	len += mux_frame_put(stream + len, 'D', 0, "lost", 4);
	len += mux_frame_put(stream + len, 'D', 1, "heard", 5);
	len += mux_frame_put(stream + len, 'D', 0, "lost, too", 9);
	peer_send(&far.peer, stream, len);
	run_until_reset(loop, &owner->visits[0].peer);
	run_until_received(loop, &owner->visits[1].peer, 5);
	ck_assert_uint_le(owner->visits[0].peer.len, 17);
	ck_assert_mem_eq(owner->visits[1].peer.data, "heard", 5);
	mux_end();
}
END_TEST

START_TEST(what_came_before_a_side_leaves_is_written)
{
	uint8_t stream[200];
	size_t len = 0;

	mux_begin(_i, 0);
	mux_visit_begin(owner, 0, WINDOW, 20, 0);
	len += mux_frame_put(stream + len, 'D', 0, "its last words", 14);
	len += mux_frame_put(stream + len, 'L', 0, NULL, 0);
	peer_send(&far.peer, stream, len);
	run_until_ended(loop, &owner->visits[0].peer);
	ck_assert_uint_eq(owner->visits[0].peer.len, 14);
	/* it is over: no credit is given for it */
	mux_some_turns();
	ck_assert_int_eq(owner->visits[0].n_credit, 0);
	mux_end();
}
END_TEST

/* The payload of another side is what waits to be written then. */
START_TEST(leaving_does_not_lose_the_payload_of_others)
{
	uint8_t stream[200];
	size_t len = 0;

	mux_begin(_i, 0);
	mux_visit_begin(owner, 0, WINDOW, WINDOW, 0);
	mux_visit_begin(owner, 1, WINDOW, WINDOW, 0);
	len += mux_frame_put(stream + len, 'D', 1, "heard, ", 7);
	len += mux_frame_put(stream + len, 'L', 0, NULL, 0);
	len += mux_frame_put(stream + len, 'D', 1, "and ", 4);
	len += mux_frame_put(stream + len, 'E', 0, NULL, 0);
	len += mux_frame_put(stream + len, 'D', 1, "heard", 5);
	len += mux_frame_put(stream + len, 'E', 1, NULL, 0);
	peer_send(&far.peer, stream, len);
	run_until_ended(loop, &owner->visits[0].peer);
	run_until_ended(loop, &owner->visits[1].peer);
	ck_assert_uint_eq(owner->visits[1].peer.len, 16);
	ck_assert_mem_eq(owner->visits[1].peer.data, "heard, and heard", 16);
	mux_end();
}
END_TEST

START_TEST(a_side_may_leave_at_its_end_and_at_its_failure)
{
	mux_begin(_i, 0);
	owner->on_eof = MUX_LEAVE;
	for (int i = 0; i < 3; i++)
		mux_visit_begin(owner, i, WINDOW, WINDOW, 0);
	peer_send(&owner->visits[0].peer, "abc", 3);
	peer_end(&owner->visits[0].peer);
	MUX_UNTIL(owner, &far, owner->visits[0].ended);
	ck_assert_uint_eq(owner->visits[0].len, 3);
	run_until_reset(loop, &owner->visits[0].peer);
	peer_reset(&owner->visits[1].peer);
	MUX_UNTIL(owner, &far, owner->visits[1].n_failed == 1);
	mux_some_turns();
	ck_assert_int_eq(owner->visits[0].n_eof, 1);
	ck_assert_int_eq(owner->visits[0].n_failed, 0);
	ck_assert_int_eq(owner->visits[1].n_failed, 1);
	/* the third has noticed nothing */
	peer_send(&owner->visits[2].peer, "hello", 5);
	MUX_UNTIL(owner, &far, owner->visits[2].len == 5);
	mux_end();
}
END_TEST

START_TEST(a_raw_side_that_cannot_be_written_has_failed)
{
	struct mux_visit *visit;

	mux_begin(_i, 0);
	visit =
	    mux_visit_begin(owner, 0, WINDOW, 16 * BUF_LARGE, SMALL_BUFFERS);
	far_send(&far, 'D', 0, flood, sizeof(flood) / 2);
	MUX_UNTIL(owner, &far, conn_queued(&visit->raw) > 0);
	peer_reset(&visit->peer);
	MUX_UNTIL(owner, &far, visit->n_failed == 1);
	far_send(&far, 'D', 0, flood, sizeof(flood) / 4);
	mux_some_turns();
	ck_assert_int_eq(visit->n_failed, 1);
	ck_assert_int_eq(visit->n_eof, 0);
	mux_end();
}
END_TEST

START_TEST(a_reset_is_no_end_though_a_write_met_it_first)
{
	struct mux_visit *visit;

	mux_begin(_i, 0);
	visit = mux_visit_begin(owner, 0, WINDOW, WINDOW, 0);
	peer_reset(&visit->peer);
	ck_assert_int_eq(conn_write(&visit->raw, "x", 1), -1);
	MUX_UNTIL(owner, &far, visit->n_failed + visit->n_eof == 1);
	ck_assert_int_eq(visit->n_failed, 1);
	mux_end();
}
END_TEST

START_TEST(a_channels_end_is_told_apart_from_its_failure)
{
	mux_begin(_i, 0);
	mux_visit_begin(owner, 0, WINDOW, WINDOW, 0);
	mux_visit_begin(owner, 1, WINDOW, WINDOW, 0);
	peer_end(&far.peer);
	RUN_UNTIL(owner->n_ended == 1);
	ck_assert_int_eq(owner->end, PUMP_EOF);
	run_until_reset(loop, &owner->visits[0].peer);
	run_until_reset(loop, &owner->visits[1].peer);
	run_for_ms(loop, 20);
	ck_assert_int_eq(owner->n_ended, 1);
	mux_end();
	owner = mux_owner_new(&far, 0);
	mux_visit_begin(owner, 0, WINDOW, WINDOW, 0);
	far_send(&far, 'D', 0, "abc", 3);
	peer_reset(&far.peer);
	RUN_UNTIL(owner->n_ended == 1);
	ck_assert_int_eq(owner->end, PUMP_ERROR);
	mux_end();
}
END_TEST

START_TEST(a_channel_that_cannot_be_written_has_failed)
{
	mux_begin(_i, SMALL_BUFFERS);
	mux_block(0);
	mux_block(1);
	peer_reset(&far.peer);
	RUN_UNTIL(owner->n_ended == 1);
	ck_assert_int_eq(owner->end, PUMP_ERROR);
	run_for_ms(loop, 20);
	ck_assert_int_eq(owner->n_ended, 1);
	mux_end();
}
END_TEST

START_TEST(what_was_appended_goes_out_when_the_mux_ends)
{
	mux_begin(_i, 0);
	ck_assert_int_eq(conn_append(&owner->channel, "bye", 3), 0);
	mux_flush_soon(&owner->mux);
	mux_fini(&owner->mux);
	run_until_received(loop, &far.peer, 3);
	mux_flush_soon(&owner->mux); /* posts what mux_end() takes back */
	mux_end();
}
END_TEST

START_TEST(the_owner_may_end_the_mux_while_decoding)
{
	uint8_t stream[200];
	size_t len = 0;

	mux_begin(_i, SMALL_BUFFERS);
	mux_block(0);
	mux_visit_begin(owner, 1, WINDOW, WINDOW, 0);
	len += mux_frame_put(stream + len, 'D', 1, "abc", 3);
	len += mux_frame_put(stream + len, 'X', 0, NULL, 0);
	len += mux_frame_put(stream + len, 'D', 1, "def", 3);
	peer_send(&far.peer, stream, len);
	run_until_ended(loop, &far.peer);
	run_for_ms(loop, 20);
	far_close(&far);
}
END_TEST

START_TEST(the_owner_may_end_the_mux_in_each_callback)
{
	struct far_end *ends = &far;

	mux_begin(_i, 0);
	owner->on_eof = MUX_FREE;
	mux_visit_begin(owner, 0, WINDOW, WINDOW, 0);
	peer_send(&owner->visits[0].peer, "abc", 3);
	peer_end(&owner->visits[0].peer);
	run_until_ended(loop, &ends->peer);
	far_close(&far);
	owner = mux_owner_new(&far, 0);
	owner->on_failed = MUX_FREE;
	mux_visit_begin(owner, 0, WINDOW, WINDOW, 0);
	mux_visit_begin(owner, 1, WINDOW, WINDOW, 0);
	peer_send(&owner->visits[1].peer, "abc", 3);
	peer_reset(&owner->visits[0].peer);
	run_until_ended(loop, &far.peer);
	far_close(&far);
	owner = mux_owner_new(&far, 0);
	owner->on_ended = MUX_FREE;
	mux_visit_begin(owner, 0, WINDOW, WINDOW, 0);
	peer_end(&far.peer);
	run_until_ended(loop, &far.peer);
	far_close(&far);
	owner = mux_owner_new(&far, SMALL_BUFFERS);
	owner->on_ended = MUX_FREE;
	mux_block(0);
	peer_reset(&far.peer);
	run_for_ms(loop, 50); /* nothing is left that could be asked */
	far_close(&far);
}
END_TEST

static void
add_leaving(Suite *suite)
{
	TCase *tests = tcase_create("leaving");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, side_teardown);
	tcase_add_loop_test(
	    tests, what_comes_for_a_side_that_has_left_is_thrown_away, 0, 2);
	tcase_add_loop_test(
	    tests, what_came_before_a_side_leaves_is_written, 0, 2);
	tcase_add_loop_test(
	    tests, leaving_does_not_lose_the_payload_of_others, 0, 2);
	tcase_add_loop_test(
	    tests, a_side_may_leave_at_its_end_and_at_its_failure, 0, 2);
	tcase_add_loop_test(
	    tests, a_raw_side_that_cannot_be_written_has_failed, 0, 2);
	tcase_add_loop_test(
	    tests, a_reset_is_no_end_though_a_write_met_it_first, 0, 2);
	suite_add_tcase(suite, tests);
}

static void
add_ends(Suite *suite)
{
	TCase *tests = tcase_create("ends");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, side_teardown);
	tcase_add_loop_test(
	    tests, a_channels_end_is_told_apart_from_its_failure, 0, 2);
	tcase_add_loop_test(
	    tests, a_channel_that_cannot_be_written_has_failed, 0, 2);
	tcase_add_loop_test(
	    tests, what_was_appended_goes_out_when_the_mux_ends, 0, 2);
	tcase_add_loop_test(
	    tests, the_owner_may_end_the_mux_while_decoding, 0, 2);
	tcase_add_loop_test(
	    tests, the_owner_may_end_the_mux_in_each_callback, 0, 2);
	suite_add_tcase(suite, tests);
}

int
main(void)
{
	Suite *suite = suite_create("mux life");
	SRunner *runner;
	int failed;

	add_leaving(suite);
	add_ends(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
