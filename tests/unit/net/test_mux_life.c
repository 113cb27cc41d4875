/* SPDX-License-Identifier: MIT */
/* How sides and channels begin and end. Each test runs twice: with edges (epoll), and without
 * (select). */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "mux_owner.h"
#include "side.h"

#define WINDOW 65536u
#define FLOOD (16u * BUF_LARGE) /* much more than small buffers hold */

static uint8_t flood[FLOOD];
static struct far_end far;
static struct mux_owner *owner;

static void
begin(int backend, int buffers)
{
	side_begin(backend);
	owner = mux_owner_new(&far, buffers);
	pattern_fill(flood, sizeof(flood), 0);
}

static void
end(void)
{
	mux_owner_free(owner);
	far_close(&far);
}

static void
some_turns(void)
{
	for (int i = 0; i < 10; i++)
		mux_turn(owner, &far);
}

/* What comes before the raw connection is joined. */

START_TEST(payload_before_the_join_is_kept)
{
	struct mux_visit *visit;

	begin(_i, 0);
	visit = mux_visit_prepare(owner, 0, WINDOW, WINDOW, 0);
	far_send(&far, 'D', 0, flood, 10000);
	far_send(&far, 'D', 0, flood + 10000, 100);
	some_turns();
	ck_assert_int_eq(visit->n_credit, 0);
	/* joined in the middle of what comes */
	far_send(&far, 'J', 0, NULL, 0);
	far_send(&far, 'D', 0, flood + 10100, 900);
	run_until_received(loop, &visit->peer, 11000);
	pattern_check(visit->peer.data, 11000, 0);
	ck_assert_uint_eq(visit->side.to_raw_bytes, 11000);
	peer_send(&visit->peer, "hello", 5);
	MUX_UNTIL(owner, &far, visit->len == 5);
	end();
}
END_TEST

START_TEST(an_end_before_the_join_is_kept)
{
	struct mux_visit *visit;

	begin(_i, 0);
	visit = mux_visit_prepare(owner, 0, WINDOW, WINDOW, 0);
	far_send(&far, 'D', 0, flood, WINDOW);
	far_send(&far, 'E', 0, NULL, 0);
	some_turns();
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
	end();
}
END_TEST

START_TEST(the_join_gives_credit_for_what_came_before)
{
	struct mux_visit *visit;

	begin(_i, 0);
	visit = mux_visit_prepare(owner, 0, WINDOW, 10000, 0);
	far_send(&far, 'D', 0, flood, 10000);
	some_turns();
	ck_assert_int_eq(visit->n_credit, 0);
	ck_assert_uint_eq(visit->side.window, 0);
	mux_join(&visit->side, &visit->raw, NULL, 0);
	MUX_UNTIL(owner, &far, visit->credit_bytes == 10000);
	far_send(&far, 'D', 0, flood + 10000, 10000);
	run_until_received(loop, &visit->peer, 20000);
	pattern_check(visit->peer.data, 20000, 0);
	end();
}
END_TEST

START_TEST(a_full_raw_side_at_the_join_delays_its_credit)
{
	struct mux_visit *visit;

	begin(_i, 0);
	visit =
	    mux_visit_prepare(owner, 0, WINDOW, 8 * BUF_LARGE, SMALL_BUFFERS);
	far_send(&far, 'D', 0, flood, 8 * BUF_LARGE);
	MUX_UNTIL(owner, &far, visit->side.window == 0);
	mux_join(&visit->side, &visit->raw, NULL, 0);
	some_turns();
	ck_assert_uint_gt(conn_queued(&visit->raw), 0);
	ck_assert_int_eq(visit->n_credit, 0);
	run_until_received(loop, &visit->peer, 8 * BUF_LARGE);
	pattern_check(visit->peer.data, 8 * BUF_LARGE, 0);
	MUX_UNTIL(owner, &far, visit->credit_bytes == 8 * BUF_LARGE);
	end();
}
END_TEST

/* A byte a message: the window bounds the bytes, so the memory must follow it. */
START_TEST(small_pieces_before_the_join_take_little_memory)
{
	struct mux_visit *visit;
	struct buf *buf;
	size_t memory = 0;

	begin(_i, 0);
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
	end();
}
END_TEST

START_TEST(a_side_that_was_never_joined_may_leave)
{
	begin(_i, 0);
	(void)mux_visit_prepare(owner, 0, WINDOW, WINDOW, 0);
	far_send(&far, 'D', 0, flood, 10000);
	far_send(&far, 'L', 0, NULL, 0);
	far_send(&far, 'D', 0, flood, 10000); /* thrown away */
	far_send(&far, 'C', 0, NULL, 100);    /* late */
	run_until_ended(loop, &owner->visits[0].peer);
	some_turns();
	ck_assert_uint_eq(owner->visits[0].side.to_raw_bytes, 10000);
	end();
}
END_TEST

/* Leaving. */

START_TEST(what_comes_for_a_side_that_has_left_is_thrown_away)
{
	uint8_t stream[200];
	size_t len = 0;

	begin(_i, 0);
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
	end();
}
END_TEST

START_TEST(what_came_before_a_side_leaves_is_written)
{
	uint8_t stream[200];
	size_t len = 0;

	begin(_i, 0);
	mux_visit_begin(owner, 0, WINDOW, 20, 0);
	len += mux_frame_put(stream + len, 'D', 0, "its last words", 14);
	len += mux_frame_put(stream + len, 'L', 0, NULL, 0);
	peer_send(&far.peer, stream, len);
	run_until_ended(loop, &owner->visits[0].peer);
	ck_assert_uint_eq(owner->visits[0].peer.len, 14);
	/* it is over: no credit is given for it */
	some_turns();
	ck_assert_int_eq(owner->visits[0].n_credit, 0);
	end();
}
END_TEST

/* The payload of another side is what waits to be written then. */
START_TEST(leaving_does_not_lose_the_payload_of_others)
{
	uint8_t stream[200];
	size_t len = 0;

	begin(_i, 0);
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
	end();
}
END_TEST

START_TEST(a_side_may_leave_at_its_end_and_at_its_failure)
{
	begin(_i, 0);
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
	some_turns();
	ck_assert_int_eq(owner->visits[0].n_eof, 1);
	ck_assert_int_eq(owner->visits[0].n_failed, 0);
	ck_assert_int_eq(owner->visits[1].n_failed, 1);
	/* the third has noticed nothing */
	peer_send(&owner->visits[2].peer, "hello", 5);
	MUX_UNTIL(owner, &far, owner->visits[2].len == 5);
	end();
}
END_TEST

START_TEST(a_raw_side_that_cannot_be_written_has_failed)
{
	struct mux_visit *visit;

	begin(_i, 0);
	visit =
	    mux_visit_begin(owner, 0, WINDOW, 16 * BUF_LARGE, SMALL_BUFFERS);
	far_send(&far, 'D', 0, flood, sizeof(flood) / 2);
	MUX_UNTIL(owner, &far, conn_queued(&visit->raw) > 0);
	peer_reset(&visit->peer);
	MUX_UNTIL(owner, &far, visit->n_failed == 1);
	far_send(&far, 'D', 0, flood, sizeof(flood) / 4);
	some_turns();
	ck_assert_int_eq(visit->n_failed, 1);
	ck_assert_int_eq(visit->n_eof, 0);
	end();
}
END_TEST

START_TEST(a_reset_is_no_end_though_a_write_met_it_first)
{
	struct mux_visit *visit;

	begin(_i, 0);
	visit = mux_visit_begin(owner, 0, WINDOW, WINDOW, 0);
	peer_reset(&visit->peer);
	ck_assert_int_eq(conn_write(&visit->raw, "x", 1), -1);
	MUX_UNTIL(owner, &far, visit->n_failed + visit->n_eof == 1);
	ck_assert_int_eq(visit->n_failed, 1);
	end();
}
END_TEST

/* Handing over. */

START_TEST(what_comes_after_a_hand_over_goes_to_the_new_place)
{
	uint8_t stream[200];
	struct mux_visit *visit;
	size_t len = 0;

	begin(_i, 0);
	visit = mux_visit_begin(owner, 0, WINDOW, WINDOW, 0);
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
	end();
}
END_TEST

START_TEST(nothing_is_read_after_a_hand_over)
{
	struct mux_visit *visit;

	begin(_i, 0);
	visit = mux_visit_begin(owner, 0, 10, WINDOW, 0);
	peer_send(&visit->peer, flood, 20);
	MUX_UNTIL(owner, &far, visit->len == 10);
	far_send(&far, 'H', 0, NULL, 0);
	far_send(&far, 'C', 0, NULL, 100);
	MUX_UNTIL(owner, &far, conn_is_open(&visit->moved));
	some_turns();
	ck_assert_uint_eq(visit->len, 10);
	ck_assert(visit->moved.paused);
	mux_resume_raw(&visit->side);
	ck_assert(visit->moved.paused);
	/* and whoever has it now is not stopped from here */
	conn_resume(&visit->moved);
	mux_pause_raw(&visit->side);
	ck_assert(!visit->moved.paused);
	conn_pause(&visit->moved);
	end();
}
END_TEST

/* Credit is the old place's: it is not given for what the new one takes, up to the window. */
START_TEST(a_hand_over_keeps_what_a_slow_raw_side_has_not_taken)
{
	struct mux_visit *visit;

	begin(_i, 0);
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
	some_turns();
	ck_assert_int_eq(visit->n_credit, 0);
	end();
}
END_TEST

static void
block(int number)
{
	struct mux_visit *visit =
	    mux_visit_begin(owner, number, 1u << 30, WINDOW, SMALL_BUFFERS);

	for (int quiet = 0; quiet < 20; quiet++) {
		if (peer_send_some(&visit->peer, flood, BUF_LARGE) > 0)
			quiet = 0;
		run_for_ms(loop, 1);
	}
	ck_assert(visit->side.stopped);
}

START_TEST(a_side_that_is_stopped_may_be_handed_over)
{
	struct mux_visit *visit;

	begin(_i, SMALL_BUFFERS);
	block(0);
	visit = mux_visit_begin(owner, 1, WINDOW, WINDOW, 0);
	peer_send(&visit->peer, "stays there", 11);
	RUN_UNTIL(visit->side.stopped);
	far_send(&far, 'H', 1, NULL, 0);
	far_send(&far, 'D', 1, "here", 4);
	run_until_received(loop, &visit->peer, 4);
	MUX_UNTIL(owner, &far, !owner->mux.blocked);
	some_turns();
	ck_assert_uint_eq(visit->len, 0);
	end();
}
END_TEST

/* The channel's end. */

START_TEST(a_channels_end_is_told_apart_from_its_failure)
{
	begin(_i, 0);
	mux_visit_begin(owner, 0, WINDOW, WINDOW, 0);
	mux_visit_begin(owner, 1, WINDOW, WINDOW, 0);
	peer_end(&far.peer);
	RUN_UNTIL(owner->n_ended == 1);
	ck_assert_int_eq(owner->end, PUMP_EOF);
	run_until_reset(loop, &owner->visits[0].peer);
	run_until_reset(loop, &owner->visits[1].peer);
	run_for_ms(loop, 20);
	ck_assert_int_eq(owner->n_ended, 1);
	end();
	owner = mux_owner_new(&far, 0);
	mux_visit_begin(owner, 0, WINDOW, WINDOW, 0);
	far_send(&far, 'D', 0, "abc", 3);
	peer_reset(&far.peer);
	RUN_UNTIL(owner->n_ended == 1);
	ck_assert_int_eq(owner->end, PUMP_ERROR);
	end();
}
END_TEST

START_TEST(a_channel_that_cannot_be_written_has_failed)
{
	begin(_i, SMALL_BUFFERS);
	block(0);
	block(1);
	peer_reset(&far.peer);
	RUN_UNTIL(owner->n_ended == 1);
	ck_assert_int_eq(owner->end, PUMP_ERROR);
	run_for_ms(loop, 20);
	ck_assert_int_eq(owner->n_ended, 1);
	end();
}
END_TEST

START_TEST(what_was_appended_goes_out_when_the_mux_ends)
{
	begin(_i, 0);
	ck_assert_int_eq(conn_append(&owner->channel, "bye", 3), 0);
	mux_flush_soon(&owner->mux);
	mux_fini(&owner->mux);
	run_until_received(loop, &far.peer, 3);
	mux_flush_soon(&owner->mux); /* posts what end() takes back */
	end();
}
END_TEST

/* The owner ends the mux from inside of its callbacks, with sides that are stopped and payload
 * that waits. */

START_TEST(the_owner_may_end_the_mux_while_decoding)
{
	uint8_t stream[200];
	size_t len = 0;

	begin(_i, SMALL_BUFFERS);
	block(0);
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

	begin(_i, 0);
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
	block(0);
	peer_reset(&far.peer);
	run_for_ms(loop, 50); /* nothing is left that could be asked */
	far_close(&far);
}
END_TEST

/* Everything at once, at random: what each raw side and the far end receive is what was sent. */

#define CROWD 12

struct both_ways {
	size_t down, up; /* sent to the raw side, from it */
	size_t down_max, up_max;
	uint64_t given; /* credit, to the owner */
	bool down_ended, up_ended;
};

static size_t
at_most(size_t n)
{
	return (size_t)random() % (n + 1);
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void
step_down(struct mux_visit *visit, int number, struct both_ways *flow)
{
	size_t may = WINDOW + visit->credit_bytes - flow->down;
	size_t n =
	    least(at_most(30000), least(may, flow->down_max - flow->down));

	if (n > 0)
		far_send(&far, 'D', number, flood + flow->down, n);
	flow->down += n;
	if (flow->down == flow->down_max && !flow->down_ended) {
		far_send(&far, 'E', number, NULL, 0);
		flow->down_ended = true;
	}
}

static void
step_up(struct mux_visit *visit, int number, struct both_ways *flow)
{
	size_t n = least(at_most(30000), flow->up_max - flow->up);

	flow->up += peer_send_some(&visit->peer, flood + flow->up, n);
	if (flow->up == flow->up_max && !flow->up_ended) {
		peer_end(&visit->peer);
		flow->up_ended = true;
	}
	ck_assert_uint_le(visit->len, WINDOW + flow->given);
	if (random() % 3 == 0 && WINDOW + flow->given < flow->up_max) {
		n = at_most(WINDOW) + 1;
		far_send(&far, 'C', number, NULL, n);
		flow->given += n;
	}
}

static bool
is_complete(struct mux_visit *visit, const struct both_ways *flow)
{
	/* whoever ends last is told so by closing, which is the owner's */
	return (visit->peer.ended || conn_is_over(&visit->raw)) &&
	    visit->peer.len == flow->down_max && visit->ended &&
	    visit->len == flow->up_max;
}

START_TEST(a_crowd_at_random_loses_nothing)
{
	struct both_ways flows[CROWD] = {0};
	uint64_t limit;
	bool complete;

	srandom((unsigned)_i);
	begin(_i % 2, _i % 3 == 0 ? 0 : SMALL_BUFFERS);
	for (int i = 0; i < CROWD; i++) {
		mux_visit_prepare(
		    owner, i, WINDOW, WINDOW, random() % 2 ? SMALL_BUFFERS : 0);
		flows[i].down_max = at_most(sizeof(flood) / 2);
		flows[i].up_max = at_most(sizeof(flood) / 2);
	}
	limit = loop_now_ms(loop) + 40000;
	do {
		complete = true;
		for (int i = 0; i < CROWD; i++) {
			struct mux_visit *visit = &owner->visits[i];

			if (visit->side.raw == NULL && random() % 4 == 0)
				mux_join(&visit->side, &visit->raw, NULL, 0);
			step_down(visit, i, &flows[i]);
			step_up(visit, i, &flows[i]);
			if (random() % 3 != 0)
				peer_receive(&visit->peer);
			complete &= is_complete(visit, &flows[i]);
		}
		if (random() % 3 == 0)
			mux_turn(owner, &far);
		else
			run_for_ms(loop, 1); /* the far end does not read */
		ck_assert_uint_lt(loop_now_ms(loop), limit);
	} while (!complete);
	for (int i = 0; i < CROWD; i++) {
		struct mux_visit *visit = &owner->visits[i];

		pattern_check(visit->data, visit->len, 0);
		pattern_check(visit->peer.data, visit->peer.len, 0);
		ck_assert_int_eq(visit->n_eof, 1);
		ck_assert_int_eq(visit->n_failed, 0);
	}
	end();
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
	tcase_add_loop_test(
	    tests, what_comes_after_a_hand_over_goes_to_the_new_place, 0, 2);
	tcase_add_loop_test(tests, nothing_is_read_after_a_hand_over, 0, 2);
	tcase_add_loop_test(
	    tests, a_hand_over_keeps_what_a_slow_raw_side_has_not_taken, 0, 2);
	tcase_add_loop_test(
	    tests, a_side_that_is_stopped_may_be_handed_over, 0, 2);
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
	tcase_add_loop_test(tests, a_crowd_at_random_loses_nothing, 0, 8);
	suite_add_tcase(suite, tests);
}

int
main(void)
{
	Suite *suite = suite_create("mux life");
	SRunner *runner;
	int failed;

	add_joins(suite);
	add_leaving(suite);
	add_ends(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
