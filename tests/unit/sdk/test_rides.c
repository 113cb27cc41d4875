/* SPDX-License-Identifier: MIT */
/*
 * Visits that ride on the control channel (docs/PROTOCOL.md section 5.9). What each may do is
 * shown by test_mux.c, whose code this is as well; here is what the session has to do with it:
 * which link, which place, who may still speak, and when a link that was left is closed.
 */
#include <string.h>

#include "bench.h"

#define VISITS 3
#define OPEN(visit) "op=open&visit=" #visit "&service=web&from=192.0.2.1:50312"
#define WELCOME_1 WELCOME("ws://r1.example.com:8000", "")
#define WELCOME_2 WELCOME("ws://r2.example.com", "")

static struct taupe_visit room[TAUPE_LINKS * VISITS];

static void
init_rides(struct bench *b)
{
	init(b);
	memset(room, 0xa5, sizeof(room));
	b->config.visits = room;
	b->config.mux_visits = VISITS;
	b->config.mux_window = 1024;
	b->config.warm_channels = 5;
}

static void
bring_up_rides(struct bench *b)
{
	init_rides(b);
	bring_up(b);
}

/* Binary of the relay's about a visit; text NULL: its end. */
static void
hear_bytes(struct bench *b, unsigned link, uint8_t visit, const char *text)
{
	uint8_t payload[100] = {0, 0, 0, visit};
	size_t len = text != NULL ? strlen(text) : 0;
	struct bytes in = {.len = 0};

	if (len > 0)
		memcpy(payload + 4, text, len);
	relay_frame(&in, WS_OP_BINARY, payload, 4 + len);
	hear(b, link, &in);
}

static void
did_step(struct bench *b, enum taupe_step_type type, size_t place)
{
	ck_assert_int_eq(b->event.type, TAUPE_EVENT_VISIT);
	ck_assert_int_eq(b->event.step.type, type);
	ck_assert_uint_eq(b->event.step.visit, place);
	b->event.type = TAUPE_EVENT_NONE;
}

static void
begin_visit(struct bench *b, unsigned link, const char *open, size_t place)
{
	hear_text(b, link, open);
	did_step(b, TAUPE_STEP_OPEN, place);
	ck_assert(!taupe_visit_is_over(&b->session, place));
}

/* What was said about a visit, as the relay reads it. */
static const char *
said(uint8_t *out, size_t len)
{
	static char text[TAUPE_MESSAGE_MAX];

	ck_assert_uint_gt(len, 0);
	(void)agent_frame(&out, &len, text, sizeof(text));
	ck_assert_uint_eq(len, 0);
	return text;
}

static const char *
say_opened(struct bench *b, size_t place)
{
	uint8_t out[TAUPE_MESSAGE_MAX];

	return said(out, taupe_visit_opened(&b->session, place, b->now, out));
}

/* End our direction; how many bytes that took. */
static size_t
say_eof(struct bench *b, size_t place)
{
	uint8_t out[TAUPE_MESSAGE_MAX];
	size_t len = taupe_visit_eof(&b->session, place, b->now, out);

	act(b);
	return len;
}

START_TEST(request_says_that_there_is_no_other_channel)
{
	struct bench b;
	char request[TAUPE_REQUEST_MAX + 1] = "";

	init_rides(&b);
	begin(&b);
	act(&b);
	connected(&b, 0);
	memcpy(request, b.request[0], b.request_len[0]);
	ck_assert_ptr_nonnull(
	    strstr(request, "&mux=1&visits=3&window=1024&channels=0 HTTP/1.1"));
	ck_assert_ptr_null(strstr(request, "warm"));
}
END_TEST

START_TEST(room_for_visits_needs_a_number)
{
	struct bench b;

	init_rides(&b);
	b.config.mux_visits = 0;
	ck_assert_str_eq(taupe_session_init(&b.session, &b.config),
	    "room for visits, and not how many");
}
END_TEST

static void
whole_visit(size_t cut)
{
	struct bench b;
	uint8_t header[TAUPE_MUX_HEADER_MAX + 2], mask[4], *at = header;
	uint8_t out[TAUPE_MESSAGE_MAX];
	char text[20];
	size_t len;

	bring_up_rides(&b);
	b.cut = cut;
	begin_visit(&b, 0, OPEN(1), 0);
	ck_assert_str_eq(say_opened(&b, 0), "op=opened&visit=1");
	hear_bytes(&b, 0, 1, "x");
	did_step(&b, TAUPE_STEP_DATA, 0);
	ck_assert_uint_eq(b.event.step.payload_len, 1);
	len = taupe_visit_frame(&b.session, 0, 2, b.now, header, mask);
	ck_assert_uint_gt(len, 0);
	memcpy(header + len, "ok", 2);
	taupe_mask(header + len, 2, mask, 0);
	len += 2;
	ck_assert_int_eq(
	    agent_frame(&at, &len, text, sizeof(text)), WS_OP_BINARY);
	ck_assert_mem_eq(text, "\0\0\0\1ok", 6);
	ck_assert_str_eq(
	    said(out, taupe_visit_credit(&b.session, 0, 1, b.now, out)),
	    "op=credit&visit=1&bytes=1");
	hear_text(&b, 0, "op=credit&visit=1&bytes=9");
	did_step(&b, TAUPE_STEP_CREDIT, 0);
	ck_assert_uint_eq(b.event.step.bytes, 9);
	hear_bytes(&b, 0, 1, NULL);
	did_step(&b, TAUPE_STEP_EOF, 0);
	ck_assert(!taupe_visit_is_over(&b.session, 0));
	ck_assert_uint_gt(say_eof(&b, 0), 0);
	ck_assert(taupe_visit_is_over(&b.session, 0));
	ck_assert_uint_eq(say_eof(&b, 0), 0);
	DID(&b, "");
}

START_TEST(visit_begins_speaks_and_ends_at_every_cut)
{
	whole_visit(4096);
	for (size_t cut = 1; cut < 60; cut++)
		whole_visit(cut);
}
END_TEST

START_TEST(visits_run_beside_each_other_and_beside_control_messages)
{
	struct bench b;

	bring_up_rides(&b);
	begin_visit(&b, 0, OPEN(1), 0);
	begin_visit(&b, 0, OPEN(2), 1);
	hear_bytes(&b, 0, 2, "two");
	did_step(&b, TAUPE_STEP_DATA, 1);
	hear_text(&b, 0, "op=rotate");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_ROTATE);
	hear_bytes(&b, 0, 1, "one");
	did_step(&b, TAUPE_STEP_DATA, 0);
	begin_visit(&b, 0, OPEN(3), 2);
	DID(&b, "");
	hear_text(&b, 0, OPEN(4)); /* more than were offered */
	DID(&b, "close:1002 close0(more visits at once than were offered)");
	for (size_t place = 0; place < VISITS; place++)
		ck_assert(taupe_visit_is_over(&b.session, place));
}
END_TEST

START_TEST(abort_is_answered_and_the_place_is_the_next_ones)
{
	struct bench b;

	bring_up_rides(&b);
	begin_visit(&b, 0, OPEN(1), 0);
	hear_text(&b, 0, "op=abort&visit=1");
	did_step(&b, TAUPE_STEP_ABORT, 0);
	DID(&b, "op=abort&visit=1");
	ck_assert(taupe_visit_is_over(&b.session, 0));
	begin_visit(&b, 0, OPEN(2), 0);
}
END_TEST

START_TEST(refusal_and_abort_of_ours_end_our_direction)
{
	struct bench b;
	uint8_t out[TAUPE_MESSAGE_MAX];

	bring_up_rides(&b);
	begin_visit(&b, 0, OPEN(1), 0);
	ck_assert_str_eq(
	    said(out,
		taupe_visit_refused(&b.session, 0, "no route", b.now, out)),
	    "op=refused&visit=1&reason=no%20route");
	begin_visit(&b, 0, OPEN(2), 1);
	ck_assert_str_eq(
	    said(out, taupe_visit_abort(&b.session, 1, b.now, out)),
	    "op=abort&visit=2");
	hear_text(&b, 0, "op=abort&visit=1");
	hear_text(&b, 0, "op=abort&visit=2");
	ck_assert(taupe_visit_is_over(&b.session, 0));
	ck_assert(taupe_visit_is_over(&b.session, 1));
	ck_assert_uint_eq(taupe_visit_abort(&b.session, 1, b.now, out), 0);
}
END_TEST

START_TEST(reason_for_a_refusal_is_made_safe_and_short)
{
	char reason[102];
	uint8_t out[TAUPE_MESSAGE_MAX];
	const char *text;
	struct bench b;

	memset(reason, 'x', sizeof(reason) - 1);
	reason[0] = (char)0xc3;
	reason[sizeof(reason) - 1] = '\0';
	bring_up_rides(&b);
	begin_visit(&b, 0, OPEN(1), 0);
	text = said(
	    out, taupe_visit_refused(&b.session, 0, reason, b.now, out));
	ck_assert_int_eq(
	    strncmp(text, "op=refused&visit=1&reason=%3Fxx", 31), 0);
	ck_assert_uint_eq(
	    strlen(text), strlen("op=refused&visit=1&reason=%3F") + 99);
}
END_TEST

START_TEST(unknown_service_is_refused_by_the_session)
{
	struct bench b;

	bring_up_rides(&b);
	hear_text(&b, 0, "op=open&visit=1&service=db");
	ck_assert_int_ne(b.event.type, TAUPE_EVENT_VISIT);
	DID(&b, "op=refused&visit=1&reason=no%20such%20service");
}
END_TEST

START_TEST(wish_for_a_channel_is_refused)
{
	struct bench b;

	bring_up_rides(&b);
	hear_text(&b, 0,
	    "op=open&id=0c5f1a3e9d7b42868e0f6a1b2c3d4e5f&service=web&mux=1");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_NO_CHANNEL);
	DID(&b,
	    "op=refused&id=0c5f1a3e9d7b42868e0f6a1b2c3d4e5f&reason=no%20"
	    "transfer%20channels");
	ck_assert(taupe_session_is_up(&b.session));
}
END_TEST

START_TEST(faults_say_what_is_wrong)
{
	static const struct {
		const char *text, *reason;
	} faults[] = {
	    {OPEN(2), "open with a visit out of turn"},
	    {"op=opened&visit=1",
		"a message that has no place on a control channel"},
	    {"op=open&service=web", "open without an id"},
	};
	struct bench b;

	for (size_t i = 0; i < COUNT(faults); i++) {
		bring_up_rides(&b);
		hear_text(&b, 0, faults[i].text);
		ck_assert_int_eq(b.event.type, TAUPE_EVENT_FAILED);
		ck_assert_str_eq(b.event.reason, faults[i].reason);
	}
	bring_up_rides(&b);
	hear_bytes(&b, 0, 7, "x");
	ck_assert_str_eq(b.event.reason, "payload without a visit");
	bring_up_rides(&b);
	begin_visit(&b, 0, OPEN(1), 0);
	hear_text(&b, 0, "op=moved&visit=1");
	ck_assert_str_eq(
	    b.event.reason, "moved, and the visit was not to move");
}
END_TEST

START_TEST(nothing_of_visits_is_taken_before_the_welcome)
{
	struct bench b;

	init_rides(&b);
	begin(&b);
	act(&b);
	accepted(&b, 0);
	hear_text(&b, 0, OPEN(1));
	ck_assert_str_eq(b.event.reason, "a message before the welcome");
	init_rides(&b);
	begin(&b);
	act(&b);
	accepted(&b, 0);
	hear_bytes(&b, 0, 1, "x");
	ck_assert_str_eq(
	    b.event.reason, "a binary message on a control channel");
}
END_TEST

START_TEST(nothing_of_visits_is_taken_where_they_do_not_ride)
{
	struct bench b;

	init(&b);
	b.config.mux_visits = VISITS;
	bring_up(&b);
	hear_text(&b, 0, OPEN(1));
	ck_assert_str_eq(b.event.reason, "open without an id");
}
END_TEST

START_TEST(what_is_said_of_visits_spares_the_ping)
{
	struct bench b;

	bring_up_rides(&b);
	begin_visit(&b, 0, OPEN(1), 0);
	pass(&b, 20000);
	(void)say_opened(&b, 0);
	act(&b);
	pass(&b, 20000);
	DID(&b, "");
	pass(&b, 11000);
	DID(&b, "ping");
}
END_TEST

/* Link 0 is up with a visit, and left for link 1. */
static void
leave_link_0(struct bench *b)
{
	bring_up_rides(b);
	begin_visit(b, 0, OPEN(1), 0);
	hear_text(b, 0, "op=move&to=ws://r2.example.com");
	DID(b, "dial1 r2.example.com:80");
	accepted(b, 1);
	hear_text(b, 1, WELCOME_2);
	DID(b, "");
	ck_assert(!taupe_visit_is_over(&b->session, 0));
}

START_TEST(visits_end_on_the_link_that_was_left)
{
	struct bench b;

	leave_link_0(&b);
	begin_visit(&b, 1, OPEN(1), VISITS);
	hear_bytes(&b, 0, 1, "old");
	did_step(&b, TAUPE_STEP_DATA, 0);
	hear_bytes(&b, 1, 1, "new");
	did_step(&b, TAUPE_STEP_DATA, VISITS);
	begin_visit(&b, 0, OPEN(2), 1); /* a visitor who did not know yet */
	hear_bytes(&b, 0, 1, NULL);
	ck_assert_uint_gt(say_eof(&b, 0), 0);
	DID(&b, "");
	ck_assert_uint_gt(say_eof(&b, 1), 0);
	DID(&b, "");
	hear_bytes(&b, 0, 2, NULL);
	DID(&b, "close:1000 close0()");
	ck_assert(!taupe_visit_is_over(&b.session, VISITS));
	ck_assert(taupe_session_is_up(&b.session));
}
END_TEST

START_TEST(our_word_that_ends_the_last_visit_closes_the_link)
{
	struct bench b;

	leave_link_0(&b);
	hear_bytes(&b, 0, 1, NULL);
	DID(&b, "");
	ck_assert_uint_gt(say_eof(&b, 0), 0);
	DID(&b, "close:1000 close0()");
}
END_TEST

START_TEST(other_messages_on_a_link_that_was_left_are_late)
{
	struct bench b;

	leave_link_0(&b);
	b.event.type = TAUPE_EVENT_NONE;
	hear_text(&b, 0, "op=move&to=ws://r1.example.com");
	hear_text(&b, 0, "op=rotate");
	hear_text(&b, 0, "op=open&id=0c5f1a3e9d7b42868e0f6a1b2c3d4e5f");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_NONE);
	DID(&b, "");
}
END_TEST

START_TEST(link_that_was_left_is_kept_alive_and_given_up_when_dead)
{
	struct bench b;
	struct bytes pong = {.len = 0};

	leave_link_0(&b);
	relay_frame(&pong, WS_OP_PONG, "", 0);
	pass(&b, 30000);
	DID(&b, "ping ping");
	hear(&b, 1, &pong); /* link 0 is silent */
	pass(&b, 10000);
	DID(&b, "close0(nothing heard for too long)");
	ck_assert(taupe_visit_is_over(&b.session, 0));
	ck_assert(taupe_session_is_up(&b.session));
}
END_TEST

START_TEST(lost_link_that_was_left_costs_its_visits_alone)
{
	struct bench b;

	leave_link_0(&b);
	begin_visit(&b, 1, OPEN(1), VISITS);
	lost(&b, 0);
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_NONE);
	DID(&b, "");
	ck_assert(taupe_visit_is_over(&b.session, 0));
	ck_assert(!taupe_visit_is_over(&b.session, VISITS));
}
END_TEST

START_TEST(fault_on_a_link_that_was_left_costs_its_visits_alone)
{
	struct bench b;

	leave_link_0(&b);
	hear_bytes(&b, 0, 9, "x");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_FAILED);
	ck_assert(b.event.standing);
	DID(&b, "close:1002 close0(payload without a visit)");
	ck_assert(taupe_session_is_up(&b.session));
}
END_TEST

START_TEST(session_is_made_anew_beside_a_link_that_was_left)
{
	struct bench b;

	leave_link_0(&b);
	lost(&b, 1);
	ck_assert(!b.event.standing);
	ck_assert(!taupe_session_is_up(&b.session));
	pass(&b, 2000);
	DID(&b, "dial1 r2.example.com:80");
	accepted(&b, 1);
	hear_text(&b, 1, WELCOME_2);
	DID(&b, "");
	ck_assert(!taupe_visit_is_over(&b.session, 0));
}
END_TEST

START_TEST(link_that_was_left_is_found_dead_while_there_is_no_session)
{
	struct bench b;

	leave_link_0(&b);
	b.config.reconnect_wait_ms = 3600000;
	lost(&b, 1);
	ck_assert(!taupe_session_is_up(&b.session));
	DID(&b, "");
	/* its driver calls when it is told to, and not before */
	ck_assert_uint_le(b.until, b.now + 30000);
	pass(&b, 30000);
	DID(&b, "ping");
	ck_assert_uint_le(b.until, b.now + 10000);
	pass(&b, 10000);
	DID(&b, "close0(nothing heard for too long)");
	ck_assert(taupe_visit_is_over(&b.session, 0));
}
END_TEST

START_TEST(next_move_closes_the_link_that_was_left_before)
{
	struct bench b;

	leave_link_0(&b);
	begin_visit(&b, 1, OPEN(1), VISITS);
	hear_text(&b, 1, "op=move&to=ws://r1.example.com:8000");
	DID(&b, "close:1000 close0() dial0 r1.example.com:8000");
	ck_assert(taupe_visit_is_over(&b.session, 0));
	accepted(&b, 0);
	hear_text(&b, 0, WELCOME_1);
	DID(&b, "");
	begin_visit(&b, 0, OPEN(1), 0); /* its numbers begin anew */
	ck_assert(!taupe_visit_is_over(&b.session, VISITS));
}
END_TEST

START_TEST(renewal_keeps_the_visits)
{
	struct bench b;

	bring_up_rides(&b);
	begin_visit(&b, 0, OPEN(1), 0);
	taupe_session_renew(&b.session, b.now);
	act(&b);
	DID(&b, "dial1 r1.example.com:8000");
	accepted(&b, 1);
	hear_text(&b, 1, WELCOME_1);
	DID(&b, "");
	ck_assert(!taupe_visit_is_over(&b.session, 0));
}
END_TEST

START_TEST(single_link_has_no_place_for_old_visits)
{
	struct bench b;

	init_rides(&b);
	b.config.single_link = true;
	bring_up(&b);
	begin_visit(&b, 0, OPEN(1), 0);
	hear_text(&b, 0, "op=move&to=ws://r2.example.com");
	DID(&b, "close:1000 close0() dial0 r2.example.com:80");
	ck_assert(taupe_visit_is_over(&b.session, 0));
	for (size_t i = VISITS * sizeof(room[0]); i < sizeof(room); i++)
		ck_assert_uint_eq(((uint8_t *)room)[i], 0xa5);
}
END_TEST

START_TEST(who_leaves_lets_visits_end_and_takes_no_more)
{
	struct bench b;

	bring_up_rides(&b);
	begin_visit(&b, 0, OPEN(1), 0);
	taupe_session_leave(&b.session);
	act(&b);
	DID(&b, "");
	hear_text(&b, 0, OPEN(2));
	DID(&b, "op=refused&visit=2&reason=the%20agent%20stops");
	hear_text(&b, 0, "op=abort&visit=2");
	hear_bytes(&b, 0, 1, NULL);
	ck_assert_uint_gt(say_eof(&b, 0), 0);
	DID(&b, "close:1000 close0()");
	ck_assert_uint_eq(b.until, TAUPE_FOREVER);
}
END_TEST

START_TEST(who_leaves_twice_leaves_at_once)
{
	struct bench b;

	leave_link_0(&b);
	begin_visit(&b, 1, OPEN(1), VISITS);
	taupe_session_leave(&b.session);
	act(&b);
	DID(&b, "");
	taupe_session_leave(&b.session);
	act(&b);
	DID(&b, "close:1000 close0() close:1000 close1()");
	ck_assert_uint_eq(b.until, TAUPE_FOREVER);
}
END_TEST

/* Is a payload's mask zero? */
static bool
masks_with_zeros(struct bench *b, size_t place)
{
	static const uint8_t zeros[4];
	uint8_t header[TAUPE_MUX_HEADER_MAX], mask[4];

	ck_assert_uint_gt(
	    taupe_visit_frame(&b->session, place, 1, b->now, header, mask), 0);
	return memcmp(mask, zeros, sizeof(zeros)) == 0;
}

START_TEST(mask_is_zero_inside_tls_alone)
{
	static const char *const secure[] = {"wss://r1.example.com"};
	struct bench b;

	bring_up_rides(&b);
	begin_visit(&b, 0, OPEN(1), 0);
	ck_assert(!masks_with_zeros(&b, 0));
	/* the next connection will be one with TLS; this one is not */
	init_rides(&b);
	begin(&b);
	act(&b);
	accepted(&b, 0);
	hear_text(&b, 0, WELCOME("wss://r1.example.com", ""));
	begin_visit(&b, 0, OPEN(1), 0);
	ck_assert(!masks_with_zeros(&b, 0));
	init_rides(&b);
	b.config.relays = secure;
	b.config.n_relays = 1;
	begin(&b);
	act(&b);
	accepted(&b, 0);
	hear_text(&b, 0, WELCOME("wss://r1.example.com", ""));
	begin_visit(&b, 0, OPEN(1), 0);
	ck_assert(masks_with_zeros(&b, 0));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    request_says_that_there_is_no_other_channel,
	    room_for_visits_needs_a_number,
	    visit_begins_speaks_and_ends_at_every_cut,
	    visits_run_beside_each_other_and_beside_control_messages,
	    abort_is_answered_and_the_place_is_the_next_ones,
	    refusal_and_abort_of_ours_end_our_direction,
	    reason_for_a_refusal_is_made_safe_and_short,
	    unknown_service_is_refused_by_the_session,
	    wish_for_a_channel_is_refused,
	    faults_say_what_is_wrong,
	    nothing_of_visits_is_taken_before_the_welcome,
	    nothing_of_visits_is_taken_where_they_do_not_ride,
	    what_is_said_of_visits_spares_the_ping,
	    visits_end_on_the_link_that_was_left,
	    our_word_that_ends_the_last_visit_closes_the_link,
	    other_messages_on_a_link_that_was_left_are_late,
	    link_that_was_left_is_kept_alive_and_given_up_when_dead,
	    lost_link_that_was_left_costs_its_visits_alone,
	    fault_on_a_link_that_was_left_costs_its_visits_alone,
	    session_is_made_anew_beside_a_link_that_was_left,
	    link_that_was_left_is_found_dead_while_there_is_no_session,
	    next_move_closes_the_link_that_was_left_before,
	    renewal_keeps_the_visits,
	    single_link_has_no_place_for_old_visits,
	    who_leaves_lets_visits_end_and_takes_no_more,
	    who_leaves_twice_leaves_at_once,
	    mask_is_zero_inside_tls_alone,
	};

	return run_suite("rides", tests, COUNT(tests));
}
