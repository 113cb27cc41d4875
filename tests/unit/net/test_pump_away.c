/* SPDX-License-Identifier: MIT */
/*
 * Visits that are pumped by the worker, and how they come home. Each test runs twice: with
 * edges (epoll), and without (select).
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pump_owner.h"
#include "side.h"

#define FLOOD (16u * BUF_LARGE)
#define VISITS 3

static uint8_t flood[FLOOD], framed[2 * FLOOD], received[2 * FLOOD];
static struct peer channel, raw, other; /* the test's ends */
static struct owner *owner;
static struct worker *worker;

static struct owner *
new_owner(struct peer *to_channel, struct peer *to_raw, int buffers)
{
	struct owner *new = owner_new(to_channel, buffers);

	owner_join(new, 0, to_raw, buffers);
	pump_use_worker(&new->pump, worker);
	return new;
}

static void
begin(int backend, int buffers)
{
	side_begin(backend);
	worker = worker_new(loop);
	ck_assert_ptr_nonnull(worker);
	pattern_fill(flood, sizeof(flood), 0);
	owner = new_owner(&channel, &raw, buffers);
}

static void
close_peers(void)
{
	peer_close(&channel);
	peer_close(&raw);
	worker_free(&worker);
}

static void
end(void)
{
	pump_recall(&owner->pump);
	owner_free(owner);
	close_peers();
}

static void
send_away(void)
{
	pump_send_away(&owner->pump);
	ck_assert(owner->pump.away);
}

/* Without a turn of the home loop. */
static void
wait_for_bytes(struct peer *peer, size_t len)
{
	uint64_t until = loop_now_ms(loop) + 10000;

	while (peer->len < len) {
		usleep(100);
		peer_receive(peer);
		ck_assert_uint_lt(loop_now_ms(loop), until);
	}
}

/* Send it there, and see that it runs there: what it passes on, home has no part in. */
static void
settle_away(void)
{
	size_t before = raw.len;

	send_away();
	peer_send_frame(&channel, 'D', flood, 100);
	wait_for_bytes(&raw, before + 100);
	ck_assert(owner->pump.away);
	raw.len = before;
}

/* Payload both ways at once, each in pieces as the system takes them, until all is through. */
static void
exchange(void (*meanwhile)(void))
{
	size_t len = 0, down = 0, up = 0, got = 0;
	uint64_t limit = loop_now_ms(loop) + 20000;
	bool ended;

	for (size_t at = 0, n = 1; at < FLOOD; at += n, n = n * 3 % 70001 + 1) {
		if (n > FLOOD - at)
			n = FLOOD - at;
		len += frame_put(framed + len, 'D', flood + at, n);
	}
	while (got < FLOOD || raw.len < FLOOD) {
		down += peer_send_some(&channel, framed + down, len - down);
		up += peer_send_some(&raw, flood + up, FLOOD - up);
		meanwhile();
		peer_receive(&raw);
		peer_receive(&channel);
		if (channel.len > FLOOD)
			got = peer_payload(&channel, received, &ended);
		ck_assert_uint_lt(loop_now_ms(loop), limit);
	}
	pump_recall(&owner->pump);
	ck_assert_uint_eq(got, FLOOD);
	ck_assert_uint_eq(raw.len, FLOOD);
	pattern_check(received, FLOOD, 0);
	pattern_check(raw.data, FLOOD, 0);
	ck_assert_uint_eq(owner->pump.to_channel_bytes, FLOOD);
	ck_assert_uint_eq(owner->pump.to_raw_bytes, FLOOD);
}

/* It may have been too slow, on a machine that has much to do. */
static void
stay_away(void)
{
	run_for_ms(loop, 0);
	if (!owner->pump.away)
		send_away();
}

START_TEST(payload_passes_both_ways)
{
	begin(_i, SMALL_BUFFERS);
	settle_away();
	pump_recall(&owner->pump);
	owner->pump.to_raw_bytes = 0;
	exchange(stay_away);
	end();
}
END_TEST

static struct owner *neighbour; /* who stays at home */
static struct peer its_channel, its_raw;
static size_t its_bytes;

static void
neighbours_turn(void)
{
	uint8_t frame[1000];
	size_t len = frame_put(frame, 'D', flood, 900);

	/* what has come is enough for the check: no more than has room on the way */
	if (its_raw.len + BUF_LARGE > its_bytes) {
		peer_send(&its_channel, frame, len);
		peer_send(&its_raw, flood, 900);
		its_bytes += 900;
	}
	stay_away();
	ck_assert(!neighbour->pump.away);
	peer_receive(&its_raw);
	peer_receive(&its_channel);
}

START_TEST(home_goes_on_meanwhile)
{
	bool ended;

	begin(_i, SMALL_BUFFERS);
	neighbour = new_owner(&its_channel, &its_raw, 0);
	neighbour->stays = true;
	its_bytes = 0;
	send_away();
	exchange(neighbours_turn);
	run_until_received(loop, &its_raw, its_bytes);
	RUN_UNTIL(neighbour->pump.to_channel_bytes == its_bytes);
	RUN_UNTIL((peer_receive(&its_channel),
	    peer_payload(&its_channel, received, &ended) == its_bytes));
	for (size_t at = 0; at < its_bytes; at += 900) {
		pattern_check(its_raw.data + at, 900, 0);
		pattern_check(received + at, 900, 0);
	}
	owner_free(neighbour);
	peer_close(&its_channel);
	peer_close(&its_raw);
	end();
}
END_TEST

static void
come_and_go(void)
{
	static unsigned turn;

	turn = turn * 1103515245 + 12345;
	if (!owner->pump.away)
		send_away();
	usleep(turn >> 16 & 127);
	if (turn >> 24 & 1)
		pump_recall(&owner->pump);
	run_for_ms(loop, turn >> 25 & 1);
}

START_TEST(nothing_is_lost_by_a_recall_at_any_moment)
{
	begin(_i, SMALL_BUFFERS);
	exchange(come_and_go);
	end();
}
END_TEST

START_TEST(one_that_has_not_arrived_can_be_recalled)
{
	begin(_i, 0);
	for (int i = 0; i < 50; i++) {
		send_away();
		pump_recall(&owner->pump);
		ck_assert(!owner->pump.away);
	}
	peer_send(&raw, "abc", 3);
	run_until_received(loop, &channel, FRAME_HEADER + 3);
	end();
}
END_TEST

/* Things to act on, in the middle of what was read at once. */

START_TEST(an_end_between_payload_is_acted_on_at_home)
{
	size_t len;
	bool ended;

	begin(_i, 0);
	settle_away();
	len = frame_put(framed, 'D', flood, 10000);
	len += frame_put(framed + len, 'E', "", 0);
	peer_send(&channel, framed, len);
	run_until_ended(loop, &raw);
	ck_assert_uint_eq(raw.len, 10000);
	pattern_check(raw.data, raw.len, 0);
	ck_assert(!owner->pump.away);
	/* the other direction goes on, and may go there again */
	send_away();
	peer_send(&raw, flood, 10000);
	wait_for_bytes(&channel, 1);
	run_until_received(loop, &channel, FRAME_HEADER + 10000);
	ck_assert_uint_eq(peer_payload(&channel, received, &ended), 10000);
	pattern_check(received, 10000, 0);
	end();
}
END_TEST

START_TEST(the_next_visit_begins_within_what_was_read)
{
	size_t len;
	int ends[2];

	begin(_i, 0);
	stream_pair(ends, 0);
	ck_assert_int_eq(
	    conn_init(&owner->raws[1], loop, ends[0], NULL, NULL), 0);
	peer_init(&other, ends[1]);
	settle_away();
	len = frame_put(framed, 'D', flood, 10000);
	len += frame_put(framed + len, 'E', "", 0);
	len += frame_put(framed + len, 'N', "", 0);
	len += frame_put(framed + len, 'D', flood + 10000, 10000);
	peer_send(&channel, framed, len);
	run_until_received(loop, &raw, 10000);
	run_until_received(loop, &other, 10000);
	ck_assert_uint_eq(raw.len, 10000);
	pattern_check(raw.data, raw.len, 0);
	pattern_check(other.data, other.len, 10000);
	ck_assert_uint_eq(owner->pump.to_raw_bytes, 10000);
	end();
	peer_close(&other);
}
END_TEST

START_TEST(the_owner_may_end_the_pump_at_home)
{
	size_t len;

	begin(_i, 0);
	settle_away();
	len = frame_put(framed, 'D', flood, 1000);
	len += frame_put(framed + len, 'X', "", 0);
	len += frame_put(framed + len, 'D', flood, 1000);
	peer_send(&channel, framed, len);
	RUN_UNTIL((peer_receive(&channel), channel.ended || channel.reset));
	close_peers();
}
END_TEST

START_TEST(what_is_on_its_way_home_can_be_recalled)
{
	size_t len;

	begin(_i, 0);
	settle_away();
	len = frame_put(framed, 'D', flood, 1000);
	len += frame_put(framed + len, 'E', "", 0);
	peer_send(&channel, framed, len);
	usleep(20000); /* home does not look; by now, or not */
	pump_recall(&owner->pump);
	ck_assert(!owner->pump.away);
	end();
}
END_TEST

/* Ends and failures. */

START_TEST(the_raw_end_comes_after_its_last_byte)
{
	bool ended = false;

	begin(_i, 0);
	settle_away();
	peer_send(&raw, flood, 10000);
	peer_end(&raw);
	RUN_UNTIL(owner->n_eof == 1);
	RUN_UNTIL((peer_receive(&channel),
	    peer_payload(&channel, received, &ended) == 10000 && ended));
	pattern_check(received, 10000, 0);
	ck_assert(!owner->pump.away);
	/* the other direction goes on there */
	settle_away();
	peer_send_frame(&channel, 'D', "late", 4);
	wait_for_bytes(&raw, 1);
	run_until_received(loop, &raw, 4);
	ck_assert_mem_eq(raw.data, "late", 4);
	ck_assert_int_eq(owner->n_eof, 1);
	end();
}
END_TEST

START_TEST(a_reset_raw_side_is_no_end)
{
	begin(_i, 0);
	settle_away();
	peer_send(&raw, "abc", 3);
	peer_reset(&raw);
	RUN_UNTIL(owner->n_raw_failed == 1);
	peer_send_frame(&channel, 'D', "nobody hears this", 17);
	run_for_ms(loop, 30);
	ck_assert_int_eq(owner->n_raw_failed, 1);
	ck_assert_int_eq(owner->n_eof, 0);
	end();
}
END_TEST

START_TEST(a_reset_is_no_end_though_a_write_met_it_first)
{
	for (int i = 0; i < 20; i++) {
		begin(_i, 0);
		settle_away();
		peer_reset(&raw);
		peer_send_frame(&channel, 'D', "abc", 3);
		RUN_UNTIL(owner->n_raw_failed + owner->n_eof == 1);
		ck_assert_int_eq(owner->n_raw_failed, 1);
		end();
		loop_free(&loop);
	}
}
END_TEST

START_TEST(a_channels_end_is_told_apart_from_its_failure)
{
	begin(_i, 0);
	settle_away();
	peer_end(&channel);
	RUN_UNTIL(owner->n_channel_end == 1);
	ck_assert_int_eq(owner->end, PUMP_EOF);
	end();
	loop_free(&loop);
	begin(_i, 0);
	settle_away();
	peer_send_frame(&channel, 'D', "abc", 3);
	peer_reset(&channel);
	RUN_UNTIL(owner->n_channel_end == 1);
	ck_assert_int_eq(owner->end, PUMP_ERROR);
	end();
}
END_TEST

START_TEST(a_side_that_cannot_be_written_has_failed)
{
	size_t len, sent = 0;

	begin(_i, SMALL_BUFFERS);
	settle_away();
	len = frame_put(framed, 'D', flood, sizeof(flood));
	for (int quiet = 0; quiet < 20; quiet++) {
		size_t more =
		    peer_send_some(&channel, framed + sent, len - sent);

		sent += more;
		quiet = more > 0 ? 0 : quiet;
		usleep(1000);
	}
	ck_assert_uint_lt(sent, len / 2); /* one that does not read stops it */
	peer_reset(&raw);
	RUN_UNTIL(owner->n_raw_failed == 1);
	ck_assert(!owner->pump.away);
	end();
}
END_TEST

/* Who goes, and who stays. */

/* Let both move in small steps what each has to read, until the condition of the caller. */
static void
push(size_t *down, size_t len)
{
	*down += peer_send_some(&channel, framed + *down, len - *down);
	if (*down == len)
		*down = 0;
	run_for_ms(loop, 0);
	peer_receive(&raw);
	raw.len = 0;
}

START_TEST(a_bulk_stream_goes_by_itself_and_a_slow_one_comes_home)
{
	uint64_t until;
	size_t len, down = 0;

	begin(_i, 0);
	len = frame_put(framed, 'D', flood, sizeof(flood));
	until = loop_now_ms(loop) + 20000;
	while (!owner->pump.away) {
		push(&down, len);
		ck_assert_uint_lt(loop_now_ms(loop), until);
	}
	peer_send(&raw, "a", 1);
	run_for_ms(loop, 1100);
	peer_send(&raw, "b", 1);
	RUN_UNTIL(!owner->pump.away);
	end();
}
END_TEST

START_TEST(a_slow_stream_stays)
{
	begin(_i, 0);
	for (int i = 0; i < 100; i++) {
		peer_send_frame(&channel, 'D', flood, 10000);
		run_for_ms(loop, 1);
		peer_receive(&raw);
		ck_assert(!owner->pump.away);
	}
	end();
}
END_TEST

static void
limited_cb(struct flow *flow)
{
	(void)flow;
}

START_TEST(who_may_not_leave_stays)
{
	struct flow flow;

	begin(_i, 0);
	flow_init(&flow, loop, 1000000000, limited_cb);
	pump_limit(&owner->pump, &flow);
	pump_send_away(&owner->pump);
	ck_assert(!owner->pump.away); /* its rate is home's */
	pump_limit(&owner->pump, NULL);
	flow_fini(&flow);
	pump_hold(&owner->pump, true);
	pump_send_away(&owner->pump);
	ck_assert(!owner->pump.away);
	pump_hold(&owner->pump, false);
	owner->stays = true;
	pump_send_away(&owner->pump);
	ck_assert(!owner->pump.away);
	owner->stays = false;
	pump_leave(&owner->pump);
	pump_send_away(&owner->pump);
	ck_assert(!owner->pump.away); /* there is no visit */
	end();
}
END_TEST

/* Many, all busy, at the end of the process. */
START_TEST(busy_visits_are_recalled_at_the_end)
{
	struct owner *owners[VISITS];
	struct peer channels[VISITS], raws[VISITS];
	size_t len;

	begin(_i, 0);
	len = frame_put(framed, 'D', flood, sizeof(flood));
	for (int i = 0; i < VISITS; i++) {
		owners[i] = new_owner(&channels[i], &raws[i], 0);
		pump_send_away(&owners[i]->pump);
	}
	for (int turn = 0; turn < 20; turn++)
		for (int i = 0; i < VISITS; i++) {
			(void)peer_send_some(&channels[i], framed, len);
			(void)peer_send_some(&raws[i], flood, sizeof(flood));
			peer_receive(&raws[i]);
		}
	for (int i = 0; i < VISITS; i++) {
		pump_recall(&owners[i]->pump);
		owner_free(owners[i]);
		peer_close(&channels[i]);
		peer_close(&raws[i]);
	}
	end();
}
END_TEST

START_TEST(the_thread_begins_with_the_first_guest)
{
	int before;

	side_begin(_i);
	before = open_descriptors();
	worker = worker_new(loop);
	ck_assert_int_eq(open_descriptors(), before);
	owner = new_owner(&channel, &raw, 0);
	settle_away();
	end();
	ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

START_TEST(without_descriptors_all_stay)
{
	struct rlimit limit, few;
	int needed;

	begin(_i, 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	needed = open_descriptors();
	send_away();
	needed = open_descriptors() - needed;
	end();
	loop_free(&loop);
	begin(_i, 0);
	/* one more each time, until there are enough */
	few = limit;
	for (int spare = 0; !owner->pump.away; spare++) {
		ck_assert_int_le(spare, 8);
		few.rlim_cur = (rlim_t)(open_descriptors() + spare);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
		pump_send_away(&owner->pump);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		ck_assert(!owner->pump.away || spare >= needed);
		peer_send(&raw, "abc", 3);
		channel.len = 0;
		run_until_received(loop, &channel, FRAME_HEADER + 3);
	}
	end();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pump_away");
	TCase *tests = tcase_create("pump_away");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, side_teardown);
	tcase_add_loop_test(tests, payload_passes_both_ways, 0, 2);
	tcase_add_loop_test(tests, home_goes_on_meanwhile, 0, 2);
	tcase_add_loop_test(
	    tests, nothing_is_lost_by_a_recall_at_any_moment, 0, 2);
	tcase_add_loop_test(
	    tests, one_that_has_not_arrived_can_be_recalled, 0, 2);
	tcase_add_loop_test(
	    tests, an_end_between_payload_is_acted_on_at_home, 0, 2);
	tcase_add_loop_test(
	    tests, the_next_visit_begins_within_what_was_read, 0, 2);
	tcase_add_loop_test(tests, the_owner_may_end_the_pump_at_home, 0, 2);
	tcase_add_loop_test(
	    tests, what_is_on_its_way_home_can_be_recalled, 0, 2);
	tcase_add_loop_test(tests, the_raw_end_comes_after_its_last_byte, 0, 2);
	tcase_add_loop_test(tests, a_reset_raw_side_is_no_end, 0, 2);
	tcase_add_loop_test(
	    tests, a_reset_is_no_end_though_a_write_met_it_first, 0, 2);
	tcase_add_loop_test(
	    tests, a_channels_end_is_told_apart_from_its_failure, 0, 2);
	tcase_add_loop_test(
	    tests, a_side_that_cannot_be_written_has_failed, 0, 2);
	tcase_add_loop_test(tests,
	    a_bulk_stream_goes_by_itself_and_a_slow_one_comes_home, 0, 2);
	tcase_add_loop_test(tests, a_slow_stream_stays, 0, 2);
	tcase_add_loop_test(tests, who_may_not_leave_stays, 0, 2);
	tcase_add_loop_test(tests, busy_visits_are_recalled_at_the_end, 0, 2);
	tcase_add_loop_test(
	    tests, the_thread_begins_with_the_first_guest, 0, 2);
	tcase_add_loop_test(tests, without_descriptors_all_stay, 0, 2);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
