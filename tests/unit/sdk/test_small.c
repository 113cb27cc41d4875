/* SPDX-License-Identifier: MIT */
/*
 * libtaupe as a small device has it, with everything left out that taupe_profile.h knows of: what
 * the protocol demands holds all the same. The library of this program is compiled by TAUPE_SMALL.
 */
#include <stdio.h>
#include <string.h>

#include "bench.h"

#ifndef TAUPE_SMALL
#error "for the small profile"
#endif

#define VISITS 3
#define REDIRECT                                                               \
	"HTTP/1.1 302 Found\r\n"                                               \
	"Location: ws://evil.example.org/v1/control?hops=1\r\n\r\n"

static struct taupe_visit visits[VISITS];
static struct taupe_event steps[64]; /* of visits, as they came */
static size_t n_steps;

static void
set_up(struct bench *b)
{
	init(b);
	b->config.visits = visits;
	b->config.mux_visits = VISITS;
	b->config.mux_window = 1024;
	n_steps = 0;
}

static void
set_up_and_welcome(struct bench *b)
{
	set_up(b);
	bring_up(b);
}

/* Hand in frames, and keep each step. */
static void
take(struct bench *b, struct bytes *in)
{
	size_t at = 0;

	while (at < in->len) {
		struct taupe_event event;

		at += taupe_session_input(&b->session, 0, in->data + at,
		    in->len - at, b->now, &event);
		if (event.type == TAUPE_EVENT_VISIT)
			steps[n_steps++] = event;
		else if (event.type != TAUPE_EVENT_NONE)
			b->event = event;
	}
	in->len = 0;
}

static void
add_payload(struct bytes *in, unsigned number, const char *text)
{
	uint8_t payload[2000] = {0, 0, 0, (uint8_t)number};

	memcpy(payload + 4, text, strlen(text));
	relay_frame(in, WS_OP_BINARY, payload, 4 + strlen(text));
}

/* What the driver is given to send, as text. */
static const char *
words(uint8_t *out, size_t len)
{
	static char text[500];

	ck_assert_uint_gt(len, 0);
	(void)agent_frame(&out, &len, text, sizeof(text));
	ck_assert_uint_eq(len, 0);
	return text;
}

START_TEST(request_says_that_one_connection_is_all)
{
	struct bench b;

	set_up(&b);
	begin(&b);
	act(&b);
	connected(&b, 0);
	DID(&b, "dial0 r1.example.com:8000");
	ck_assert_ptr_nonnull(strstr(b.request[0],
	    "&service=web:http&service=ssh:tcp&mux=1&visits=3&window=1024&"
	    "channels=0 HTTP/1.1\r\n"));
	ck_assert_str_eq(
	    request_field(b.request[0], b.request_len[0], "Authorization"),
	    "Bearer q3vJ0mB7yZkR1sT5uXnEwA");
}
END_TEST

/* Its configuration is not checked: a secret of several lines is not sent all the same. */
START_TEST(secret_of_several_lines_is_not_written)
{
	static const char *const secrets[] = {
	    "x\r\nHost: evil", "x\nevil", "x\revil"};

	for (size_t i = 0; i < COUNT(secrets); i++) {
		struct bench b;
		char out[TAUPE_REQUEST_MAX] = "";

		set_up(&b);
		b.config.secret = secrets[i];
		begin(&b);
		act(&b);
		ck_assert_uint_eq(taupe_session_connected(&b.session, 0, b.now,
				      out, sizeof(out)),
		    0);
		ck_assert_ptr_null(strstr(out, "evil"));
	}
}
END_TEST

#define NUMBERS(lease_ms)                                                      \
	"op=welcome&epoch=7&heartbeat_ms=30000&label=k7x2m9q4tz&"              \
	"relay=ws://r1.example.com:8000&lease_ms=" lease_ms

/* Beyond what it counts: the greatest that it knows, as long as it is a number at all. */
START_TEST(lease_beyond_its_numbers_is_the_greatest)
{
	static const struct {
		const char *welcome;
		uint64_t lease_ms;
	} rows[] = {
	    {NUMBERS("4294967295"), UINT32_MAX},
	    {NUMBERS("4294967296"), UINT32_MAX},
	    {NUMBERS("4294967297"), UINT32_MAX},
	    {NUMBERS("00000000004294967297"), UINT32_MAX},
	    {NUMBERS("99999999999999999999"), UINT32_MAX},
	    {NUMBERS("00000000000000000007"), 7},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct bench b;

		set_up(&b);
		begin(&b);
		act(&b);
		accepted(&b, 0);
		hear_text(&b, 0, rows[i].welcome);
		ck_assert_msg(taupe_session_is_up(&b.session), "%s: %s",
		    rows[i].welcome, b.trace);
		ck_assert_uint_eq(b.event.lease_ms, rows[i].lease_ms);
	}
}
END_TEST

START_TEST(another_accept_key_is_refused)
{
	struct bench b;

	set_up(&b);
	begin(&b);
	act(&b);
	connected(&b, 0);
	hear_raw(&b, 0,
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Protocol: taupe.v1\r\n"
	    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_FAILED);
	ck_assert(!taupe_session_is_up(&b.session));
}
END_TEST

START_TEST(masks_and_keys_are_as_random_as_the_source)
{
	struct bench b;
	uint8_t header[TAUPE_MUX_HEADER_MAX], mask[4], other[4];
	struct bytes in = {.len = 0};

	set_up_and_welcome(&b);
	relay_text(&in, "op=open&visit=1&service=web");
	take(&b, &in);
	ck_assert_uint_gt(
	    taupe_visit_frame(&b.session, 0, 5, b.now, header, mask), 0);
	ck_assert_uint_gt(
	    taupe_visit_frame(&b.session, 0, 5, b.now, header, other), 0);
	ck_assert_mem_ne(mask, "\0\0\0\0", 4);
	ck_assert_mem_ne(mask, other, 4);
}
END_TEST

START_TEST(visit_goes_both_ways)
{
	struct bench b;
	struct bytes in = {.len = 0};
	uint8_t out[TAUPE_MESSAGE_MAX], header[TAUPE_MUX_HEADER_MAX], mask[4];

	set_up_and_welcome(&b);
	relay_text(&in, "op=open&visit=1&service=ssh&from=192.0.2.1:5");
	add_payload(&in, 1, "hello");
	relay_text(&in, "op=credit&visit=1&bytes=100");
	add_payload(&in, 1, "");
	take(&b, &in);
	ck_assert_uint_eq(n_steps, 4);
	ck_assert_int_eq(steps[0].step.type, TAUPE_STEP_OPEN);
	ck_assert_uint_eq(steps[0].step.service, 1);
	ck_assert_int_eq(steps[1].step.type, TAUPE_STEP_DATA);
	ck_assert_mem_eq(steps[1].step.payload, "hello", 5);
	ck_assert_int_eq(steps[2].step.type, TAUPE_STEP_CREDIT);
	ck_assert_uint_eq(steps[2].step.bytes, 100);
	ck_assert_int_eq(steps[3].step.type, TAUPE_STEP_EOF);
	ck_assert_str_eq(
	    words(out, taupe_visit_opened(&b.session, 0, b.now, out)),
	    "op=opened&visit=1");
	ck_assert_str_eq(
	    words(out,
		taupe_visit_credit(&b.session, 0, 5, b.now, out) == 0
		    ? taupe_visit_abort(&b.session, 0, b.now, out)
		    : 0),
	    "op=abort&visit=1");
	ck_assert(taupe_visit_is_over(&b.session, 0));
	ck_assert_uint_eq(
	    taupe_visit_frame(&b.session, 0, 1, b.now, header, mask), 0);
}
END_TEST

START_TEST(places_are_used_again)
{
	struct bench b;
	struct bytes in = {.len = 0};
	uint8_t out[TAUPE_MESSAGE_MAX];
	char text[60];

	set_up_and_welcome(&b);
	for (unsigned number = 1; number <= 20; number++) {
		snprintf(
		    text, sizeof(text), "op=open&visit=%u&service=web", number);
		relay_text(&in, text);
		add_payload(&in, number, "");
		take(&b, &in);
		ck_assert_uint_gt(
		    taupe_visit_eof(
			&b.session, steps[n_steps - 1].step.visit, b.now, out),
		    0);
		n_steps = 0;
	}
	relay_text(&in, "op=open&visit=21&service=web");
	relay_text(&in, "op=open&visit=22&service=web");
	relay_text(&in, "op=open&visit=23&service=web");
	take(&b, &in);
	ck_assert_uint_eq(n_steps, 3);
	relay_text(
	    &in, "op=open&visit=24&service=web"); /* more than three at once */
	take(&b, &in);
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_FAILED);
}
END_TEST

START_TEST(what_breaks_the_protocol_ends_the_link)
{
	static const char *const messages[] = {"op=open&visit=2&service=web",
	    "op=open&visit=1", "op=welcome", "visit=1", "op=%zz",
	    "op=open&visit=0&service=web", "op=credit&visit=1",
	    "op=abort&visit=000000000000000000001", "op=secret",
	    WELCOME("http://r1.example.com", ""), "op=moved",
	    "op=opened&visit=1&url=none"};

	for (size_t i = 0; i < COUNT(messages); i++) {
		struct bench b;

		set_up_and_welcome(&b);
		hear_text(&b, 0, messages[i]);
		ck_assert_msg(strncmp(b.trace, "close:1002 close0(", 18) == 0,
		    "%s: %s", messages[i], b.trace);
	}
}
END_TEST

START_TEST(payload_beyond_the_window_ends_the_link)
{
	struct bench b;
	struct bytes in = {.len = 0};
	char text[1025];

	memset(text, 'x', 1024);
	text[1024] = '\0';
	set_up_and_welcome(&b);
	relay_text(&in, "op=open&visit=1&service=web");
	add_payload(&in, 1, text);
	take(&b, &in);
	ck_assert_uint_eq(n_steps, 2);
	add_payload(&in, 1, "y");
	take(&b, &in);
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_FAILED);
}
END_TEST

START_TEST(what_is_not_known_is_ignored)
{
	struct bench b;

	set_up_and_welcome(&b);
	hear_text(&b, 0, "op=sing&song=x");
	hear_text(&b, 0, "op=abort&visit=7");
	hear_text(&b, 0, "op=credit&visit=7&bytes=1&new=key");
	DID(&b, "");
	ck_assert(taupe_session_is_up(&b.session));
}
END_TEST

START_TEST(channel_is_refused_and_a_secret_too)
{
	struct bench b;

	set_up_and_welcome(&b);
	hear_text(&b, 0, "op=open&id=000102030405060708090a0b0c0d0e0f");
	DID(&b,
	    "op=refused&id=000102030405060708090a0b0c0d0e0f&reason=no%"
	    "20transfer%20channels");
	hear_text(&b, 0, "op=rotate");
	DID(&b, "op=secret&error=this%20device%20has%20no%20other%20secret");
	ck_assert(taupe_session_is_up(&b.session));
}
END_TEST

/* Nobody is where it is sent: it comes back with the hops, until the relay takes it. */
START_TEST(redirect_is_not_followed)
{
	struct bench b;

	set_up(&b);
	begin(&b);
	act(&b);
	connected(&b, 0);
	for (unsigned hops = 1; hops <= 5; hops++) {
		char text[20];

		b.trace[0] = '\0';
		hear_raw(&b, 0, REDIRECT);
		DID(&b, "close0() dial0 r1.example.com:8000");
		connected(&b, 0);
		snprintf(text, sizeof(text), "&hops=%u&", hops);
		ck_assert_ptr_nonnull(strstr(b.request[0], text));
	}
	hear_raw(&b, 0, REDIRECT);
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_REFUSED);
}
END_TEST

START_TEST(move_leads_to_the_next_relay)
{
	struct bench b;

	set_up_and_welcome(&b);
	hear_text(&b, 0, "op=move&to=ws://r9.example.com");
	DID(&b, "close:1000 close0() dial0 r2.example.net:80");
}
END_TEST

START_TEST(refusal_and_retry_after_are_heeded)
{
	struct bench b;

	set_up(&b);
	begin(&b);
	act(&b);
	connected(&b, 0);
	hear_raw(&b, 0,
	    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\n"
	    "Content-Length: 3\r\n\r\nabc");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_REFUSED);
	ck_assert_uint_eq(b.event.status, 503);
	ck_assert_uint_ge(b.event.retry_ms, 7000);
}
END_TEST

START_TEST(hopeless_refusal_waits_the_longest_delay)
{
	struct bench b;

	set_up(&b);
	begin(&b);
	act(&b);
	connected(&b, 0);
	hear_raw(&b, 0, "HTTP/1.1 401 Unauthorized\r\n\r\n");
	ck_assert_uint_eq(b.event.status, 401);
	ck_assert_uint_ge(b.event.retry_ms, 30000);
}
END_TEST

START_TEST(silence_is_noticed)
{
	struct bench b;

	set_up_and_welcome(&b);
	pass(&b, 30000);
	DID(&b, "ping");
	pass(&b, 10000);
	ck_assert_int_eq(strncmp(b.trace, "close0(", 7), 0);
	ck_assert(!taupe_session_is_up(&b.session));
}
END_TEST

START_TEST(frame_of_many_gigabytes_is_refused)
{
	struct bench b;
	static const uint8_t header[] = {0x82, 0x7f, 0, 0, 0, 1, 0, 0, 0, 0};
	struct bytes in = {.len = 0};

	set_up_and_welcome(&b);
	bytes_add(&in, header, sizeof(header));
	hear(&b, 0, &in);
	ck_assert_int_eq(strncmp(b.trace, "close:1002 ", 11), 0);
}
END_TEST

START_TEST(every_cut_is_understood)
{
	for (size_t cut = 1; cut < 40; cut++) {
		struct bench b;

		set_up(&b);
		b.cut = cut;
		bring_up(&b);
		hear_text(&b, 0, "op=rotate");
		DID(&b,
		    "op=secret&error=this%20device%20has%20no%20other%"
		    "20secret");
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {request_says_that_one_connection_is_all,
	    secret_of_several_lines_is_not_written,
	    lease_beyond_its_numbers_is_the_greatest,
	    another_accept_key_is_refused,
	    masks_and_keys_are_as_random_as_the_source, visit_goes_both_ways,
	    places_are_used_again, what_breaks_the_protocol_ends_the_link,
	    payload_beyond_the_window_ends_the_link,
	    what_is_not_known_is_ignored, channel_is_refused_and_a_secret_too,
	    redirect_is_not_followed, move_leads_to_the_next_relay,
	    refusal_and_retry_after_are_heeded,
	    hopeless_refusal_waits_the_longest_delay, silence_is_noticed,
	    frame_of_many_gigabytes_is_refused, every_cut_is_understood};

	return run_suite("small", tests, COUNT(tests));
}
