/* SPDX-License-Identifier: MIT */
/* Channels that are dug ahead of need, and kept. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/device.h"
#include "relay/transfer.h"
#include "scene.h"

#define CROWD 5

static struct channel control, transfers[CROWD + 1];
static struct peer visitors[CROWD];

static void
begin(int backend, unsigned warm, const char *const *options)
{
	char more[20];

	scene_begin(backend, options);
	snprintf(more, sizeof(more), "&warm=%u", warm);
	agent_login_with(&control, "one", more);
}

static void
teardown(void)
{
	for (int i = 0; i < CROWD; i++)
		peer_close(&visitors[i]);
	for (int i = 0; i <= CROWD; i++)
		peer_close(&transfers[i].peer);
	peer_close(&control.peer);
	scene_teardown();
}

/* A channel is asked for that no visitor waits for. */
static void
expect_ahead(char id[33])
{
	struct frame frame = channel_next(&control);

	ck_assert_uint_eq(frame.len, 11 + 32); /* no service */
	ck_assert_mem_eq(frame.data, "op=open&id=", 11);
	memcpy(id, frame.data + 11, 32);
	id[32] = '\0';
}

static void
dig_ahead(struct channel *transfer)
{
	size_t before = count_idle();
	char id[33];

	expect_ahead(id);
	agent_request(transfer, id);
	agent_take_switch(transfer);
	RUN_UNTIL(count_idle() == before + 1);
}

/* Visitors come at once; the first channel is there already. */
static void
let_a_crowd_in(void)
{
	char id[33];

	dig_ahead(&transfers[0]);
	for (int i = 0; i < CROWD; i++) {
		visitor_dial(&visitors[i], "shell");
		/* the next one, for nobody yet */
		expect_ahead(id);
		agent_request(&transfers[i + 1], id);
		RUN_UNTIL(count_idle() == 1);
	}
	ck_assert_uint_eq(count_running(), CROWD);
}

static void
send_the_crowd_home(void)
{
	for (int i = 0; i < CROWD; i++) {
		peer_reset(&visitors[i]);
		RUN_UNTIL(relay->n_visitors == (size_t)(CROWD - 1 - i));
		channel_send_text(&transfers[i], "op=abort&visit=1");
	}
	RUN_UNTIL(count_running() == 0);
}

START_TEST(none_is_dug_ahead_for_an_agent_that_asks_for_none)
{
	begin(_i, 0, NULL);
	channel_expect_silence(&control);
	visit_begin(&control, &transfers[0], &visitors[0], "shell");
	channel_expect_silence(&control);
}
END_TEST

START_TEST(as_many_are_dug_as_the_agent_asks_for)
{
	begin(_i, 2, NULL);
	dig_ahead(&transfers[0]);
	dig_ahead(&transfers[1]);
	channel_expect_silence(&control);
	ck_assert_uint_eq(count_idle(), 2);
}
END_TEST

START_TEST(the_relay_has_the_last_word)
{
	static const char *const few[] = {"warm-max=1", NULL};
	static const char *const none[] = {"warm-max=0", NULL};

	begin(_i, 60, few);
	dig_ahead(&transfers[0]);
	channel_expect_silence(&control);
	teardown();
	begin(_i, 60, none);
	channel_expect_silence(&control);
}
END_TEST

START_TEST(a_first_visit_is_opened_at_once_and_a_next_channel_asked_for)
{
	begin(_i, 1, NULL);
	dig_ahead(&transfers[0]);
	visitor_dial(&visitors[0], "shell");
	RUN_UNTIL(count_running() == 1);
	dig_ahead(&transfers[1]);
	channel_expect_silence(&control);
}
END_TEST

START_TEST(channels_under_way_are_counted)
{
	char ahead[33], id[33];

	begin(_i, 1, NULL);
	expect_ahead(ahead);
	visitor_dial(&visitors[0], "shell");
	RUN_UNTIL(relay->n_visitors == 1);
	expect_ahead(id);
	channel_expect_silence(&control);
	agent_request(&transfers[1], id);
	RUN_UNTIL(count_running() == 1);
	agent_request(&transfers[0], ahead);
	RUN_UNTIL(count_idle() == 1);
	channel_expect_silence(&control);
}
END_TEST

START_TEST(after_a_crowd_channels_fall_back_to_the_floor)
{
	static const char *const options[] = {
	    "transfer-idle=100ms", "warm-decay=10ms", NULL};

	begin(_i, 1, options);
	let_a_crowd_in();
	send_the_crowd_home();
	RUN_UNTIL(count_idle() == 1);
	run_for_ms(loop, 400);
	ck_assert_uint_eq(count_idle(), 1);
	ck_assert_uint_eq(relay->n_transfers, 1);
	channel_expect_silence(&control);
}
END_TEST

START_TEST(while_a_crowd_is_expected_its_channels_are_kept)
{
	static const char *const options[] = {
	    "transfer-idle=300ms", "warm-decay=1h", NULL};

	begin(_i, 1, options);
	let_a_crowd_in();
	send_the_crowd_home(); /* which may take that long at each of them */
	run_for_ms(loop, 700);
	ck_assert_uint_eq(count_idle(), CROWD);
}
END_TEST

START_TEST(after_a_reconnect_channels_for_the_crowd_are_dug)
{
	static const char *const options[] = {"warm-decay=1h", NULL};
	struct channel again;
	char id[33];

	begin(_i, 1, options);
	let_a_crowd_in();
	send_the_crowd_home();
	agent_login_with(&again, "one", "&warm=1");
	peer_close(&control.peer);
	control = again;
	RUN_UNTIL(relay->n_sessions == 1);
	for (int i = 0; i < CROWD; i++)
		expect_ahead(id);
	channel_expect_silence(&control);
}
END_TEST

START_TEST(a_new_session_is_asked_for_those_who_wait)
{
	struct channel again;
	char id[33];

	begin(_i, 0, NULL);
	visitor_dial(&visitors[0], "shell");
	channel_expect(&control, "op=open&id=");
	/* the link was lost, with what was asked for on it */
	agent_login(&again, "one");
	peer_close(&control.peer);
	control = again;
	agent_dig(&control, &transfers[0], id);
	channel_expect(&transfers[0], "op=open&visit=1&service=shell&");
}
END_TEST

START_TEST(a_refusal_ahead_of_need_hurts_no_visitor_and_is_no_circle)
{
	char id[33], text[80];

	begin(_i, 1, NULL);
	expect_ahead(id);
	visitor_dial(&visitors[0], "shell");
	RUN_UNTIL(relay->n_visitors == 1);
	snprintf(text, sizeof(text), "op=refused&id=%s&reason=full", id);
	channel_send_text(&control, text);
	/* what was asked for when the visitor came serves it */
	expect_ahead(id);
	agent_request(&transfers[0], id);
	RUN_UNTIL(count_running() == 1);
	channel_expect_silence(&control);
}
END_TEST

START_TEST(with_the_heartbeat_a_lost_one_is_replaced)
{
	begin(_i, 1, NULL);
	dig_ahead(&transfers[0]);
	peer_close(&transfers[0].peer);
	RUN_UNTIL(count_idle() == 0);
	channel_expect_silence(&control);
	channel_send(&control, 0x89, NULL, 0);
	ck_assert_uint_eq(channel_next(&control).opcode, WS_OP_PONG);
	dig_ahead(&transfers[1]);
}
END_TEST

/* Channels that have rested for longer than a heartbeat are not trusted. */

static const char *const doubting[] = {
    "heartbeat=300ms", "probe-timeout=60ms", NULL};

static const char get[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/* A channel rests for that long, then a visitor comes to it. */
static void
visit_after_a_rest(const char *service, const char *bytes)
{
	char open[60];

	dig_ahead(&transfers[0]);
	run_for_ms(loop, 400);
	visitor_dial(&visitors[0], service);
	peer_send(&visitors[0], bytes, strlen(bytes));
	snprintf(open, sizeof(open), "op=open&visit=1&service=%s&", service);
	channel_expect(&transfers[0], open);
	ck_assert_uint_eq(channel_next(&transfers[0]).opcode, WS_OP_PING);
}

/* The channel is given up, and another one serves the visitor. */
static void
serve_on_another_channel(const char *service, const char *bytes)
{
	char id[33], open[60];

	expect_ahead(id);
	channel_expect_close(&transfers[0], WS_CLOSE_TRY_AGAIN);
	ck_assert_uint_eq(relay->n_visitors, 1);
	agent_request(&transfers[1], id);
	RUN_UNTIL(count_running() == 1);
	agent_take_switch(&transfers[1]);
	snprintf(open, sizeof(open), "op=open&visit=1&service=%s&", service);
	channel_expect(&transfers[1], open);
	channel_expect_bytes(&transfers[1], bytes);
	channel_send_bytes(&transfers[1], "response");
	run_until_received(loop, &visitors[0], 8);
	ck_assert_mem_eq(visitors[0].data, "response", 8);
}

START_TEST(a_dead_channel_costs_its_visitor_nothing)
{
	begin(_i, 1, doubting);
	visit_after_a_rest("web", get);
	channel_expect_bytes(&transfers[0], get);
	serve_on_another_channel("web", get);
}
END_TEST

START_TEST(what_must_not_be_done_twice_waits_for_a_sign_of_life)
{
	static const struct {
		const char *service, *bytes;
	} visits[] = {
	    {"web", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"},
	    {"web", "GET / HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\n"},
	    {"web", "GET / HT"},
	    {"shell", "withdraw"},
	};

	begin(_i % 2, 1, doubting);
	visit_after_a_rest(visits[_i / 2].service, visits[_i / 2].bytes);
	serve_on_another_channel(visits[_i / 2].service, visits[_i / 2].bytes);
}
END_TEST

START_TEST(what_was_held_back_follows_the_sign_of_life)
{
	begin(_i, 1, doubting);
	visit_after_a_rest("shell", "withdraw");
	channel_send(&transfers[0], 0x8a, NULL, 0);
	channel_expect_bytes(&transfers[0], "withdraw");
	run_for_ms(loop, 150);
	channel_send_bytes(&transfers[0], "response");
	run_until_received(loop, &visitors[0], 8);
}
END_TEST

/* Sent along, or held back: it comes to the other channel as well. */
START_TEST(the_visitors_end_is_not_lost_with_a_dead_channel)
{
	const char *bytes = _i < 2 ? get : "POST / HTTP/1.1\r\n\r\n";

	begin(_i % 2, 1, doubting);
	visit_after_a_rest("web", bytes);
	peer_end(&visitors[0]);
	if (_i < 2) {
		channel_expect_bytes(&transfers[0], bytes);
		channel_expect_bytes(&transfers[0], NULL);
	}
	serve_on_another_channel("web", bytes);
	channel_expect_bytes(&transfers[1], NULL);
	channel_send_end(&transfers[1]);
	run_until_ended(loop, &visitors[0]);
}
END_TEST

START_TEST(a_service_that_speaks_first_is_a_sign_of_life)
{
	begin(_i, 1, doubting);
	visit_after_a_rest("shell", "withdraw");
	channel_send_bytes(&transfers[0], "greeting");
	run_until_received(loop, &visitors[0], 8);
	ck_assert_mem_eq(visitors[0].data, "greeting", 8);
	channel_expect_bytes(&transfers[0], "withdraw");
}
END_TEST

START_TEST(bytes_beyond_the_first_are_not_sent_twice)
{
	begin(_i, 1, doubting);
	visit_after_a_rest("web", get);
	channel_expect_bytes(&transfers[0], get);
	peer_send(&visitors[0], "more", 4);
	channel_expect_bytes(&transfers[0], "more");
	run_until_ended(loop, &visitors[0]);
	ck_assert_mem_eq(visitors[0].data, "HTTP/1.1 503 ", 13);
	ck_assert_uint_eq(relay->n_visitors, 0);
}
END_TEST

START_TEST(a_live_channel_may_take_its_time)
{
	begin(_i, 1, doubting);
	visit_after_a_rest("web", get);
	channel_send(&transfers[0], 0x8a, NULL, 0);
	run_for_ms(loop, 150);
	ck_assert_uint_eq(relay->n_visitors, 1);
	channel_send_bytes(&transfers[0], "response");
	run_until_received(loop, &visitors[0], 8);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("warm");
	TCase *tests = tcase_create("warm");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_loop_test(
	    tests, none_is_dug_ahead_for_an_agent_that_asks_for_none, 0, 2);
	tcase_add_loop_test(tests, as_many_are_dug_as_the_agent_asks_for, 0, 2);
	tcase_add_loop_test(tests, the_relay_has_the_last_word, 0, 2);
	tcase_add_loop_test(tests,
	    a_first_visit_is_opened_at_once_and_a_next_channel_asked_for, 0, 2);
	tcase_add_loop_test(tests, channels_under_way_are_counted, 0, 2);
	tcase_add_loop_test(
	    tests, after_a_crowd_channels_fall_back_to_the_floor, 0, 2);
	tcase_add_loop_test(
	    tests, while_a_crowd_is_expected_its_channels_are_kept, 0, 2);
	tcase_add_loop_test(
	    tests, after_a_reconnect_channels_for_the_crowd_are_dug, 0, 2);
	tcase_add_loop_test(
	    tests, a_new_session_is_asked_for_those_who_wait, 0, 2);
	tcase_add_loop_test(tests,
	    a_refusal_ahead_of_need_hurts_no_visitor_and_is_no_circle, 0, 2);
	tcase_add_loop_test(
	    tests, with_the_heartbeat_a_lost_one_is_replaced, 0, 2);
	tcase_add_loop_test(
	    tests, a_dead_channel_costs_its_visitor_nothing, 0, 2);
	tcase_add_loop_test(
	    tests, what_must_not_be_done_twice_waits_for_a_sign_of_life, 0, 8);
	tcase_add_loop_test(
	    tests, what_was_held_back_follows_the_sign_of_life, 0, 2);
	tcase_add_loop_test(
	    tests, the_visitors_end_is_not_lost_with_a_dead_channel, 0, 4);
	tcase_add_loop_test(
	    tests, a_service_that_speaks_first_is_a_sign_of_life, 0, 2);
	tcase_add_loop_test(
	    tests, bytes_beyond_the_first_are_not_sent_twice, 0, 2);
	tcase_add_loop_test(tests, a_live_channel_may_take_its_time, 0, 2);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
