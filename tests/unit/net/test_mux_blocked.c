/* SPDX-License-Identifier: MIT */
/* A channel that is not read. Each test runs twice: with edges (epoll), and without
 * (select). */
#include <check.h>

#include "mux_scene.h"

#define CROWD 8

/* Send from all raw sides what the system takes, until nothing moves any more. */
static void
send_until_stuck(size_t sent[CROWD], size_t most)
{
	int quiet = 0;

	while (quiet < 20) {
		quiet++;
		for (int i = 0; i < CROWD; i++) {
			size_t n = peer_send_some(&owner->visits[i].peer,
			    flood + sent[i], most - sent[i]);

			sent[i] += n;
			quiet = n > 0 ? 0 : quiet;
		}
		run_for_ms(loop, 1);
	}
}

static void
begin_blocked(int backend, size_t sent[CROWD], size_t most)
{
	mux_begin(backend, SMALL_BUFFERS);
	for (int i = 0; i < CROWD; i++)
		mux_visit_begin(owner, i, PLENTY_CREDIT, WINDOW, SMALL_BUFFERS);
	send_until_stuck(sent, most);
	for (int i = 0; i < CROWD; i++) {
		ck_assert_uint_lt(sent[i], most);
		ck_assert(owner->visits[i].raw.paused);
	}
	ck_assert(owner->mux.blocked);
}

/* What waits in the channel's queue is bounded, and the rest waits at the raw sides; when the peer
 * reads, each side goes on, and none is passed over. */
START_TEST(a_channel_that_is_not_read_stops_all_sides)
{
	size_t sent[CROWD] = {0};
	bool complete;

	begin_blocked(_i, sent, SHARE);
	ck_assert_uint_le(
	    conn_queued(&owner->channel), 3 * (BUF_LARGE + MUX_HEADER));
	do {
		complete = true;
		for (int i = 0; i < CROWD; i++) {
			sent[i] += peer_send_some(&owner->visits[i].peer,
			    flood + sent[i], SHARE - sent[i]);
			complete &= owner->visits[i].len == SHARE;
		}
		mux_turn(owner, &far);
	} while (!complete);
	for (int i = 0; i < CROWD; i++)
		pattern_check(owner->visits[i].data, SHARE, 0);
	ck_assert(!owner->mux.blocked);
	mux_end();
}
END_TEST

START_TEST(no_side_is_starved_by_the_others)
{
	size_t sent[CROWD] = {0}, least, most;

	begin_blocked(_i, sent, sizeof(flood));
	do {
		for (int i = 0; i < CROWD; i++)
			sent[i] += peer_send_some(&owner->visits[i].peer,
			    flood + sent[i], sizeof(flood) - sent[i]);
		mux_turn(owner, &far);
		least = SIZE_MAX;
		most = 0;
		for (int i = 0; i < CROWD; i++) {
			size_t len = owner->visits[i].len;

			least = len < least ? len : least;
			most = len > most ? len : most;
		}
	} while (most < sizeof(flood));
	ck_assert_uint_ge(least, sizeof(flood) / 4);
	mux_end();
}
END_TEST

/* The turn of those that go on is over without a byte: the others must have theirs. */
START_TEST(a_turn_that_is_not_used_is_passed_on)
{
	size_t sent[CROWD] = {0}, before;
	struct mux_side *side, *last;

	begin_blocked(_i, sent, SHARE);
	last = TAILQ_LAST(&owner->mux.stopped, mux_side_list);
	TAILQ_FOREACH (side, &owner->mux.stopped, link) {
		side->read_bytes = BUF_LARGE;
		if (side != last)
			side->credit = 0;
	}
	before = (size_t)last->to_channel_bytes;
	MUX_UNTIL(owner, &far, last->to_channel_bytes > before);
	mux_end();
}
END_TEST

/* The others of its round have filled the channel again before it was heard: it is the next then, and
 * does not begin to wait anew. */
START_TEST(who_comes_too_late_for_its_turn_keeps_its_place)
{
	size_t sent[CROWD] = {0};
	struct mux_side *side;

	begin_blocked(_i, sent, SHARE);
	side = TAILQ_FIRST(&owner->mux.stopped);
	TAILQ_REMOVE(&owner->mux.stopped, side, link);
	side->stopped = false;
	side->has_turn = true;
	conn_resume(side->raw);
	RUN_UNTIL(side->stopped);
	ck_assert_ptr_eq(TAILQ_FIRST(&owner->mux.stopped), side);
	ck_assert(!side->has_turn);
	mux_end();
}
END_TEST

/* Room has come, and some still wait for their turn: who is readable only now waits behind them. */
START_TEST(a_newcomer_does_not_go_first)
{
	size_t sent[CROWD] = {0};
	struct mux_visit *late;

	begin_blocked(_i, sent, SHARE);
	late = mux_visit_begin(owner, CROWD, WINDOW, WINDOW, 0);
	owner->mux.blocked = false;
	peer_send(&late->peer, "hello", 5);
	RUN_UNTIL(late->side.stopped);
	ck_assert_uint_eq(late->side.to_channel_bytes, 0);
	ck_assert_ptr_eq(
	    TAILQ_LAST(&owner->mux.stopped, mux_side_list), &late->side);
	owner->mux.blocked = true;
	MUX_UNTIL(owner, &far, late->len == 5);
	/* one that has had its turn is a newcomer again */
	for (int i = 0; i < CROWD; i++)
		ck_assert(!owner->visits[i].side.stopped ||
		    !owner->visits[i].side.has_turn);
	ck_assert(!late->side.has_turn);
	mux_end();
}
END_TEST

/* A channel that is not read is read from all the same, and sides without anything to send come
 * and go meanwhile. */
START_TEST(a_blocked_channel_brings_what_comes)
{
	size_t sent[CROWD] = {0};
	struct mux_visit *late;

	begin_blocked(_i, sent, SHARE);
	late = mux_visit_begin(owner, CROWD, WINDOW, WINDOW, 0);
	far_send(&far, 'D', CROWD, "hello", 5);
	run_until_received(loop, &late->peer, 5);
	peer_send(&late->peer, "hi", 2);
	run_for_ms(loop, 20);
	ck_assert(late->side.stopped);
	far_send(&far, 'C', CROWD, NULL, 10); /* does not make it read */
	run_for_ms(loop, 20);
	ck_assert(late->raw.paused);
	/* sides leave while they are stopped: the first, one in between, the last */
	far_send(&far, 'L', 0, NULL, 0);
	far_send(&far, 'R', 3, NULL, 0);
	far_send(&far, 'L', CROWD, NULL, 0);
	run_until_reset(loop, &late->peer); /* what it sent was not read */
	MUX_UNTIL(owner, &far, owner->visits[1].len >= sent[1]);
	MUX_UNTIL(owner, &far, owner->visits[7].len >= sent[7]);
	ck_assert_uint_eq(late->len, 0);
	mux_end();
}
END_TEST

START_TEST(room_does_not_resume_a_paused_side)
{
	struct mux_visit *visit;
	size_t sent[CROWD] = {0}, before;

	begin_blocked(_i, sent, SHARE);
	visit = &owner->visits[2];
	mux_pause_raw(&visit->side);
	before = visit->side.to_channel_bytes;
	MUX_UNTIL(owner, &far, owner->visits[1].len >= sent[1]);
	MUX_UNTIL(owner, &far, owner->visits[3].len >= sent[3]);
	mux_some_turns();
	ck_assert_uint_eq(visit->len, before);
	mux_resume_raw(&visit->side);
	MUX_UNTIL(owner, &far, visit->len >= sent[2]);
	mux_end();
}
END_TEST

static void
add_blocked(Suite *suite)
{
	TCase *tests = tcase_create("blocked");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, side_teardown);
	tcase_add_loop_test(
	    tests, a_channel_that_is_not_read_stops_all_sides, 0, 2);
	tcase_add_loop_test(tests, no_side_is_starved_by_the_others, 0, 2);
	tcase_add_loop_test(tests, a_turn_that_is_not_used_is_passed_on, 0, 2);
	tcase_add_loop_test(
	    tests, who_comes_too_late_for_its_turn_keeps_its_place, 0, 2);
	tcase_add_loop_test(tests, a_newcomer_does_not_go_first, 0, 2);
	tcase_add_loop_test(tests, a_blocked_channel_brings_what_comes, 0, 2);
	tcase_add_loop_test(tests, room_does_not_resume_a_paused_side, 0, 2);
	suite_add_tcase(suite, tests);
}

int
main(void)
{
	Suite *suite = suite_create("mux blocked");
	SRunner *runner;
	int failed;

	add_blocked(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
