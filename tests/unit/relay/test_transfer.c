/* SPDX-License-Identifier: MIT */
/* Visits on transfer channels, as an agent and its visitors see them. */
#include <check.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "relay/device.h"
#include "relay/session.h"
#include "relay/transfer.h"
#include "relay/visitor.h"
#include "scene.h"

#define MANY 400 /* frames in one read: far more than a buffer has spans */

static struct channel control, transfer;
static struct peer visitor;

static void
begin(int backend)
{
	scene_begin(backend, NULL);
	agent_login(&control, "one");
}

static void
teardown(void)
{
	peer_close(&visitor);
	peer_close(&transfer.peer);
	peer_close(&control.peer);
	scene_teardown();
}

static void
expect_received(struct peer *peer, const char *text)
{
	run_until_received(loop, peer, strlen(text));
	ck_assert_uint_eq(peer->len, strlen(text));
	ck_assert_mem_eq(peer->data, text, strlen(text));
}

START_TEST(a_visit_runs_and_its_channel_serves_the_next)
{
	struct peer second;

	begin(_i);
	visit_begin(&control, &transfer, &visitor, "web");
	peer_send(&visitor, "request", 7);
	channel_expect_bytes(&transfer, "request");
	channel_send_bytes(&transfer, "response");
	expect_received(&visitor, "response");
	peer_end(&visitor);
	channel_expect_bytes(&transfer, NULL);
	ck_assert_uint_eq(count_running(), 1);
	channel_send_end(&transfer);
	run_until_ended(loop, &visitor);
	RUN_UNTIL(count_idle() == 1);
	visitor_dial(&second, "shell");
	channel_expect(
	    &transfer, "op=open&visit=2&service=shell&from=127.0.0.1:");
	channel_send_text(&transfer, "op=opened&visit=2");
	channel_send_bytes(&transfer, "banner");
	expect_received(&second, "banner");
	ck_assert_uint_eq(relay->counters.visits_reused, 1);
	ck_assert_uint_eq(relay->counters.visits_joined, 2);
	channel_expect_silence(&control);
	peer_close(&second);
}
END_TEST

START_TEST(bytes_that_come_with_the_visitor_follow_the_open)
{
	begin(_i);
	visitor_dial(&visitor, "web");
	peer_send(&visitor, "early", 5);
	peer_end(&visitor);
	agent_dig(&control, &transfer, NULL);
	channel_expect(&transfer, "op=open&visit=1&");
	channel_expect_bytes(&transfer, "early");
	channel_expect_bytes(&transfer, NULL);
}
END_TEST

/* Small pieces are sent at once, so that each write makes a segment of its own. */
static unsigned
segments_received(const struct peer *peer)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	ck_assert_int_eq(
	    getsockopt(peer->fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info.tcpi_data_segs_in;
}

START_TEST(open_and_first_bytes_are_one_write)
{
	unsigned before;

	begin(_i);
	visit_begin(&control, &transfer, &visitor, "shell");
	peer_end(&visitor);
	channel_expect_bytes(&transfer, NULL);
	channel_send_end(&transfer);
	run_until_ended(loop, &visitor);
	RUN_UNTIL(count_idle() == 1);
	peer_close(&visitor);
	before = segments_received(&transfer.peer);
	visitor_dial(&visitor, "shell");
	peer_send(&visitor, "request", 7);
	channel_expect(&transfer, "op=open&visit=2&service=shell&");
	channel_expect_bytes(&transfer, "request");
	ck_assert_uint_eq(segments_received(&transfer.peer) - before, 1);
}
END_TEST

START_TEST(a_silent_visitor_is_opened_all_the_same)
{
	begin(_i);
	visit_begin(&control, &transfer, &visitor, "web");
	peer_reset(&visitor);
	channel_expect(&transfer, "op=abort&visit=1");
	channel_send_text(&transfer, "op=abort&visit=1");
	RUN_UNTIL(count_idle() == 1);
	visitor_dial(&visitor, "shell");
	channel_expect(&transfer, "op=open&visit=2&service=shell&");
	channel_expect_silence(&transfer);
	peer_send(&visitor, "at last", 7);
	channel_expect_bytes(&transfer, "at last");
}
END_TEST

START_TEST(the_visitors_end_leaves_the_answer_running)
{
	begin(_i);
	visit_begin(&control, &transfer, &visitor, "shell");
	peer_end(&visitor);
	channel_expect_bytes(&transfer, NULL);
	channel_send_bytes(&transfer, "late answer");
	expect_received(&visitor, "late answer");
	channel_send_end(&transfer);
	run_until_ended(loop, &visitor);
	RUN_UNTIL(count_idle() == 1);
}
END_TEST

START_TEST(the_agents_end_leaves_the_request_running)
{
	begin(_i);
	visit_begin(&control, &transfer, &visitor, "shell");
	channel_send_bytes(&transfer, "short answer");
	channel_send_end(&transfer);
	run_until_ended(loop, &visitor);
	ck_assert_uint_eq(visitor.len, 12);
	peer_send(&visitor, "long upload", 11);
	channel_expect_bytes(&transfer, "long upload");
	peer_end(&visitor);
	channel_expect_bytes(&transfer, NULL);
	RUN_UNTIL(count_idle() == 1);
}
END_TEST

/* Every frame of a visit, one byte at a time. */
START_TEST(frames_may_be_cut_anywhere)
{
	uint8_t stream[400];
	size_t len = 0;

	begin(_i);
	visit_begin(&control, &transfer, &visitor, "shell");
	len += frame_encode(stream + len, 0x81, "op=opened&visit=1", 17);
	len += frame_encode(stream + len, 0x82, "abc", 3);
	len += frame_encode(stream + len, 0x89, "ping", 4);
	len += frame_encode(stream + len, 0x02, "de", 2);
	len += frame_encode(stream + len, 0x00, "", 0);
	len += frame_encode(stream + len, 0x89, "", 0);
	len += frame_encode(stream + len, 0x80, "fgh", 3);
	len += frame_encode(stream + len, 0x01, "op=new", 6);
	len += frame_encode(stream + len, 0x80, "s&a=b", 5);
	len += frame_encode(stream + len, 0x02, "", 0);
	len += frame_encode(stream + len, 0x80, "", 0);
	for (size_t i = 0; i < len; i++) {
		peer_send(&transfer.peer, stream + i, 1);
		run_for_ms(loop, 1);
	}
	run_until_ended(loop, &visitor);
	ck_assert_uint_eq(visitor.len, 8);
	ck_assert_mem_eq(visitor.data, "abcdefgh", 8);
	ck_assert_uint_eq(channel_next(&transfer).opcode, WS_OP_PONG);
	ck_assert_uint_eq(channel_next(&transfer).opcode, WS_OP_PONG);
	channel_expect_silence(&transfer);
}
END_TEST

START_TEST(many_small_frames_in_one_read_keep_their_order)
{
	static uint8_t stream[MANY * (WS_HEADER_MAX + 9)];
	uint8_t piece[9];
	size_t len = 0, total = 0;

	begin(_i);
	visit_begin(&control, &transfer, &visitor, "shell");
	for (int i = 0; i < MANY; i++) {
		size_t n = (size_t)i % 9 + 1;

		pattern_fill(piece, n, total);
		len += frame_encode(stream + len, 0x82, piece, n);
		total += n;
	}
	len += frame_encode(stream + len, 0x82, "", 0);
	peer_send(&transfer.peer, stream, len);
	run_until_ended(loop, &visitor);
	ck_assert_uint_eq(visitor.len, total);
	pattern_check(visitor.data, total, 0);
}
END_TEST

START_TEST(a_ping_is_answered_idle_and_running)
{
	char payload[WS_CONTROL_MAX];
	struct frame frame;

	begin(_i);
	memset(payload, 'p', sizeof(payload));
	visit_begin(&control, &transfer, &visitor, "shell");
	for (int i = 0; i < 2; i++) {
		channel_send(&transfer, 0x89, payload, sizeof(payload));
		frame = channel_next(&transfer);
		ck_assert_uint_eq(frame.opcode, WS_OP_PONG);
		ck_assert_uint_eq(frame.len, sizeof(payload));
		ck_assert_mem_eq(frame.data, payload, sizeof(payload));
		if (i == 1)
			break;
		peer_end(&visitor);
		channel_send_end(&transfer);
		channel_expect_bytes(&transfer, NULL);
		RUN_UNTIL(count_idle() == 1);
	}
}
END_TEST

/* A ping whose payload comes in three pieces, each read by itself. */
static void
ping_in_pieces(struct channel *channel, const struct ws_reader *reader)
{
	uint8_t ping[WS_HEADER_MAX + WS_CONTROL_MAX];
	char payload[WS_CONTROL_MAX];
	struct frame frame;
	size_t len;

	memset(payload, 'p', sizeof(payload));
	len = frame_encode(ping, 0x89, payload, sizeof(payload));
	peer_send(&channel->peer, ping, len - 100);
	RUN_UNTIL(reader->left == 100);
	peer_send(&channel->peer, ping + len - 100, 60);
	RUN_UNTIL(reader->left == 40);
	peer_send(&channel->peer, ping + len - 40, 40);
	frame = channel_next(channel);
	ck_assert_uint_eq(frame.opcode, WS_OP_PONG);
	ck_assert_uint_eq(frame.len, sizeof(payload));
	ck_assert_mem_eq(frame.data, payload, sizeof(payload));
}

START_TEST(a_ping_in_pieces_is_answered_on_either_channel)
{
	begin(_i);
	visit_begin(&control, &transfer, &visitor, "shell");
	for (int i = 0; i < 2; i++) {
		ping_in_pieces(&control, &scene_device()->session->reader);
		ping_in_pieces(
		    &transfer, &TAILQ_FIRST(&scene_device()->running)->reader);
	}
}
END_TEST

/* A channel may become free before its agent has read what is queued, while somebody waits. */
START_TEST(whoever_is_not_served_by_an_idle_channel_waits_with_a_limit)
{
	static const char *const options[] = {
	    "open-timeout=500ms", "probe-timeout=60ms", "hold=60ms", NULL};
	struct transfer *clogged;
	struct peer waiting, last;

	scene_begin(_i, options);
	agent_login(&control, "one");
	visit_begin(&control, &transfer, &visitor, "shell");
	peer_end(&visitor);
	channel_expect_bytes(&transfer, NULL);
	clogged = TAILQ_FIRST(&scene_device()->running);
	clogged->conn.queued_bytes += 1u << 20;
	visitor_dial(&waiting, "shell");
	RUN_UNTIL(scene_device()->n_waiting == 1);
	channel_send_end(&transfer);
	RUN_UNTIL(count_idle() == 1);
	clogged->conn.queued_bytes -= 1u << 20;
	visitor_dial(&last, "shell");
	channel_expect(&transfer, "op=open&visit=2&service=shell&");
	channel_send_text(&transfer, "op=opened&visit=2");
	run_until_reset(loop, &last);
	peer_close(&last);
	peer_close(&waiting);
}
END_TEST

/* Resets. */

START_TEST(an_abort_resets_the_visitor_and_keeps_the_channel)
{
	begin(_i);
	visit_begin(&control, &transfer, &visitor, "shell");
	channel_send_bytes(&transfer, "half an ans");
	channel_send_text(&transfer, "op=abort&visit=1");
	channel_expect(&transfer, "op=abort&visit=1");
	run_until_reset(loop, &visitor);
	RUN_UNTIL(count_idle() == 1);
	peer_close(&visitor);
	visitor_dial(&visitor, "web");
	channel_expect(&transfer, "op=open&visit=2&service=web&");
}
END_TEST

START_TEST(an_abort_after_the_agents_own_end_resets_too)
{
	begin(_i);
	visit_begin(&control, &transfer, &visitor, "shell");
	channel_send_end(&transfer);
	run_until_ended(loop, &visitor);
	channel_send_text(&transfer, "op=abort&visit=1");
	channel_expect(&transfer, "op=abort&visit=1");
	RUN_UNTIL(count_idle() == 1);
	ck_assert_uint_eq(relay->n_visitors, 0);
}
END_TEST

START_TEST(an_abort_after_the_visitors_end_needs_no_answer)
{
	begin(_i);
	visit_begin(&control, &transfer, &visitor, "shell");
	peer_end(&visitor);
	channel_expect_bytes(&transfer, NULL);
	channel_send_text(&transfer, "op=abort&visit=1");
	run_until_reset(loop, &visitor);
	RUN_UNTIL(count_idle() == 1);
	channel_expect_silence(&transfer);
}
END_TEST

START_TEST(a_reset_visitor_is_an_abort_and_what_follows_is_discarded)
{
	begin(_i);
	visit_begin(&control, &transfer, &visitor, "shell");
	channel_send_text(&transfer, "op=opened&visit=1");
	peer_send(&visitor, "abc", 3);
	channel_expect_bytes(&transfer, "abc");
	peer_reset(&visitor);
	channel_expect(&transfer, "op=abort&visit=1");
	channel_send_bytes(&transfer, "nobody hears this");
	channel_send_bytes(&transfer, "nor this");
	run_for_ms(loop, 20);
	ck_assert_uint_eq(count_running(), 1);
	channel_send_text(&transfer, "op=abort&visit=1");
	RUN_UNTIL(count_idle() == 1);
	channel_expect_silence(&transfer);
}
END_TEST

/* Our abort crosses the agent's end: its end is the end. */
START_TEST(an_end_answers_an_abort)
{
	begin(_i);
	visit_begin(&control, &transfer, &visitor, "shell");
	peer_reset(&visitor);
	channel_expect(&transfer, "op=abort&visit=1");
	channel_send_end(&transfer);
	RUN_UNTIL(count_idle() == 1);
	visitor_dial(&visitor, "shell");
	channel_expect(&transfer, "op=open&visit=2&");
	/* the agent's abort of visit 1 was under way when the next began */
	channel_send_text(&transfer, "op=abort&visit=1");
	channel_send_bytes(&transfer, "hello");
	expect_received(&visitor, "hello");
}
END_TEST

START_TEST(aborts_that_cross_need_no_answer)
{
	begin(_i);
	visit_begin(&control, &transfer, &visitor, "shell");
	peer_reset(&visitor);
	channel_send_text(&transfer, "op=abort&visit=1");
	channel_expect(&transfer, "op=abort&visit=1");
	RUN_UNTIL(count_idle() == 1);
	channel_expect_silence(&transfer);
}
END_TEST

START_TEST(messages_about_another_visit_change_nothing)
{
	static const char *const late[] = {"op=abort&visit=7",
	    "op=refused&visit=2&reason=x", "op=opened&visit=99",
	    "op=abort&visit=18446744073709551615", "op=unheard&visit=1"};

	begin(_i);
	visit_begin(&control, &transfer, &visitor, "shell");
	for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++)
		channel_send_text(&transfer, late[i]);
	channel_send_bytes(&transfer, "still here");
	expect_received(&visitor, "still here");
	peer_end(&visitor);
	channel_expect_bytes(&transfer, NULL);
	channel_send_end(&transfer);
	RUN_UNTIL(count_idle() == 1);
	channel_send_text(&transfer, "op=abort&visit=1");
	channel_expect_silence(&transfer);
	ck_assert_uint_eq(count_idle(), 1);
}
END_TEST

START_TEST(a_refused_http_visitor_gets_a_page)
{
	begin(_i);
	visit_begin(&control, &transfer, &visitor, "web");
	peer_send(&visitor, "GET / HTTP/1.1\r\n\r\n", 18);
	channel_expect_bytes(&transfer, "GET / HTTP/1.1\r\n\r\n");
	channel_send_text(
	    &transfer, "op=refused&visit=1&reason=connection%20refused");
	channel_expect(&transfer, "op=abort&visit=1");
	run_until_ended(loop, &visitor);
	ck_assert_mem_eq(visitor.data, "HTTP/1.1 502 Bad Gateway\r\n", 26);
	RUN_UNTIL(count_idle() == 1);
	ck_assert_uint_eq(relay->counters.visits_failed, 1);
}
END_TEST

START_TEST(a_refused_tcp_visitor_is_reset)
{
	begin(_i);
	visit_begin(&control, &transfer, &visitor, "shell");
	channel_send_text(&transfer, "op=refused&visit=1&reason=x");
	channel_expect(&transfer, "op=abort&visit=1");
	run_until_reset(loop, &visitor);
	RUN_UNTIL(count_idle() == 1);
}
END_TEST

/* Back-pressure and crowds. */

/* The system's buffers would take megabytes. */
static void
shrink(int fd)
{
	int bytes = SMALL_BUFFERS;

	ck_assert_int_eq(
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
	ck_assert_int_eq(
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
}

static void
shrink_all(const struct transfer *running)
{
	shrink(running->conn.fd);
	shrink(running->visitor->conn.fd);
	shrink(visitor.fd);
	shrink(transfer.peer.fd);
}

START_TEST(a_slow_visitor_stops_its_channel_and_no_other)
{
	enum { BIG = 16 * BUF_LARGE };
	static uint8_t payload[BIG], stream[BIG + WS_HEADER_MAX];
	struct transfer *slow;
	struct channel other;
	struct peer quick;
	size_t len, sent = 0, before;

	begin(_i);
	pattern_fill(payload, BIG, 0);
	visit_begin(&control, &transfer, &visitor, "shell");
	visit_begin(&control, &other, &quick, "shell");
	slow = TAILQ_LAST(&scene_device()->running, transfer_list);
	shrink_all(slow);
	len = frame_encode(stream, 0x82, payload, BIG);
	do {
		before = sent;
		sent +=
		    peer_send_some(&transfer.peer, stream + sent, len - sent);
		run_for_ms(loop, 20);
	} while (sent > before && sent < len);
	ck_assert_uint_lt(sent, len);
	ck_assert(slow->conn.paused);
	channel_send_bytes(&other, "quick");
	expect_received(&quick, "quick");
	peer_send(&visitor, "upload runs", 11);
	channel_expect_bytes(&transfer, "upload runs");
	while (visitor.len < BIG) {
		sent +=
		    peer_send_some(&transfer.peer, stream + sent, len - sent);
		run_for_ms(loop, 1);
		peer_receive(&visitor);
	}
	pattern_check(visitor.data, BIG, 0);
	peer_close(&quick);
	peer_close(&other.peer);
}
END_TEST

START_TEST(a_channel_that_is_not_read_stops_the_visitor)
{
	enum { BIG = 16 * BUF_LARGE };
	static uint8_t payload[BIG];
	size_t sent = 0, before, got = 0;
	struct transfer *running;

	begin(_i);
	pattern_fill(payload, BIG, 0);
	visit_begin(&control, &transfer, &visitor, "shell");
	channel_send_text(&transfer, "op=opened&visit=1");
	running = TAILQ_FIRST(&scene_device()->running);
	shrink_all(running);
	do {
		before = sent;
		sent += peer_send_some(&visitor, payload + sent, BIG - sent);
		run_for_ms(loop, 20);
	} while (sent > before && sent < BIG);
	ck_assert_uint_lt(sent, BIG);
	ck_assert_uint_le(
	    conn_queued(&running->conn), BUF_LARGE + WS_HEADER_MAX);
	peer_end(&visitor);
	while (got < sent) {
		struct frame frame = channel_next(&transfer);

		ck_assert_uint_eq(frame.opcode, WS_OP_BINARY);
		pattern_check(frame.data, frame.len, got);
		got += frame.len;
	}
	channel_expect_bytes(&transfer, NULL);
}
END_TEST

START_TEST(visitors_in_a_crowd_each_get_their_own)
{
	enum { CROWD = 12 };
	struct channel channels[CROWD];
	struct peer visitors[CROWD];

	begin(_i);
	for (int i = 0; i < CROWD; i++)
		visitor_dial(&visitors[i], "shell");
	for (int i = 0; i < CROWD; i++) {
		agent_dig(&control, &channels[i], NULL);
		channel_expect(&channels[i], "op=open&visit=1&");
	}
	for (int i = 0; i < CROWD; i++) {
		char word[16];

		snprintf(word, sizeof(word), "v%02d", i);
		peer_send(&visitors[i], word, strlen(word));
		channel_expect_bytes(&channels[i], word);
		channel_send_bytes(&channels[i], word);
		expect_received(&visitors[i], word);
	}
	ck_assert_uint_eq(count_running(), CROWD);
	ck_assert_uint_eq(relay->n_visitors, CROWD);
	for (int i = 0; i < CROWD; i++) {
		peer_end(&visitors[i]);
		channel_send_end(&channels[i]);
		run_until_ended(loop, &visitors[i]);
	}
	RUN_UNTIL(count_idle() == CROWD);
	ck_assert_uint_eq(relay->n_visitors, 0);
	for (int i = 0; i < CROWD; i++) {
		peer_close(&visitors[i]);
		peer_close(&channels[i].peer);
	}
}
END_TEST

static void
add_visits(Suite *suite)
{
	TCase *tests = tcase_create("visits");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_loop_test(
	    tests, a_visit_runs_and_its_channel_serves_the_next, 0, 2);
	tcase_add_loop_test(
	    tests, bytes_that_come_with_the_visitor_follow_the_open, 0, 2);
	tcase_add_loop_test(tests, open_and_first_bytes_are_one_write, 0, 2);
	tcase_add_loop_test(
	    tests, a_silent_visitor_is_opened_all_the_same, 0, 2);
	tcase_add_loop_test(
	    tests, the_visitors_end_leaves_the_answer_running, 0, 2);
	tcase_add_loop_test(
	    tests, the_agents_end_leaves_the_request_running, 0, 2);
	tcase_add_loop_test(tests, frames_may_be_cut_anywhere, 0, 2);
	tcase_add_loop_test(
	    tests, many_small_frames_in_one_read_keep_their_order, 0, 2);
	tcase_add_loop_test(tests, a_ping_is_answered_idle_and_running, 0, 2);
	tcase_add_loop_test(tests,
	    whoever_is_not_served_by_an_idle_channel_waits_with_a_limit, 0, 2);
	tcase_add_loop_test(
	    tests, a_ping_in_pieces_is_answered_on_either_channel, 0, 2);
	tcase_add_loop_test(
	    tests, a_slow_visitor_stops_its_channel_and_no_other, 0, 2);
	tcase_add_loop_test(
	    tests, a_channel_that_is_not_read_stops_the_visitor, 0, 2);
	tcase_add_loop_test(
	    tests, visitors_in_a_crowd_each_get_their_own, 0, 2);
	suite_add_tcase(suite, tests);
}

static void
add_resets(Suite *suite)
{
	TCase *tests = tcase_create("resets");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_loop_test(
	    tests, an_abort_resets_the_visitor_and_keeps_the_channel, 0, 2);
	tcase_add_loop_test(
	    tests, an_abort_after_the_agents_own_end_resets_too, 0, 2);
	tcase_add_loop_test(
	    tests, an_abort_after_the_visitors_end_needs_no_answer, 0, 2);
	tcase_add_loop_test(tests,
	    a_reset_visitor_is_an_abort_and_what_follows_is_discarded, 0, 2);
	tcase_add_loop_test(tests, an_end_answers_an_abort, 0, 2);
	tcase_add_loop_test(tests, aborts_that_cross_need_no_answer, 0, 2);
	tcase_add_loop_test(
	    tests, messages_about_another_visit_change_nothing, 0, 2);
	tcase_add_loop_test(tests, a_refused_http_visitor_gets_a_page, 0, 2);
	tcase_add_loop_test(tests, a_refused_tcp_visitor_is_reset, 0, 2);
	suite_add_tcase(suite, tests);
}

int
main(void)
{
	Suite *suite = suite_create("transfer");
	SRunner *runner;
	int failed;

	add_visits(suite);
	add_resets(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
