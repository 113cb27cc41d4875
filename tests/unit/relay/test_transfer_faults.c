/* SPDX-License-Identifier: MIT */
/* Agents that break the protocol, die, or do not answer, and visitors who come in vain. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/device.h"
#include "relay/transfer.h"
#include "scene.h"

static struct channel control, transfer;
static struct peer visitor;

static void
begin(int backend, const char *const *options)
{
	scene_begin(backend, options);
	agent_login(&control, "one");
}

static void
begin_visit(int backend, const char *service)
{
	begin(backend, NULL);
	visit_begin(&control, &transfer, &visitor, service);
}

static void
teardown(void)
{
	peer_close(&visitor);
	peer_close(&transfer.peer);
	peer_close(&control.peer);
	scene_teardown();
}

/* The visit is complete, and its channel idle. */
static void
complete_visit(void)
{
	peer_end(&visitor);
	channel_send_end(&transfer);
	channel_expect_bytes(&transfer, NULL);
	RUN_UNTIL(count_idle() == 1);
}

static void
expect_page(unsigned status)
{
	char line[20];

	run_until_ended(loop, &visitor);
	snprintf(line, sizeof(line), "HTTP/1.1 %u ", status);
	ck_assert_uint_gt(visitor.len, strlen(line));
	ck_assert_mem_eq(visitor.data, line, strlen(line));
}

/* Breaking the protocol. */

START_TEST(payload_on_an_idle_channel_is_an_error)
{
	begin_visit(_i, "shell");
	complete_visit();
	channel_send_bytes(&transfer, "unasked");
	channel_expect_close(&transfer, WS_CLOSE_PROTOCOL_ERROR);
	ck_assert_uint_eq(count_idle(), 0);
}
END_TEST

START_TEST(an_end_on_an_idle_channel_is_an_error)
{
	begin_visit(_i, "shell");
	complete_visit();
	channel_send_end(&transfer);
	channel_expect_close(&transfer, WS_CLOSE_PROTOCOL_ERROR);
}
END_TEST

START_TEST(payload_after_an_end_is_an_error)
{
	begin_visit(_i, "shell");
	channel_send_bytes(&transfer, "all");
	channel_send_end(&transfer);
	channel_send_bytes(&transfer, "more");
	channel_expect_close(&transfer, WS_CLOSE_PROTOCOL_ERROR);
	run_until_ended(loop, &visitor);
	ck_assert_uint_eq(visitor.len, 3);
	ck_assert_uint_eq(relay->n_transfers + relay->n_visitors, 0);
}
END_TEST

START_TEST(payload_after_an_abort_is_an_error)
{
	begin_visit(_i, "shell");
	channel_send_text(&transfer, "op=abort&visit=1");
	channel_send_bytes(&transfer, "more");
	channel_expect(&transfer, "op=abort&visit=1");
	channel_expect_close(&transfer, WS_CLOSE_PROTOCOL_ERROR);
}
END_TEST

START_TEST(malformed_messages_and_frames_are_errors)
{
	static const struct {
		const char *data;
		uint8_t first;
		unsigned code;
	} cases[] = {
	    {"", 0x81, WS_CLOSE_PROTOCOL_ERROR},
	    {"visit=1", 0x81, WS_CLOSE_PROTOCOL_ERROR},
	    {"op=abort&visit=x", 0x81, WS_CLOSE_PROTOCOL_ERROR},
	    {"op=abort", 0x81, WS_CLOSE_PROTOCOL_ERROR},
	    {"op=opened", 0x81, WS_CLOSE_PROTOCOL_ERROR},
	    {"op=%zz", 0x81, WS_CLOSE_PROTOCOL_ERROR},
	    {"op=abort\n", 0x81, WS_CLOSE_INVALID_DATA},
	    {"reserved bit", 0xc2, WS_CLOSE_PROTOCOL_ERROR},
	    {"no such opcode", 0x83, WS_CLOSE_PROTOCOL_ERROR},
	    {"cut ping", 0x09, WS_CLOSE_PROTOCOL_ERROR},
	    {"of nothing", 0x80, WS_CLOSE_PROTOCOL_ERROR},
	};
	size_t n = sizeof(cases) / sizeof(cases[0]);

	begin(_i % 2, NULL);
	for (size_t i = 0; i < n; i++) {
		visit_begin(&control, &transfer, &visitor, "shell");
		channel_send(&transfer, cases[i].first, cases[i].data,
		    strlen(cases[i].data));
		channel_expect_close(&transfer, cases[i].code);
		run_until_reset(loop, &visitor);
		peer_close(&visitor);
		peer_close(&transfer.peer);
	}
	/* and nothing else has ended */
	ck_assert_ptr_nonnull(scene_device()->session);
}
END_TEST

START_TEST(an_unmasked_frame_is_an_error)
{
	begin_visit(_i, "shell");
	peer_send(&transfer.peer,
	    "\x82\x03"
	    "abc",
	    5);
	channel_expect_close(&transfer, WS_CLOSE_PROTOCOL_ERROR);
}
END_TEST

START_TEST(a_text_message_that_is_too_long_is_an_error)
{
	static char text[CONTROL_MSG_MAX + 1];

	begin_visit(_i, "shell");
	memset(text, 'a', sizeof(text));
	channel_send(&transfer, 0x01, text, CONTROL_MSG_MAX);
	channel_send(&transfer, 0x80, text, 1);
	channel_expect_close(&transfer, WS_CLOSE_TOO_BIG);
}
END_TEST

/* The agent ends or dies. */

START_TEST(a_close_is_answered)
{
	begin_visit(_i, "shell");
	complete_visit();
	channel_send(&transfer, 0x88, "\x03\xe9", 2);
	channel_expect_close(&transfer, WS_CLOSE_GOING_AWAY);
	ck_assert_uint_eq(relay->n_transfers, 0);
}
END_TEST

/* Nothing was answered yet: the visitor gets a page; later it can only be reset. */
START_TEST(a_channel_that_goes_takes_its_visit_along)
{
	static const char *const ways[] = {"close frame", "end", "reset"};

	begin(_i % 2, NULL);
	for (int touched = 0; touched < 2; touched++)
		for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]);
		     way++) {
			visit_begin(&control, &transfer, &visitor, "web");
			if (touched) {
				channel_send_bytes(&transfer, "HTTP/1.1 200");
				run_until_received(loop, &visitor, 12);
			}
			if (way == 0)
				channel_send(&transfer, 0x88, "", 0);
			else if (way == 1)
				peer_end(&transfer.peer);
			else
				peer_reset(&transfer.peer);
			if (touched)
				run_until_reset(loop, &visitor);
			else
				expect_page(503);
			RUN_UNTIL(relay->n_transfers == 0);
			peer_close(&visitor);
			peer_close(&transfer.peer);
		}
}
END_TEST

/* An end without a byte before it: no page may be written behind it. */
START_TEST(a_channel_that_goes_after_its_end_resets_the_visitor)
{
	begin_visit(_i, "web");
	channel_send_end(&transfer);
	run_until_ended(loop, &visitor);
	ck_assert_uint_eq(visitor.len, 0);
	peer_reset(&transfer.peer);
	RUN_UNTIL(relay->n_transfers == 0 && relay->n_visitors == 0);
}
END_TEST

START_TEST(a_refusal_after_an_end_is_ignored)
{
	begin_visit(_i, "web");
	channel_send_end(&transfer);
	channel_send_text(&transfer, "op=refused&visit=1&reason=late");
	run_until_ended(loop, &visitor);
	ck_assert_uint_eq(visitor.len, 0);
	channel_expect_silence(&transfer);
	peer_end(&visitor);
	channel_expect_bytes(&transfer, NULL);
	RUN_UNTIL(count_idle() == 1);
}
END_TEST

START_TEST(visits_outlive_an_orderly_end_of_the_session)
{
	begin_visit(_i, "shell");
	channel_send(&control, 0x88, "\x03\xe8", 2);
	channel_expect_close(&control, WS_CLOSE_NORMAL);
	ck_assert_ptr_null(scene_device()->session);
	channel_send_bytes(&transfer, "still here");
	run_until_received(loop, &visitor, 10);
	complete_visit();
}
END_TEST

START_TEST(an_idle_channel_does_not_outlive_its_session)
{
	begin_visit(_i, "shell");
	complete_visit();
	peer_reset(&control.peer);
	channel_expect_close(&transfer, WS_CLOSE_NORMAL);
}
END_TEST

/* The agent lives and does not answer the open. */
START_TEST(an_open_that_is_not_answered_is_given_up)
{
	static const char *const options[] = {
	    "open-timeout=60ms", "probe-timeout=80ms", "hold=50ms", NULL};

	begin(_i, options);
	visit_begin(&control, &transfer, &visitor, "web");
	ck_assert_uint_eq(channel_next(&control).opcode, WS_OP_PING);
	channel_send(&control, 0x8a, "", 0);
	expect_page(503);
	channel_expect_close(&transfer, WS_CLOSE_TRY_AGAIN);
	ck_assert_ptr_nonnull(scene_device()->session);
}
END_TEST

START_TEST(a_dead_agent_is_found_by_its_first_visitor)
{
	static const char *const options[] = {
	    "open-timeout=60ms", "probe-timeout=80ms", "hold=50ms", NULL};

	begin(_i, options);
	visit_begin(&control, &transfer, &visitor, "web");
	expect_page(503);
	run_until_reset(loop, &control.peer);
	run_until_reset(loop, &transfer.peer);
	ck_assert_ptr_null(scene_device()->session);
}
END_TEST

/* It was told to reset, and never says that it has. */
START_TEST(an_abort_that_is_not_answered_costs_the_channel)
{
	static const char *const options[] = {"transfer-idle=100ms", NULL};

	begin(_i, options);
	visit_begin(&control, &transfer, &visitor, "shell");
	peer_reset(&visitor);
	channel_expect(&transfer, "op=abort&visit=1");
	channel_expect_close(&transfer, WS_CLOSE_NORMAL);
	ck_assert_uint_eq(relay->n_transfers, 0);
}
END_TEST

START_TEST(an_idle_channel_is_closed_after_a_while)
{
	static const char *const options[] = {"transfer-idle=100ms", NULL};

	begin(_i, options);
	visit_begin(&control, &transfer, &visitor, "shell");
	complete_visit();
	channel_expect_close(&transfer, WS_CLOSE_NORMAL);
	ck_assert_uint_eq(relay->n_transfers, 0);
}
END_TEST

/* Pings without end, and nobody who reads the pongs: the relay must not keep them all. */
START_TEST(pongs_are_not_piled_up)
{
	enum { PINGS = 100000 };
	uint8_t ping[200];
	char payload[WS_CONTROL_MAX];
	size_t len, most = 0, sent = 0;
	struct transfer *running;

	begin_visit(_i, "shell");
	channel_send_text(&transfer, "op=opened&visit=1");
	memset(payload, 'p', sizeof(payload));
	len = frame_encode(ping, 0x89, payload, sizeof(payload));
	running = TAILQ_FIRST(&scene_device()->running);
	for (int i = 0; i < PINGS; i++) {
		sent += peer_send_some(
		    &transfer.peer, ping + sent % len, len - sent % len);
		if (sent % len != 0 || i % 500 == 0)
			run_for_ms(loop, 1);
		if (TAILQ_FIRST(&scene_device()->running) != running)
			return; /* closing the channel is an answer, too */
		if (conn_queued(&running->conn) > most)
			most = conn_queued(&running->conn);
	}
	ck_assert_uint_gt(most, 0);
	ck_assert_uint_lt(most, 4 * BUF_LARGE);
}
END_TEST

/* Digging. */

START_TEST(an_id_is_good_once)
{
	struct channel again;
	char id[33];

	begin(_i, NULL);
	visitor_dial(&visitor, "shell");
	agent_dig(&control, &transfer, id);
	channel_expect(&transfer, "op=open&visit=1&");
	agent_request(&again, id);
	run_until_ended(loop, &again.peer);
	ck_assert_mem_eq(again.peer.data, "HTTP/1.1 404 ", 13);
	peer_close(&again.peer);
	agent_request(&again, "00000000000000000000000000000000");
	run_until_ended(loop, &again.peer);
	ck_assert_mem_eq(again.peer.data, "HTTP/1.1 404 ", 13);
	peer_close(&again.peer);
}
END_TEST

START_TEST(a_channel_that_comes_too_late_waits_for_the_next)
{
	begin(_i, NULL);
	visitor_dial(&visitor, "shell");
	run_for_ms(loop, 10);
	peer_reset(&visitor);
	agent_dig(&control, &transfer, NULL);
	/* the visitor who has gone is found out when he is joined */
	channel_expect(&transfer, "op=open&visit=1&");
	channel_expect(&transfer, "op=abort&visit=1");
	channel_send_text(&transfer, "op=abort&visit=1");
	RUN_UNTIL(count_idle() == 1);
	visitor_dial(&visitor, "shell");
	channel_expect(&transfer, "op=open&visit=2&");
}
END_TEST

START_TEST(an_agent_that_cannot_dig_refuses)
{
	struct frame frame;
	char text[100];

	begin(_i, NULL);
	visitor_dial(&visitor, "web");
	frame = channel_next(&control);
	ck_assert_mem_eq(frame.data, "op=open&id=", 11);
	snprintf(text, sizeof(text), "op=refused&id=%.32s&reason=full",
	    frame.data + 11);
	channel_send_text(&control, text);
	expect_page(502);
	channel_send_text(&control, text);
	channel_expect_silence(&control);
}
END_TEST

START_TEST(a_visitor_of_an_absent_device_is_held_and_then_told)
{
	static const char *const options[] = {"hold=80ms", NULL};
	uint64_t began;

	begin(_i, options);
	peer_reset(&control.peer);
	RUN_UNTIL(scene_device()->session == NULL);
	began = loop_now_ms(loop);
	visitor_dial(&visitor, "web");
	expect_page(503);
	ck_assert_uint_ge(loop_now_ms(loop) - began, 80);
	ck_assert_uint_eq(relay->counters.visits_held, 1);
}
END_TEST

START_TEST(a_visitor_who_is_held_is_served_by_the_agent_that_comes_back)
{
	begin(_i, NULL);
	peer_reset(&control.peer);
	RUN_UNTIL(scene_device()->session == NULL);
	visitor_dial(&visitor, "web");
	run_for_ms(loop, 30);
	agent_login(&control, "two");
	agent_dig(&control, &transfer, NULL);
	channel_expect(&transfer, "op=open&visit=1&service=web&");
}
END_TEST

static void
add_breaking(Suite *suite)
{
	TCase *tests = tcase_create("breaking");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_loop_test(
	    tests, payload_on_an_idle_channel_is_an_error, 0, 2);
	tcase_add_loop_test(tests, an_end_on_an_idle_channel_is_an_error, 0, 2);
	tcase_add_loop_test(tests, payload_after_an_end_is_an_error, 0, 2);
	tcase_add_loop_test(tests, payload_after_an_abort_is_an_error, 0, 2);
	tcase_add_loop_test(
	    tests, malformed_messages_and_frames_are_errors, 0, 2);
	tcase_add_loop_test(tests, an_unmasked_frame_is_an_error, 0, 2);
	tcase_add_loop_test(
	    tests, a_text_message_that_is_too_long_is_an_error, 0, 2);
	tcase_add_loop_test(tests, pongs_are_not_piled_up, 0, 2);
	suite_add_tcase(suite, tests);
}

static void
add_dying(Suite *suite)
{
	TCase *tests = tcase_create("dying");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_loop_test(tests, a_close_is_answered, 0, 2);
	tcase_add_loop_test(
	    tests, a_channel_that_goes_takes_its_visit_along, 0, 2);
	tcase_add_loop_test(
	    tests, a_channel_that_goes_after_its_end_resets_the_visitor, 0, 2);
	tcase_add_loop_test(tests, a_refusal_after_an_end_is_ignored, 0, 2);
	tcase_add_loop_test(
	    tests, visits_outlive_an_orderly_end_of_the_session, 0, 2);
	tcase_add_loop_test(
	    tests, an_idle_channel_does_not_outlive_its_session, 0, 2);
	tcase_add_loop_test(
	    tests, an_open_that_is_not_answered_is_given_up, 0, 2);
	tcase_add_loop_test(
	    tests, a_dead_agent_is_found_by_its_first_visitor, 0, 2);
	tcase_add_loop_test(
	    tests, an_abort_that_is_not_answered_costs_the_channel, 0, 2);
	tcase_add_loop_test(
	    tests, an_idle_channel_is_closed_after_a_while, 0, 2);
	suite_add_tcase(suite, tests);
}

static void
add_digging(Suite *suite)
{
	TCase *tests = tcase_create("digging");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_loop_test(tests, an_id_is_good_once, 0, 2);
	tcase_add_loop_test(
	    tests, a_channel_that_comes_too_late_waits_for_the_next, 0, 2);
	tcase_add_loop_test(tests, an_agent_that_cannot_dig_refuses, 0, 2);
	tcase_add_loop_test(
	    tests, a_visitor_of_an_absent_device_is_held_and_then_told, 0, 2);
	tcase_add_loop_test(tests,
	    a_visitor_who_is_held_is_served_by_the_agent_that_comes_back, 0, 2);
	suite_add_tcase(suite, tests);
}

int
main(void)
{
	Suite *suite = suite_create("transfer_faults");
	SRunner *runner;
	int failed;

	add_breaking(suite);
	add_dying(suite);
	add_digging(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
