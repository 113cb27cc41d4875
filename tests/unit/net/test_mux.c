/* SPDX-License-Identifier: MIT */
/* The movement of bytes and the credit. Each test runs twice: with edges (epoll), and without
 * (select). What is written to a descriptor is counted: the program is linked so that our
 * code's calls lead here. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "mux_owner.h"
#include "side.h"

#define WINDOW 65536u
#define FLOOD (16u * BUF_LARGE) /* much more than small buffers hold */
#define SHARE                                                                  \
	(6u * BUF_LARGE) /* still more than they do, for each of a crowd */
#define PLENTY_CREDIT (1u << 30)

static uint8_t flood[FLOOD];
static struct far_end far;
static struct mux_owner *owner;

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

/* So long that what has to happen would have. */
static void
some_turns(void)
{
	for (int i = 0; i < 10; i++)
		mux_turn(owner, &far);
}

/* Each side's bytes begin at a place of its own in the pattern. */
static size_t
place_of(int number)
{
	return (size_t)number * 1000;
}

/* Movement. */

START_TEST(several_sides_share_a_channel)
{
	begin(_i, 0);
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
	end();
}
END_TEST

#define ONE_TURN                                                               \
	30 /* so many descriptors libevent takes from epoll at once, at first */

START_TEST(what_is_readable_in_one_turn_leaves_in_one_write)
{
	begin(_i, 0);
	for (int i = 0; i < ONE_TURN; i++)
		mux_visit_begin(owner, i, WINDOW, WINDOW, 0);
	some_turns();
	count_writes(&owner->channel);
	for (int i = 0; i < ONE_TURN; i++)
		peer_send(&owner->visits[i].peer, flood + place_of(i), 100);
	for (int i = 0; i < ONE_TURN; i++) {
		MUX_UNTIL(owner, &far, owner->visits[i].len == 100);
		pattern_check(owner->visits[i].data, 100, place_of(i));
	}
	ck_assert_int_eq(n_writes, 1);
	end();
}
END_TEST

/* The channel's own turn comes among theirs, and takes nothing away. */
START_TEST(a_channel_that_is_readable_does_not_part_a_turn)
{
	begin(_i, 0);
	for (int i = 0; i < ONE_TURN; i++)
		mux_visit_begin(owner, i, WINDOW, WINDOW, 0);
	some_turns();
	count_writes(&owner->channel);
	for (int i = 0; i < ONE_TURN; i++) {
		peer_send(&owner->visits[i].peer, flood, 100);
		if (i == ONE_TURN / 2)
			far_send(&far, 'D', 0, flood, 100);
	}
	for (int i = 0; i < ONE_TURN; i++)
		MUX_UNTIL(owner, &far, owner->visits[i].len == 100);
	ck_assert_int_eq(n_writes, 1);
	end();
}
END_TEST

/* An end goes along with the payload in front of it, in both directions. */
START_TEST(an_end_travels_with_the_last_payload)
{
	uint8_t stream[1000];
	struct mux_visit *visit;
	size_t len;

	begin(_i, 0);
	visit = mux_visit_begin(owner, 5, WINDOW, WINDOW, 0);
	some_turns();
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
	end();
}
END_TEST

/* What the service says behind a visitor's end, and the end of one visit between the payload of
 * others. */
START_TEST(ends_of_one_side_leave_the_others_alone)
{
	struct mux_visit *first, *second;

	begin(_i, 0);
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
	end();
}
END_TEST

/* What waits for an end behind it is another side's then. */
START_TEST(an_end_does_not_keep_another_sides_payload)
{
	uint8_t stream[100];
	size_t len;

	begin(_i, 0);
	mux_visit_begin(owner, 1, WINDOW, WINDOW, 0);
	mux_visit_begin(owner, 2, WINDOW, WINDOW, 0);
	len = mux_frame_put(stream, 'D', 2, "two", 3);
	len += mux_frame_put(stream + len, 'E', 1, NULL, 0);
	peer_send(&far.peer, stream, len);
	run_until_ended(loop, &owner->visits[1].peer);
	run_until_received(loop, &owner->visits[2].peer, 3);
	end();
}
END_TEST

START_TEST(frames_may_be_cut_anywhere)
{
	uint8_t stream[100];
	size_t len = 0;

	begin(_i, 0);
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
	end();
}
END_TEST

START_TEST(bytes_behind_the_handshake_are_decoded)
{
	static uint8_t stream[3 * BUF_LARGE];
	size_t len = 0;

	begin(_i, 0);
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

/* Credit. */

START_TEST(no_more_than_the_credit_is_sent)
{
	struct mux_visit *visit;

	begin(_i, 0);
	visit = mux_visit_begin(owner, 0, 1000, WINDOW, 0);
	peer_send(&visit->peer, flood, 5000);
	MUX_UNTIL(owner, &far, visit->len == 1000);
	some_turns();
	ck_assert_uint_eq(visit->len, 1000);
	far_send(&far, 'C', 0, NULL, 1);
	MUX_UNTIL(owner, &far, visit->len == 1001);
	far_send(&far, 'C', 0, NULL, 2500);
	MUX_UNTIL(owner, &far, visit->len == 3501);
	some_turns();
	ck_assert_uint_eq(visit->len, 3501);
	far_send(&far, 'C', 0, NULL, 5000);
	peer_end(&visit->peer);
	MUX_UNTIL(owner, &far, visit->ended);
	ck_assert_uint_eq(visit->len, 5000);
	pattern_check(visit->data, 5000, 0);
	ck_assert_int_eq(visit->n_eof, 1);
	end();
}
END_TEST

/* Its end is not told before what it sent. */
START_TEST(an_end_waits_for_credit_too)
{
	struct mux_visit *visit;

	begin(_i, 0);
	visit = mux_visit_begin(owner, 0, 10, WINDOW, 0);
	peer_send(&visit->peer, flood, 20);
	peer_end(&visit->peer);
	MUX_UNTIL(owner, &far, visit->len == 10);
	some_turns();
	ck_assert_int_eq(visit->n_eof, 0);
	far_send(&far, 'C', 0, NULL, 11);
	MUX_UNTIL(owner, &far, visit->ended);
	ck_assert_uint_eq(visit->len, 20);
	/* and is told once, whatever credit comes */
	far_send(&far, 'C', 0, NULL, 1000);
	some_turns();
	ck_assert_int_eq(visit->n_eof, 1);
	end();
}
END_TEST

START_TEST(credit_without_a_bound_is_refused)
{
	struct mux_visit *visit;

	begin(_i, 0);
	visit = mux_visit_begin(owner, 0, 100, WINDOW, 0);
	ck_assert(!mux_give_credit(&visit->side, UINT64_MAX));
	ck_assert(!mux_give_credit(&visit->side, UINT64_C(1) << 32));
	ck_assert(!mux_give_credit(&visit->side, INT32_MAX - 99));
	ck_assert(mux_give_credit(&visit->side, INT32_MAX - 100));
	ck_assert(!mux_give_credit(&visit->side, 1));
	peer_send(&visit->peer, flood, 10);
	MUX_UNTIL(owner, &far, visit->len == 10);
	ck_assert(mux_give_credit(&visit->side, 10));
	end();
}
END_TEST

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

START_TEST(bytes_that_were_read_before_are_sent_first)
{
	struct mux_visit *visit;

	begin(_i, 0);
	visit = join_with_first(0, WINDOW, 3000);
	peer_send(&visit->peer, flood + 3000, 500);
	MUX_UNTIL(owner, &far, visit->len == 3500);
	pattern_check(visit->data, 3500, 0);
	ck_assert_uint_eq(visit->side.to_channel_bytes, 3500);
	end();
}
END_TEST

START_TEST(what_was_read_before_goes_in_parts)
{
	struct mux_visit *visit;

	begin(_i, 0);
	visit = join_with_first(0, 1000, 3000);
	peer_send(&visit->peer, flood + 3000, 500);
	peer_end(&visit->peer);
	MUX_UNTIL(owner, &far, visit->len == 1000);
	some_turns();
	ck_assert_uint_eq(visit->len, 1000);
	far_send(&far, 'C', 0, NULL, 1);
	far_send(&far, 'C', 0, NULL, 1998);
	MUX_UNTIL(owner, &far, visit->len == 2999);
	some_turns();
	ck_assert_uint_eq(visit->len, 2999);
	far_send(&far, 'C', 0, NULL, 100);
	MUX_UNTIL(owner, &far, visit->len == 3099);
	far_send(&far, 'C', 0, NULL, WINDOW);
	MUX_UNTIL(owner, &far, visit->ended);
	ck_assert_uint_eq(visit->len, 3500);
	pattern_check(visit->data, 3500, 0);
	/* not one byte of it is sent by a side without any credit */
	visit = join_with_first(1, 0, 700);
	some_turns();
	ck_assert_uint_eq(visit->len, 0);
	far_send(&far, 'C', 1, NULL, 700);
	MUX_UNTIL(owner, &far, visit->len == 700);
	end();
}
END_TEST

START_TEST(nothing_may_have_been_read_before)
{
	struct mux_visit *visit;

	begin(_i, 0);
	visit = join_with_first(0, WINDOW, 0);
	peer_send(&visit->peer, flood, 500);
	MUX_UNTIL(owner, &far, visit->len == 500);
	end();
}
END_TEST

START_TEST(credit_is_given_back_at_half_of_the_window)
{
	struct mux_visit *visit;

	begin(_i, 0);
	visit = mux_visit_begin(owner, 0, WINDOW, 10000, 0);
	far_send(&far, 'D', 0, flood, 4999);
	run_until_received(loop, &visit->peer, 4999);
	some_turns();
	ck_assert_int_eq(visit->n_credit, 0);
	ck_assert_uint_eq(visit->side.window, 5001);
	far_send(&far, 'D', 0, flood, 1);
	MUX_UNTIL(owner, &far, visit->credit_bytes == 5000);
	ck_assert_uint_eq(visit->side.window, 10000);
	/* all of the window at once: one message gives it back */
	far_send(&far, 'D', 0, flood, 10000);
	MUX_UNTIL(owner, &far, visit->credit_bytes == 15000);
	ck_assert_int_le(visit->n_credit, 3);
	end();
}
END_TEST

START_TEST(no_credit_follows_an_end)
{
	uint8_t stream[2000];
	struct mux_visit *visit;
	size_t len;

	begin(_i, 0);
	visit = mux_visit_begin(owner, 0, WINDOW, 2000, 0);
	len = mux_frame_put(stream, 'D', 0, flood, 1500);
	len += mux_frame_put(stream + len, 'E', 0, NULL, 0);
	peer_send(&far.peer, stream, len);
	run_until_ended(loop, &visit->peer);
	some_turns();
	ck_assert_uint_eq(visit->peer.len, 1500);
	ck_assert_int_eq(visit->n_credit, 0);
	/* nor at a join that comes later than both */
	visit = mux_visit_prepare(owner, 1, WINDOW, 2000, 0);
	far_send(&far, 'D', 1, flood, 1500);
	far_send(&far, 'E', 1, NULL, 0);
	far_send(&far, 'J', 1, NULL, 0);
	run_until_ended(loop, &visit->peer);
	some_turns();
	ck_assert_int_eq(visit->n_credit, 0);
	end();
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

	begin(_i, SMALL_BUFFERS);
	visit = mux_visit_begin(owner, 0, WINDOW, WINDOW, SMALL_BUFFERS);
	/* until the raw side is full */
	do {
		before = sent;
		sent = send_within_credit(visit, 0, sent, sizeof(flood));
		some_turns();
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
	end();
}
END_TEST

START_TEST(a_raw_side_that_does_not_read_holds_nobody_up)
{
	struct mux_visit *stuck;
	size_t sent[4] = {0};
	bool complete;

	begin(_i, SMALL_BUFFERS);
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
	end();
}
END_TEST

/* A channel that is not read. */

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
	begin(backend, SMALL_BUFFERS);
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
	end();
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
	end();
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
	end();
}
END_TEST

START_TEST(credit_does_not_resume_a_paused_side)
{
	struct mux_visit *visit;

	begin(_i, 0);
	visit = mux_visit_begin(owner, 0, 100, WINDOW, 0);
	peer_send(&visit->peer, flood, 1000);
	MUX_UNTIL(owner, &far, visit->len == 100);
	mux_pause_raw(&visit->side);
	far_send(&far, 'C', 0, NULL, 1000);
	some_turns();
	ck_assert_uint_eq(visit->len, 100);
	mux_resume_raw(&visit->side);
	MUX_UNTIL(owner, &far, visit->len == 1000);
	end();
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
	some_turns();
	ck_assert_uint_eq(visit->len, before);
	mux_resume_raw(&visit->side);
	MUX_UNTIL(owner, &far, visit->len >= sent[2]);
	end();
}
END_TEST

/* Paused before all of what had been read was sent: that waits as well. */
START_TEST(a_paused_side_keeps_what_was_read_before)
{
	struct mux_visit *visit;

	begin(_i, 0);
	visit = join_with_first(0, 100, 1000);
	MUX_UNTIL(owner, &far, visit->len == 100);
	mux_pause_raw(&visit->side);
	far_send(&far, 'C', 0, NULL, 5000);
	some_turns();
	ck_assert_uint_eq(visit->len, 100);
	mux_resume_raw(&visit->side);
	MUX_UNTIL(owner, &far, visit->len == 1000);
	pattern_check(visit->data, 1000, 0);
	end();
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
	suite_add_tcase(suite, tests);
}

static void
add_blocked(Suite *suite)
{
	TCase *tests = tcase_create("blocked");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, side_teardown);
	tcase_add_loop_test(
	    tests, a_channel_that_is_not_read_stops_all_sides, 0, 2);
	tcase_add_loop_test(tests, no_side_is_starved_by_the_others, 0, 2);
	tcase_add_loop_test(tests, a_blocked_channel_brings_what_comes, 0, 2);
	tcase_add_loop_test(tests, credit_does_not_resume_a_paused_side, 0, 2);
	tcase_add_loop_test(tests, room_does_not_resume_a_paused_side, 0, 2);
	tcase_add_loop_test(
	    tests, a_paused_side_keeps_what_was_read_before, 0, 2);
	suite_add_tcase(suite, tests);
}

int
main(void)
{
	Suite *suite = suite_create("mux");
	SRunner *runner;
	int failed;

	add_movement(suite);
	add_credit(suite);
	add_blocked(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
