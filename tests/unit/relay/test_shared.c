/* SPDX-License-Identifier: MIT */
/* Many visits on one channel, as an agent and its visitors see them. */
#include <check.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../net/allocations.h"
#include "relay/device.h"
#include "relay/session.h"
#include "relay/shared.h"
#include "relay/stream.h"
#include "scene.h"
#include "wire/control_msg.h"

#define CROWD 20
#define VISITS 1000
#define LARGE 40000 /* bytes after which a visit wants a channel of its own */
#define JUST_LARGE 32769 /* the fewest after which it does */

static struct channel control, shared, own;
static struct peer visitors[CROWD];
static char shared_id[33], own_id[33];
static uint8_t plenty[MUX_WINDOW + 1];

static void
begin_with(int backend, const char *params, const char *const *options)
{
	memset(plenty, 'x', sizeof(plenty));
	scene_begin(backend, options);
	agent_login_with(&control, "one", params);
}

static void
dig_shared(struct channel *channel)
{
	struct frame frame;

	agent_dig(&control, channel, shared_id);
	frame.data = control.peer.data + control.at - 6;
	ck_assert_mem_eq(frame.data, "&mux=1", 6);
	RUN_UNTIL(shared_is_open(scene_device()));
}

/* An agent with a shared channel. */
static void
begin(int backend)
{
	begin_with(backend, "&mux=1&warm=1", NULL);
	dig_shared(&shared);
}

static void
teardown(void)
{
	for (int i = 0; i < CROWD; i++)
		peer_close(&visitors[i]);
	peer_close(&own.peer);
	peer_close(&shared.peer);
	peer_close(&control.peer);
	scene_teardown();
}

/* visitors[i] comes, as visit i + 1. */
static void
come(int i, const char *service)
{
	char open[60];

	visitor_dial(&visitors[i], service);
	if (strcmp(service, "web") == 0)
		peer_send(&visitors[i], "request", 7);
	snprintf(
	    open, sizeof(open), "op=open&visit=%d&service=%s&", i + 1, service);
	channel_expect(&shared, open);
}

static void
send_payload(uint32_t visit, const void *data, size_t len)
{
	uint8_t message[4 + sizeof(plenty)] = {(uint8_t)(visit >> 24),
	    (uint8_t)(visit >> 16), (uint8_t)(visit >> 8), (uint8_t)visit};

	if (len > 0)
		memcpy(message + 4, data, len);
	channel_send(&shared, 0x82, message, 4 + len);
}

static void
expect_payload(uint32_t visit, const char *text)
{
	struct frame frame = channel_next(&shared);
	uint8_t prefix[4] = {0, 0, 0, (uint8_t)visit};

	ck_assert_uint_eq(frame.opcode, WS_OP_BINARY);
	ck_assert_uint_eq(frame.len, 4 + strlen(text));
	ck_assert_mem_eq(frame.data, prefix, 4);
	ck_assert_mem_eq(frame.data + 4, text, strlen(text));
}

static void
say(const char *op, int visit)
{
	char text[60];

	snprintf(text, sizeof(text), "op=%s&visit=%d", op, visit);
	channel_send_text(&shared, text);
}

static void
expect_said(const char *op, int visit)
{
	char text[60];

	snprintf(text, sizeof(text), "op=%s&visit=%d", op, visit);
	channel_expect(&shared, text);
}

static void
expect_received(struct peer *peer, const char *text)
{
	run_until_received(loop, peer, strlen(text));
	ck_assert_uint_eq(peer->len, strlen(text));
	ck_assert_mem_eq(peer->data, text, strlen(text));
}

/* Segments with data that have come on the shared channel. */
static unsigned
count_segments(void)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	ck_assert_int_eq(
	    getsockopt(shared.peer.fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info.tcpi_data_segs_in;
}

/* The relay asks whether the channel lives. */
static void
answer_ping(void)
{
	struct frame frame = channel_next(&shared);

	ck_assert_uint_eq(frame.opcode, WS_OP_PING);
	channel_send(&shared, 0x8a, frame.data, frame.len);
}

static size_t
count_streams(void)
{
	struct shared *first = LIST_FIRST(&scene_device()->shareds);

	return first != NULL ? first->streams.count : 0;
}

START_TEST(an_agent_that_wants_one_ready_is_asked_for_one_at_once)
{
	begin(_i);
	channel_expect_silence(&control);
}
END_TEST

START_TEST(else_it_is_asked_when_a_visitor_comes)
{
	begin_with(_i, "&mux=1", NULL);
	channel_expect_silence(&control);
	visitor_dial(&visitors[0], "shell");
	agent_dig(&control, &shared, shared_id);
	channel_expect(&shared, "op=open&visit=1&service=shell&");
	channel_expect_silence(&control);
}
END_TEST

START_TEST(visits_run_side_by_side)
{
	begin(_i);
	for (int i = 0; i < CROWD; i++) {
		come(i, "web");
		expect_payload((uint32_t)i + 1, "request");
	}
	channel_expect_silence(&control);
	for (int i = CROWD; i-- > 0;) {
		send_payload((uint32_t)i + 1, "response", 8);
		send_payload((uint32_t)i + 1, NULL, 0);
	}
	for (int i = 0; i < CROWD; i++) {
		run_until_ended(loop, &visitors[i]);
		expect_received(&visitors[i], "response");
		peer_end(&visitors[i]);
		expect_payload((uint32_t)i + 1, "");
	}
	RUN_UNTIL(count_streams() == 0);
	ck_assert_uint_eq(relay->n_visitors, 0);
}
END_TEST

START_TEST(what_is_said_in_one_turn_comes_in_one_piece)
{
	unsigned before;

	begin(_i);
	for (int i = 0; i < CROWD; i++) {
		come(i, "web");
		expect_payload((uint32_t)i + 1, "request");
	}
	for (int i = 0; i < CROWD; i++)
		peer_send(&visitors[i], "more", 4);
	before = count_segments();
	for (int i = 0; i < CROWD; i++) /* in whatever order */
		ck_assert_uint_eq(channel_next(&shared).len, 8);
	/* libevent looks at 32 descriptors a turn, and some may be others */
	ck_assert_uint_le(count_segments() - before, 2);
}
END_TEST

START_TEST(each_half_closes_by_itself)
{
	begin(_i);
	come(0, "shell");
	come(1, "shell");
	peer_end(&visitors[0]);
	expect_payload(1, "");
	send_payload(1, "late", 4);
	expect_received(&visitors[0], "late");
	send_payload(2, NULL, 0);
	run_until_ended(loop, &visitors[1]);
	peer_send(&visitors[1], "still", 5);
	expect_payload(2, "still");
	send_payload(1, NULL, 0);
	run_until_ended(loop, &visitors[0]);
	peer_end(&visitors[1]);
	expect_payload(2, "");
	RUN_UNTIL(count_streams() == 0);
}
END_TEST

START_TEST(a_visitors_reset_ends_its_visit_alone)
{
	begin(_i);
	come(0, "shell");
	come(1, "shell");
	peer_reset(&visitors[0]);
	expect_said("abort", 1);
	send_payload(1, "discarded", 9);
	say("abort", 1);
	RUN_UNTIL(count_streams() == 1);
	say("abort", 1); /* late */
	send_payload(2, "fine", 4);
	expect_received(&visitors[1], "fine");
}
END_TEST

START_TEST(a_visitors_reset_after_its_end_is_said_too)
{
	begin(_i);
	come(0, "shell");
	come(1, "shell");
	say("opened", 1);
	peer_end(&visitors[0]);
	expect_payload(1, "");
	peer_reset(&visitors[0]);
	send_payload(1, "discarded", 9);
	expect_said("abort", 1);
	say("abort", 1);
	RUN_UNTIL(count_streams() == 1);
	send_payload(2, "fine", 4);
	expect_received(&visitors[1], "fine");
}
END_TEST

START_TEST(an_agents_abort_resets_its_visitor_alone)
{
	begin(_i);
	come(0, "shell");
	come(1, "shell");
	say("abort", 1);
	expect_said("abort", 1);
	run_until_reset(loop, &visitors[0]);
	send_payload(2, "fine", 4);
	expect_received(&visitors[1], "fine");
	ck_assert_uint_eq(count_streams(), 1);
}
END_TEST

START_TEST(a_refused_visitor_gets_a_page)
{
	begin(_i);
	come(0, "web");
	expect_payload(1, "request");
	channel_send_text(&shared, "op=refused&visit=1&reason=no");
	expect_said("abort", 1);
	run_until_ended(loop, &visitors[0]);
	ck_assert_mem_eq(visitors[0].data, "HTTP/1.1 502", 12);
	RUN_UNTIL(count_streams() == 0);
}
END_TEST

START_TEST(a_visitor_is_read_as_far_as_there_is_credit)
{
	size_t before = 0;

	begin_with(_i, "&mux=1&warm=1&window=1024", NULL);
	dig_shared(&shared);
	come(0, "shell");
	peer_send(&visitors[0], plenty, 3000);
	while (before < 1024) {
		struct frame frame = channel_next(&shared);

		ck_assert_uint_eq(frame.opcode, WS_OP_BINARY);
		before += frame.len - 4;
	}
	ck_assert_uint_eq(before, 1024);
	channel_expect_silence(&shared);
	channel_send_text(&shared, "op=credit&visit=1&bytes=2000");
	while (before < 3000)
		before += channel_next(&shared).len - 4;
	ck_assert_uint_eq(before, 3000);
	peer_end(&visitors[0]);
	expect_payload(1, "");
}
END_TEST

START_TEST(credit_is_given_for_what_the_visitor_took)
{
	begin(_i);
	come(0, "shell");
	send_payload(1, plenty, MUX_WINDOW / 2 - 1);
	run_until_received(loop, &visitors[0], MUX_WINDOW / 2 - 1);
	channel_expect_silence(&shared);
	send_payload(1, "x", 1);
	channel_expect(&shared, "op=credit&visit=1&bytes=32768");
}
END_TEST

static void
expect_protest(void)
{
	channel_expect_close(&shared, WS_CLOSE_PROTOCOL_ERROR);
	RUN_UNTIL(relay->n_visitors == 0);
}

START_TEST(payload_beyond_the_window_is_a_fault)
{
	begin(_i);
	come(0, "shell");
	send_payload(1, plenty, sizeof(plenty));
	expect_protest();
}
END_TEST

START_TEST(payload_for_no_visit_is_a_fault)
{
	begin(_i);
	come(0, "shell");
	send_payload(2, "x", 1);
	expect_protest();
}
END_TEST

START_TEST(payload_behind_the_end_is_a_fault)
{
	begin(_i);
	come(0, "shell");
	send_payload(1, NULL, 0);
	send_payload(1, "x", 1);
	expect_protest();
}
END_TEST

START_TEST(a_message_without_a_whole_number_is_a_fault)
{
	begin(_i);
	come(0, "shell");
	channel_send(&shared, 0x82, "\0\0\0", 3);
	expect_protest();
}
END_TEST

START_TEST(more_credit_than_can_be_counted_is_a_fault)
{
	begin(_i);
	come(0, "shell");
	for (int i = 0; i < 128; i++)
		channel_send_text(&shared, "op=credit&visit=1&bytes=16777216");
	expect_protest();
}
END_TEST

START_TEST(moved_without_being_asked_is_a_fault)
{
	begin(_i);
	come(0, "shell");
	say("moved", 1);
	expect_protest();
}
END_TEST

START_TEST(beyond_its_visits_a_channel_is_dug)
{
	begin_with(_i, "&mux=1&warm=1&visits=2", NULL);
	dig_shared(&shared);
	come(0, "shell");
	come(1, "shell");
	visitor_dial(&visitors[2], "shell");
	agent_dig(&control, &own, own_id);
	channel_expect(&own, "op=open&visit=1&service=shell&");
	send_payload(1, NULL, 0);
	peer_end(&visitors[0]);
	expect_payload(1, "");
	RUN_UNTIL(count_streams() == 1);
	visitor_dial(&visitors[3], "shell");
	channel_expect(&shared, "op=open&visit=3&service=shell&");
}
END_TEST

START_TEST(an_agent_that_refuses_it_gets_others)
{
	char refusal[100];
	struct frame frame;

	begin_with(_i, "&mux=1&warm=1", NULL);
	frame = channel_next(&control);
	snprintf(refusal, sizeof(refusal), "op=refused&id=%.32s&reason=no",
	    (const char *)frame.data + 11);
	channel_send_text(&control, refusal);
	agent_dig(&control, &own, own_id); /* as warm=1 asks for */
	visitor_dial(&visitors[0], "shell");
	channel_expect(&own, "op=open&visit=1&service=shell&");
}
END_TEST

/* ---- moving ---- */

/* Visit 1 becomes large, and is offered a channel of its own. */
static void
begin_move(int backend)
{
	char open[200];
	struct frame frame;

	begin(backend);
	come(0, "shell");
	send_payload(1, plenty, LARGE);
	run_until_received(loop, &visitors[0], LARGE);
	channel_expect(&shared, "op=credit&visit=1&bytes=40000");
	agent_dig(&control, &own, own_id);
	frame = channel_next(&own);
	snprintf(open, sizeof(open), "&shared=%s&stream=1", shared_id);
	ck_assert_uint_gt(frame.len, strlen(open));
	ck_assert_mem_eq(frame.data, "op=open&visit=1&service=shell&", 30);
	ck_assert_mem_eq(
	    frame.data + frame.len - strlen(open), open, strlen(open));
}

static void
expect_order(void)
{
	run_until_received(loop, &visitors[0], LARGE + 10);
	ck_assert_mem_eq(visitors[0].data + LARGE, "firstafter", 10);
}

START_TEST(a_large_visit_moves_and_keeps_its_order)
{
	begin_move(_i);
	peer_send(&visitors[0], "question", 8);
	channel_expect_silence(&shared);   /* only its last word comes there */
	channel_send_bytes(&own, "after"); /* before the word on the other */
	run_for_ms(loop, 10);
	ck_assert_uint_eq(visitors[0].len, LARGE);
	send_payload(1, "first", 5);
	say("moved", 1);
	expect_said("moved", 1);
	expect_order();
	channel_expect_bytes(&own, "question");
	channel_send_end(&own);
	run_until_ended(loop, &visitors[0]);
	peer_end(&visitors[0]);
	channel_expect_bytes(&own, NULL);
	RUN_UNTIL(count_idle() == 1);
	ck_assert_uint_eq(count_streams(), 0);
	ck_assert_uint_eq(relay->n_visitors, 0);
}
END_TEST

START_TEST(a_large_request_moves_too)
{
	size_t got = 0;

	begin(_i);
	come(0, "shell");
	say("opened", 1);
	RUN_UNTIL(
	    stream_find(LIST_FIRST(&scene_device()->shareds), 1)->answered);
	/* it moves behind the last of them, in however many pieces they are read */
	peer_send(&visitors[0], plenty, JUST_LARGE);
	agent_dig(&control, &own, own_id);
	while (got < JUST_LARGE)
		got += channel_next(&shared).len - 4;
	channel_expect(&own, "op=open&visit=1&service=shell&");
	say("moved", 1);
	expect_said("moved", 1);
	peer_send(&visitors[0], "rest", 4);
	channel_expect_bytes(&own, "rest");
}
END_TEST

START_TEST(what_had_ended_before_ends_again)
{
	begin_move(_i);
	send_payload(1, NULL, 0);
	run_until_ended(loop, &visitors[0]);
	say("moved", 1);
	expect_said("moved", 1);
	channel_send_end(&own);
	peer_end(&visitors[0]);
	channel_expect_bytes(&own, NULL);
	RUN_UNTIL(count_idle() == 1);
}
END_TEST

START_TEST(and_sends_nothing_more)
{
	begin_move(_i);
	send_payload(1, NULL, 0);
	say("moved", 1);
	expect_said("moved", 1);
	channel_send_bytes(&own, "x");
	channel_expect_close(&own, WS_CLOSE_PROTOCOL_ERROR);
	RUN_UNTIL(relay->n_visitors == 0);
}
END_TEST

START_TEST(a_visit_that_stays_goes_on)
{
	begin_move(_i);
	peer_send(&visitors[0], "question", 8);
	channel_send_text(&own, "op=refused&visit=1&reason=busy");
	say("stays", 1);
	expect_payload(1, "question");
	channel_expect(&own, "op=abort&visit=1");
	RUN_UNTIL(count_idle() == 1);
	send_payload(1, "answer", 6);
	run_until_received(loop, &visitors[0], LARGE + 6);
	/* it is not asked again */
	send_payload(1, plenty, 33000);
	channel_expect(&shared, "op=credit&");
	channel_expect_silence(&own);
}
END_TEST

START_TEST(a_reset_during_the_move_is_said_on_both)
{
	begin_move(_i);
	say("abort", 1);
	expect_said("abort", 1);
	channel_expect(&own, "op=abort&visit=1");
	run_until_reset(loop, &visitors[0]);
	channel_send_text(&own, "op=abort&visit=1");
	RUN_UNTIL(count_idle() == 1);
	ck_assert_uint_eq(count_streams(), 0);
}
END_TEST

START_TEST(without_its_new_channel_it_is_reset)
{
	begin_move(_i);
	peer_reset(&own.peer);
	/* the held channel is not read: the loss shows when it is written to, or in time */
	say("moved", 1);
	run_until_reset(loop, &visitors[0]);
	RUN_UNTIL(relay->n_visitors == 0);
	ck_assert_uint_eq(count_streams(), 0);
}
END_TEST

START_TEST(without_the_shared_channel_it_is_reset)
{
	begin_move(_i);
	peer_reset(&shared.peer);
	run_until_reset(loop, &visitors[0]);
	channel_expect(&own, "op=abort&visit=1");
	channel_send_text(&own, "op=abort&visit=1");
	RUN_UNTIL(count_idle() == 1);
}
END_TEST

START_TEST(an_agent_that_does_not_answer_loses_the_visit)
{
	static const char *const soon[] = {
	    "open-timeout=100ms", "probe-timeout=100ms", "hold=100ms", NULL};

	begin_with(_i, "&mux=1&warm=1", soon);
	dig_shared(&shared);
	come(0, "shell");
	send_payload(1, plenty, LARGE);
	agent_dig(&control, &own, own_id);
	channel_expect(&own, "op=open&visit=1&service=shell&");
	ck_assert_uint_eq(channel_next(&control).opcode, WS_OP_PING);
	channel_send(&control, 0x8a, "", 0); /* it lives */
	run_until_reset(loop, &visitors[0]);
}
END_TEST

/* ---- a hostile agent ---- */

/* It digs a channel for a large visit, and says at once what it cannot know yet. */
static void
speak_early(int backend, const char *text)
{
	char id[33];
	struct frame frame;

	begin(backend);
	come(0, "shell");
	send_payload(1, plenty, LARGE);
	run_until_received(loop, &visitors[0], LARGE);
	channel_expect(&shared, "op=credit&visit=1&bytes=40000");
	frame = channel_next(&control);
	memcpy(id, frame.data + 11, 32);
	id[32] = '\0';
	agent_request(&own, id);
	channel_send(&own, text[0] == 'x' ? 0x82 : 0x81, text, strlen(text));
	agent_take_switch(&own);
	channel_expect(&own, "op=open&visit=1&service=shell&");
	channel_expect_close(&own, WS_CLOSE_PROTOCOL_ERROR);
	run_until_reset(loop, &visitors[0]);
	expect_said("abort", 1);
	say("moved", 1);
	run_for_ms(loop, 20);
	ck_assert_uint_eq(relay->n_visitors, 0);
	ck_assert_uint_eq(count_idle(), 0);
	/* the relay is as good as before */
	come(1, "shell");
}

START_TEST(a_refusal_before_the_offer_is_a_fault)
{
	speak_early(_i, "op=refused&visit=1&reason=no");
}
END_TEST

START_TEST(an_abort_before_the_offer_is_a_fault)
{
	speak_early(_i, "op=abort&visit=1");
}
END_TEST

START_TEST(payload_before_the_last_word_is_a_fault)
{
	speak_early(_i, "x");
}
END_TEST

START_TEST(a_visit_of_an_agent_that_leaves_stays)
{
	begin(_i);
	come(0, "shell");
	session_send_move(scene_device()->session, NULL, "test");
	channel_expect(&control, "op=move&");
	send_payload(1, plenty, LARGE);
	run_until_received(loop, &visitors[0], LARGE);
	channel_expect(&shared, "op=credit&visit=1&bytes=40000");
	channel_expect_silence(&control);
}
END_TEST

START_TEST(one_that_waits_for_its_channel_stays_too)
{
	begin(_i);
	come(0, "shell");
	send_payload(1, plenty, LARGE);
	run_until_received(loop, &visitors[0], LARGE);
	channel_expect(&shared, "op=credit&visit=1&bytes=40000");
	session_send_move(scene_device()->session, NULL, "test");
	agent_dig(&control, &own, own_id);
	channel_expect_silence(&own);
	send_payload(1, "fine", 4);
	run_until_received(loop, &visitors[0], LARGE + 4);
}
END_TEST

/* ---- the channel's life ---- */

START_TEST(the_end_of_the_session_ends_no_visit)
{
	begin(_i);
	come(0, "shell");
	peer_end(&control.peer);
	RUN_UNTIL(scene_device()->session == NULL);
	send_payload(1, "fine", 4);
	expect_received(&visitors[0], "fine");
	say("abort", 1);
	expect_said("abort", 1);
	channel_expect_close(&shared, WS_CLOSE_NORMAL);
}
END_TEST

START_TEST(without_visits_it_is_closed_with_the_session)
{
	begin(_i);
	peer_end(&control.peer);
	channel_expect_close(&shared, WS_CLOSE_NORMAL);
}
END_TEST

START_TEST(one_that_is_not_kept_is_closed_after_a_rest)
{
	static const char *const soon[] = {"transfer-idle=50ms", NULL};

	begin_with(_i, "&mux=1", soon);
	visitor_dial(&visitors[0], "shell");
	agent_dig(&control, &shared, shared_id);
	channel_expect(&shared, "op=open&visit=1&service=shell&");
	say("abort", 1);
	expect_said("abort", 1);
	channel_expect_close(&shared, WS_CLOSE_NORMAL);
}
END_TEST

START_TEST(one_that_is_kept_is_not)
{
	static const char *const soon[] = {"transfer-idle=20ms", NULL};

	begin_with(_i, "&mux=1&warm=1", soon);
	dig_shared(&shared);
	run_for_ms(loop, 100);
	come(0, "shell");
}
END_TEST

START_TEST(a_lost_channel_resets_its_visits_and_another_is_dug)
{
	struct channel second;

	begin(_i);
	come(0, "shell");
	come(1, "shell");
	say("opened", 1);
	say("opened", 2);
	peer_reset(&shared.peer);
	run_until_reset(loop, &visitors[0]);
	run_until_reset(loop, &visitors[1]);
	visitor_dial(&visitors[2], "shell");
	agent_dig(&control, &second, shared_id);
	channel_expect(&second, "op=open&visit=1&service=shell&");
	peer_close(&second.peer);
}
END_TEST

START_TEST(a_visit_that_is_not_answered_ends_alone)
{
	static const char *const soon[] = {
	    "open-timeout=50ms", "probe-timeout=50ms", "hold=50ms", NULL};

	begin_with(_i, "&mux=1&warm=1", soon);
	dig_shared(&shared);
	come(0, "web");
	expect_payload(1, "request");
	come(1, "web");
	expect_payload(2, "request");
	say("opened", 2);
	ck_assert_uint_eq(channel_next(&control).opcode, WS_OP_PING);
	channel_send(&control, 0x8a, "", 0);
	answer_ping();
	expect_said("abort", 1);
	run_until_ended(loop, &visitors[0]);
	ck_assert_mem_eq(visitors[0].data, "HTTP/1.1 503", 12);
	send_payload(2, "fine", 4);
	expect_received(&visitors[1], "fine");
}
END_TEST

START_TEST(a_channel_that_is_dead_is_given_up)
{
	static const char *const soon[] = {
	    "open-timeout=50ms", "probe-timeout=50ms", "hold=50ms", NULL};

	begin_with(_i, "&mux=1&warm=1", soon);
	dig_shared(&shared);
	run_for_ms(loop, 10);
	come(0, "web");
	expect_payload(1, "request");
	ck_assert_uint_eq(channel_next(&control).opcode, WS_OP_PING);
	channel_send(&control, 0x8a, "", 0);
	ck_assert_uint_eq(channel_next(&shared).opcode, WS_OP_PING);
	channel_expect_close(&shared, WS_CLOSE_TRY_AGAIN);
}
END_TEST

START_TEST(a_thousand_visits_allocate_nothing)
{
	size_t before = 0;

	allocations_begin();
	begin(_i);
	for (int i = 1; i <= 10 + VISITS; i++) {
		uint8_t end[4] = {0, 0, (uint8_t)(i >> 8), (uint8_t)i};

		if (i == 10) {
			ck_assert_uint_gt(allocations(), 0);
			before = allocations();
		}
		visitor_dial(&visitors[0], "web");
		peer_send(&visitors[0], "request", 7);
		channel_expect(&shared, "op=open&visit=");
		ck_assert_uint_eq(channel_next(&shared).len, 11);
		send_payload((uint32_t)i, "response", 8);
		send_payload((uint32_t)i, NULL, 0);
		run_until_ended(loop, &visitors[0]);
		ck_assert_uint_eq(visitors[0].len, 8);
		peer_end(&visitors[0]);
		ck_assert_mem_eq(channel_next(&shared).data, end, 4);
		RUN_UNTIL(count_streams() == 0);
		peer_close(&visitors[0]);
		shared.peer.len = shared.at = 0;
	}
	ck_assert_uint_eq(allocations() - before, 0);
}
END_TEST

int
main(void)
{
	const TTest *const list[] = {
	    an_agent_that_wants_one_ready_is_asked_for_one_at_once,
	    else_it_is_asked_when_a_visitor_comes,
	    visits_run_side_by_side,
	    what_is_said_in_one_turn_comes_in_one_piece,
	    each_half_closes_by_itself,
	    a_visitors_reset_ends_its_visit_alone,
	    a_visitors_reset_after_its_end_is_said_too,
	    an_agents_abort_resets_its_visitor_alone,
	    a_refused_visitor_gets_a_page,
	    a_visitor_is_read_as_far_as_there_is_credit,
	    credit_is_given_for_what_the_visitor_took,
	    payload_beyond_the_window_is_a_fault,
	    payload_for_no_visit_is_a_fault,
	    payload_behind_the_end_is_a_fault,
	    a_message_without_a_whole_number_is_a_fault,
	    more_credit_than_can_be_counted_is_a_fault,
	    moved_without_being_asked_is_a_fault,
	    beyond_its_visits_a_channel_is_dug,
	    an_agent_that_refuses_it_gets_others,
	    a_large_visit_moves_and_keeps_its_order,
	    a_large_request_moves_too,
	    what_had_ended_before_ends_again,
	    and_sends_nothing_more,
	    a_visit_that_stays_goes_on,
	    a_reset_during_the_move_is_said_on_both,
	    without_its_new_channel_it_is_reset,
	    without_the_shared_channel_it_is_reset,
	    an_agent_that_does_not_answer_loses_the_visit,
	    a_refusal_before_the_offer_is_a_fault,
	    an_abort_before_the_offer_is_a_fault,
	    payload_before_the_last_word_is_a_fault,
	    a_visit_of_an_agent_that_leaves_stays,
	    one_that_waits_for_its_channel_stays_too,
	    the_end_of_the_session_ends_no_visit,
	    without_visits_it_is_closed_with_the_session,
	    one_that_is_not_kept_is_closed_after_a_rest,
	    one_that_is_kept_is_not,
	    a_lost_channel_resets_its_visits_and_another_is_dug,
	    a_visit_that_is_not_answered_ends_alone,
	    a_channel_that_is_dead_is_given_up,
	    a_thousand_visits_allocate_nothing,
	};

	return scene_run_suite(
	    "shared", list, sizeof(list) / sizeof(list[0]), teardown);
}
