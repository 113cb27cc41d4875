/* SPDX-License-Identifier: MIT */
/* How bytes move between sides and channel. Each test runs twice: with edges (epoll), and without
 * (select). What is written to a descriptor is counted: the program is linked so that our
 * code's calls lead here. */
#include <check.h>
#include <string.h>
#include <sys/socket.h>

#include "mux_scene.h"

/* Names that the linker gives them. */
ssize_t __real_send(int fd, const void *data, size_t len, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);

static int counted_fd = -1, n_writes, last_flags;

static void
note(int fd, int flags)
{
	if (fd != counted_fd)
		return;
	n_writes++;
	last_flags = flags;
}

ssize_t
__wrap_send(int fd, const void *data, size_t len, int flags)
{
	note(fd, flags);
	return __real_send(fd, data, len, flags);
}

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	note(fd, flags);
	return __real_sendmsg(fd, msg, flags);
}

static void
count_writes(const struct conn *conn)
{
	counted_fd = conn->fd;
	n_writes = 0;
}

/* Each side's bytes begin at a place of its own in the pattern. */
static size_t
place_of(int number)
{
	return (size_t)number * 1000;
}

#define ONE_TURN                                                               \
	30 /* so many descriptors libevent takes from epoll at once, at first */

START_TEST(several_sides_share_a_channel)
{
	mux_begin(_i, 0);
	for (int i = 0; i < 3; i++) {
		struct mux_visit *visit =
		    mux_visit_begin(owner, i, WINDOW, WINDOW, 0);

		peer_send(&visit->peer, flood + place_of(i), 700);
		far_send(&far, 'D', i, flood + place_of(i + 10), 900);
	}
	for (int i = 0; i < 3; i++) {
		struct mux_visit *visit = &owner->visits[i];

		MUX_UNTIL(owner, &far, visit->len == 700);
		pattern_check(visit->data, 700, place_of(i));
		run_until_received(loop, &visit->peer, 900);
		pattern_check(visit->peer.data, 900, place_of(i + 10));
		ck_assert_uint_eq(visit->side.to_channel_bytes, 700);
		ck_assert_uint_eq(visit->side.to_raw_bytes, 900);
	}
	mux_end();
}
END_TEST

START_TEST(what_is_readable_in_one_turn_leaves_in_one_write)
{
	mux_begin(_i, 0);
	for (int i = 0; i < ONE_TURN; i++)
		mux_visit_begin(owner, i, WINDOW, WINDOW, 0);
	mux_some_turns();
	count_writes(&owner->channel);
	for (int i = 0; i < ONE_TURN; i++)
		peer_send(&owner->visits[i].peer, flood + place_of(i), 100);
	for (int i = 0; i < ONE_TURN; i++) {
		MUX_UNTIL(owner, &far, owner->visits[i].len == 100);
		pattern_check(owner->visits[i].data, 100, place_of(i));
	}
	ck_assert_int_eq(n_writes, 1);
	mux_end();
}
END_TEST

/* The channel's own turn comes among theirs, and takes nothing away. */
static void
count_a_turn_with_the_channel(void)
{
	for (int i = 0; i < ONE_TURN; i++)
		mux_visit_begin(owner, i, WINDOW, WINDOW, 0);
	mux_some_turns();
	count_writes(&owner->channel);
	for (int i = 0; i < ONE_TURN; i++) {
		peer_send(&owner->visits[i].peer, flood, 100);
		if (i == ONE_TURN / 2)
			far_send(&far, 'D', 0, flood, 100);
	}
	for (int i = 0; i < ONE_TURN; i++)
		MUX_UNTIL(owner, &far, owner->visits[i].len == 100);
	ck_assert_int_eq(n_writes, 1);
}

START_TEST(a_channel_that_is_readable_does_not_part_a_turn)
{
	mux_begin(_i, 0);
	count_a_turn_with_the_channel();
	mux_end();
}
END_TEST

START_TEST(nor_does_one_that_was_blocked_before)
{
	mux_begin(_i, SMALL_BUFFERS);
	mux_block(ONE_TURN);
	MUX_UNTIL(owner, &far, owner->visits[ONE_TURN].len > 0);
	MUX_UNTIL(owner, &far, !owner->mux.blocked);
	mux_some_turns();
	count_a_turn_with_the_channel();
	mux_end();
}
END_TEST

/* An end goes along with the payload in front of it, in both directions. */
START_TEST(an_end_travels_with_the_last_payload)
{
	uint8_t stream[1000];
	struct mux_visit *visit;
	size_t len;

	mux_begin(_i, 0);
	visit = mux_visit_begin(owner, 5, WINDOW, WINDOW, 0);
	mux_some_turns();
	count_writes(&owner->channel);
	peer_send(&visit->peer, flood, 300);
	peer_end(&visit->peer);
	MUX_UNTIL(owner, &far, visit->ended);
	ck_assert_uint_eq(visit->len, 300);
	ck_assert_int_eq(visit->n_eof, 1);
	if (owner->channel.edge) /* else the end is read a turn later */
		ck_assert_int_eq(n_writes, 1);
	count_writes(&visit->raw);
	len = mux_frame_put(stream, 'D', 5, flood, 400);
	len += mux_frame_put(stream + len, 'E', 5, NULL, 0);
	peer_send(&far.peer, stream, len);
	RUN_UNTIL(conn_is_shut(&visit->raw));
	ck_assert_int_eq(n_writes, 1);
	ck_assert(last_flags & MSG_MORE); /* one segment */
	run_until_received(loop, &visit->peer, 400);
	mux_end();
}
END_TEST

/* What the service says behind a visitor's end, and the end of one visit between the payload of
 * others. */
START_TEST(ends_of_one_side_leave_the_others_alone)
{
	struct mux_visit *first, *second;

	mux_begin(_i, 0);
	first = mux_visit_begin(owner, 1, WINDOW, WINDOW, 0);
	second = mux_visit_begin(owner, 2, WINDOW, WINDOW, 0);
	far_send(&far, 'D', 1, "one", 3);
	far_send(&far, 'D', 2, "two", 3);
	far_send(&far, 'E', 1, NULL, 0);
	far_send(&far, 'D', 2, "three", 5);
	run_until_ended(loop, &first->peer);
	ck_assert_uint_eq(first->peer.len, 3);
	run_until_received(loop, &second->peer, 8);
	ck_assert_mem_eq(second->peer.data, "twothree", 8);
	peer_send(&first->peer, "late", 4);
	MUX_UNTIL(owner, &far, first->len == 4);
	ck_assert(!second->peer.ended);
	mux_end();
}
END_TEST

/* What waits for an end behind it is another side's then. */
START_TEST(an_end_does_not_keep_another_sides_payload)
{
	uint8_t stream[100];
	size_t len;

	mux_begin(_i, 0);
	mux_visit_begin(owner, 1, WINDOW, WINDOW, 0);
	mux_visit_begin(owner, 2, WINDOW, WINDOW, 0);
	len = mux_frame_put(stream, 'D', 2, "two", 3);
	len += mux_frame_put(stream + len, 'E', 1, NULL, 0);
	peer_send(&far.peer, stream, len);
	run_until_ended(loop, &owner->visits[1].peer);
	run_until_received(loop, &owner->visits[2].peer, 3);
	mux_end();
}
END_TEST

START_TEST(frames_may_be_cut_anywhere)
{
	uint8_t stream[100];
	size_t len = 0;

	mux_begin(_i, 0);
	mux_visit_begin(owner, 3, WINDOW, WINDOW, 0);
	mux_visit_begin(owner, 4, WINDOW, WINDOW, 0);
	len += mux_frame_put(stream + len, 'D', 3, "one", 3);
	len += mux_frame_put(stream + len, 'D', 4, "four", 4);
	len += mux_frame_put(stream + len, 'D', 3, "two", 3);
	len += mux_frame_put(stream + len, 'E', 3, NULL, 0);
	len += mux_frame_put(stream + len, 'E', 4, NULL, 0);
	for (size_t i = 0; i < len; i++) {
		peer_send(&far.peer, stream + i, 1);
		run_for_ms(loop, 1);
	}
	run_until_ended(loop, &owner->visits[3].peer);
	run_until_ended(loop, &owner->visits[4].peer);
	ck_assert_uint_eq(owner->visits[3].peer.len, 6);
	ck_assert_mem_eq(owner->visits[3].peer.data, "onetwo", 6);
	ck_assert_mem_eq(owner->visits[4].peer.data, "four", 4);
	mux_end();
}
END_TEST

START_TEST(bytes_behind_the_handshake_are_decoded)
{
	static uint8_t stream[3 * BUF_LARGE];
	size_t len = 0;

	mux_begin(_i, 0);
	mux_visit_begin(owner, 0, WINDOW, 2 * BUF_LARGE, 0);
	mux_visit_begin(owner, 1, WINDOW, WINDOW, 0);
	len += mux_frame_put(stream + len, 'D', 1, "short", 5);
	len += mux_frame_put(stream + len, 'D', 0, flood, 2 * BUF_LARGE);
	len += mux_frame_put(stream + len, 'E', 0, NULL, 0);
	ck_assert_int_eq(mux_feed(&owner->mux, stream, len), PUMP_STEP);
	ck_assert_int_eq(mux_feed(&owner->mux, stream, 0), PUMP_STEP);
	run_until_ended(loop, &owner->visits[0].peer);
	pattern_check(owner->visits[0].peer.data, 2 * BUF_LARGE, 0);
	run_until_received(loop, &owner->visits[1].peer, 5);
	len = mux_frame_put(stream, 'X', 0, NULL, 0);
	ck_assert_int_eq(mux_feed(&owner->mux, stream, len + 10), PUMP_GONE);
	far_close(&far);
}
END_TEST

static void
add_movement(Suite *suite)
{
	TCase *tests = tcase_create("movement");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, side_teardown);
	tcase_add_loop_test(tests, several_sides_share_a_channel, 0, 2);
	tcase_add_loop_test(
	    tests, what_is_readable_in_one_turn_leaves_in_one_write, 0, 2);
	tcase_add_loop_test(
	    tests, a_channel_that_is_readable_does_not_part_a_turn, 0, 2);
	tcase_add_loop_test(tests, nor_does_one_that_was_blocked_before, 0, 2);
	tcase_add_loop_test(tests, an_end_travels_with_the_last_payload, 0, 2);
	tcase_add_loop_test(
	    tests, ends_of_one_side_leave_the_others_alone, 0, 2);
	tcase_add_loop_test(
	    tests, an_end_does_not_keep_another_sides_payload, 0, 2);
	tcase_add_loop_test(tests, frames_may_be_cut_anywhere, 0, 2);
	tcase_add_loop_test(
	    tests, bytes_behind_the_handshake_are_decoded, 0, 2);
	suite_add_tcase(suite, tests);
}

int
main(void)
{
	Suite *suite = suite_create("mux");
	SRunner *runner;
	int failed;

	add_movement(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
