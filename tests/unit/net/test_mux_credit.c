/* SPDX-License-Identifier: MIT */
/* Credit, and what is sent for it. Each test runs twice: with edges (epoll), and without
 * (select). */
#include <check.h>
#include <string.h>

#include "mux_scene.h"

static struct mux_visit *
join_with_first(int number, uint32_t credit, size_t len)
{
	struct buf *first = buf_get(len);
	struct mux_visit *visit =
	    mux_visit_prepare(owner, number, credit, WINDOW, 0);

	memcpy(buf_data(first), flood, len);
	mux_join(&visit->side, &visit->raw, &first, len);
	ck_assert_ptr_null(first);
	return visit;
}

START_TEST(no_more_than_the_credit_is_sent)
{
	struct mux_visit *visit;

	mux_begin(_i, 0);
	visit = mux_visit_begin(owner, 0, 1000, WINDOW, 0);
	peer_send(&visit->peer, flood, 5000);
	MUX_UNTIL(owner, &far, visit->len == 1000);
	mux_some_turns();
	ck_assert_uint_eq(visit->len, 1000);
	far_send(&far, 'C', 0, NULL, 1);
	MUX_UNTIL(owner, &far, visit->len == 1001);
	far_send(&far, 'C', 0, NULL, 2500);
	MUX_UNTIL(owner, &far, visit->len == 3501);
	mux_some_turns();
	ck_assert_uint_eq(visit->len, 3501);
	far_send(&far, 'C', 0, NULL, 5000);
	peer_end(&visit->peer);
	MUX_UNTIL(owner, &far, visit->ended);
	ck_assert_uint_eq(visit->len, 5000);
	pattern_check(visit->data, 5000, 0);
	ck_assert_int_eq(visit->n_eof, 1);
	mux_end();
}
END_TEST

/* Its end is not told before what it sent. */
START_TEST(an_end_waits_for_credit_too)
{
	struct mux_visit *visit;

	mux_begin(_i, 0);
	visit = mux_visit_begin(owner, 0, 10, WINDOW, 0);
	peer_send(&visit->peer, flood, 20);
	peer_end(&visit->peer);
	MUX_UNTIL(owner, &far, visit->len == 10);
	mux_some_turns();
	ck_assert_int_eq(visit->n_eof, 0);
	far_send(&far, 'C', 0, NULL, 11);
	MUX_UNTIL(owner, &far, visit->ended);
	ck_assert_uint_eq(visit->len, 20);
	/* and is told once, whatever credit comes */
	far_send(&far, 'C', 0, NULL, 1000);
	mux_some_turns();
	ck_assert_int_eq(visit->n_eof, 1);
	mux_end();
}
END_TEST

START_TEST(credit_without_a_bound_is_refused)
{
	struct mux_visit *visit;

	mux_begin(_i, 0);
	visit = mux_visit_begin(owner, 0, 100, WINDOW, 0);
	ck_assert(!mux_give_credit(&visit->side, UINT64_MAX));
	ck_assert(!mux_give_credit(&visit->side, UINT64_C(1) << 32));
	ck_assert(!mux_give_credit(&visit->side, INT32_MAX - 99));
	ck_assert(mux_give_credit(&visit->side, INT32_MAX - 100));
	ck_assert(!mux_give_credit(&visit->side, 1));
	peer_send(&visit->peer, flood, 10);
	MUX_UNTIL(owner, &far, visit->len == 10);
	ck_assert(mux_give_credit(&visit->side, 10));
	mux_end();
}
END_TEST

START_TEST(bytes_that_were_read_before_are_sent_first)
{
	struct mux_visit *visit;

	mux_begin(_i, 0);
	visit = join_with_first(0, WINDOW, 3000);
	peer_send(&visit->peer, flood + 3000, 500);
	MUX_UNTIL(owner, &far, visit->len == 3500);
	pattern_check(visit->data, 3500, 0);
	ck_assert_uint_eq(visit->side.to_channel_bytes, 3500);
	mux_end();
}
END_TEST

START_TEST(what_was_read_before_goes_in_parts)
{
	struct mux_visit *visit;

	mux_begin(_i, 0);
	visit = join_with_first(0, 1000, 3000);
	peer_send(&visit->peer, flood + 3000, 500);
	peer_end(&visit->peer);
	MUX_UNTIL(owner, &far, visit->len == 1000);
	mux_some_turns();
	ck_assert_uint_eq(visit->len, 1000);
	far_send(&far, 'C', 0, NULL, 1);
	far_send(&far, 'C', 0, NULL, 1998);
	MUX_UNTIL(owner, &far, visit->len == 2999);
	mux_some_turns();
	ck_assert_uint_eq(visit->len, 2999);
	far_send(&far, 'C', 0, NULL, 100);
	MUX_UNTIL(owner, &far, visit->len == 3099);
	far_send(&far, 'C', 0, NULL, WINDOW);
	MUX_UNTIL(owner, &far, visit->ended);
	ck_assert_uint_eq(visit->len, 3500);
	pattern_check(visit->data, 3500, 0);
	/* not one byte of it is sent by a side without any credit */
	visit = join_with_first(1, 0, 700);
	mux_some_turns();
	ck_assert_uint_eq(visit->len, 0);
	far_send(&far, 'C', 1, NULL, 700);
	MUX_UNTIL(owner, &far, visit->len == 700);
	mux_end();
}
END_TEST

START_TEST(nothing_may_have_been_read_before)
{
	struct mux_visit *visit;

	mux_begin(_i, 0);
	visit = join_with_first(0, WINDOW, 0);
	peer_send(&visit->peer, flood, 500);
	MUX_UNTIL(owner, &far, visit->len == 500);
	mux_end();
}
END_TEST

START_TEST(credit_is_given_back_at_half_of_the_window)
{
	struct mux_visit *visit;

	mux_begin(_i, 0);
	visit = mux_visit_begin(owner, 0, WINDOW, 10000, 0);
	far_send(&far, 'D', 0, flood, 4999);
	run_until_received(loop, &visit->peer, 4999);
	mux_some_turns();
	ck_assert_int_eq(visit->n_credit, 0);
	ck_assert_uint_eq(visit->side.window, 5001);
	far_send(&far, 'D', 0, flood, 1);
	MUX_UNTIL(owner, &far, visit->credit_bytes == 5000);
	ck_assert_uint_eq(visit->side.window, 10000);
	/* all of the window at once: one message gives it back */
	far_send(&far, 'D', 0, flood, 10000);
	MUX_UNTIL(owner, &far, visit->credit_bytes == 15000);
	ck_assert_int_le(visit->n_credit, 3);
	mux_end();
}
END_TEST

START_TEST(no_credit_follows_an_end)
{
	uint8_t stream[2000];
	struct mux_visit *visit;
	size_t len;

	mux_begin(_i, 0);
	visit = mux_visit_begin(owner, 0, WINDOW, 2000, 0);
	len = mux_frame_put(stream, 'D', 0, flood, 1500);
	len += mux_frame_put(stream + len, 'E', 0, NULL, 0);
	peer_send(&far.peer, stream, len);
	run_until_ended(loop, &visit->peer);
	mux_some_turns();
	ck_assert_uint_eq(visit->peer.len, 1500);
	ck_assert_int_eq(visit->n_credit, 0);
	/* nor at a join that comes later than both */
	visit = mux_visit_prepare(owner, 1, WINDOW, 2000, 0);
	far_send(&far, 'D', 1, flood, 1500);
	far_send(&far, 'E', 1, NULL, 0);
	far_send(&far, 'J', 1, NULL, 0);
	run_until_ended(loop, &visit->peer);
	mux_some_turns();
	ck_assert_int_eq(visit->n_credit, 0);
	mux_end();
}
END_TEST

/* The far end sends as much as it has credit for, to a raw side that does not read. */
static size_t
send_within_credit(struct mux_visit *visit, int number, size_t sent, size_t len)
{
	size_t may = WINDOW + visit->credit_bytes - sent;

	if (may > len - sent)
		may = len - sent;
	if (may > 0)
		far_send(&far, 'D', number, flood + sent, may);
	return sent + may;
}

START_TEST(credit_waits_until_the_raw_side_has_taken_the_bytes)
{
	struct mux_visit *visit;
	size_t sent = 0, before;

	mux_begin(_i, SMALL_BUFFERS);
	visit = mux_visit_begin(owner, 0, WINDOW, WINDOW, SMALL_BUFFERS);
	/* until the raw side is full */
	do {
		before = sent;
		sent = send_within_credit(visit, 0, sent, sizeof(flood));
		mux_some_turns();
	} while (sent > before);
	ck_assert_uint_lt(sent, sizeof(flood));
	ck_assert_uint_gt(conn_queued(&visit->raw), 0);
	ck_assert_uint_le(conn_queued(&visit->raw), WINDOW);
	ck_assert_uint_eq(visit->credit_bytes + WINDOW, sent);
	/* and on it goes, as the raw side reads */
	while (visit->peer.len < sizeof(flood)) {
		sent = send_within_credit(visit, 0, sent, sizeof(flood));
		mux_turn(owner, &far);
		peer_receive(&visit->peer);
		ck_assert_uint_le(conn_queued(&visit->raw), WINDOW);
	}
	pattern_check(visit->peer.data, visit->peer.len, 0);
	mux_end();
}
END_TEST

START_TEST(a_raw_side_that_does_not_read_holds_nobody_up)
{
	struct mux_visit *stuck;
	size_t sent[4] = {0};
	bool complete;

	mux_begin(_i, SMALL_BUFFERS);
	for (int i = 0; i < 4; i++)
		mux_visit_begin(owner, i, WINDOW, WINDOW, SMALL_BUFFERS);
	stuck = &owner->visits[3];
	do {
		complete = true;
		for (int i = 0; i < 4; i++) {
			struct mux_visit *visit = &owner->visits[i];

			sent[i] = send_within_credit(visit, i, sent[i], SHARE);
			if (visit == stuck)
				continue;
			peer_receive(&visit->peer);
			complete &= visit->peer.len == SHARE;
		}
		mux_turn(owner, &far);
		ck_assert_uint_le(conn_queued(&stuck->raw), WINDOW);
	} while (!complete);
	ck_assert_uint_lt(sent[3], SHARE);
	for (int i = 0; i < 3; i++)
		pattern_check(owner->visits[i].peer.data, SHARE, 0);
	/* nothing of what waits is lost */
	MUX_UNTIL(owner, &far,
	    (peer_receive(&stuck->peer), stuck->peer.len >= sent[3]));
	pattern_check(stuck->peer.data, sent[3], 0);
	mux_end();
}
END_TEST

START_TEST(credit_does_not_resume_a_paused_side)
{
	struct mux_visit *visit;

	mux_begin(_i, 0);
	visit = mux_visit_begin(owner, 0, 100, WINDOW, 0);
	peer_send(&visit->peer, flood, 1000);
	MUX_UNTIL(owner, &far, visit->len == 100);
	mux_pause_raw(&visit->side);
	far_send(&far, 'C', 0, NULL, 1000);
	mux_some_turns();
	ck_assert_uint_eq(visit->len, 100);
	mux_resume_raw(&visit->side);
	MUX_UNTIL(owner, &far, visit->len == 1000);
	mux_end();
}
END_TEST

/* Paused before all of what had been read was sent: that waits as well. */
START_TEST(a_paused_side_keeps_what_was_read_before)
{
	struct mux_visit *visit;

	mux_begin(_i, 0);
	visit = join_with_first(0, 100, 1000);
	MUX_UNTIL(owner, &far, visit->len == 100);
	mux_pause_raw(&visit->side);
	far_send(&far, 'C', 0, NULL, 5000);
	mux_some_turns();
	ck_assert_uint_eq(visit->len, 100);
	mux_resume_raw(&visit->side);
	MUX_UNTIL(owner, &far, visit->len == 1000);
	pattern_check(visit->data, 1000, 0);
	mux_end();
}
END_TEST

static void
add_credit(Suite *suite)
{
	TCase *tests = tcase_create("credit");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, side_teardown);
	tcase_add_loop_test(tests, no_more_than_the_credit_is_sent, 0, 2);
	tcase_add_loop_test(tests, an_end_waits_for_credit_too, 0, 2);
	tcase_add_loop_test(tests, credit_without_a_bound_is_refused, 0, 2);
	tcase_add_loop_test(
	    tests, bytes_that_were_read_before_are_sent_first, 0, 2);
	tcase_add_loop_test(tests, what_was_read_before_goes_in_parts, 0, 2);
	tcase_add_loop_test(tests, nothing_may_have_been_read_before, 0, 2);
	tcase_add_loop_test(
	    tests, credit_is_given_back_at_half_of_the_window, 0, 2);
	tcase_add_loop_test(tests, no_credit_follows_an_end, 0, 2);
	tcase_add_loop_test(
	    tests, credit_waits_until_the_raw_side_has_taken_the_bytes, 0, 2);
	tcase_add_loop_test(
	    tests, a_raw_side_that_does_not_read_holds_nobody_up, 0, 2);
	tcase_add_loop_test(tests, credit_does_not_resume_a_paused_side, 0, 2);
	tcase_add_loop_test(
	    tests, a_paused_side_keeps_what_was_read_before, 0, 2);
	suite_add_tcase(suite, tests);
}

int
main(void)
{
	Suite *suite = suite_create("mux credit");
	SRunner *runner;
	int failed;

	add_credit(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
