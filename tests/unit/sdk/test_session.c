/* SPDX-License-Identifier: MIT */
/* From the welcome on: coming back, heartbeats, control messages, moves, the end. */
#include <stdio.h>
#include <string.h>

#include "bench.h"

/* ---- coming back ---- */

START_TEST(unreachable_relays_are_gone_through_before_a_wait)
{
	struct bench b;

	init(&b);
	begin(&b);
	act(&b);
	lost(&b, 0);
	DID(&b, "dial0 r1.example.com:8000 dial0 r2.example.net:80");
	lost(&b, 0);
	DID(&b, "");
	ck_assert_uint_gt(b.until, b.now);
	ck_assert_uint_le(b.until, b.now + 2000);
	b.now = b.until;
	act(&b);
	DID(&b, "dial0 r1.example.com:8000");
}
END_TEST

START_TEST(delay_grows_with_each_failure_up_to_the_longest)
{
	static const uint64_t bounds[] = {
	    2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000};
	struct bench b;

	init(&b);
	b.config.n_relays = 1;
	begin(&b);
	act(&b);
	test_jitter = UINT32_MAX;
	for (size_t i = 0; i < COUNT(bounds); i++) {
		lost(&b, 0);
		ck_assert_uint_eq(b.until - b.now, bounds[i] - 1);
		b.now = b.until;
		act(&b);
	}
	test_jitter = 0;
	taupe_session_lost(&b.session, 0, b.now, "gone", &b.event);
	ck_assert_uint_eq(b.event.retry_ms, 0);
}
END_TEST

/* Lose a link that stood for `stood` ms, with the longest jitter. */
static uint64_t
delay_after(struct bench *b, uint64_t stood)
{
	for (uint64_t passed = 0; passed < stood; passed += 1000) {
		struct bytes in = {.len = 0};

		relay_frame(&in, WS_OP_PONG, "", 0);
		b->now += 1000;
		hear(b, 0, &in);
	}
	test_jitter = UINT32_MAX;
	lost(b, 0);
	test_jitter = 1;
	ck_assert_uint_eq(b->until, b->now + b->event.retry_ms);
	return b->event.retry_ms;
}

START_TEST(only_a_link_that_stood_long_enough_resets_the_delay)
{
	struct bench b;

	init(&b);
	bring_up(&b);
	ck_assert_uint_eq(delay_after(&b, 29000), 1999);
	pass(&b, 2000);
	accepted(&b, 0);
	hear_text(&b, 0, WELCOME("ws://r1.example.com:8000", ""));
	ck_assert_uint_eq(delay_after(&b, 1000), 3999);
	pass(&b, 4000);
	accepted(&b, 0);
	hear_text(&b, 0, WELCOME("ws://r1.example.com:8000", ""));
	ck_assert_uint_eq(delay_after(&b, 30000), 999);
}
END_TEST

/* Longer than the session's clock sees: no link gets there in an hour. */
START_TEST(time_to_be_good_of_five_weeks_is_not_over_at_once)
{
	struct bench b;

	init(&b);
	b.config.reconnect_reset_ms = 3000000000u;
	bring_up(&b);
	ck_assert_uint_eq(delay_after(&b, 1000), 1999);
	pass(&b, 2000);
	accepted(&b, 0);
	hear_text(&b, 0, WELCOME("ws://r1.example.com:8000", ""));
	ck_assert_uint_eq(delay_after(&b, 3600000), 3999);
}
END_TEST

/* Whose relay pings before the agent would, for longer than a clock of 32 bits sees behind itself. */
START_TEST(link_that_is_never_silent_has_stood_long_enough)
{
	const uint64_t days = 26 * UINT64_C(86400000);
	struct bench b;

	init(&b);
	bring_up(&b);
	for (uint64_t passed = 0; passed < days; passed += 25000) {
		struct bytes in = {.len = 0};

		relay_frame(&in, WS_OP_PING, "", 0);
		b.now += 25000;
		hear(&b, 0, &in);
		DID(&b, "pong");
	}
	ck_assert_uint_eq(delay_after(&b, 0), 999);
}
END_TEST

START_TEST(lost_relay_is_tried_first_then_its_peers_then_the_configured)
{
	struct bench b;
	const char *peers;

	init(&b);
	bring_up(&b);
	lost(&b, 0);
	pass(&b, 2000);
	for (int i = 0; i < 3; i++)
		lost(&b, 0);
	/* the peers' order is random */
	peers = strstr(b.trace, "r3") < strstr(b.trace, "r4")
	    ? "dial0 r3.example.org:80 "
	      "dial0 r4.example.org:81"
	    : "dial0 r4.example.org:81 "
	      "dial0 r3.example.org:80";
	ck_assert_ptr_nonnull(strstr(b.trace, peers));
	ck_assert_ptr_eq(strstr(b.trace, "dial0 r1.example.com:8000"), b.trace);
	ck_assert_ptr_nonnull(
	    strstr(strstr(b.trace, "r4"), "dial0 r2.example.net:80"));
	/* r1 is configured, too, but was tried */
	ck_assert_ptr_null(strstr(b.trace + 5, "dial0 r1"));
}
END_TEST

START_TEST(peers_come_in_a_random_order)
{
	unsigned first = 0, runs = 40;

	for (unsigned i = 0; i < runs; i++) {
		struct bench b;

		init(&b);
		bring_up(&b);
		lost(&b, 0);
		pass(&b, 2000);
		lost(&b, 0);
		if (strstr(b.trace, "dial0 r3") != NULL)
			first++;
	}
	ck_assert_uint_gt(first, 0);
	ck_assert_uint_lt(first, runs);
}
END_TEST

START_TEST(relay_that_stops_is_tried_last)
{
	struct bench b;

	init(&b);
	bring_up(&b);
	hear_close(&b, 0, 1001, "stopping");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_CLOSED);
	ck_assert_uint_eq(b.event.code, 1001);
	DID(&b, "close:1001 close0()");
	pass(&b, 2000);
	ck_assert_ptr_nonnull(strstr(b.trace, ".example.org"));
	lost(&b, 0);
	lost(&b, 0);
	ck_assert_ptr_null(strstr(b.trace, "r1.example.com"));
	lost(&b, 0);
	ck_assert_ptr_nonnull(strstr(b.trace, "r1.example.com"));
}
END_TEST

START_TEST(close_codes_and_their_delays)
{
	static const struct {
		unsigned code;
		const char *reason;
		uint64_t at_least, at_most;
	} rows[] = {
	    {1000, "", 0, 2000},
	    {1001, "", 0, 2000},
	    {1008, "taken over", 30000, 60000},
	    {1008, "revoked", 30000, 60000},
	    {1013, "later", 0, 2000},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct bench b;

		init(&b);
		bring_up(&b);
		hear_close(&b, 0, rows[i].code, rows[i].reason);
		ck_assert_int_eq(b.event.type, TAUPE_EVENT_CLOSED);
		ck_assert_uint_eq(b.event.code, rows[i].code);
		ck_assert_str_eq(b.text, rows[i].reason);
		ck_assert_uint_ge(b.event.retry_ms, rows[i].at_least);
		ck_assert_uint_le(b.event.retry_ms, rows[i].at_most);
		ck_assert(!taupe_session_is_up(&b.session));
	}
}
END_TEST

START_TEST(learnt_cleartext_relays_are_not_used_where_only_wss_is_configured)
{
	static const char *const secure[] = {"wss://r1.example.com"};
	char state[] = "relay=ws://r5.example.com&peer=ws://"
		       "r6.example.com&peer=wss://r7.example.com";
	struct bench b;

	init(&b);
	b.config.relays = secure;
	b.config.n_relays = 1;
	begin(&b);
	ck_assert(taupe_session_restore(&b.session, state, strlen(state)));
	act(&b);
	lost(&b, 0);
	lost(&b, 0);
	DID(&b, "dial0 s:r7.example.com:443 dial0 s:r1.example.com:443");
}
END_TEST

START_TEST(cleartext_peers_of_a_secure_relay_are_forgotten)
{
	static const char *const mixed[] = {
	    "wss://r1.example.com", "ws://r2.example.com"};
	char state[TAUPE_STATE_MAX];
	struct bench b;
	size_t len;

	init(&b);
	b.config.relays = mixed;
	begin(&b);
	act(&b);
	accepted(&b, 0);
	hear_text(&b, 0,
	    WELCOME("wss://r1.example.com",
		"&peer=ws://r3.example.com&peer=wss://r4.example.com"));
	len = taupe_session_export(&b.session, state, sizeof(state));
	state[len] = '\0';
	ck_assert_str_eq(state,
	    "label=k7x2m9q4tz&relay=wss://r1.example.com&peer=wss://"
	    "r4.example.com");
}
END_TEST

START_TEST(welcome_that_leads_out_of_tls_is_refused)
{
	static const char *const secure[] = {"wss://r1.example.com"};
	struct bench b;

	init(&b);
	b.config.relays = secure;
	b.config.n_relays = 1;
	begin(&b);
	act(&b);
	accepted(&b, 0);
	b.trace[0] = '\0';
	hear_text(&b, 0, WELCOME("ws://r1.example.com", ""));
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_FAILED);
	ck_assert_ptr_nonnull(strstr(b.event.reason, "wss to ws"));
	DID(&b, "close:1008 close0(the welcome's relay leads from wss to ws)");
}
END_TEST

/* ---- the session ---- */

START_TEST(pings_when_it_has_been_silent)
{
	struct bytes in = {.len = 0};
	struct bench b;

	init(&b);
	bring_up(&b);
	pass(&b, 29999);
	DID(&b, "");
	pass(&b, 1);
	DID(&b, "ping");
	relay_frame(&in, WS_OP_PONG, "", 0);
	hear(&b, 0, &in);
	pass(&b, 29999);
	DID(&b, "");
	pass(&b, 1);
	DID(&b, "ping");
}
END_TEST

static void
dies_after(struct bench *b, uint64_t ms, const char *pings)
{
	pass(b, ms - 1);
	DID(b, pings);
	ck_assert(taupe_session_is_up(&b->session));
	pass(b, 1);
	ck_assert(!taupe_session_is_up(&b->session));
	ck_assert_ptr_eq(
	    strstr(b->trace, "close0(nothing heard for too long)"), b->trace);
}

START_TEST(is_dead_when_a_ping_is_not_answered)
{
	struct bytes in = {.len = 0};
	struct bench b;

	init(&b);
	bring_up(&b);
	pass(&b, 39999);
	DID(&b, "ping");
	relay_frame(&in, WS_OP_PONG, "", 0);
	hear(&b, 0, &in);
	pass(&b, 20000);
	DID(&b, "");
	dies_after(&b, 10001, "ping");
}
END_TEST

START_TEST(is_dead_after_three_silent_heartbeats_when_these_are_short)
{
	struct bench b;

	init(&b);
	begin(&b);
	act(&b);
	accepted(&b, 0);
	hear_text(&b, 0,
	    "op=welcome&epoch=7&heartbeat_ms=3000&lease_ms=3600000&label="
	    "k7x2m9q4tz&relay=wss%3A%2F%2Fr1.example.com");
	b.trace[0] = '\0';
	dies_after(&b, 9000, "ping ping");
}
END_TEST

START_TEST(lives_as_long_as_it_hears_something)
{
	struct bench b;

	init(&b);
	bring_up(&b);
	for (int i = 0; i < 20; i++) {
		struct bytes in = {.len = 0};

		pass(&b, 9000);
		relay_frame(&in, WS_OP_PONG, "", 0);
		hear(&b, 0, &in);
	}
	ck_assert(taupe_session_is_up(&b.session));
	ck_assert_ptr_null(strstr(b.trace, "close"));
}
END_TEST

START_TEST(answers_a_probe_at_once)
{
	struct bytes in = {.len = 0};
	struct bench b;

	init(&b);
	b.cut = 3;
	bring_up(&b);
	relay_frame(&in, WS_OP_PING, "probe", 5);
	hear(&b, 0, &in);
	DID(&b, "pong");
}
END_TEST

/* An event has room for one answer: reading stops behind each. */
START_TEST(answers_each_of_several_probes)
{
	struct bytes in = {.len = 0};
	struct bench b;

	init(&b);
	bring_up(&b);
	relay_frame(&in, WS_OP_PING, "one", 3);
	relay_frame(&in, WS_OP_PING, "two", 3);
	relay_text(&in,
	    "op=open&id=9f86d081884c7d659a2feaa0c55ad015&service=web");
	hear(&b, 0, &in);
	DID(&b, "pong pong");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_OPEN);
}
END_TEST

START_TEST(a_pong_counts_as_something_sent)
{
	struct bytes in = {.len = 0};
	struct bench b;

	init(&b);
	bring_up(&b);
	pass(&b, 20000);
	relay_frame(&in, WS_OP_PING, "probe", 5);
	hear(&b, 0, &in);
	pass(&b, 20000);
	DID(&b, "pong");
	pass(&b, 10000);
	DID(&b, "ping");
}
END_TEST

START_TEST(open_asks_for_a_channel_at_the_relay_of_the_welcome)
{
	struct bytes in = {.len = 0};
	struct taupe_event event;
	struct bench b;

	init(&b);
	begin(&b);
	act(&b);
	accepted(&b, 0);
	hear_text(&b, 0, WELCOME("wss://[2001:db8::5]:4443", ""));
	relay_text(
	    &in, "op=open&id=9f86d081884c7d659a2feaa0c55ad015&service=web");
	ck_assert_uint_eq(
	    taupe_session_input(&b.session, 0, in.data, in.len, b.now, &event),
	    in.len);
	ck_assert_int_eq(event.type, TAUPE_EVENT_OPEN);
	ck_assert_uint_eq(event.id.len, TAUPE_ID_LEN);
	ck_assert_int_eq(
	    memcmp(event.id.ptr, "9f86d081884c7d659a2feaa0c55ad015", 32), 0);
	ck_assert_int_eq(memcmp(event.service.ptr, "web", 3), 0);
	ck_assert_str_eq(event.relay.host, "2001:db8::5");
	ck_assert_uint_eq(event.relay.port, 4443);
	ck_assert(event.relay.secure);
}
END_TEST

START_TEST(open_says_whether_the_channel_is_to_be_shared)
{
	static const char id[] = "9f86d081884c7d659a2feaa0c55ad015";
	struct bench b;

	init(&b);
	b.config.mux_visits = 300;
	bring_up(&b);
	/* what the relay was told counts, whatever the driver would tell it now */
	b.config.mux_visits = 7;
	hear_text(&b, 0, "op=open&mux=1&id=9f86d081884c7d659a2feaa0c55ad015");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_OPEN);
	ck_assert(b.event.shared);
	ck_assert_uint_eq(b.event.visits, 300);
	ck_assert_int_eq(memcmp(b.event.id.ptr, id, TAUPE_ID_LEN), 0);
	hear_text(&b, 0, "op=open&id=9f86d081884c7d659a2feaa0c55ad015");
	ck_assert(!b.event.shared);
}
END_TEST

START_TEST(refuse_names_the_id)
{
	uint8_t out[TAUPE_MESSAGE_MAX], *at = out;
	char text[TAUPE_MESSAGE_MAX];
	struct bench b;
	size_t len;

	init(&b);
	bring_up(&b);
	len = taupe_session_refuse(&b.session, 0,
	    "9f86d081884c7d659a2feaa0c55ad015", "out of sockets", b.now, out);
	ck_assert_int_eq(
	    agent_frame(&at, &len, text, sizeof(text)), WS_OP_TEXT);
	ck_assert_str_eq(text,
	    "op=refused&id=9f86d081884c7d659a2feaa0c55ad015&reason=out%20of%"
	    "20sockets");
	lost(&b, 0);
	ck_assert_uint_eq(
	    taupe_session_refuse(&b.session, 0,
		"9f86d081884c7d659a2feaa0c55ad015", "late", b.now, out),
	    0);
}
END_TEST

START_TEST(messages_out_of_place_end_the_link_with_1002)
{
	static const struct {
		bool up;
		const char *text;
	} rows[] = {
	    {false, "op=open&id=9f86d081884c7d659a2feaa0c55ad015"},
	    {false, "op=move"},
	    {false, "label=x"},
	    {false, "op=welcome&epoch=7"},
	    {true, WELCOME("ws://r1.example.com:8000", "")},
	    {true, "op=open&service=web"},
	    {true, "op=open&id=tooshort"},
	    {true, "op=opened&visit=1"},
	    {true, "op=move&to=http://r9.example.com"},
	    {true, "nonsense"},
	    {true, "op=%"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct bench b;

		init(&b);
		if (rows[i].up) {
			bring_up(&b);
		} else {
			begin(&b);
			act(&b);
			accepted(&b, 0);
			b.trace[0] = '\0';
		}
		hear_text(&b, 0, rows[i].text);
		ck_assert_msg(
		    b.event.type == TAUPE_EVENT_FAILED, "%s", rows[i].text);
		ck_assert_ptr_eq(
		    strstr(b.trace, "close:1002 close0("), b.trace);
	}
}
END_TEST

START_TEST(other_breaches_end_the_link_too)
{
	struct bytes in = {.len = 0};
	uint8_t header[] = {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0};
	struct bench b;

	init(&b);
	bring_up(&b);
	relay_frame(&in, WS_OP_BINARY, "x", 1);
	hear(&b, 0, &in);
	ck_assert_ptr_eq(strstr(b.trace, "close:1002"), b.trace);
	init(&b);
	bring_up(&b);
	in.len = 0;
	bytes_add(&in, header, sizeof(header));
	hear(&b, 0, &in);
	ck_assert_ptr_eq(strstr(b.trace, "close:1009"), b.trace);
	init(&b);
	bring_up(&b);
	hear_text(&b, 0, "op=open\x01");
	ck_assert_ptr_eq(strstr(b.trace, "close:1007"), b.trace);
}
END_TEST

START_TEST(unknown_operations_and_keys_are_ignored)
{
	struct bench b;

	init(&b);
	begin(&b);
	act(&b);
	accepted(&b, 0);
	b.trace[0] = '\0';
	hear_text(&b, 0, "op=dance&visit=none");
	hear_text(&b, 0, WELCOME("ws://r1.example.com:8000", "&colour=mole"));
	hear_text(&b, 0, "op=dance");
	ck_assert(taupe_session_is_up(&b.session));
	DID(&b, "");
}
END_TEST

/* ---- moves ---- */

START_TEST(move_makes_the_new_link_before_it_leaves_the_old)
{
	struct bench b;

	init(&b);
	bring_up(&b);
	hear_text(&b, 0, "op=move&to=ws://r3.example.org&reason=drain");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_MOVE);
	ck_assert_str_eq(b.text, "drain");
	DID(&b, "dial1 r3.example.org:80");
	hear_text(
	    &b, 0, "op=move&to=ws://r4.example.org:81"); /* one is under way */
	accepted(&b, 1);
	ck_assert_str_eq(request_field(b.request[1], b.request_len[1], "Host"),
	    "r3.example.org");
	DID(&b, "");
	hear_text(&b, 0, "op=open&id=9f86d081884c7d659a2feaa0c55ad015");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_OPEN);
	ck_assert_str_eq(b.event.relay.host, "r1.example.com");
	hear_text(&b, 1, WELCOME("ws://r3.example.org", ""));
	DID(&b, "close:1000 close0()");
	ck_assert(taupe_session_is_up(&b.session));
	hear_text(&b, 1, "op=open&id=9f86d081884c7d659a2feaa0c55ad015");
	ck_assert_str_eq(b.event.relay.host, "r3.example.org");
	/* and back: the links take turns */
	hear_text(&b, 1, "op=move&to=ws://r2.example.net");
	DID(&b, "dial0 r2.example.net:80");
}
END_TEST

START_TEST(move_uses_the_same_instance_and_the_lease)
{
	char *instance;
	struct bench b;

	init(&b);
	bring_up(&b);
	hear_text(&b, 0, "op=move&to=ws://r3.example.org");
	connected(&b, 1);
	b.request[0][b.request_len[0] - 1] =
	    b.request[1][b.request_len[1] - 1] = '\0';
	instance = strstr(b.request[0], "instance=");
	instance[9 + 32] = '\0';
	ck_assert_ptr_nonnull(strstr(b.request[1], instance));
	ck_assert_ptr_nonnull(strstr(b.request[1], "&lease=token"));
}
END_TEST

START_TEST(move_without_a_place_goes_to_a_peer)
{
	struct bench b;

	init(&b);
	bring_up(&b);
	hear_text(&b, 0, "op=move");
	ck_assert_ptr_null(b.event.reason);
	ck_assert_ptr_nonnull(strstr(b.trace, ".example.org"));
	init(&b);
	b.config.n_relays = 1;
	begin(&b);
	act(&b);
	accepted(&b, 0);
	hear_text(&b, 0, WELCOME("ws://r1.example.com:8000", ""));
	b.trace[0] = '\0';
	hear_text(&b, 0, "op=move");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_MOVE);
	ck_assert_str_eq(b.event.reason, "no other relay is known");
	DID(&b, "");
}
END_TEST

START_TEST(move_to_a_forbidden_place_is_refused_and_the_link_stays)
{
	struct bench b;

	init(&b);
	bring_up(&b);
	hear_text(&b, 0, "op=move&to=ws://evil.test");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_REDIRECT_REFUSED);
	ck_assert(b.event.standing);
	ck_assert(taupe_session_is_up(&b.session));
	DID(&b, "");
}
END_TEST

START_TEST(failed_move_is_tried_again_while_the_old_link_stands)
{
	struct bench b;

	init(&b);
	bring_up(&b);
	hear_text(&b, 0, "op=move&to=ws://r3.example.org");
	lost(&b, 1);
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_FAILED);
	ck_assert(b.event.standing);
	ck_assert(taupe_session_is_up(&b.session));
	DID(&b, "dial1 r3.example.org:80");
	pass(&b, 2001);
	ck_assert_ptr_eq(strstr(b.trace, "dial1 "), b.trace);
	ck_assert_ptr_null(strstr(b.trace, "r1.example.com"));
	connected(&b, 1);
	hear_raw(&b, 1, "HTTP/1.1 401 Unauthorized\r\n\r\n");
	ck_assert(b.event.standing);
	ck_assert_uint_ge(b.event.retry_ms, 30000);
}
END_TEST

START_TEST(move_goes_round_all_other_relays)
{
	struct bench b;

	init(&b);
	bring_up(&b);
	hear_text(&b, 0, "op=move&to=ws://r9.example.com");
	for (int i = 0; i < 4; i++) {
		struct bytes in = {.len = 0};

		relay_frame(&in, WS_OP_PONG, "", 0);
		hear(&b, 0, &in);
		lost(&b, 1);
		pass(&b, 16000);
	}
	/* r1 is where we are; the three others in turn, then the first of them again */
	ck_assert_ptr_eq(strstr(b.trace, "dial1 r9.example.com:80"), b.trace);
	ck_assert_ptr_nonnull(strstr(b.trace, "r2.example.net"));
	ck_assert_ptr_nonnull(strstr(b.trace, "r3.example.org"));
	ck_assert_ptr_nonnull(strstr(b.trace, "r4.example.org"));
	ck_assert_ptr_null(strstr(b.trace, "r1.example.com"));
	ck_assert_ptr_null(strstr(b.trace + 1, "dial1 r9"));
}
END_TEST

START_TEST(failed_renewal_is_tried_again_at_the_same_relay)
{
	struct bench b;

	init(&b);
	bring_up(&b);
	taupe_session_renew(&b.session, b.now);
	act(&b);
	lost(&b, 1);
	pass(&b, 2001);
	DID(&b, "dial1 r1.example.com:8000 dial1 r1.example.com:8000");
}
END_TEST

START_TEST(old_link_that_is_taken_over_during_a_move_is_no_loss)
{
	struct bench b;

	init(&b);
	bring_up(&b);
	hear_text(&b, 0, "op=move&to=ws://r3.example.org");
	accepted(&b, 1);
	hear_close(&b, 0, 1008, "taken over");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_CLOSED);
	ck_assert(b.event.standing);
	DID(&b, "dial1 r3.example.org:80 close:1008 close0()");
	hear_text(&b, 1, WELCOME("ws://r3.example.org", ""));
	ck_assert(taupe_session_is_up(&b.session));
	DID(&b, "");
}
END_TEST

START_TEST(relay_that_wants_us_gone_is_tried_last_when_it_is_lost)
{
	struct bench b;

	init(&b);
	bring_up(&b);
	hear_text(&b, 0, "op=move&to=ws://r2.example.net");
	test_jitter = UINT32_MAX;
	lost(&b, 1);
	b.trace[0] = '\0';
	lost(&b, 0);
	ck_assert(!b.event.standing);
	pass(&b, 2000);
	ck_assert_ptr_eq(strstr(b.trace, "dial0 r"), b.trace);
	ck_assert_ptr_null(strstr(b.trace, "r1.example.com"));
}
END_TEST

START_TEST(both_links_lost_during_a_move_begin_a_new_round)
{
	struct bench b;

	init(&b);
	bring_up(&b);
	hear_text(&b, 0, "op=move&to=ws://r3.example.org");
	b.trace[0] = '\0';
	lost(&b, 0);
	ck_assert(b.event.standing);
	lost(&b, 1);
	ck_assert(!b.event.standing);
	pass(&b, 10000);
	/* not to r1, which has asked us to go */
	ck_assert_ptr_eq(strstr(b.trace, "dial0 r"), b.trace);
	ck_assert_ptr_null(strstr(b.trace, "r1.example.com"));
}
END_TEST

START_TEST(single_link_leaves_before_it_connects)
{
	struct bench b;

	init(&b);
	b.config.single_link = true;
	b.config.buffer_size = TAUPE_BUFFER_MIN;
	bring_up(&b);
	hear_text(&b, 0, "op=move&to=ws://r3.example.org");
	DID(&b, "close:1000 close0() dial0 r3.example.org:80");
	accepted(&b, 0);
	hear_text(&b, 0, WELCOME("ws://r3.example.org", ""));
	ck_assert(taupe_session_is_up(&b.session));
	taupe_session_renew(&b.session, b.now);
	act(&b);
	DID(&b, "close:1000 close0() dial0 r3.example.org:80");
}
END_TEST

START_TEST(move_of_a_single_link_starts_without_hops)
{
	struct bench b;

	init(&b);
	b.config.single_link = true;
	begin(&b);
	act(&b);
	connected(&b, 0);
	hear_raw(&b, 0,
	    "HTTP/1.1 302 Found\r\nLocation: "
	    "ws://r9.example.com/v1/control?hops=3\r\n\r\n");
	accepted(&b, 0);
	hear_text(&b, 0, WELCOME("ws://r9.example.com", ""));
	hear_text(&b, 0, "op=move&to=ws://r2.example.net");
	connected(&b, 0);
	b.request[0][b.request_len[0] - 1] = '\0';
	ck_assert_ptr_null(strstr(b.request[0], "hops="));
}
END_TEST

START_TEST(renewal_connects_anew_to_the_same_relay)
{
	static const struct taupe_service fewer[] = {{"cam", TAUPE_HTTP}};
	struct bench b;

	init(&b);
	bring_up(&b);
	b.config.services = fewer;
	b.config.n_services = 1;
	taupe_session_renew(&b.session, b.now);
	act(&b);
	DID(&b, "dial1 r1.example.com:8000");
	connected(&b, 1);
	b.request[1][b.request_len[1] - 1] = '\0';
	ck_assert_ptr_nonnull(strstr(b.request[1], "service=cam:http"));
	ck_assert_ptr_null(strstr(b.request[1], "service=web"));
	/* changed once more, before the answer */
	b.config.services = bench_services;
	taupe_session_renew(&b.session, b.now);
	act(&b);
	DID(&b, "close1() dial1 r1.example.com:8000");
}
END_TEST

START_TEST(renewal_ends_the_wait_after_a_refusal)
{
	struct bench b;

	init(&b);
	begin(&b);
	act(&b);
	connected(&b, 0);
	hear_raw(&b, 0, "HTTP/1.1 401 Unauthorized\r\n\r\n");
	act(&b);
	ck_assert_uint_ge(b.until, b.now + 30000);
	b.trace[0] = '\0';
	b.config.secret = "another";
	taupe_session_renew(&b.session, b.now);
	act(&b);
	ck_assert_ptr_eq(strstr(b.trace, "dial0 "), b.trace);
	connected(&b, 0);
	ck_assert_ptr_nonnull(strstr(b.request[0], "Bearer another\r\n"));
}
END_TEST

START_TEST(leaving_says_goodbye_and_rests)
{
	struct bench b;

	init(&b);
	bring_up(&b);
	hear_text(&b, 0, "op=move&to=ws://r3.example.org");
	b.trace[0] = '\0';
	taupe_session_leave(&b.session);
	act(&b);
	DID(&b, "close:1000 close0() close1()");
	ck_assert_uint_eq(b.until, TAUPE_FOREVER);
	lost(&b, 0);
	ck_assert_uint_eq(b.until, TAUPE_FOREVER);
}
END_TEST

START_TEST(nothing_is_heard_on_a_link_that_is_over)
{
	struct bench b;

	init(&b);
	bring_up(&b);
	hear_close(&b, 0, 1001, "");
	b.event.type = TAUPE_EVENT_NONE;
	b.trace[0] = '\0';
	hear_text(&b, 0, "op=open&id=9f86d081884c7d659a2feaa0c55ad015");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_NONE);
	DID(&b, "");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    unreachable_relays_are_gone_through_before_a_wait,
	    delay_grows_with_each_failure_up_to_the_longest,
	    only_a_link_that_stood_long_enough_resets_the_delay,
	    time_to_be_good_of_five_weeks_is_not_over_at_once,
	    link_that_is_never_silent_has_stood_long_enough,
	    lost_relay_is_tried_first_then_its_peers_then_the_configured,
	    peers_come_in_a_random_order,
	    relay_that_stops_is_tried_last,
	    close_codes_and_their_delays,
	    learnt_cleartext_relays_are_not_used_where_only_wss_is_configured,
	    cleartext_peers_of_a_secure_relay_are_forgotten,
	    welcome_that_leads_out_of_tls_is_refused,
	    pings_when_it_has_been_silent,
	    is_dead_when_a_ping_is_not_answered,
	    is_dead_after_three_silent_heartbeats_when_these_are_short,
	    lives_as_long_as_it_hears_something,
	    answers_a_probe_at_once,
	    answers_each_of_several_probes,
	    a_pong_counts_as_something_sent,
	    open_asks_for_a_channel_at_the_relay_of_the_welcome,
	    open_says_whether_the_channel_is_to_be_shared,
	    refuse_names_the_id,
	    messages_out_of_place_end_the_link_with_1002,
	    other_breaches_end_the_link_too,
	    unknown_operations_and_keys_are_ignored,
	    move_makes_the_new_link_before_it_leaves_the_old,
	    move_uses_the_same_instance_and_the_lease,
	    move_without_a_place_goes_to_a_peer,
	    move_to_a_forbidden_place_is_refused_and_the_link_stays,
	    failed_move_is_tried_again_while_the_old_link_stands,
	    move_goes_round_all_other_relays,
	    failed_renewal_is_tried_again_at_the_same_relay,
	    old_link_that_is_taken_over_during_a_move_is_no_loss,
	    relay_that_wants_us_gone_is_tried_last_when_it_is_lost,
	    both_links_lost_during_a_move_begin_a_new_round,
	    single_link_leaves_before_it_connects,
	    move_of_a_single_link_starts_without_hops,
	    renewal_connects_anew_to_the_same_relay,
	    renewal_ends_the_wait_after_a_refusal,
	    leaving_says_goodbye_and_rests,
	    nothing_is_heard_on_a_link_that_is_over,
	};

	return run_suite("session", tests, COUNT(tests));
}
