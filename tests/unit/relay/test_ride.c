/* SPDX-License-Identifier: MIT */
/*
 * Visits that ride on the control channel (docs/PROTOCOL.md section 5.9). That they are visits as on
 * a shared channel is shown by test_shared.c, whose code this is as well; here is what the session
 * has to do with it.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "relay/device.h"
#include "relay/session.h"
#include "relay/shared.h"
#include "relay/stream.h"
#include "scene.h"
#include "wire/control_msg.h"
#include "wire/mux_frame.h"

#define CROWD 12
#define RIDES "&mux=1&visits=12&channels=0&warm=3"
#define LARGE 60000 /* bytes: on a shared channel such a visit moves */

static struct channel control, newer;
static struct peer visitors[CROWD];
static uint8_t plenty[LARGE];

static void
begin_with(int backend, const char *const *options)
{
	memset(plenty, 'x', sizeof(plenty));
	scene_begin(backend, options);
	agent_login_with(&control, "one", RIDES);
}

static void
begin(int backend)
{
	begin_with(backend, NULL);
}

static void
teardown(void)
{
	for (int i = 0; i < CROWD; i++)
		peer_close(&visitors[i]);
	peer_close(&newer.peer);
	peer_close(&control.peer);
	scene_teardown();
}

/* visitors[i] comes, as visit `number` on that channel. */
static void
come_on(struct channel *channel, int i, int number)
{
	char open[60];

	visitor_dial(&visitors[i], "shell");
	snprintf(open, sizeof(open), "op=open&visit=%d&service=shell&", number);
	channel_expect(channel, open);
}

static void
come(int i)
{
	come_on(&control, i, i + 1);
}

static void
send_payload(
    struct channel *channel, uint8_t visit, const void *data, size_t len)
{
	static uint8_t message[4 + LARGE];

	message[3] = visit;
	if (len > 0)
		memcpy(message + 4, data, len);
	channel_send(channel, 0x82, message, 4 + len);
}

static void
expect_payload(struct channel *channel, uint8_t visit, const char *text)
{
	struct frame frame = channel_next(channel);
	uint8_t prefix[4] = {0, 0, 0, visit};

	ck_assert_msg(
	    frame.opcode == WS_OP_BINARY, "%.*s", (int)frame.len, frame.data);
	ck_assert_uint_eq(frame.len, 4 + strlen(text));
	ck_assert_mem_eq(frame.data, prefix, 4);
	ck_assert_mem_eq(frame.data + 4, text, strlen(text));
}

static void
say(struct channel *channel, const char *op, int visit)
{
	char text[60];

	snprintf(text, sizeof(text), "op=%s&visit=%d", op, visit);
	channel_send_text(channel, text);
}

static void
expect_said(struct channel *channel, const char *op, int visit)
{
	char text[60];

	snprintf(text, sizeof(text), "op=%s&visit=%d", op, visit);
	channel_expect(channel, text);
}

static void
expect_received(struct peer *peer, const char *text)
{
	run_until_received(loop, peer, strlen(text));
	ck_assert_uint_eq(peer->len, strlen(text));
	ck_assert_mem_eq(peer->data, text, strlen(text));
}

/* The newer session of the same agent. */
static void
login_again(const char *instance)
{
	agent_login_with(&newer, instance, RIDES);
}

START_TEST(no_channel_is_asked_for)
{
	begin(_i);
	channel_expect_silence(&control);
	come(0);
	channel_expect_silence(&control);
	ck_assert_uint_eq(relay->n_transfers, 0);
}
END_TEST

START_TEST(visits_run_side_by_side_between_control_messages)
{
	begin(_i);
	for (int i = 0; i < CROWD; i++) {
		come(i);
		peer_send(&visitors[i], "question", 8);
		expect_payload(&control, (uint8_t)(i + 1), "question");
		channel_send(&control, 0x89, "?", 1);
		ck_assert_uint_eq(channel_next(&control).opcode, WS_OP_PONG);
	}
	session_ask_secret(scene_device()->session);
	channel_expect(&control, "op=rotate");
	channel_send_text(&control, "op=secret&error=no");
	channel_expect(&control, "op=secret&error=");
	for (int i = CROWD; i-- > 0;) {
		send_payload(&control, (uint8_t)(i + 1), "answer", 6);
		send_payload(&control, (uint8_t)(i + 1), NULL, 0);
	}
	for (int i = 0; i < CROWD; i++) {
		run_until_ended(loop, &visitors[i]);
		expect_received(&visitors[i], "answer");
		peer_end(&visitors[i]);
		expect_payload(&control, (uint8_t)(i + 1), "");
	}
	RUN_UNTIL(relay->n_visitors == 0);
	channel_expect_silence(&control);
}
END_TEST

START_TEST(a_large_visit_stays)
{
	begin(_i);
	come(0);
	say(&control, "opened", 1);
	send_payload(&control, 1, plenty, LARGE);
	run_until_received(loop, &visitors[0], LARGE);
	channel_expect(&control, "op=credit&visit=1&bytes=");
	channel_expect_silence(&control);
}
END_TEST

START_TEST(beyond_its_visits_visitors_wait)
{
	static struct peer late;

	begin(_i);
	for (int i = 0; i < CROWD; i++)
		come(i);
	visitor_dial(&late, "shell");
	channel_expect_silence(&control);
	say(&control, "abort", 3);
	expect_said(&control, "abort", 3);
	channel_expect(&control, "op=open&visit=13&service=shell&");
	peer_close(&late);
}
END_TEST

START_TEST(a_visits_bytes_are_a_sign_of_life)
{
	static const char *const soon[] = {"heartbeat=300ms", NULL};

	begin_with(_i, soon);
	come(0);
	for (int i = 0; i < 12; i++) { /* longer than three heartbeats */
		run_for_ms(loop, 90);
		send_payload(&control, 1, "x", 1);
	}
	ck_assert_ptr_nonnull(scene_device()->session);
	RUN_UNTIL(scene_device()->session == NULL); /* silent from here on */
	run_until_reset(loop, &visitors[0]);
}
END_TEST

START_TEST(a_fault_of_a_visit_ends_the_session)
{
	begin(_i);
	come(0);
	send_payload(&control, 2, "x", 1);
	channel_expect_close(&control, WS_CLOSE_PROTOCOL_ERROR);
	run_until_reset(loop, &visitors[0]);
	RUN_UNTIL(scene_device()->session == NULL);
	ck_assert_ptr_null(LIST_FIRST(&scene_device()->shareds));
}
END_TEST

START_TEST(so_does_a_move_that_nobody_asked_for)
{
	begin(_i);
	come(0);
	say(&control, "moved", 1);
	channel_expect_close(&control, WS_CLOSE_PROTOCOL_ERROR);
}
END_TEST

START_TEST(a_malformed_message_ends_it_too)
{
	begin(_i);
	channel_send_text(&control, "op=credit&visit=1");
	channel_expect_close(&control, WS_CLOSE_PROTOCOL_ERROR);
	RUN_UNTIL(scene_device()->session == NULL);
}
END_TEST

START_TEST(the_end_of_the_session_resets_its_visits)
{
	begin(_i);
	come(0);
	say(&control, "opened", 1);
	channel_send(&control, 0x88, "\x03\xe8", 2);
	channel_expect_close(&control, WS_CLOSE_NORMAL);
	run_until_reset(loop, &visitors[0]);
	RUN_UNTIL(scene_device()->session == NULL);
}
END_TEST

static const char *const patient[] = {"heartbeat=10s", "open-timeout=50ms",
    "probe-timeout=10s", "heartbeat-max=10m", NULL};

static const char *const hasty[] = {"heartbeat=10s", "open-timeout=50ms",
    "probe-timeout=10s", "transfer-idle=50ms", NULL};

static void
nothing_was_heard_for_ms(uint64_t ms)
{
	LIST_FIRST(&scene_device()->shareds)->heard_ms -= ms;
}

START_TEST(a_visit_that_is_not_answered_has_the_session_probed)
{
	begin_with(_i, patient);
	nothing_was_heard_for_ms(11000);
	come(0);
	RUN_UNTIL(relay->counters.probes > 0);
	run_for_ms(loop, 200); /* four times what an open has */
	ck_assert_ptr_nonnull(scene_device()->session);
	ck_assert_uint_ne(scene_device()->session->probed_ms, 0);
	say(&control, "opened", 1);
	send_payload(&control, 1, "late", 4);
	expect_received(&visitors[0], "late");
	ck_assert_uint_eq(scene_device()->session->probed_ms, 0);
}
END_TEST

/* The agent may not have heard of it: nothing ends before its session was asked. */
START_TEST(an_abort_that_is_not_answered_has_the_session_probed)
{
	begin_with(_i, hasty);
	come(0);
	peer_reset(&visitors[0]);
	expect_said(&control, "abort", 1);
	RUN_UNTIL(relay->counters.probes > 0);
	run_for_ms(loop, 200); /* four times what an end has */
	ck_assert_ptr_nonnull(scene_device()->session);
	ck_assert_uint_ne(scene_device()->session->probed_ms, 0);
	say(&control, "abort", 1);
	RUN_UNTIL(scene_device()->session->probed_ms == 0);
	run_for_ms(loop, 200);
	ck_assert_ptr_nonnull(scene_device()->session);
}
END_TEST

/* The next frame that is no ping; those are answered. */
static struct frame
next_but_pings(struct channel *channel)
{
	struct frame frame = channel_next(channel);

	while (frame.opcode == WS_OP_PING) {
		channel_send(channel, 0x8a, frame.data, frame.len);
		frame = channel_next(channel);
	}
	return frame;
}

static const char *const impatient[] = {
    "transfer-idle=100ms", "open-timeout=100ms", NULL};

/* The first n visitors come and leave, and the agent does not say a word about it. */
static void
leave(int n)
{
	char abort[60];

	for (int i = 0; i < n; i++) {
		come(i);
		say(&control, "opened", i + 1);
	}
	run_for_ms(loop, 30);
	for (int i = 0; i < n; i++) {
		struct frame frame;

		peer_reset(&visitors[i]);
		frame = next_but_pings(&control);
		snprintf(abort, sizeof(abort), "op=abort&visit=%d", i + 1);
		ck_assert_mem_eq(frame.data, abort, strlen(abort));
	}
}

/* Or it would have one number less for each visitor who leaves, until it has none. */
START_TEST(an_agent_that_never_answers_aborts_loses_the_session)
{
	struct frame frame;

	begin_with(_i, impatient);
	leave(CROWD / 2);
	/* it lives, and has heard of them */
	frame = next_but_pings(&control);
	ck_assert_uint_eq(frame.opcode, WS_OP_CLOSE);
	ck_assert_mem_eq(frame.data, "\x03\xea", 2);
	RUN_UNTIL(scene_device()->session == NULL);
}
END_TEST

/* One whose service hangs must not cost the others' visits. */
START_TEST(a_few_aborts_that_are_not_answered_cost_their_places)
{
	struct shared *shared;

	begin_with(_i, impatient);
	leave(CROWD / 2 - 1);
	shared = LIST_FIRST(&scene_device()->shareds);
	for (int visits = 0; visits < CROWD / 2 - 1;) {
		struct frame ping = channel_next(&control);

		ck_assert_uint_eq(ping.opcode, WS_OP_PING);
		visits += ping.len == MUX_PREFIX_LEN; /* not the session's */
		channel_send(&control, 0x8a, ping.data, ping.len);
	}
	RUN_UNTIL(shared->owed == CROWD / 2 - 1);
	ck_assert_ptr_nonnull(scene_device()->session);
	for (int i = 0; i < CROWD / 2 - 1; i++)
		say(&control, "abort", i + 1);
	RUN_UNTIL(shared->streams.count == 0);
	ck_assert_uint_eq(shared->owed, 0);
}
END_TEST

START_TEST(a_late_answer_to_an_abort_is_in_time)
{
	begin_with(_i, impatient);
	leave(1);
	ck_assert_uint_eq(channel_next(&control).opcode, WS_OP_PING);
	run_for_ms(loop, 300); /* the link is slow: nothing has come since */
	say(&control, "abort", 1);
	RUN_UNTIL(LIST_FIRST(&scene_device()->shareds)->streams.count == 0);
	visitor_dial(&visitors[1], "shell");
	ck_assert_uint_eq(next_but_pings(&control).opcode, WS_OP_TEXT);
}
END_TEST

START_TEST(an_interval_that_the_agent_has_chosen_is_no_reason_to_doubt)
{
	begin_with(_i, patient);
	channel_send_text(&control, "op=heartbeat&heartbeat_ms=300000");
	RUN_UNTIL(scene_device()->grant->heartbeat_ms == 300000);
	nothing_was_heard_for_ms(11000);
	come(0);
	ck_assert(TAILQ_EMPTY(&LIST_FIRST(&scene_device()->shareds)->doubtful));
}
END_TEST

START_TEST(visits_of_a_session_that_is_replaced_go_on)
{
	begin(_i);
	come(0);
	come(1);
	login_again("one");
	come_on(&newer, 2, 1);
	send_payload(&control, 1, "old", 3);
	expect_received(&visitors[0], "old");
	send_payload(&newer, 1, "new", 3);
	expect_received(&visitors[2], "new");
	peer_send(&visitors[1], "more", 4);
	expect_payload(&control, 2, "more");
	channel_send(&control, 0x89, "?", 1);
	ck_assert_uint_eq(channel_next(&control).opcode, WS_OP_PONG);
	channel_send_text(&control, "op=secret&error=late");
	say(&control, "abort", 1);
	expect_said(&control, "abort", 1);
	channel_expect_silence(&control);
	say(&control, "abort", 2);
	expect_said(&control, "abort", 2);
	channel_expect_close(&control, WS_CLOSE_POLICY);
	channel_expect_silence(&newer);
	ck_assert_uint_eq(relay->n_transfers, 0);
}
END_TEST

START_TEST(a_replaced_session_without_visits_is_closed)
{
	begin(_i);
	login_again("one");
	channel_expect_close(&control, WS_CLOSE_POLICY);
	come_on(&newer, 0, 1);
}
END_TEST

START_TEST(a_fault_on_a_replaced_one_costs_its_visits_alone)
{
	begin(_i);
	come(0);
	login_again("one");
	come_on(&newer, 1, 1);
	send_payload(&control, 9, "x", 1);
	channel_expect_close(&control, WS_CLOSE_PROTOCOL_ERROR);
	send_payload(&newer, 1, "fine", 4);
	expect_received(&visitors[1], "fine");
}
END_TEST

START_TEST(an_agent_that_has_lost_its_channel_comes_back)
{
	begin(_i);
	come(0);
	peer_reset(&control.peer);
	RUN_UNTIL(scene_device()->session == NULL);
	run_until_reset(loop, &visitors[0]);
	login_again("two");
	come_on(&newer, 1, 1);
}
END_TEST

/* Nobody says "opened", and nobody is asked why. */
static const char *const slow[] = {"open-timeout=60s", NULL};

/* Bytes of visits that come before the next text message. */
static size_t
bytes_before_text(struct channel *channel)
{
	size_t bytes = 0;

	for (;;) {
		struct frame frame = channel_next(channel);

		if (frame.opcode == WS_OP_TEXT)
			return bytes;
		ck_assert_uint_eq(frame.opcode, WS_OP_BINARY);
		ck_assert_uint_le(frame.len, 4 + 16384);
		bytes += frame.len;
	}
}

START_TEST(a_control_message_waits_behind_little)
{
	int small = 16384;
	size_t sent = 0, before;

	begin_with(_i, slow);
	setsockopt(
	    control.peer.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (int i = 0; i < CROWD; i++)
		come(i);
	for (int i = 0; i < CROWD; i++)
		sent += peer_send_some(&visitors[i], plenty, LARGE);
	run_for_ms(loop, 200); /* the agent does not read */
	session_ask_secret(scene_device()->session);
	before = bytes_before_text(&control);
	ck_assert_uint_ge(sent, CROWD * LARGE);
	/* what the agent's system holds besides what the relay and its system may */
	ck_assert_uint_le(before, 65536 + 3 * 32768);
	while (sent > before) {
		struct frame frame = channel_next(&control);

		ck_assert_uint_eq(frame.opcode, WS_OP_BINARY);
		before += frame.len - 4;
	}
}
END_TEST

START_TEST(visits_get_their_share_of_a_full_channel)
{
	size_t got[CROWD] = {0}, most = 0, least = SIZE_MAX;

	begin_with(_i, slow);
	for (int i = 0; i < CROWD; i++)
		come(i);
	for (int i = 0; i < CROWD; i++)
		ck_assert_uint_eq(
		    peer_send_some(&visitors[i], plenty, LARGE), LARGE);
	for (size_t all = 0; all < CROWD * LARGE / 2;) {
		struct frame frame = channel_next(&control);

		ck_assert_uint_eq(frame.opcode, WS_OP_BINARY);
		got[frame.data[3] - 1] += frame.len - 4;
		all += frame.len - 4;
	}
	for (int i = 0; i < CROWD; i++) {
		most = got[i] > most ? got[i] : most;
		least = got[i] < least ? got[i] : least;
	}
	/* nobody is done while another has not begun */
	ck_assert_uint_gt(least, 0);
	ck_assert_uint_le(most - least, 3 * 16384);
}
END_TEST

/* Bytes of a first read: as they go with the open, however full the channel is. */
#define FIRST 4000
#define MANY 100

/* Nothing ends meanwhile, and nobody else comes. */
START_TEST(who_waits_for_room_is_served_when_there_is_some)
{
	static const char *const options[] = {
	    "open-timeout=30s", "heartbeat=30s", NULL};
	static struct peer crowd[MANY];
	int small = 8192, opens = 0;

	memset(plenty, 'x', sizeof(plenty));
	scene_begin(_i, options);
	agent_login_with(&control, "one", "&mux=1&visits=1000&channels=0");
	setsockopt(
	    control.peer.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (int i = 0; i < MANY; i++) {
		visitor_dial(&crowd[i], "shell");
		(void)peer_send_some(&crowd[i], plenty, FIRST);
	}
	RUN_UNTIL(relay->n_visitors == MANY);
	run_for_ms(loop, 50);
	ck_assert_uint_gt(scene_device()->n_waiting, 0);
	while (opens < MANY)
		opens += channel_next(&control).opcode == WS_OP_TEXT;
	ck_assert_uint_eq(scene_device()->n_waiting, 0);
	for (int i = 0; i < MANY; i++)
		peer_close(&crowd[i]);
}
END_TEST

int
main(void)
{
	const TTest *const list[] = {
	    no_channel_is_asked_for,
	    visits_run_side_by_side_between_control_messages,
	    a_large_visit_stays,
	    beyond_its_visits_visitors_wait,
	    a_visits_bytes_are_a_sign_of_life,
	    a_fault_of_a_visit_ends_the_session,
	    so_does_a_move_that_nobody_asked_for,
	    a_malformed_message_ends_it_too,
	    the_end_of_the_session_resets_its_visits,
	    a_visit_that_is_not_answered_has_the_session_probed,
	    an_abort_that_is_not_answered_has_the_session_probed,
	    an_agent_that_never_answers_aborts_loses_the_session,
	    a_few_aborts_that_are_not_answered_cost_their_places,
	    a_late_answer_to_an_abort_is_in_time,
	    who_waits_for_room_is_served_when_there_is_some,
	    an_interval_that_the_agent_has_chosen_is_no_reason_to_doubt,
	    visits_of_a_session_that_is_replaced_go_on,
	    a_replaced_session_without_visits_is_closed,
	    a_fault_on_a_replaced_one_costs_its_visits_alone,
	    an_agent_that_has_lost_its_channel_comes_back,
	    a_control_message_waits_behind_little,
	    visits_get_their_share_of_a_full_channel,
	};

	return scene_run_suite(
	    "ride", list, sizeof(list) / sizeof(list[0]), teardown);
}
