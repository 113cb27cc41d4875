/* SPDX-License-Identifier: MIT */
/*
 * Each stream of frames is read whole, cut at every place, cut at every two places and
 * byte by byte; what was reported must each time make the same transcript:
 *   B[ABC] a binary message, T[…] a text message, p(…) a ping, q(…) a pong,
 *   c1000(…) a close, !1002 an error, ~ a message that has not ended.
 */
#include "support.h"

#include <stdio.h>

#include "wire/ws_reader.h"

#define TEXT_MAX 10

struct transcript {
	char text[1024];
	size_t len;
	uint64_t message_length;
	bool open;
};

static void
note(struct transcript *t, const char *format, const void *data, size_t len)
{
	int written = snprintf(t->text + t->len, sizeof(t->text) - t->len,
	    format, (int)len, (const char *)data);

	ck_assert_int_ge(written, 0);
	t->len += (size_t)written;
	ck_assert_uint_lt(t->len, sizeof(t->text));
}

static void
note_piece(struct transcript *t, struct ws_event *event)
{
	if (event->type == WS_BINARY)
		ws_mask(event->data, event->len, event->mask, event->phase);
	ck_assert_uint_eq(event->first, !t->open);
	if (event->first) {
		note(t, event->type == WS_BINARY ? "B[" : "T[", "", 0);
		t->message_length = 0;
	}
	t->open = !event->last;
	t->message_length += event->len;
	ck_assert_uint_eq(event->message_length, t->message_length);
	note(t, "%.*s", event->data, event->len);
	if (event->last)
		note(t, "]", "", 0);
}

static void
note_event(struct transcript *t, struct ws_event *event)
{
	switch (event->type) {
	case WS_NEED_MORE:
	case WS_NEED_ROOM:
		break;
	case WS_BINARY:
	case WS_TEXT:
		note_piece(t, event);
		break;
	case WS_PING:
		note(t, "p(%.*s)", event->data, event->len);
		break;
	case WS_PONG:
		note(t, "q(%.*s)", event->data, event->len);
		break;
	case WS_CLOSED:
		note(t, "c", "", 0);
		t->len +=
		    (size_t)snprintf(t->text + t->len, 16, "%u", event->code);
		note(t, "(%.*s)", event->data, event->len);
		break;
	case WS_ERROR:
		ck_assert_ptr_nonnull(event->reason);
		t->len +=
		    (size_t)snprintf(t->text + t->len, 16, "!%u", event->code);
		break;
	}
}

/* Payload was seen before, or else a part of a header; and nothing else was taken for it. */
static void
check_foresight(bool payload, const struct ws_event *event)
{
	bool came = event->type == WS_BINARY && event->len > 0;

	ck_assert(payload || !came);
	ck_assert(!payload || came || event->type == WS_NEED_MORE);
}

/* Feed one piece; its copy ends at an inaccessible page, and so does the room. */
static void
feed(struct ws_reader *r, struct transcript *t, const char *in, size_t len)
{
	static const char room[WS_CONTROL_MAX];
	uint8_t *buf = (void *)guard_copy(0, in, len);
	struct ws_event event;
	size_t consumed;

	do {
		bool payload = len > 0 && ws_reader_is_at_payload(r, buf, len);

		ws_reader_next(r, buf, len, &consumed, &event);
		ck_assert_uint_le(consumed, len);
		check_foresight(payload, &event);
		note_event(t, &event);
		if (event.type == WS_NEED_ROOM)
			ws_reader_lend(
			    r, (void *)guard_copy(1, room, sizeof(room)));
		buf += consumed;
		len -= consumed;
	} while (event.type != WS_NEED_MORE);
	ck_assert_uint_eq(len, 0);
}

static void
check_cut(enum ws_role role, const char *in, size_t len, size_t cut_a,
    size_t cut_b, const char *expected)
{
	struct transcript t = {.len = 0};
	struct ws_reader r;

	ws_reader_init(&r, role, TEXT_MAX);
	feed(&r, &t, in, cut_a);
	feed(&r, &t, in + cut_a, cut_b - cut_a);
	feed(&r, &t, in + cut_b, len - cut_b);
	if (t.open && !r.dead)
		note(&t, "~", "", 0);
	if (strcmp(t.text, expected) != 0)
		ck_abort_msg("cut at %zu and %zu: %s, not %s", cut_a, cut_b,
		    t.text, expected);
}

static void
check_stream(
    enum ws_role role, const char *in, size_t len, const char *expected)
{
	struct transcript t = {.len = 0};
	struct ws_reader r;

	for (size_t cut_a = 0; cut_a <= len; cut_a++) {
		size_t reach = len < 200 ? len : cut_a;

		for (size_t cut_b = cut_a; cut_b <= reach; cut_b++)
			check_cut(role, in, len, cut_a, cut_b, expected);
	}
	ws_reader_init(&r, role, TEXT_MAX);
	for (size_t i = 0; i < len; i++)
		feed(&r, &t, in + i, 1);
	if (t.open && !r.dead)
		note(&t, "~", "", 0);
	ck_assert_str_eq(t.text, expected);
}

#define CHECK_CLIENT(in, expected)                                             \
	check_stream(WS_CLIENT, in, sizeof(in) - 1, expected)
#define CHECK_SERVER(in, expected)                                             \
	check_stream(WS_SERVER, in, sizeof(in) - 1, expected)

/* RFC 6455 section 5.7 */
START_TEST(rfc_examples_at_every_cut)
{
	CHECK_CLIENT("\x81\x05Hello", "T[Hello]");
	CHECK_SERVER(
	    "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "T[Hello]");
	CHECK_CLIENT("\x01\x03Hel\x80\x02lo", "T[Hello]");
	CHECK_CLIENT("\x89\x05Hello", "p(Hello)");
	CHECK_SERVER(
	    "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "q(Hello)");
}
END_TEST

START_TEST(masked_binary_at_every_cut)
{
	/* the letters exclusive-or 1, 2, 3, 4 */
	CHECK_SERVER("\x82\x86\1\2\3\4`````d", "B[abcdaf]");
	CHECK_SERVER("\x02\x83\1\2\3\4```\x80\x82\0\0\0\0de", "B[abcde]");
}
END_TEST

START_TEST(empty_frames_are_reported)
{
	CHECK_CLIENT("\x82\x00", "B[]");
	CHECK_SERVER("\x82\x80\1\2\3\4", "B[]");
	CHECK_CLIENT("\x81\x00\x89\x00\x8a\x00", "T[]p()q()");
	CHECK_CLIENT("\x02\x00\x00\x00\x00\x01x\x00\x00\x80\x00", "B[x]");
}
END_TEST

START_TEST(control_frames_between_fragments)
{
	CHECK_CLIENT("\x02\x01x\x89\x02hi\x00\x01y\x8a\x00\x80\x01z\x82\x01w",
	    "B[xp(hi)yq()z]B[w]");
}
END_TEST

START_TEST(longest_control_frame_at_every_cut)
{
	char in[2 + WS_CONTROL_MAX + 3], expected[3 + WS_CONTROL_MAX + 5];

	memset(in, 'x', sizeof(in));
	in[0] = (char)0x89;
	in[1] = WS_CONTROL_MAX;
	memcpy(in + 2 + WS_CONTROL_MAX, "\x82\x01y", 3);
	snprintf(
	    expected, sizeof(expected), "p(%.*s)B[y]", WS_CONTROL_MAX, in + 2);
	check_stream(WS_CLIENT, in, sizeof(in), expected);
}
END_TEST

START_TEST(long_lengths_at_every_cut)
{
	char in[4 + 300], expected[3 + 300 + 1];

	memset(in, 'x', sizeof(in));
	memcpy(in, "\x82\x7e\x01\x2c", 4);
	snprintf(expected, sizeof(expected), "B[%.*s]", 300, in + 4);
	check_stream(WS_CLIENT, in, sizeof(in), expected);
}
END_TEST

START_TEST(close_ends_the_stream)
{
	CHECK_CLIENT("\x88\x00\x89\x00", "c1005()");
	CHECK_CLIENT("\x88\x02\x03\xe8", "c1000()");
	CHECK_CLIENT("\x88\x05\x03\xe9"
		     "bye\x82\x01x",
	    "c1001(bye)");
	CHECK_SERVER("\x88\x85\1\2\3\4\x02\xebhey\x82\x01x", "c1001(kax)");
	CHECK_CLIENT("\x02\x01x\x88\x00", "B[xc1005()");
}
END_TEST

START_TEST(refuses_malformed_close)
{
	CHECK_CLIENT("\x88\x01\x03", "!1002");
	CHECK_CLIENT("\x88\x02\x03\xed", "!1002"); /* 1005 */
	CHECK_CLIENT("\x88\x02\x00\x00", "!1002");
	CHECK_CLIENT("\x88\x04\x13\x88hi", "!1002"); /* 5000 */
}
END_TEST

START_TEST(refuses_unmasked_client_frame)
{
	CHECK_SERVER("\x82\x01x", "!1002");
	CHECK_SERVER("\x89\x00", "!1002");
}
END_TEST

START_TEST(refuses_masked_server_frame)
{
	CHECK_CLIENT("\x82\x81\1\2\3\4x", "!1002");
	CHECK_CLIENT("\x88\x80\1\2\3\4", "!1002");
}
END_TEST

START_TEST(refuses_broken_order_of_fragments)
{
	CHECK_CLIENT("\x80\x01x", "!1002");
	CHECK_CLIENT("\x00\x01x", "!1002");
	CHECK_CLIENT("\x82\x01x\x80\x01y", "B[x]!1002");
	CHECK_CLIENT("\x02\x01x\x82\x01y", "B[x!1002");
	CHECK_CLIENT("\x02\x01x\x81\x01y", "B[x!1002");
	CHECK_CLIENT("\x01\x01x\x01\x01y", "T[x!1002");
}
END_TEST

START_TEST(refuses_malformed_header_and_then_hears_nothing)
{
	CHECK_CLIENT("\xc2\x01x\x82\x01y", "!1002");
	CHECK_CLIENT("\x82\x01x\x83\x01y\x82\x01z", "B[x]!1002");
	CHECK_CLIENT("\x82\x7e\x00\x01x", "!1002");
}
END_TEST

START_TEST(text_is_bounded)
{
	CHECK_CLIENT("\x81\x0a"
		     "0123456789",
	    "T[0123456789]");
	CHECK_CLIENT("\x81\x0b"
		     "01234567890",
	    "!1009");
	CHECK_CLIENT("\x01\x06"
		     "012345\x80\x04"
		     "6789",
	    "T[0123456789]");
	CHECK_CLIENT("\x01\x06"
		     "012345\x80\x05"
		     "67890",
	    "T[012345!1009");
	CHECK_CLIENT("\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", "!1009");
}
END_TEST

START_TEST(binary_is_not_bounded_by_the_bound_on_text)
{
	CHECK_CLIENT("\x02\x06"
		     "012345\x00\x06"
		     "678901\x80\x01x",
	    "B[012345678901x]");
}
END_TEST

/* Pieces before the strange byte may have been reported or not, by the cut: so read whole. */
START_TEST(refuses_strange_bytes_in_text)
{
	static const char *const strange[] = {
	    "\x01", "\n", "\x1f", "\x7f", "\x80", "\xc3\xa4"};

	for (size_t i = 0; i < COUNT(strange); i++) {
		size_t len = strlen(strange[i]);
		struct transcript t = {.len = 0};
		struct ws_reader r;
		char frame[8] = {(char)0x81, (char)len};

		memcpy(frame + 2, strange[i], len);
		ws_reader_init(&r, WS_CLIENT, TEXT_MAX);
		feed(&r, &t, frame, 2 + len);
		ck_assert_str_eq(t.text, "!1007");
		feed(&r, &t, "\x82\x01x", 3);
		ck_assert_str_eq(t.text, "!1007");
	}
}
END_TEST

START_TEST(at_rest_only_between_messages)
{
	static const char in[] = "\x02\x01x\x89\x01y\x80\x01z";
	static const bool rest[] = {
	    true, false, false, false, false, false, false, false, false, true};
	struct ws_reader r;
	struct transcript t = {.len = 0};

	ws_reader_init(&r, WS_CLIENT, TEXT_MAX);
	for (size_t i = 0; i < sizeof(in) - 1; i++) {
		ck_assert_uint_eq(ws_reader_at_rest(&r), rest[i]);
		feed(&r, &t, in + i, 1);
	}
	ck_assert(ws_reader_at_rest(&r));
}
END_TEST

START_TEST(payload_is_not_copied)
{
	uint8_t buf[] = "\x82\x03"
			"abc\x89\x02hi";
	struct ws_reader r;
	struct ws_event event;
	size_t consumed;

	ws_reader_init(&r, WS_CLIENT, TEXT_MAX);
	ws_reader_next(&r, buf, sizeof(buf) - 1, &consumed, &event);
	ck_assert_int_eq(event.type, WS_BINARY);
	ck_assert_ptr_eq(event.data, buf + 2);
	ck_assert_uint_eq(consumed, 5);
	ws_reader_next(&r, buf + 5, sizeof(buf) - 6, &consumed, &event);
	ck_assert_int_eq(event.type, WS_PING);
	ck_assert_ptr_eq(event.data, buf + 7);
	ck_assert_uint_eq(consumed, 4);
}
END_TEST

START_TEST(no_input_needs_more)
{
	struct ws_reader r;
	struct ws_event event;
	size_t consumed = 1;

	ws_reader_init(&r, WS_SERVER, TEXT_MAX);
	ws_reader_next(&r, NULL, 0, &consumed, &event);
	ck_assert_int_eq(event.type, WS_NEED_MORE);
	ck_assert_uint_eq(consumed, 0);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    rfc_examples_at_every_cut,
	    masked_binary_at_every_cut,
	    empty_frames_are_reported,
	    control_frames_between_fragments,
	    longest_control_frame_at_every_cut,
	    long_lengths_at_every_cut,
	    close_ends_the_stream,
	    refuses_malformed_close,
	    refuses_unmasked_client_frame,
	    refuses_masked_server_frame,
	    refuses_broken_order_of_fragments,
	    refuses_malformed_header_and_then_hears_nothing,
	    text_is_bounded,
	    binary_is_not_bounded_by_the_bound_on_text,
	    refuses_strange_bytes_in_text,
	    at_rest_only_between_messages,
	    payload_is_not_copied,
	    no_input_needs_more,
	};

	return run_suite("ws_reader", tests, COUNT(tests));
}
