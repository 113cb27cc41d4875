/* SPDX-License-Identifier: MIT */
/*
 * What a device proves itself with: rotation and enrolment, and every answer that can be
 * lost on the way. The registry is played by the test: it knows one secret, and answers 401
 * to all others.
 */
#include <stdio.h>
#include <string.h>

#include "bench.h"

#define OLD "q3vJ0mB7yZkR1sT5uXnEwA"
#define NEW "Zt5nC8wQ1rYb2KfLxV7oPd"
#define KEY "probes.u7oYJ2xq-3bVd_0aKf5sT8wZrE1nPgQhL6mCiXjD4yM"
#define HASH "8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92"
#define OTHER_HASH                                                             \
	"9f86d081884c7d659a2feaa0c55ad0159f86d081884c7d659a2feaa0c55ad015"
#define R1 "ws://r1.example.com:8000"
#define UNAUTHORIZED                                                           \
	"HTTP/1.1 401 Unauthorized\r\nContent-Type: "                          \
	"application/x-www-form-urlencoded\r\nContent-Length: 38\r\n\r\n"      \
	"error=unauthorized&reason=wrong%20secret"

/* Which of them the last request on a link came with. */
static const char *
bearer(struct bench *b, unsigned link)
{
	const char *field = request_field(
	    b->request[link], b->request_len[link], "Authorization");

	return strncmp(field, "Bearer ", 7) == 0 ? field + 7 : field;
}

static bool
request_has(struct bench *b, unsigned link, const char *text)
{
	char copy[TAUPE_REQUEST_MAX + 1] = "";

	memcpy(copy, b->request[link], b->request_len[link]);
	return strstr(copy, text) != NULL;
}

/* The dial has come through: what is answered depends on who is `right`. */
static void
answer(struct bench *b, unsigned link, const char *right)
{
	struct bytes in = {.len = 0};

	connected(b, link);
	if (strcmp(bearer(b, link), right) != 0) {
		hear_raw(b, link, UNAUTHORIZED);
		return;
	}
	relay_accept(&in, b->request[link], b->request_len[link]);
	hear(b, link, &in);
	hear_text(b, link, WELCOME(R1, "&lease=token"));
}

static void
wait_for_retry(struct bench *b)
{
	b->now = b->until;
	act(b);
}

/* Bring it up with what the registry has. */
static void
come_back(struct bench *b, const char *right)
{
	wait_for_retry(b);
	for (int i = 0; !taupe_session_is_up(&b->session); i++) {
		ck_assert_int_lt(i, 3);
		answer(b, 0, right);
	}
	b->trace[0] = '\0';
}

/* What the driver does when it is asked, and has stored both. */
static void
draw(struct bench *b)
{
	b->config.old_secret = b->config.secret;
	b->config.secret = NEW;
	b->config.secret_sha256 = HASH;
}

static const char *
offer(struct bench *b, unsigned link)
{
	static char text[TAUPE_MESSAGE_MAX];
	uint8_t out[TAUPE_MESSAGE_MAX], *at = out;
	size_t len = taupe_session_offer_secret(&b->session, link, b->now, out);

	if (len == 0)
		return "";
	ck_assert_int_eq(
	    agent_frame(&at, &len, text, sizeof(text)), WS_OP_TEXT);
	ck_assert_uint_eq(len, 0);
	return text;
}

static void
bring_up_and_ask(struct bench *b)
{
	init(b);
	bring_up(b);
	hear_text(b, 0, "op=rotate");
	ck_assert_int_eq(b->event.type, TAUPE_EVENT_ROTATE);
	ck_assert_int_eq(b->event.credential, TAUPE_SECRET);
}

/* ---- rotation ---- */

START_TEST(rotation_offers_the_hash_and_is_confirmed)
{
	char state[TAUPE_STATE_MAX];
	struct bench b;
	size_t len;

	bring_up_and_ask(&b);
	draw(&b);
	ck_assert_str_eq(offer(&b, 0), "op=secret&sha256=" HASH);
	hear_text(&b, 0, "op=secret&sha256=" HASH "&lease=longer.than.before");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_ROTATED);
	ck_assert(b.event.state_changed);
	len = taupe_session_export(&b.session, state, sizeof(state) - 1);
	state[len] = '\0';
	ck_assert_str_eq(state,
	    "label=k7x2m9q4tz&lease=longer.than.before&relay=ws://"
	    "r1.example.com:8000&peer=ws://r3.example.org&peer=ws://"
	    "r4.example.org:81");
	ck_assert(taupe_session_is_up(&b.session));
	/* with the next rotation it is the old one */
	hear_text(&b, 0, "op=rotate");
	ck_assert_int_eq(b.event.credential, TAUPE_SECRET);
	lost(&b, 0);
	wait_for_retry(&b);
	connected(&b, 0);
	ck_assert_str_eq(bearer(&b, 0), NEW);
}
END_TEST

START_TEST(confirmation_may_come_without_a_lease_or_with_the_same)
{
	struct bench b;

	bring_up_and_ask(&b);
	draw(&b);
	ck_assert_str_ne(offer(&b, 0), "");
	hear_text(&b, 0, "op=secret&sha256=" HASH);
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_ROTATED);
	ck_assert(!b.event.state_changed);
	hear_text(&b, 0, "op=secret&sha256=" HASH "&lease=token");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_ROTATED);
	ck_assert(!b.event.state_changed);
}
END_TEST

START_TEST(lease_that_has_no_room_leaves_the_old_one)
{
	char text[1200], lease[LEASE_TOKEN_MAX + 1];
	char state[TAUPE_STATE_MAX];
	struct bench b;

	memset(lease, 'x', LEASE_TOKEN_MAX);
	lease[LEASE_TOKEN_MAX] = '\0';
	snprintf(
	    text, sizeof(text), "op=secret&sha256=" HASH "&lease=%s", lease);
	for (size_t size = 0; size < 1300; size += 31) {
		init(&b);
		memset(b.memory, 0x55, sizeof(b.memory));
		b.config.memory_size = size;
		bring_up(&b);
		draw(&b);
		ck_assert_str_ne(offer(&b, 0), "");
		hear_text(&b, 0, text);
		ck_assert_int_eq(b.event.type, TAUPE_EVENT_ROTATED);
		ck_assert_uint_eq(b.memory[size], 0x55);
		state[taupe_session_export(
		    &b.session, state, sizeof(state) - 1)] = '\0';
		ck_assert_uint_eq(
		    b.event.state_changed, strstr(state, lease) != NULL);
		if (size >= 200)
			ck_assert_ptr_nonnull(
			    strstr(state, "peer=ws://r4.example.org:81"));
	}
	ck_assert(b.event.state_changed);
}
END_TEST

START_TEST(asked_again_it_offers_the_same_again)
{
	struct bench b;

	bring_up_and_ask(&b);
	draw(&b);
	ck_assert_str_eq(offer(&b, 0), "op=secret&sha256=" HASH);
	hear_text(&b, 0, "op=rotate");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_ROTATE);
	ck_assert_int_eq(b.event.credential, TAUPE_OLD_SECRET);
	ck_assert_str_eq(offer(&b, 0), "op=secret&sha256=" HASH);
}
END_TEST

START_TEST(what_a_relay_could_not_store_stays_offered)
{
	struct bench b;

	bring_up_and_ask(&b);
	draw(&b);
	ck_assert_str_ne(offer(&b, 0), "");
	hear_text(&b, 0, "op=secret&error=the%20registry%20is%20away");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_NOT_ROTATED);
	ck_assert_str_eq(b.text, "the registry is away");
	ck_assert(taupe_session_is_up(&b.session));
	/* it comes back with what the registry has, and is asked again */
	lost(&b, 0);
	come_back(&b, OLD);
	ck_assert_int_eq(b.event.credential, TAUPE_OLD_SECRET);
	hear_text(&b, 0, "op=rotate");
	ck_assert_int_eq(b.event.credential, TAUPE_OLD_SECRET);
	ck_assert_str_eq(offer(&b, 0), "op=secret&sha256=" HASH);
}
END_TEST

START_TEST(confirmation_of_something_else_is_none)
{
	struct bench b;

	bring_up_and_ask(&b);
	draw(&b);
	ck_assert_str_ne(offer(&b, 0), "");
	b.event.type = TAUPE_EVENT_NONE;
	hear_text(&b, 0, "op=secret&sha256=" OTHER_HASH);
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_NONE);
	ck_assert(taupe_session_is_up(&b.session));
	b.config.secret_sha256 = NULL;
	hear_text(&b, 0, "op=secret&sha256=" HASH);
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_NONE);
}
END_TEST

/* The relay has stored it, and its answer is lost. */
START_TEST(lost_confirmation_is_made_good_by_the_next_welcome)
{
	struct bench b;

	bring_up_and_ask(&b);
	draw(&b);
	ck_assert_str_ne(offer(&b, 0), "");
	lost(&b, 0);
	wait_for_retry(&b);
	answer(&b, 0, NEW);
	ck_assert(taupe_session_is_up(&b.session));
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_WELCOME);
	ck_assert_int_eq(b.event.credential, TAUPE_SECRET);
}
END_TEST

/* The offer is lost: the registry has the old one still. */
START_TEST(lost_offer_is_made_good_by_the_old_secret_at_once)
{
	struct bench b;
	uint64_t now;

	bring_up_and_ask(&b);
	draw(&b);
	ck_assert_str_ne(offer(&b, 0), "");
	lost(&b, 0);
	wait_for_retry(&b);
	b.trace[0] = '\0';
	now = b.now;
	answer(&b, 0, OLD);
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_OTHER_SECRET);
	ck_assert_int_eq(b.event.credential, TAUPE_OLD_SECRET);
	ck_assert_uint_eq(b.event.status, 401);
	DID(&b, "close0() dial0 r1.example.com:8000");
	answer(&b, 0, OLD);
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_WELCOME);
	ck_assert_int_eq(b.event.credential, TAUPE_OLD_SECRET);
	ck_assert_uint_eq(b.now, now);
	/* what was right the last time is tried first */
	lost(&b, 0);
	wait_for_retry(&b);
	answer(&b, 0, NEW);
	ck_assert_str_eq(bearer(&b, 0), OLD);
	answer(&b, 0, NEW);
	ck_assert_int_eq(b.event.credential, TAUPE_SECRET);
}
END_TEST

START_TEST(both_refused_are_one_attempt)
{
	struct bench b;

	init(&b);
	draw(&b);
	begin(&b);
	for (int i = 0; i < 3; i++) {
		act(&b);
		answer(&b, 0, "");
		ck_assert_str_eq(bearer(&b, 0), NEW);
		ck_assert_int_eq(b.event.type, TAUPE_EVENT_OTHER_SECRET);
		answer(&b, 0, "");
		ck_assert_str_eq(bearer(&b, 0), OLD);
		ck_assert_int_eq(b.event.type, TAUPE_EVENT_REFUSED);
		ck_assert_uint_ge(b.event.retry_ms, 30000);
		ck_assert_uint_eq(b.until, b.now + b.event.retry_ms);
		b.now = b.until;
	}
}
END_TEST

/* The relay ends the connection before all of the answer has come. */
START_TEST(refusal_that_is_cut_off_leads_to_the_other_secret_too)
{
	struct bench b;

	init(&b);
	draw(&b);
	begin(&b);
	act(&b);
	connected(&b, 0);
	b.trace[0] = '\0';
	hear_raw(&b, 0,
	    "HTTP/1.1 401 Unauthorized\r\nContent-Type: "
	    "application/x-www-form-urlencoded\r\nContent-Length: "
	    "40\r\n\r\nerror=unau");
	DID(&b, "");
	lost(&b, 0);
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_OTHER_SECRET);
	DID(&b, "dial0 r1.example.com:8000");
	answer(&b, 0, OLD);
	ck_assert(taupe_session_is_up(&b.session));
}
END_TEST

/* No other answer says that the secret is wrong. */
START_TEST(only_a_401_leads_to_the_other_secret)
{
	static const unsigned statuses[] = {
	    400, 403, 404, 409, 426, 429, 500, 503};

	for (size_t i = 0; i < COUNT(statuses); i++) {
		char text[80];
		struct bench b;

		init(&b);
		draw(&b);
		begin(&b);
		act(&b);
		connected(&b, 0);
		snprintf(
		    text, sizeof(text), "HTTP/1.1 %u No\r\n\r\n", statuses[i]);
		hear_raw(&b, 0, text);
		ck_assert_int_eq(b.event.type, TAUPE_EVENT_REFUSED);
		ck_assert_uint_gt(b.until, b.now);
		wait_for_retry(&b);
		connected(&b, 0);
		ck_assert_str_eq(bearer(&b, 0), NEW);
	}
}
END_TEST

/* Another relay has stored the new one, and this one ends the session with the old. */
START_TEST(revoked_session_comes_back_soon_with_the_new_secret)
{
	struct bench b;

	bring_up_and_ask(&b);
	draw(&b);
	ck_assert_str_ne(offer(&b, 0), "");
	hear_close(&b, 0, 1008, "revoked");
	ck_assert_uint_lt(b.until, b.now + 5000);
	wait_for_retry(&b);
	answer(&b, 0, NEW);
	ck_assert_int_eq(b.event.credential, TAUPE_SECRET);
	/* taken over by a clone is another matter */
	hear_close(&b, 0, 1008, "taken over");
	ck_assert_uint_ge(b.until, b.now + 30000);
}
END_TEST

START_TEST(revoked_without_another_secret_waits_long)
{
	struct bench b;

	init(&b);
	bring_up(&b);
	hear_close(&b, 0, 1008, "revoked");
	ck_assert_uint_ge(b.until, b.now + 30000);
}
END_TEST

/* Which of the two was that connection made with? Nobody could tell. */
START_TEST(rotation_during_a_move_makes_the_new_link_anew)
{
	struct bench b;

	init(&b);
	bring_up(&b);
	hear_text(&b, 0, "op=move&to=ws://r3.example.org");
	connected(&b, 1);
	ck_assert_str_eq(bearer(&b, 1), OLD);
	hear_text(&b, 0, "op=rotate");
	draw(&b);
	b.trace[0] = '\0';
	ck_assert_str_eq(offer(&b, 0), "op=secret&sha256=" HASH);
	act(&b);
	DID(&b, "close1() dial1 r3.example.org:80");
	answer(&b, 1, OLD);
	ck_assert_str_eq(bearer(&b, 1), NEW);
	answer(&b, 1, OLD);
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_WELCOME);
	ck_assert_int_eq(b.event.credential, TAUPE_OLD_SECRET);
}
END_TEST

START_TEST(refused_move_tries_both_and_stays)
{
	struct bench b;

	bring_up_and_ask(&b);
	draw(&b);
	ck_assert_str_ne(offer(&b, 0), "");
	hear_text(&b, 0, "op=move&to=ws://r3.example.org");
	answer(&b, 1, "");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_OTHER_SECRET);
	answer(&b, 1, "");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_REFUSED);
	ck_assert(b.event.standing);
	ck_assert(taupe_session_is_up(&b.session));
}
END_TEST

START_TEST(device_that_cannot_says_why)
{
	char text[TAUPE_MESSAGE_MAX];
	uint8_t out[TAUPE_MESSAGE_MAX], *at = out;
	struct bench b;
	size_t len;

	bring_up_and_ask(&b);
	len = taupe_session_keep_secret(&b.session, 0,
	    "a reason of more than a hundred characters, which is more than "
	    "what has room in the message, and a \n in it",
	    b.now, out);
	ck_assert_int_eq(
	    agent_frame(&at, &len, text, sizeof(text)), WS_OP_TEXT);
	ck_assert_ptr_eq(
	    strstr(text, "op=secret&error=a%20reason%20of%20more"), text);
	/* nothing to offer, and no session to offer it on */
	ck_assert_str_eq(offer(&b, 0), "");
	draw(&b);
	lost(&b, 0);
	ck_assert_str_eq(offer(&b, 0), "");
	ck_assert_uint_eq(
	    taupe_session_keep_secret(&b.session, 0, "no", b.now, out), 0);
}
END_TEST

START_TEST(rotation_before_the_welcome_is_out_of_place)
{
	static const char *const messages[] = {
	    "op=rotate", "op=secret&error=no"};

	for (size_t i = 0; i < COUNT(messages); i++) {
		struct bench b;

		init(&b);
		begin(&b);
		act(&b);
		accepted(&b, 0);
		hear_text(&b, 0, messages[i]);
		ck_assert_int_eq(b.event.type, TAUPE_EVENT_FAILED);
		ck_assert_str_eq(
		    b.event.reason, "a message before the welcome");
	}
}
END_TEST

/* ---- enrolment ---- */

static void
init_fresh(struct bench *b)
{
	init(b);
	b->config.secret_sha256 = HASH;
	b->config.enrolment_key = KEY;
	begin(b);
	act(b);
}

START_TEST(enrolment_comes_with_the_key_and_the_secrets_hash)
{
	struct bench b;

	init_fresh(&b);
	answer(&b, 0, KEY);
	ck_assert(request_has(&b, 0, "&enrol=" HASH));
	ck_assert(!request_has(&b, 0, OLD));
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_WELCOME);
	ck_assert_int_eq(b.event.credential, TAUPE_ENROLMENT_KEY);
	/* the key is not sent again */
	lost(&b, 0);
	wait_for_retry(&b);
	answer(&b, 0, OLD);
	ck_assert(!request_has(&b, 0, "enrol="));
	ck_assert_int_eq(b.event.credential, TAUPE_SECRET);
	/* it can be asked for another secret like any device */
	hear_text(&b, 0, "op=rotate");
	ck_assert_int_eq(b.event.credential, TAUPE_SECRET);
}
END_TEST

START_TEST(redirected_enrolment_is_repeated)
{
	struct bench b;

	init_fresh(&b);
	connected(&b, 0);
	hear_raw(&b, 0,
	    "HTTP/1.1 302 Found\r\nLocation: "
	    "ws://r9.example.com/v1/control?hops=1\r\n\r\n");
	answer(&b, 0, KEY);
	ck_assert(request_has(&b, 0, "&enrol=" HASH "&hops=1"));
	ck_assert_int_eq(b.event.credential, TAUPE_ENROLMENT_KEY);
}
END_TEST

/* The relay has made the record, and its welcome is lost. */
START_TEST(lost_welcome_is_asked_for_again_with_the_same_hash)
{
	struct bench b;

	init_fresh(&b);
	connected(&b, 0);
	lost(&b, 0);
	wait_for_retry(&b);
	answer(&b, 0, KEY);
	ck_assert(request_has(&b, 0, "&enrol=" HASH));
	ck_assert_int_eq(b.event.credential, TAUPE_ENROLMENT_KEY);
}
END_TEST

/* The welcome was lost, and meanwhile the key was revoked. */
START_TEST(refused_key_leads_to_the_secret)
{
	struct bench b;

	init_fresh(&b);
	answer(&b, 0, OLD);
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_OTHER_SECRET);
	ck_assert_int_eq(b.event.credential, TAUPE_SECRET);
	answer(&b, 0, OLD);
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_WELCOME);
	ck_assert_int_eq(b.event.credential, TAUPE_SECRET);
}
END_TEST

/* The registry has lost the device: who was enrolled tries the key last. */
START_TEST(enrolled_device_tries_its_secrets_before_the_key)
{
	struct bench b;

	init(&b);
	draw(&b);
	b.config.enrolment_key = KEY;
	b.config.enrolled = true;
	begin(&b);
	act(&b);
	answer(&b, 0, KEY);
	ck_assert_str_eq(bearer(&b, 0), NEW);
	ck_assert(!request_has(&b, 0, "enrol="));
	answer(&b, 0, KEY);
	ck_assert_str_eq(bearer(&b, 0), OLD);
	ck_assert(!request_has(&b, 0, "enrol="));
	answer(&b, 0, KEY);
	ck_assert(request_has(&b, 0, "&enrol=" HASH));
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_WELCOME);
	ck_assert_int_eq(b.event.credential, TAUPE_ENROLMENT_KEY);
	/* and when all three are refused, that is one attempt */
	hear_close(&b, 0, 1008, "revoked");
	wait_for_retry(&b);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_gt(strlen(b.trace), 0);
		b.trace[0] = '\0';
		answer(&b, 0, "");
	}
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_REFUSED);
	ck_assert_uint_ge(b.until, b.now + 30000);
}
END_TEST

/* A full fleet, a name that is taken: nothing that another secret would mend. */
START_TEST(other_refusals_of_an_enrolment_are_waited_for)
{
	static const char *const answers[] = {
	    "HTTP/1.1 403 Forbidden\r\n\r\n", "HTTP/1.1 409 Conflict\r\n\r\n"};

	for (size_t i = 0; i < COUNT(answers); i++) {
		struct bench b;

		init_fresh(&b);
		connected(&b, 0);
		hear_raw(&b, 0, answers[i]);
		ck_assert_int_eq(b.event.type, TAUPE_EVENT_REFUSED);
		ck_assert_uint_ge(b.until, b.now + 30000);
		wait_for_retry(&b);
		answer(&b, 0, KEY);
		ck_assert_int_eq(b.event.credential, TAUPE_ENROLMENT_KEY);
	}
}
END_TEST

START_TEST(credentials_are_checked)
{
	static const struct {
		const char *old, *sha256, *key, *error;
	} cases[] = {
	    {"x y", NULL, NULL,
		"an old secret that is not 1 to 256 letters, digits and "
		"-._~+/="},
	    {NULL, "0", NULL,
		"a secret's SHA-256 that is not 64 lower-case hexadecimal "
		"digits"},
	    {NULL, HASH, "probes",
		"an enrolment key that is not a fleet's name, a dot and 43 "
		"characters"},
	    {NULL, NULL, KEY,
		"an enrolment key without a secret and its SHA-256"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct bench b;

		init(&b);
		b.config.old_secret = cases[i].old;
		b.config.secret_sha256 = cases[i].sha256;
		b.config.enrolment_key = cases[i].key;
		ck_assert_str_eq(
		    taupe_session_init(&b.session, &b.config), cases[i].error);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    rotation_offers_the_hash_and_is_confirmed,
	    confirmation_may_come_without_a_lease_or_with_the_same,
	    lease_that_has_no_room_leaves_the_old_one,
	    asked_again_it_offers_the_same_again,
	    what_a_relay_could_not_store_stays_offered,
	    confirmation_of_something_else_is_none,
	    lost_confirmation_is_made_good_by_the_next_welcome,
	    lost_offer_is_made_good_by_the_old_secret_at_once,
	    both_refused_are_one_attempt,
	    refusal_that_is_cut_off_leads_to_the_other_secret_too,
	    only_a_401_leads_to_the_other_secret,
	    revoked_session_comes_back_soon_with_the_new_secret,
	    revoked_without_another_secret_waits_long,
	    rotation_during_a_move_makes_the_new_link_anew,
	    refused_move_tries_both_and_stays,
	    device_that_cannot_says_why,
	    rotation_before_the_welcome_is_out_of_place,
	    enrolment_comes_with_the_key_and_the_secrets_hash,
	    redirected_enrolment_is_repeated,
	    lost_welcome_is_asked_for_again_with_the_same_hash,
	    refused_key_leads_to_the_secret,
	    enrolled_device_tries_its_secrets_before_the_key,
	    other_refusals_of_an_enrolment_are_waited_for,
	    credentials_are_checked,
	};

	return run_suite("secrets", tests, COUNT(tests));
}
