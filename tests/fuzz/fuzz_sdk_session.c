/* SPDX-License-Identifier: MIT */
/*
 * A control channel under a hostile relay, network and clock. The input is a script; what
 * must hold whatever it says: the session always comes to a wait, it never asks for a dial
 * that would send the secret in the clear when only wss:// is configured, and what it
 * exports it takes back; and where visits ride on the links, their steps are in order, within
 * their windows, and in places of the link that they came on.
 */
#include <stdint.h>
#include <string.h>

#include "require.h"
#include "sdk/taupe.h"
#include "wire/handshake.h"
#include "wire/ws_frame.h"

static const struct taupe_service services[] = {
    {"web", TAUPE_HTTP}, {"ssh", TAUPE_TCP}};
static const char *const clear_relays[] = {
    "ws://r1.example.com:8000", "wss://r2.example.com"};
static const char *const secure_relays[] = {
    "wss://r1.example.com", "wss://r2.example.com"};
#define HASH "8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92"
#define KEY "probes.u7oYJ2xq-3bVd_0aKf5sT8wZrE1nPgQhL6mCiXjD4yM"
static const char *const domains[] = {"example.com"};

#define VISITS 3
#define WINDOW 1024

/* A visit as its driver sees it. */
struct seat {
	bool running, in_ended;
	size_t window, credit;
};

struct run {
	struct taupe_config config;
	struct taupe_session session;
	uint64_t now;
	bool secure, dialled[TAUPE_LINKS], open[TAUPE_LINKS];
	char request[TAUPE_LINKS][TAUPE_REQUEST_MAX];
	size_t request_len[TAUPE_LINKS];
	struct taupe_visit room[TAUPE_LINKS * VISITS];
	struct seat seats[TAUPE_LINKS * VISITS];
	uint8_t buffer[3000], memory[300];
	uint32_t random;
};

static void
random_cb(void *ctx, void *out, size_t len)
{
	struct run *run = ctx;
	uint8_t *bytes = out;

	for (size_t i = 0; i < len; i++) {
		run->random = run->random * 1664525 + 1013904223;
		bytes[i] = (uint8_t)(run->random >> 24);
	}
}

/* ---- visits ---- */

static void
leave_what_is_over(struct run *run)
{
	for (size_t i = 0; i < TAUPE_LINKS * VISITS; i++)
		if (run->seats[i].running &&
		    taupe_visit_is_over(&run->session, i))
			run->seats[i].running = false;
}

static void
check_open(struct run *run, const struct taupe_step *step)
{
	REQUIRE(step->service < 2 && !run->seats[step->visit].running);
	run->seats[step->visit] = (struct seat){
	    .running = true, .window = WINDOW, .credit = TAUPE_MUX_WINDOW};
}

static void
check_step(struct run *run, unsigned link, const struct taupe_step *step,
    const uint8_t *data, size_t done)
{
	struct seat *seat = &run->seats[step->visit];

	REQUIRE(run->config.visits != NULL);
	REQUIRE(step->visit / VISITS == link);
	REQUIRE(step->type == TAUPE_STEP_OPEN || seat->running);
	switch (step->type) {
	case TAUPE_STEP_OPEN:
		check_open(run, step);
		break;
	case TAUPE_STEP_DATA:
		REQUIRE(!seat->in_ended && step->payload_len > 0 &&
		    step->payload_len <= seat->window);
		REQUIRE(step->payload >= data &&
		    step->payload + step->payload_len <= data + done);
		seat->window -= step->payload_len;
		break;
	case TAUPE_STEP_EOF:
		REQUIRE(!seat->in_ended);
		seat->in_ended = true;
		break;
	case TAUPE_STEP_CREDIT:
		seat->credit += step->bytes;
		REQUIRE(step->bytes > 0 && seat->credit <= INT32_MAX);
		break;
	default:
		REQUIRE(step->type == TAUPE_STEP_ABORT);
	}
}

static size_t
send_payload(struct run *run, size_t visit, size_t len)
{
	uint8_t header[TAUPE_MUX_HEADER_MAX], mask[4];
	size_t header_len = taupe_visit_frame(
	    &run->session, visit, len, run->now, header, mask);

	if (header_len > 0) {
		REQUIRE(len <= run->seats[visit].credit);
		run->seats[visit].credit -= len;
	}
	return header_len;
}

/* The driver says something about a visit. */
static void
drive(struct run *run, unsigned what, uint8_t whom)
{
	struct taupe_session *s = &run->session;
	uint8_t out[TAUPE_MESSAGE_MAX];
	size_t visit = whom % (TAUPE_LINKS * VISITS), len = 0;
	struct seat *seat = &run->seats[visit];

	if (run->config.visits == NULL || !seat->running)
		return;
	switch (what % 6) {
	case 0:
		len = taupe_visit_opened(s, visit, run->now, out);
		break;
	case 1:
		len = taupe_visit_refused(s, visit, "no", run->now, out);
		seat->running = len == 0;
		break;
	case 2:
		len = taupe_visit_eof(s, visit, run->now, out);
		break;
	case 3:
		len = taupe_visit_abort(s, visit, run->now, out);
		seat->running = len == 0;
		break;
	case 4:
		len = send_payload(run, visit, whom * 400u);
		break;
	default:
		len = taupe_visit_credit(s, visit, WINDOW / 2, run->now, out);
		if (len > 0)
			seat->window += WINDOW / 2;
	}
	REQUIRE(len <= sizeof(out));
	leave_what_is_over(run);
}

/* ---- the session ---- */

static void
act(struct run *run)
{
	struct taupe_action action;

	for (int turns = 0;; turns++) {
		REQUIRE(turns < 20);
		taupe_session_next(&run->session, run->now, &action);
		REQUIRE(action.output.len <= sizeof(action.output.bytes));
		if (action.type == TAUPE_WAIT) {
			REQUIRE(action.until_ms > run->now);
			return;
		}
		REQUIRE(action.link < TAUPE_LINKS);
		if (action.type == TAUPE_DIAL) {
			REQUIRE(!run->open[action.link]);
			REQUIRE(action.relay.secure || !run->secure);
			REQUIRE(action.relay.port != 0 &&
			    action.relay.host[0] != '\0');
			run->dialled[action.link] = true;
		} else if (action.type == TAUPE_CLOSE) {
			run->dialled[action.link] = run->open[action.link] =
			    false;
			if (run->config.visits != NULL)
				leave_what_is_over(run);
		}
	}
}

/* Do as a driver does, or have nothing to offer. */
static void
rotate(struct run *run, unsigned link)
{
	uint8_t out[TAUPE_MESSAGE_MAX];

	if (run->config.secret_sha256 == NULL) {
		REQUIRE(taupe_session_keep_secret(&run->session, link, "no",
			    run->now, out) <= sizeof(out));
		return;
	}
	run->config.old_secret = "secret";
	run->config.secret = "another";
	REQUIRE(taupe_session_offer_secret(
		    &run->session, link, run->now, out) <= sizeof(out));
}

static void
hear(struct run *run, unsigned link, const uint8_t *data, size_t len)
{
	uint8_t copy[1024];
	size_t at = 0;

	if (!run->open[link])
		return;
	memcpy(copy, data, len);
	while (at < len) {
		struct taupe_event event;
		size_t done = taupe_session_input(
		    &run->session, link, copy + at, len - at, run->now, &event);

		REQUIRE(done > 0 && done <= len - at);
		REQUIRE(event.output.len <= sizeof(event.output.bytes));
		REQUIRE(event.type != TAUPE_EVENT_OPEN ||
		    event.id.len == TAUPE_ID_LEN);
		REQUIRE(event.n_urls <= TAUPE_SERVICES_MAX);
		if (event.type == TAUPE_EVENT_ROTATE)
			rotate(run, link);
		REQUIRE(event.type != TAUPE_EVENT_OPEN ||
		    run->config.visits == NULL);
		if (event.type == TAUPE_EVENT_VISIT)
			check_step(run, link, &event.step, copy + at, done);
		if (run->config.visits != NULL)
			leave_what_is_over(run);
		at += done;
	}
}

static void
connect_link(struct run *run, unsigned link)
{
	if (!run->dialled[link])
		return;
	run->dialled[link] = false;
	run->open[link] = true;
	run->request_len[link] = taupe_session_connected(&run->session, link,
	    run->now, run->request[link], sizeof(run->request[link]));
}

static void
accept_link(struct run *run, unsigned link)
{
	struct http_head head;
	struct str key;
	struct writer w;
	const char *error;
	char answer[300];
	size_t consumed;

	if (run->request_len[link] == 0)
		return;
	REQUIRE(http_request_parse(run->request[link], run->request_len[link],
		    &head, &consumed) == WIRE_DONE);
	REQUIRE(handshake_request_check(&head, &key, &error) == 101);
	writer_init(&w, answer, sizeof(answer));
	handshake_response_write(&w, key.ptr);
	hear(run, link, (const uint8_t *)answer, writer_len(&w));
}

/* One of the relay's text messages, so that the fuzzer need not find out about frames. */
static void
hear_text(struct run *run, unsigned link, const uint8_t *text, size_t len)
{
	struct ws_header header = {
	    .length = len, .opcode = WS_OP_TEXT, .fin = true};
	uint8_t frame[WS_HEADER_MAX + 256];
	size_t header_len = ws_header_encode(&header, frame);

	memcpy(frame + header_len, text, len);
	hear(run, link, frame, header_len + len);
}

static void
check_state(struct run *run)
{
	char state[TAUPE_STATE_MAX], again[TAUPE_STATE_MAX];
	size_t len = taupe_session_export(&run->session, state, sizeof(state));

	memcpy(again, state, len);
	REQUIRE(taupe_session_restore(&run->session, again, len));
	REQUIRE(
	    taupe_session_export(&run->session, again, sizeof(again)) == len);
	REQUIRE(memcmp(state, again, len) == 0);
}

/* Returns how many bytes of data it has used. */
static size_t
do_one(struct run *run, uint8_t what, const uint8_t *data, size_t len)
{
	unsigned link = what & 1;
	uint8_t out[TAUPE_MESSAGE_MAX];
	struct taupe_event event;
	size_t n = len > 0 ? 1 + (data[0] < len - 1 ? data[0] : len - 1) : 0;

	switch (what >> 1 & 7) {
	case 0:
		connect_link(run, link);
		return 0;
	case 1:
		accept_link(run, link);
		return 0;
	case 2:
		if (n > 0)
			hear(run, link, data + 1, n - 1);
		return n;
	case 3:
		if (n > 0)
			hear_text(run, link, data + 1, n - 1);
		return n;
	case 4:
		run->now += n > 0 ? (uint64_t)data[0] * data[0] * 8 : 1;
		return n > 0;
	case 5:
		taupe_session_lost(
		    &run->session, link, run->now, "gone", &event);
		run->open[link] = run->dialled[link] = false;
		if (run->config.visits != NULL)
			leave_what_is_over(run);
		return 0;
	case 6:
		if (what & 0x80)
			taupe_session_renew(&run->session, run->now);
		else
			REQUIRE(taupe_session_refuse(&run->session, link,
				    "9f86d081884c7d659a2feaa0c55ad015", "no",
				    run->now, out) <= sizeof(out));
		return 0;
	default:
		if (what == 0xff)
			taupe_session_leave(&run->session);
		else if (n > 0)
			drive(run, what >> 4, data[0]);
		return what != 0xff && n > 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct run run = {.now = 1000, .random = 1};

	if (len == 0)
		return 0;
	run.secure = data[0] & 1;
	run.config = (struct taupe_config){
	    .name = "alice",
	    .secret = "secret",
	    .services = services,
	    .n_services = 2,
	    .relays = run.secure ? secure_relays : clear_relays,
	    .n_relays = 2,
	    .domains = domains,
	    .n_domains = 1,
	    .random_cb = random_cb,
	    .random_ctx = &run,
	    .buffer = run.buffer,
	    .buffer_size = sizeof(run.buffer),
	    .memory = run.memory,
	    .memory_size = sizeof(run.memory),
	    .single_link = data[0] & 2,
	};
	if (data[0] & 4)
		run.config.secret_sha256 = HASH;
	if (data[0] & 8) {
		run.config.secret_sha256 = HASH;
		run.config.enrolment_key = KEY;
		run.config.enrolled = data[0] & 16;
	}
	if (data[0] & 32) {
		run.config.visits = run.room;
		run.config.mux_visits = VISITS;
		run.config.mux_window = WINDOW;
	}
	REQUIRE(taupe_session_init(&run.session, &run.config) == NULL);
	act(&run);
	for (size_t at = 1; at < len;) {
		uint8_t what = data[at++];

		at += do_one(&run, what, data + at, len - at);
		act(&run);
	}
	check_state(&run);
	return 0;
}
