/* SPDX-License-Identifier: MIT */
/* Each test runs twice: with edges (epoll), and without (select). */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pump_owner.h"
#include "side.h"

#define FLOOD                                                                  \
	(16u * BUF_LARGE) /* much more than small buffers and the pump hold */

static uint8_t flood[FLOOD], received[FLOOD + BUF_LARGE];
static struct peer channel, raw, other; /* the test's ends */
static struct owner *owner;

static void
begin(int backend, int buffers)
{
	side_begin(backend);
	owner = owner_new(&channel, buffers);
	owner_join(owner, 0, &raw, buffers);
	pattern_fill(flood, sizeof(flood), 0);
}

static void
end(void)
{
	owner_free(owner);
	peer_close(&channel);
	peer_close(&raw);
}

/* Movement. */

START_TEST(bytes_go_both_ways)
{
	bool ended;

	begin(_i, 0);
	peer_send(&raw, "request", 7);
	run_until_received(loop, &channel, FRAME_HEADER + 7);
	ck_assert_uint_eq(peer_payload(&channel, received, &ended), 7);
	ck_assert_mem_eq(received, "request", 7);
	peer_send_frame(&channel, 'D', "response", 8);
	run_until_received(loop, &raw, 8);
	ck_assert_mem_eq(raw.data, "response", 8);
	ck_assert_uint_eq(owner->pump.to_channel_bytes, 7);
	ck_assert_uint_eq(owner->pump.to_raw_bytes, 8);
	end();
}
END_TEST

START_TEST(frames_may_be_cut_anywhere)
{
	uint8_t stream[100];
	size_t len = 0;

	begin(_i, 0);
	len += frame_put(stream + len, 'D', "one", 3);
	len += frame_put(stream + len, 'D', "", 0);
	len += frame_put(stream + len, 'D', "two", 3);
	len += frame_put(stream + len, 'E', "", 0);
	for (size_t i = 0; i < len; i++) {
		peer_send(&channel, stream + i, 1);
		run_for_ms(loop, 1);
	}
	run_until_ended(loop, &raw);
	ck_assert_uint_eq(raw.len, 6);
	ck_assert_mem_eq(raw.data, "onetwo", 6);
	end();
}
END_TEST

/* More than a buffer has spans: those that do not fit are moved together. */
START_TEST(many_frames_in_one_read_keep_their_order)
{
	static uint8_t stream[BUF_LARGE];
	size_t len = 0, total = 0;

	begin(_i, 0);
	while (len + FRAME_HEADER + 9 < 2000) {
		size_t n = total % 9 + 1;

		len += frame_put(stream + len, 'D', flood + total, n);
		total += n;
	}
	peer_send(&channel, stream, len);
	run_until_received(loop, &raw, total);
	pattern_check(raw.data, total, 0);
	end();
}
END_TEST

/* Looks in each turn of the loop at what was passed on since the one before. */
static struct watch {
	struct task task;
	uint64_t last, most;
} watch;

static void
watch_cb(void *ctx)
{
	uint64_t now = owner->pump.to_raw_bytes;

	(void)ctx;
	if (now - watch.last > watch.most)
		watch.most = now - watch.last;
	watch.last = now;
	task_post(loop, &watch.task);
}

/* Whatever they are made of, reads are neither larger than a buffer nor less than a small one. */
START_TEST(the_next_read_of_a_channel_fits_a_buffer)
{
	for (size_t got = 1; got <= BUF_LARGE; got += got / 8 + 1) {
		for (size_t steps = 0; steps <= got; steps += steps / 4 + 1) {
			uint32_t next =
			    buf_next_channel_room(BUF_LARGE, got, steps);

			ck_assert_uint_ge(next, BUF_SMALL);
			ck_assert_uint_le(next, BUF_LARGE);
		}
	}
	ck_assert_uint_eq(
	    buf_next_channel_room(BUF_LARGE, BUF_LARGE, 2), BUF_LARGE);
	ck_assert_uint_eq(
	    buf_next_channel_room(BUF_LARGE, BUF_LARGE, BUF_LARGE / 6),
	    BUF_SMALL);
}
END_TEST

/* It is the number of frames that takes time, and others wait for the turn's end. */
START_TEST(very_small_frames_have_short_turns)
{
	static uint8_t stream[10000 * (FRAME_HEADER + 1)];
	size_t len = 0;

	begin(_i, 0);
	while (len < sizeof(stream))
		len += frame_put(stream + len, 'D', "x", 1);
	watch = (struct watch){0};
	task_init(&watch.task, watch_cb, NULL);
	task_post(loop, &watch.task);
	peer_send(&channel, stream, len);
	run_until_received(loop, &raw, len / (FRAME_HEADER + 1));
	task_cancel(loop, &watch.task);
	ck_assert_uint_gt(watch.most, 0);
	ck_assert_uint_le(watch.most, 2000);
	end();
}
END_TEST

START_TEST(bytes_that_were_read_before_are_sent_first)
{
	struct buf *first = buf_get(100);
	struct peer second;
	bool ended;
	int ends[2];

	begin(_i, 0);
	pump_leave(&owner->pump);
	stream_pair(ends, 0);
	peer_init(&second, ends[1]);
	ck_assert_int_eq(
	    conn_init(&owner->raws[1], loop, ends[0], NULL, NULL), 0);
	peer_send(&second, " then this", 10);
	memcpy(buf_data(first), "this first,", 11);
	pump_join(&owner->pump, &owner->raws[1], &first, 11);
	ck_assert_ptr_null(first);
	run_until_received(loop, &channel, 2 * FRAME_HEADER + 21);
	ck_assert_uint_eq(peer_payload(&channel, received, &ended), 21);
	ck_assert_mem_eq(received, "this first, then this", 21);
	ck_assert_uint_eq(owner->pump.to_channel_bytes, 21);
	peer_close(&second);
	end();
}
END_TEST

START_TEST(bytes_behind_the_handshake_are_decoded)
{
	static uint8_t stream[3 * BUF_LARGE];
	size_t len;

	begin(_i, 0);
	len = frame_put(stream, 'D', flood, 2 * BUF_LARGE);
	len += frame_put(stream + len, 'E', "", 0);
	ck_assert_int_eq(pump_feed(&owner->pump, stream, len), PUMP_STEP);
	ck_assert_int_eq(pump_feed(&owner->pump, stream, 0), PUMP_STEP);
	run_until_ended(loop, &raw);
	ck_assert_uint_eq(raw.len, 2 * BUF_LARGE);
	pattern_check(raw.data, raw.len, 0);
	len = frame_put(stream, 'X', "", 0);
	ck_assert_int_eq(pump_feed(&owner->pump, stream, len + 10), PUMP_GONE);
	peer_close(&channel);
	peer_close(&raw);
}
END_TEST

/* Back-pressure. */

/* Push until nothing has moved for a while: how much went in. */
static size_t
push_until_stuck(struct peer *into, const uint8_t *data, size_t len)
{
	size_t sent = 0, before;
	int quiet = 0;

	while (quiet < 20 && sent < len) {
		before = sent;
		sent += peer_send_some(into, data + sent, len - sent);
		quiet = sent == before ? quiet + 1 : 0;
		run_for_ms(loop, 1);
	}
	return sent;
}

START_TEST(a_raw_side_that_does_not_read_stops_the_channel)
{
	static uint8_t stream[FLOOD + FRAME_HEADER];
	size_t len, sent;

	begin(_i, SMALL_BUFFERS);
	len = frame_put(stream, 'D', flood, sizeof(flood));
	sent = push_until_stuck(&channel, stream, len);
	ck_assert_uint_lt(sent, len / 2);
	ck_assert_uint_le(conn_queued(&owner->raws[0]), BUF_LARGE);
	ck_assert(owner->channel.paused);
	while (raw.len < sizeof(flood)) {
		sent += peer_send_some(&channel, stream + sent, len - sent);
		run_for_ms(loop, 1);
		peer_receive(&raw);
	}
	pattern_check(raw.data, raw.len, 0);
	ck_assert_uint_eq(raw.len, sizeof(flood));
	ck_assert(!owner->channel.paused);
	end();
}
END_TEST

START_TEST(a_channel_that_is_not_read_stops_the_raw_side)
{
	size_t sent, got = 0;
	bool ended = false;

	begin(_i, SMALL_BUFFERS);
	sent = push_until_stuck(&raw, flood, sizeof(flood));
	ck_assert_uint_lt(sent, sizeof(flood) / 2);
	ck_assert_uint_le(
	    conn_queued(&owner->channel), BUF_LARGE + FRAME_HEADER);
	while (!ended) {
		sent +=
		    peer_send_some(&raw, flood + sent, sizeof(flood) - sent);
		if (sent == sizeof(flood) && !raw.reset) {
			peer_end(&raw);
			raw.reset = true; /* said once */
		}
		run_for_ms(loop, 1);
		peer_receive(&channel);
		if (owner->n_eof > 0 && conn_queued(&owner->channel) == 0) {
			run_for_ms(loop, 5);
			peer_receive(&channel);
			channel.data = realloc(channel.data, channel.len + 1);
			got = peer_payload(&channel, received, &ended);
		}
	}
	ck_assert_uint_eq(got, sizeof(flood));
	pattern_check(received, got, 0);
	end();
}
END_TEST

/* Both at once, with neither peer reading for a while: nothing is lost, nothing hangs. */
START_TEST(a_jam_in_both_directions_dissolves)
{
	static uint8_t stream[FLOOD + FRAME_HEADER];
	size_t len, down = 0, up = 0, expected = 6u * BUF_LARGE;
	uint64_t limit;
	bool ended;

	begin(_i, SMALL_BUFFERS);
	len = frame_put(stream, 'D', flood, expected);
	for (int i = 0; i < 30; i++) {
		down += peer_send_some(&channel, stream + down, len - down);
		up += peer_send_some(&raw, flood + up, expected - up);
		run_for_ms(loop, 1);
	}
	ck_assert_uint_lt(down, len);
	ck_assert_uint_lt(up, expected);
	limit = loop_now_ms(loop) + 20000;
	while (raw.len < expected || owner->pump.to_channel_bytes < expected ||
	    conn_queued(&owner->channel) > 0) {
		down += peer_send_some(&channel, stream + down, len - down);
		up += peer_send_some(&raw, flood + up, expected - up);
		run_for_ms(loop, 1);
		peer_receive(random() % 2 ? &raw : &channel);
		ck_assert_uint_lt(loop_now_ms(loop), limit);
	}
	run_for_ms(loop, 5);
	peer_receive(&channel);
	ck_assert_uint_eq(peer_payload(&channel, received, &ended), expected);
	pattern_check(received, expected, 0);
	pattern_check(raw.data, expected, 0);
	end();
}
END_TEST

static void
limited_cb(struct flow *flow)
{
	(void)flow;
}

static void
wait_for_a_rate(struct flow *flow)
{
	/* 256 bytes, and then for minutes none */
	flow_init(flow, loop, 1, limited_cb);
	pump_limit(&owner->pump, flow);
	peer_send(&raw, flood, 10000);
	peer_send_frame(&channel, 'D', flood, 10000);
	RUN_UNTIL(owner->pump.raw_turn.waits && owner->pump.channel_turn.waits);
	ck_assert_uint_lt(owner->pump.to_channel_bytes, 10000);
	ck_assert_uint_lt(owner->pump.to_raw_bytes, 10000);
}

static void
expect_both_through(void)
{
	RUN_UNTIL(owner->pump.to_channel_bytes == 10000 &&
	    owner->pump.to_raw_bytes == 10000);
}

START_TEST(both_sides_go_on_when_their_rate_is_lifted)
{
	struct flow slow;

	begin(_i, 0);
	wait_for_a_rate(&slow);
	pump_limit(&owner->pump, NULL);
	flow_fini(&slow);
	expect_both_through();
	end();
}
END_TEST

START_TEST(both_sides_go_on_at_another_rate)
{
	struct flow slow, fast;

	begin(_i, 0);
	wait_for_a_rate(&slow);
	flow_init(&fast, loop, 1000000, limited_cb);
	pump_limit(&owner->pump, &fast);
	flow_fini(&slow);
	expect_both_through();
	end();
	flow_fini(&fast);
}
END_TEST

/* Ends. */

START_TEST(the_raw_end_comes_after_its_last_byte)
{
	bool ended;

	begin(_i, 0);
	peer_send(&raw, flood, 10000);
	peer_end(&raw);
	RUN_UNTIL(owner->n_eof == 1);
	run_for_ms(loop, 20);
	peer_receive(&channel);
	ck_assert_uint_eq(peer_payload(&channel, received, &ended), 10000);
	ck_assert(ended);
	ck_assert_int_eq(owner->n_eof, 1);
	/* the other direction goes on */
	peer_send_frame(&channel, 'D', "late", 4);
	run_until_received(loop, &raw, 4);
	peer_send_frame(&channel, 'E', "", 0);
	/* both have ended: it is closing that tells the raw side */
	RUN_UNTIL(conn_is_shut(&owner->raws[0]));
	ck_assert(conn_is_over(&owner->raws[0]));
	pump_leave(&owner->pump);
	conn_fini(&owner->raws[0]);
	run_until_ended(loop, &raw);
	ck_assert_uint_eq(raw.len, 4);
	ck_assert_int_eq(owner->n_eof, 1);
	end();
}
END_TEST

START_TEST(the_channels_end_comes_after_its_last_byte)
{
	static uint8_t stream[BUF_LARGE];
	size_t len;
	bool ended;

	begin(_i, 0);
	len = frame_put(stream, 'D', flood, 10000);
	len += frame_put(stream + len, 'E', "", 0);
	peer_send(&channel, stream, len);
	run_until_ended(loop, &raw);
	ck_assert_uint_eq(raw.len, 10000);
	pattern_check(raw.data, raw.len, 0);
	peer_send(&raw, "late", 4);
	run_until_received(loop, &channel, FRAME_HEADER + 4);
	ck_assert_uint_eq(peer_payload(&channel, received, &ended), 4);
	end();
}
END_TEST

/* The end waits behind what a slow reader has not taken. */
START_TEST(the_channels_end_waits_for_a_slow_raw_side)
{
	static uint8_t stream[FLOOD + 2 * FRAME_HEADER];
	size_t len, sent = 0;

	begin(_i, SMALL_BUFFERS);
	len = frame_put(stream, 'D', flood, 5 * BUF_LARGE);
	len += frame_put(stream + len, 'E', "", 0);
	while (sent < len || !raw.ended) {
		sent += peer_send_some(&channel, stream + sent, len - sent);
		run_for_ms(loop, 1);
		peer_receive(&raw);
	}
	ck_assert_uint_eq(raw.len, 5 * BUF_LARGE);
	pattern_check(raw.data, raw.len, 0);
	end();
}
END_TEST

START_TEST(a_reset_raw_side_is_told_once)
{
	begin(_i, 0);
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

START_TEST(a_channels_end_is_told_apart_from_its_failure)
{
	begin(_i, 0);
	peer_end(&channel);
	RUN_UNTIL(owner->n_channel_end == 1);
	ck_assert_int_eq(owner->end, PUMP_EOF);
	end();
	owner = owner_new(&channel, 0);
	owner_join(owner, 0, &raw, 0);
	peer_send_frame(&channel, 'D', "abc", 3);
	peer_reset(&channel);
	RUN_UNTIL(owner->n_channel_end == 1);
	ck_assert_int_eq(owner->end, PUMP_ERROR);
	end();
}
END_TEST

START_TEST(a_channel_that_cannot_be_written_has_failed)
{
	begin(_i, SMALL_BUFFERS);
	(void)push_until_stuck(&raw, flood, sizeof(flood));
	peer_reset(&channel);
	RUN_UNTIL(owner->n_channel_end == 1);
	ck_assert_int_eq(owner->end, PUMP_ERROR);
	end();
}
END_TEST

START_TEST(a_raw_side_that_cannot_be_written_has_failed)
{
	static uint8_t stream[FLOOD + FRAME_HEADER];
	size_t len, sent;

	begin(_i, SMALL_BUFFERS);
	len = frame_put(stream, 'D', flood, sizeof(flood));
	sent = push_until_stuck(&channel, stream, len);
	peer_reset(&raw);
	RUN_UNTIL(owner->n_raw_failed == 1);
	/* what comes for it now is thrown away, and the channel runs again */
	while (sent < len) {
		sent += peer_send_some(&channel, stream + sent, len - sent);
		run_for_ms(loop, 1);
	}
	ck_assert_int_eq(owner->n_raw_failed, 1);
	end();
}
END_TEST

/* The write that fails takes the error away from the socket, and the read that follows says
 * "end": the far side must not take a reset for one. */
START_TEST(a_reset_is_no_end_though_a_write_met_it_first)
{
	begin(_i, 0);
	peer_reset(&raw);
	peer_send_frame(&channel, 'D', "abc", 3);
	RUN_UNTIL(owner->n_raw_failed + owner->n_eof == 1);
	ck_assert_int_eq(owner->n_raw_failed, 1);
	end();
	owner = owner_new(&channel, 0);
	owner_join(owner, 0, &raw, 0);
	peer_reset(&raw);
	ck_assert_int_eq(conn_write(&owner->raws[0], "x", 1), -1);
	RUN_UNTIL(owner->n_raw_failed + owner->n_eof == 1);
	ck_assert_int_eq(owner->n_raw_failed, 1);
	end();
}
END_TEST

/* Owners that act from inside of callbacks. */

START_TEST(one_visits_end_and_the_next_ones_bytes_in_one_read)
{
	uint8_t stream[200];
	size_t len = 0;
	int ends[2];

	begin(_i, 0);
	stream_pair(ends, 0);
	peer_init(&other, ends[1]);
	ck_assert_int_eq(
	    conn_init(&owner->raws[1], loop, ends[0], NULL, NULL), 0);
	conn_pause(&owner->raws[1]);
	len += frame_put(stream + len, 'D', "for the first, ", 15);
	len += frame_put(stream + len, 'D', "and more", 8);
	len += frame_put(stream + len, 'E', "", 0);
	len += frame_put(stream + len, 'N', "", 0);
	len += frame_put(stream + len, 'D', "for the second", 14);
	len += frame_put(stream + len, 'E', "", 0);
	peer_send(&channel, stream, len);
	run_until_ended(loop, &raw);
	run_until_ended(loop, &other);
	ck_assert_uint_eq(raw.len, 23);
	ck_assert_mem_eq(raw.data, "for the first, and more", 23);
	ck_assert_uint_eq(other.len, 14);
	ck_assert_mem_eq(other.data, "for the second", 14);
	peer_close(&other);
	end();
}
END_TEST

/* The first visitor is slow: its bytes stay queued, and do not hold up the second. */
START_TEST(the_next_visit_does_not_wait_for_a_slow_reader_of_the_last)
{
	static uint8_t stream[FLOOD];
	size_t len = 0, sent, slow;
	int ends[2];

	begin(_i, SMALL_BUFFERS);
	stream_pair(ends, 0);
	peer_init(&other, ends[1]);
	ck_assert_int_eq(
	    conn_init(&owner->raws[1], loop, ends[0], NULL, NULL), 0);
	conn_pause(&owner->raws[1]);
	for (slow = 0; conn_queued(&owner->raws[0]) == 0; slow += 1000) {
		peer_send_frame(&channel, 'D', flood + slow, 1000);
		run_for_ms(loop, 1);
	}
	len += frame_put(stream + len, 'E', "", 0);
	len += frame_put(stream + len, 'N', "", 0);
	len += frame_put(stream + len, 'D', "fast", 4);
	sent = peer_send_some(&channel, stream, len);
	run_for_ms(loop, 20);
	peer_receive(&other);
	ck_assert_uint_eq(
	    other.len, 0); /* the channel is not read past the jam */
	while (!raw.ended || other.len < 4) {
		sent += peer_send_some(&channel, stream + sent, len - sent);
		run_for_ms(loop, 1);
		peer_receive(&raw);
		peer_receive(&other);
	}
	ck_assert_uint_eq(raw.len, slow);
	pattern_check(raw.data, raw.len, 0);
	ck_assert_mem_eq(other.data, "fast", 4);
	peer_close(&other);
	end();
}
END_TEST

START_TEST(payload_without_a_visit_is_thrown_away)
{
	uint8_t stream[100];
	size_t len = 0;

	begin(_i, 0);
	len += frame_put(stream + len, 'D', "lost in the reset", 17);
	len += frame_put(stream + len, 'R', "", 0);
	len += frame_put(stream + len, 'D', "lost", 4);
	len += frame_put(stream + len, 'E', "", 0);
	peer_send(&channel, stream, len);
	run_until_reset(loop, &raw);
	ck_assert_uint_eq(raw.len, 0);
	peer_close(&raw);
	owner_join(owner, 0, &raw, 0);
	ck_assert_uint_eq(owner->pump.to_raw_bytes, 0);
	peer_send_frame(&channel, 'D', "heard", 5);
	run_until_received(loop, &raw, 5);
	ck_assert_mem_eq(raw.data, "heard", 5);
	end();
}
END_TEST

START_TEST(leaving_lets_a_stopped_channel_run_again)
{
	static uint8_t stream[FLOOD + FRAME_HEADER];
	size_t len, sent;

	begin(_i, SMALL_BUFFERS);
	len = frame_put(stream, 'D', flood, sizeof(flood));
	sent = push_until_stuck(&channel, stream, len);
	ck_assert(owner->channel.paused);
	pump_leave(&owner->pump);
	pump_leave(&owner->pump);
	conn_abort(&owner->raws[0]);
	while (sent < len) {
		sent += peer_send_some(&channel, stream + sent, len - sent);
		run_for_ms(loop, 1);
	}
	run_until_reset(loop, &raw);
	end();
}
END_TEST

START_TEST(the_owner_may_end_the_pump_while_decoding)
{
	uint8_t stream[100];
	size_t len = 0;

	begin(_i, 0);
	len += frame_put(stream + len, 'D', "abc", 3);
	len += frame_put(stream + len, 'X', "", 0);
	len += frame_put(stream + len, 'D', "def", 3);
	peer_send(&channel, stream, len);
	run_until_ended(loop, &raw);
	peer_close(&channel);
	peer_close(&raw);
}
END_TEST

START_TEST(the_owner_may_end_the_pump_in_each_callback)
{
	begin(_i, 0);
	owner->free_on_eof = true;
	peer_send(&raw, "abc", 3);
	peer_end(&raw);
	run_until_ended(loop, &channel);
	peer_close(&channel);
	peer_close(&raw);
	owner = owner_new(&channel, 0);
	owner_join(owner, 0, &raw, 0);
	owner->free_on_raw_failed = true;
	peer_reset(&raw);
	run_until_ended(loop, &channel);
	peer_close(&channel);
	owner = owner_new(&channel, 0);
	owner_join(owner, 0, &raw, 0);
	owner->free_on_channel_end = true;
	peer_end(&channel);
	run_until_ended(loop, &raw);
	peer_close(&channel);
	peer_close(&raw);
}
END_TEST

/* A raw side that is still connecting. */

static int
listening(struct address *bound)
{
	struct address any = address_from("127.0.0.1:0");
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, &any.sa, any.len), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	address_of_socket(fd, bound);
	return fd;
}

static void
join_connecting(const struct address *to)
{
	ck_assert_int_eq(
	    conn_connect(&owner->raws[0], loop, to, NULL, NULL), 0);
	pump_join(&owner->pump, &owner->raws[0], NULL, 0);
}

START_TEST(bytes_wait_until_the_raw_side_is_connected)
{
	static uint8_t stream[BUF_LARGE];
	struct address to;
	int fd, accepted;
	size_t len;

	side_begin(_i);
	pattern_fill(flood, sizeof(flood), 0);
	owner = owner_new(&channel, 0);
	fd = listening(&to);
	join_connecting(&to);
	len = frame_put(stream, 'D', flood, 20000);
	len += frame_put(stream + len, 'E', "", 0);
	ck_assert_int_eq(pump_feed(&owner->pump, stream, len), PUMP_STEP);
	ck_assert_int_eq(owner->n_connected, 0);
	accepted = accept(fd, NULL, NULL);
	ck_assert_int_eq(fcntl(accepted, F_SETFL, O_NONBLOCK), 0);
	peer_init(&raw, accepted);
	run_until_ended(loop, &raw);
	ck_assert_int_eq(owner->n_connected, 1);
	ck_assert_uint_eq(raw.len, 20000);
	pattern_check(raw.data, raw.len, 0);
	ck_assert(!owner->channel.paused);
	peer_send(&raw, "abc", 3);
	run_until_received(loop, &channel, FRAME_HEADER + 3);
	close(fd);
	end();
}
END_TEST

START_TEST(a_raw_side_that_cannot_be_reached_is_told)
{
	struct address to;

	side_begin(_i);
	owner = owner_new(&channel, 0);
	close(listening(&to));
	join_connecting(&to);
	peer_send_frame(&channel, 'D', "early", 5);
	RUN_UNTIL(owner->n_connected == 1);
	ck_assert_str_eq(owner->connect_error, strerror(ECONNREFUSED));
	ck_assert_int_eq(owner->n_raw_failed, 0);
	peer_init(&raw, -1);
	end();
}
END_TEST

static void
add_movement(Suite *suite)
{
	TCase *tests = tcase_create("movement");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, side_teardown);
	tcase_add_loop_test(tests, bytes_go_both_ways, 0, 2);
	tcase_add_loop_test(tests, frames_may_be_cut_anywhere, 0, 2);
	tcase_add_loop_test(
	    tests, many_frames_in_one_read_keep_their_order, 0, 2);
	tcase_add_test(tests, the_next_read_of_a_channel_fits_a_buffer);
	tcase_add_loop_test(tests, very_small_frames_have_short_turns, 0, 2);
	tcase_add_loop_test(
	    tests, bytes_that_were_read_before_are_sent_first, 0, 2);
	tcase_add_loop_test(
	    tests, bytes_behind_the_handshake_are_decoded, 0, 2);
	tcase_add_loop_test(
	    tests, a_raw_side_that_does_not_read_stops_the_channel, 0, 2);
	tcase_add_loop_test(
	    tests, a_channel_that_is_not_read_stops_the_raw_side, 0, 2);
	tcase_add_loop_test(tests, a_jam_in_both_directions_dissolves, 0, 2);
	tcase_add_loop_test(
	    tests, both_sides_go_on_when_their_rate_is_lifted, 0, 2);
	tcase_add_loop_test(tests, both_sides_go_on_at_another_rate, 0, 2);
	suite_add_tcase(suite, tests);
}

static void
add_ends(Suite *suite)
{
	TCase *tests = tcase_create("ends");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, side_teardown);
	tcase_add_loop_test(tests, the_raw_end_comes_after_its_last_byte, 0, 2);
	tcase_add_loop_test(
	    tests, the_channels_end_comes_after_its_last_byte, 0, 2);
	tcase_add_loop_test(
	    tests, the_channels_end_waits_for_a_slow_raw_side, 0, 2);
	tcase_add_loop_test(tests, a_reset_raw_side_is_told_once, 0, 2);
	tcase_add_loop_test(
	    tests, a_channels_end_is_told_apart_from_its_failure, 0, 2);
	tcase_add_loop_test(
	    tests, a_channel_that_cannot_be_written_has_failed, 0, 2);
	tcase_add_loop_test(
	    tests, a_raw_side_that_cannot_be_written_has_failed, 0, 2);
	tcase_add_loop_test(
	    tests, a_reset_is_no_end_though_a_write_met_it_first, 0, 2);
	suite_add_tcase(suite, tests);
}

static void
add_owners(Suite *suite)
{
	TCase *tests = tcase_create("owners");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, side_teardown);
	tcase_add_loop_test(
	    tests, one_visits_end_and_the_next_ones_bytes_in_one_read, 0, 2);
	tcase_add_loop_test(tests,
	    the_next_visit_does_not_wait_for_a_slow_reader_of_the_last, 0, 2);
	tcase_add_loop_test(
	    tests, payload_without_a_visit_is_thrown_away, 0, 2);
	tcase_add_loop_test(
	    tests, leaving_lets_a_stopped_channel_run_again, 0, 2);
	tcase_add_loop_test(
	    tests, the_owner_may_end_the_pump_while_decoding, 0, 2);
	tcase_add_loop_test(
	    tests, the_owner_may_end_the_pump_in_each_callback, 0, 2);
	tcase_add_loop_test(
	    tests, bytes_wait_until_the_raw_side_is_connected, 0, 2);
	tcase_add_loop_test(
	    tests, a_raw_side_that_cannot_be_reached_is_told, 0, 2);
	suite_add_tcase(suite, tests);
}

int
main(void)
{
	Suite *suite = suite_create("pump");
	SRunner *runner;
	int failed;

	add_movement(suite);
	add_ends(suite);
	add_owners(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
