/* SPDX-License-Identifier: MIT */
/*
 * The control channel against a scripted relay and a clock that the test turns. A driver
 * does what the session says and writes down what it did, as a text with one word for
 * each action: "dial0 r1:80" or "close0(reason)".
 */
#include <stdio.h>
#include <string.h>

#include "support.h"

#define WELCOME(relay, more) \
	"op=welcome&epoch=7&heartbeat_ms=30000&lease_ms=3600000&label=k7x2m9q4tz&relay=" relay \
	more

static const struct taupe_service services[] = {{"web", TAUPE_HTTP}, {"ssh", TAUPE_TCP}};
static const char *const relays[] = {"ws://r1.example.com:8000", "ws://r2.example.net"};
static const char *const domains[] = {"example.com"};

struct bench {
	struct taupe_config config;
	struct taupe_session session;
	uint64_t now;
	uint64_t until; /* of the last wait */
	size_t cut;     /* longest piece that is handed in */
	char trace[4000];
	char request[TAUPE_LINKS][TAUPE_REQUEST_MAX]; /* the last one on each link */
	size_t request_len[TAUPE_LINKS];
	uint8_t buffer[8192];
	uint8_t memory[2048];
	struct taupe_event event; /* the last that was not TAUPE_EVENT_NONE */
	char text[600];           /* its text */
};

static void
note(struct bench *b, const char *what)
{
	ck_assert_uint_lt(strlen(b->trace) + strlen(what) + 1, sizeof(b->trace));
	if (b->trace[0] != '\0')
		strcat(b->trace, " ");
	strcat(b->trace, what);
}

/* What is sent, as words: ping, pong, close:1000, or the text of a message. */
static void
note_sent(struct bench *b, const struct taupe_output *output)
{
	uint8_t copy[TAUPE_OUTPUT_MAX], *at = copy;
	char text[TAUPE_OUTPUT_MAX], word[40];
	size_t len = output->len;

	memcpy(copy, output->bytes, len);
	while (len > 0) {
		enum ws_opcode opcode = agent_frame(&at, &len, text, sizeof(text));

		if (opcode == WS_OP_CLOSE) {
			snprintf(word, sizeof(word), "close:%u",
			    (unsigned)((uint8_t)text[0] << 8 | (uint8_t)text[1]));
			note(b, word);
		} else {
			note(b, opcode == WS_OP_PING ? "ping" : opcode == WS_OP_PONG ? "pong" : text);
		}
	}
}

static void
remember_event(struct bench *b, const struct taupe_event *event)
{
	note_sent(b, &event->output);
	if (event->type == TAUPE_EVENT_NONE)
		return;
	b->event = *event;
	snprintf(b->text, sizeof(b->text), "%.*s", (int)event->text.len,
	    event->text.ptr != NULL ? event->text.ptr : "");
}

/* Do what the session wants until it wants to wait; dials are left to the test. */
static void
act(struct bench *b)
{
	struct taupe_action action;
	char word[400];

	for (;;) {
		taupe_session_next(&b->session, b->now, &action);
		switch (action.type) {
		case TAUPE_WAIT:
			ck_assert_uint_gt(action.until_ms, b->now);
			b->until = action.until_ms;
			return;
		case TAUPE_DIAL:
			snprintf(word, sizeof(word), "dial%u %s%s:%u", action.link,
			    action.relay.secure ? "s:" : "", action.relay.host, action.relay.port);
			note(b, word);
			break;
		case TAUPE_SEND:
			note_sent(b, &action.output);
			break;
		case TAUPE_CLOSE:
			note_sent(b, &action.output);
			snprintf(word, sizeof(word), "close%u(%s)", action.link,
			    action.reason != NULL ? action.reason : "");
			note(b, word);
			break;
		}
	}
}

#define DID(b, expected) \
	do { \
		ck_assert_str_eq((b)->trace, expected); \
		(b)->trace[0] = '\0'; \
	} while (0)

static void
hear(struct bench *b, unsigned link, const struct bytes *in)
{
	for (size_t from = 0; from < in->len; from += b->cut) {
		size_t len = in->len - from < b->cut ? in->len - from : b->cut;
		uint8_t *data = guarded(in->data + from, len);

		while (len > 0) {
			struct taupe_event event;
			size_t done =
			    taupe_session_input(&b->session, link, data, len, b->now, &event);

			ck_assert_uint_gt(done, 0);
			ck_assert_uint_le(done, len);
			remember_event(b, &event);
			data += done;
			len -= done;
		}
	}
	act(b);
}

static void
hear_raw(struct bench *b, unsigned link, const char *text)
{
	struct bytes in = {.len = 0};

	bytes_add_text(&in, text);
	hear(b, link, &in);
}

static void
hear_text(struct bench *b, unsigned link, const char *text)
{
	struct bytes in = {.len = 0};

	relay_text(&in, text);
	hear(b, link, &in);
}

static void
hear_close(struct bench *b, unsigned link, unsigned code, const char *reason)
{
	struct bytes in = {.len = 0};

	relay_close(&in, code, reason);
	hear(b, link, &in);
}

static void
init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	test_jitter = 1;
	b->now = 1000000;
	b->cut = 4096;
	b->config = (struct taupe_config){
	    .name = "alice",
	    .secret = "q3vJ0mB7yZkR1sT5uXnEwA",
	    .services = services,
	    .n_services = COUNT(services),
	    .relays = relays,
	    .n_relays = COUNT(relays),
	    .domains = domains,
	    .n_domains = COUNT(domains),
	    .random_cb = test_random_cb,
	    .buffer = b->buffer,
	    .buffer_size = sizeof(b->buffer),
	    .memory = b->memory,
	    .memory_size = sizeof(b->memory),
	};
}

static void
begin(struct bench *b)
{
	ck_assert_ptr_null(taupe_session_init(&b->session, &b->config));
}

static void
connected(struct bench *b, unsigned link)
{
	b->request_len[link] = taupe_session_connected(&b->session, link, b->now,
	    b->request[link], sizeof(b->request[link]));
	ck_assert_uint_gt(b->request_len[link], 0);
	act(b);
}

static void
accepted(struct bench *b, unsigned link)
{
	struct bytes in = {.len = 0};

	connected(b, link);
	relay_accept(&in, b->request[link], b->request_len[link]);
	hear(b, link, &in);
}

static void
lost(struct bench *b, unsigned link)
{
	struct taupe_event event;

	taupe_session_lost(&b->session, link, b->now, "gone", &event);
	remember_event(b, &event);
	act(b);
}

/* Up, at the first relay, which has told of two others. */
static void
bring_up(struct bench *b)
{
	begin(b);
	act(b);
	accepted(b, 0);
	hear_text(b, 0, WELCOME("ws://r1.example.com:8000",
	    "&peer=ws://r3.example.org&peer=ws://r4.example.org:81&lease=token"));
	ck_assert(taupe_session_is_up(&b->session));
	b->trace[0] = '\0';
}

/* Let time pass, stopping wherever the session asked to be called. */
static void
pass(struct bench *b, uint64_t ms)
{
	uint64_t end = b->now + ms;

	while (b->until <= end) {
		b->now = b->until;
		act(b);
	}
	b->now = end;
	act(b);
}

/* ---- connecting ---- */

START_TEST(dials_the_first_configured_relay_at_once)
{
	struct bench b;

	init(&b);
	begin(&b);
	act(&b);
	DID(&b, "dial0 r1.example.com:8000");
	ck_assert_uint_eq(b.until, b.now + 10000);
}
END_TEST

START_TEST(request_names_device_services_and_instance_and_carries_the_secret)
{
	struct control_params params;
	struct http_head head;
	const char *error;
	char query[2048];
	size_t consumed;
	struct bench b;

	init(&b);
	begin(&b);
	act(&b);
	connected(&b, 0);
	ck_assert_str_eq(request_field(b.request[0], b.request_len[0], "Host"),
	    "r1.example.com:8000");
	ck_assert_str_eq(request_field(b.request[0], b.request_len[0], "Authorization"),
	    "Bearer q3vJ0mB7yZkR1sT5uXnEwA");
	ck_assert_int_eq(
	    http_request_parse(b.request[0], b.request_len[0], &head, &consumed), WIRE_DONE);
	ck_assert(str_equal(head.path, STR("/v1/control")));
	ck_assert(str_copy(head.query, query, sizeof(query)));
	ck_assert_int_eq(control_params_decode(query, strlen(query), &params, &error), WIRE_DONE);
	ck_assert(str_equal(params.name, STR("alice")));
	ck_assert_uint_eq(params.instance.len, 32);
	ck_assert_uint_eq(params.n_services, 2);
	ck_assert(str_equal(params.services[1].name, STR("ssh")));
	ck_assert_int_eq(params.services[1].kind, SERVICE_TCP);
	ck_assert_ptr_null(params.lease.ptr);
	ck_assert_uint_eq(params.hops, 0);
}
END_TEST

START_TEST(welcome_is_reported_at_every_cut)
{
	for (size_t cut = 1; cut < 400; cut += cut < 40 ? 1 : 61) {
		struct bench b;

		init(&b);
		b.cut = cut;
		bring_up(&b);
		ck_assert_int_eq(b.event.type, TAUPE_EVENT_WELCOME);
		ck_assert_uint_eq(b.event.epoch, 7);
		ck_assert_uint_eq(b.event.heartbeat_ms, 30000);
		ck_assert_uint_eq(b.event.lease_ms, 3600000);
		ck_assert(b.event.state_changed);
		ck_assert_uint_eq(b.event.label.len, 10);
		ck_assert_uint_eq(b.event.relay.port, 8000);
		ck_assert_uint_eq(b.until, b.now + 30000);
	}
}
END_TEST

START_TEST(welcome_names_the_urls)
{
	struct bench b;

	init(&b);
	begin(&b);
	act(&b);
	accepted(&b, 0);
	hear_text(&b, 0, WELCOME("ws://r1.example.com:8000",
	    "&url=web:https://k7.example.com/&url=ssh:tcp://example.com:20022"));
	ck_assert_uint_eq(b.event.n_urls, 2);
	ck_assert_uint_eq(b.event.urls[1].url.len, strlen("tcp://example.com:20022"));
	ck_assert_int_eq(memcmp(b.event.urls[1].service.ptr, "ssh", 3), 0);
}
END_TEST

START_TEST(each_stage_of_the_handshake_has_its_time)
{
	struct bench b;

	init(&b);
	begin(&b);
	act(&b);
	b.trace[0] = '\0';
	b.now += 10000;
	act(&b);
	DID(&b, "close0(no connection in time) dial0 r2.example.net:80");
	connected(&b, 0);
	b.now += 10000;
	act(&b);
	DID(&b, "close0(no answer to the handshake in time)");
	b.now = b.until;
	act(&b);
	DID(&b, "dial0 r1.example.com:8000");
	b.now += 9000;
	accepted(&b, 0);
	b.now += 9999;
	act(&b);
	DID(&b, "");
	b.now += 1;
	act(&b);
	DID(&b, "close0(no welcome in time)");
}
END_TEST

START_TEST(configuration_is_checked)
{
	static const char *const no_url[] = {"http://r1.example.com"};
	static const struct taupe_service twins[] = {{"web", TAUPE_HTTP}, {"web", TAUPE_TCP}};
	static const struct taupe_service strange[] = {{"Web", TAUPE_HTTP}};
	struct bench b;

#define WRONG(change, text) \
	init(&b); \
	change; \
	ck_assert_ptr_nonnull(strstr(taupe_session_init(&b.session, &b.config), text))
	WRONG(b.config.name = NULL, "device name");
	WRONG(b.config.name = "no blanks", "device name");
	WRONG(b.config.secret = "no blanks", "secret");
	WRONG(b.config.relays = no_url; b.config.n_relays = 1, "relay");
	WRONG(b.config.n_relays = 0; b.config.memory = NULL, "no relay");
	WRONG(b.config.n_services = 0, "no service");
	WRONG(b.config.n_services = 17, "16");
	WRONG(b.config.services = twins, "one name");
	WRONG(b.config.services = strange, "service name");
	WRONG(b.config.random_cb = NULL, "random");
	WRONG(b.config.buffer_size = 2 * TAUPE_BUFFER_MIN - 1, "buffer");
#undef WRONG
	init(&b);
	b.config.secret = NULL;
	begin(&b);
}
END_TEST

START_TEST(request_that_does_not_fit_is_given_up_with_a_reason)
{
	struct bench b;
	char small[64];

	init(&b);
	begin(&b);
	act(&b);
	b.trace[0] = '\0';
	ck_assert_uint_eq(
	    taupe_session_connected(&b.session, 0, b.now, small, sizeof(small)), 0);
	act(&b);
	DID(&b, "close0(the driver's buffers are too small for the request)");
	ck_assert_uint_ge(b.until, b.now + 30000);
}
END_TEST

/* ---- the state ---- */

START_TEST(state_survives_a_restart)
{
	char state[TAUPE_STATE_MAX];
	struct bench b, c;
	size_t len;

	init(&b);
	bring_up(&b);
	len = taupe_session_export(&b.session, state, sizeof(state));
	ck_assert_uint_eq(len, strlen("label=k7x2m9q4tz&lease=token&relay=ws://r1.example.com:8000"
				      "&peer=ws://r3.example.org&peer=ws://r4.example.org:81"));
	ck_assert_int_eq(memcmp(state, "label=k7x2m9q4tz&lease=token&relay=", 35), 0);
	init(&c);
	c.config.n_relays = 0;
	begin(&c);
	ck_assert(taupe_session_restore(&c.session, state, len));
	act(&c);
	DID(&c, "dial0 r1.example.com:8000");
	connected(&c, 0);
	c.request[0][c.request_len[0] - 1] = '\0';
	ck_assert_ptr_nonnull(strstr(c.request[0], "&lease=token"));
}
END_TEST

START_TEST(the_same_welcome_changes_no_state)
{
	struct bench b;

	init(&b);
	bring_up(&b);
	ck_assert(b.event.state_changed);
	lost(&b, 0);
	pass(&b, 60000);
	accepted(&b, 0);
	hear_text(&b, 0, WELCOME("ws://r1.example.com:8000",
	    "&peer=ws://r3.example.org&peer=ws://r4.example.org:81&lease=token"));
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_WELCOME);
	ck_assert(!b.event.state_changed);
}
END_TEST

START_TEST(damaged_state_is_refused_whole)
{
	static const char *const damaged[] = {
	    "label=UPPER", "relay=nonsense", "peer=", "label=%zz", "\xff", "=x",
	    "peer=ws://a&peer=ws://b&peer=ws://c&peer=ws://d&peer=ws://e&peer=ws://f&peer=ws://g"
	    "&peer=ws://h&peer=ws://i",
	};
	char text[200], out[100];
	struct bench b;

	init(&b);
	begin(&b);
	for (size_t i = 0; i < COUNT(damaged); i++) {
		strcpy(text, damaged[i]);
		ck_assert(!taupe_session_restore(&b.session, text, strlen(text)));
		ck_assert_uint_eq(taupe_session_export(&b.session, out, sizeof(out)), 0);
	}
	ck_assert(taupe_session_restore(&b.session, text, 0));
	strcpy(text, "future=1&label=abc");
	ck_assert(taupe_session_restore(&b.session, text, strlen(text)));
}
END_TEST

START_TEST(what_does_not_fit_the_memory_is_left_out)
{
	char state[TAUPE_STATE_MAX];
	struct bench b;
	size_t len;

	for (size_t size = 0; size < 120; size++) {
		init(&b);
		b.config.memory_size = size;
		memset(b.memory, 0x55, sizeof(b.memory));
		bring_up(&b);
		len = taupe_session_export(&b.session, state, sizeof(state));
		state[len] = '\0';
		if (size < 13)
			ck_assert_ptr_null(strstr(state, "label="));
		if (size >= 50)
			ck_assert_ptr_nonnull(strstr(state, "lease=token&relay=ws://r1"));
		ck_assert_uint_eq(b.memory[size], 0x55);
		ck_assert(taupe_session_restore(&b.session, state, len));
	}
}
END_TEST

/* ---- refusals ---- */

static void
refuse(struct bench *b, const char *answer)
{
	begin(b);
	act(b);
	connected(b, 0);
	b->trace[0] = '\0';
	hear_raw(b, 0, answer);
}

START_TEST(refusals_are_reported_and_waited_for)
{
	static const struct {
		const char *answer;
		unsigned status;
		const char *text;
		uint64_t at_least, at_most;
	} rows[] = {
	    {"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", 400, "", 30000, 60000},
	    {"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	     "Content-Length: 38\r\n\r\nerror=unauthorized&reason=wrong%20secret", 401,
	        "wrong secr", 30000, 60000},
	    {"HTTP/1.1 404 Not Found\r\n\r\n", 404, "", 30000, 60000},
	    {"HTTP/1.1 426 Upgrade Required\r\n\r\n", 426, "", 30000, 60000},
	    {"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n\r\n", 429, "", 7000, 9000},
	    {"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\n\r\n", 503, "", 0, 2000},
	    {"HTTP/1.1 503 Service Unavailable\r\nRetry-After: soon\r\n\r\n", 503, "", 0, 2000},
	    {"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 99999999999\r\n\r\n", 503, "",
	        3600000, 3602000},
	    {"HTTP/1.0 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html>", 502, "", 0, 2000},
	    {"HTTP/1.1 200 OK\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	     "Content-Length: 99999999\r\n\r\nerror=x", 200, "", 0, 2000},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t cut = 1; cut < 300; cut += 23) {
			struct bench b;

			init(&b);
			b.cut = cut;
			refuse(&b, rows[i].answer);
			ck_assert_int_eq(b.event.type, TAUPE_EVENT_REFUSED);
			ck_assert_uint_eq(b.event.status, rows[i].status);
			ck_assert_uint_ge(b.event.retry_ms, rows[i].at_least);
			ck_assert_uint_le(b.event.retry_ms, rows[i].at_most);
			ck_assert_uint_eq(b.until, b.now + b.event.retry_ms);
			DID(&b, "close0()");
		}
}
END_TEST

START_TEST(held_name_says_since_when_and_from_where)
{
	static const char body[] = "error=held&reason=another%20live%20instance&"
				   "since=2026-01-31T04:40:00Z&from=203.0.113.7:51234&relay=r1";
	struct bytes in = {.len = 0};
	struct taupe_event event;
	char head[200];
	struct bench b;

	init(&b);
	begin(&b);
	act(&b);
	connected(&b, 0);
	snprintf(head, sizeof(head),
	    "HTTP/1.1 409 Conflict\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	    "Content-Length: %zu\r\n\r\n", strlen(body));
	bytes_add_text(&in, head);
	bytes_add_text(&in, body);
	ck_assert_uint_eq(
	    taupe_session_input(&b.session, 0, in.data, in.len, b.now, &event), in.len);
	ck_assert_int_eq(event.type, TAUPE_EVENT_REFUSED);
	ck_assert_uint_eq(event.status, 409);
	ck_assert_uint_eq(event.error.len, 4);
	ck_assert_int_eq(memcmp(event.since.ptr, "2026-01-31T04:40:00Z", event.since.len), 0);
	ck_assert_int_eq(memcmp(event.from.ptr, "203.0.113.7:51234", event.from.len), 0);
	ck_assert_int_eq(memcmp(event.text.ptr, "another live instance", event.text.len), 0);
}
END_TEST

START_TEST(refusal_whose_body_is_cut_off_is_still_a_refusal)
{
	struct bench b;

	init(&b);
	refuse(&b, "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/x-www-form-urlencoded\r\n"
		   "Content-Length: 380\r\n\r\nerror=unauthorized&rea");
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_NONE);
	lost(&b, 0);
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_REFUSED);
	ck_assert_uint_eq(b.event.status, 401);
	ck_assert_uint_ge(b.event.retry_ms, 30000);
}
END_TEST

START_TEST(nonsense_is_a_failed_attempt)
{
	static const char *const nonsense[] = {
	    "SSH-2.0-OpenSSH_9.2p1 Debian\r\n\r\n",
	    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nNoColon\r\n\r\n",
	};

	for (size_t i = 0; i < COUNT(nonsense); i++) {
		struct bench b;

		init(&b);
		refuse(&b, nonsense[i]);
		ck_assert_int_eq(b.event.type, TAUPE_EVENT_FAILED);
		ck_assert_uint_le(b.event.retry_ms, 2000);
	}
}
END_TEST

/* ---- redirects ---- */

#define REDIRECT_TO(location) \
	"HTTP/1.1 302 Found\r\nLocation: " location "\r\nContent-Length: 0\r\n\r\n"

START_TEST(redirect_is_followed_with_its_hops_and_the_secret)
{
	struct bench b;

	init(&b);
	refuse(&b, REDIRECT_TO("ws://r9.example.com/v1/control?name=alice&hops=3"));
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_REDIRECT);
	DID(&b, "close0() dial0 r9.example.com:80");
	connected(&b, 0);
	ck_assert_str_eq(request_field(b.request[0], b.request_len[0], "Host"), "r9.example.com");
	ck_assert_str_ne(request_field(b.request[0], b.request_len[0], "Authorization"), "");
	b.request[0][b.request_len[0] - 1] = '\0';
	ck_assert_ptr_nonnull(strstr(b.request[0], "&hops=3"));
}
END_TEST

START_TEST(redirect_goes_only_where_it_may)
{
	static const struct {
		bool secure; /* the present relay */
		const char *location;
		const char *refusal; /* NULL: followed */
	} rows[] = {
	    {false, "ws://r9.example.com/v1/control", NULL},
	    {false, "wss://r9.example.com:4443/v1/control", NULL},
	    {false, "ws://EXAMPLE.com/v1/control", NULL},
	    {false, "ws://r2.example.net:9999/v1/control", NULL}, /* host of the relay list */
	    {false, "ws://r1.example.com:1/v1/control", NULL},
	    {true, "wss://r9.example.com/v1/control", NULL},
	    {true, "ws://r9.example.com/v1/control", "from wss to ws"},
	    {false, "ws://badexample.com/v1/control", "neither"},
	    {false, "ws://example.com.evil.test/v1/control", "neither"},
	    {false, "ws://com/v1/control", "neither"},
	    {false, "ws://127.0.0.1/v1/control", "neither"},
	    {false, "http://r9.example.com/v1/control", "not the URL"},
	    {false, "ws://r9.example.com/v1/transfer", "not the URL"},
	    {false, "ws://r9.example.com", "not the URL"},
	    {false, "ws://user@r9.example.com/v1/control", "not the URL"},
	    {false, "/v1/control", "not the URL"},
	    {false, "", "not the URL"},
	};
	static const char *const secure_relays[] = {"wss://r1.example.com", "ws://r2.example.net"};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char answer[300];
		struct bench b;

		init(&b);
		if (rows[i].secure)
			b.config.relays = secure_relays;
		snprintf(answer, sizeof(answer), REDIRECT_TO("%s?name=alice"), rows[i].location);
		refuse(&b, answer);
		if (rows[i].refusal == NULL) {
			ck_assert_msg(b.event.type == TAUPE_EVENT_REDIRECT, "%s", rows[i].location);
			ck_assert_ptr_nonnull(strstr(b.trace, "dial0"));
		} else {
			ck_assert_int_eq(b.event.type, TAUPE_EVENT_REDIRECT_REFUSED);
			ck_assert_ptr_nonnull(strstr(b.event.reason, rows[i].refusal));
			ck_assert_ptr_null(strstr(b.trace, "dial"));
			ck_assert_str_eq(b.text, rows[i].location);
		}
	}
}
END_TEST

START_TEST(the_sixth_redirect_in_a_row_is_refused)
{
	struct bench b;

	init(&b);
	refuse(&b, REDIRECT_TO("ws://r9.example.com/v1/control"));
	for (int i = 0; i < 4; i++) {
		connected(&b, 0);
		hear_raw(&b, 0, REDIRECT_TO("ws://r9.example.com/v1/control"));
		ck_assert_int_eq(b.event.type, TAUPE_EVENT_REDIRECT);
	}
	connected(&b, 0);
	hear_raw(&b, 0, REDIRECT_TO("ws://r9.example.com/v1/control"));
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_REDIRECT_REFUSED);
	ck_assert_str_eq(b.event.reason, "too many redirects");
	/* and the count begins anew */
	pass(&b, 3000);
	connected(&b, 0);
	hear_raw(&b, 0, REDIRECT_TO("ws://r9.example.com/v1/control"));
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_REDIRECT);
}
END_TEST

START_TEST(location_with_a_long_lease_is_understood)
{
	char answer[2000], lease[1025];
	struct bench b;

	memset(lease, 'x', sizeof(lease));
	lease[sizeof(lease) - 1] = '\0';
	snprintf(answer, sizeof(answer), REDIRECT_TO("ws://r9.example.com/v1/control?lease=%s&hops=1"),
	    lease);
	init(&b);
	refuse(&b, answer);
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_REDIRECT);
}
END_TEST

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
	static const uint64_t bounds[] = {2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000};
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
	peers = strstr(b.trace, "r3") < strstr(b.trace, "r4") ? "dial0 r3.example.org:80 "
								  "dial0 r4.example.org:81"
							      : "dial0 r4.example.org:81 "
								  "dial0 r3.example.org:80";
	ck_assert_ptr_nonnull(strstr(b.trace, peers));
	ck_assert_ptr_eq(strstr(b.trace, "dial0 r1.example.com:8000"), b.trace);
	ck_assert_ptr_nonnull(strstr(strstr(b.trace, "r4"), "dial0 r2.example.net:80"));
	/* r1 is configured, too, but was tried */
	ck_assert_ptr_null(strstr(b.trace + 5, "dial0 r1"));
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
	char state[] = "relay=ws://r5.example.com&peer=ws://r6.example.com&peer=wss://r7.example.com";
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

START_TEST(is_dead_after_three_silent_heartbeats)
{
	struct bench b;

	init(&b);
	bring_up(&b);
	pass(&b, 89999);
	DID(&b, "ping ping");
	ck_assert(taupe_session_is_up(&b.session));
	pass(&b, 1);
	ck_assert(!taupe_session_is_up(&b.session));
	ck_assert_ptr_eq(strstr(b.trace, "close0(nothing heard for three heartbeats)"), b.trace);
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
	relay_text(&in, "op=open&id=9f86d081884c7d659a2feaa0c55ad015&service=web");
	ck_assert_uint_eq(
	    taupe_session_input(&b.session, 0, in.data, in.len, b.now, &event), in.len);
	ck_assert_int_eq(event.type, TAUPE_EVENT_OPEN);
	ck_assert_uint_eq(event.id.len, TAUPE_ID_LEN);
	ck_assert_int_eq(memcmp(event.id.ptr, "9f86d081884c7d659a2feaa0c55ad015", 32), 0);
	ck_assert_int_eq(memcmp(event.service.ptr, "web", 3), 0);
	ck_assert_str_eq(event.relay.host, "2001:db8::5");
	ck_assert_uint_eq(event.relay.port, 4443);
	ck_assert(event.relay.secure);
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
	len = taupe_session_refuse(&b.session, 0, "9f86d081884c7d659a2feaa0c55ad015",
	    "out of sockets", b.now, out);
	ck_assert_int_eq(agent_frame(&at, &len, text, sizeof(text)), WS_OP_TEXT);
	ck_assert_str_eq(text,
	    "op=refused&id=9f86d081884c7d659a2feaa0c55ad015&reason=out%20of%20sockets");
	lost(&b, 0);
	ck_assert_uint_eq(taupe_session_refuse(&b.session, 0,
			      "9f86d081884c7d659a2feaa0c55ad015", "late", b.now, out), 0);
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
		ck_assert_msg(b.event.type == TAUPE_EVENT_FAILED, "%s", rows[i].text);
		ck_assert_ptr_eq(strstr(b.trace, "close:1002 close0("), b.trace);
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
	hear_text(&b, 0, "op=move&to=ws://r4.example.org:81"); /* one is under way */
	accepted(&b, 1);
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
	b.request[0][b.request_len[0] - 1] = b.request[1][b.request_len[1] - 1] = '\0';
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
	ck_assert_ptr_nonnull(strstr(b.trace, "dial0 "));
	ck_assert_ptr_null(strstr(b.trace, "dial1 "));
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
	b.config.services = services;
	taupe_session_renew(&b.session, b.now);
	act(&b);
	DID(&b, "close1() dial1 r1.example.com:8000");
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
	    dials_the_first_configured_relay_at_once,
	    request_names_device_services_and_instance_and_carries_the_secret,
	    welcome_is_reported_at_every_cut,
	    welcome_names_the_urls,
	    each_stage_of_the_handshake_has_its_time,
	    configuration_is_checked,
	    request_that_does_not_fit_is_given_up_with_a_reason,
	    state_survives_a_restart,
	    the_same_welcome_changes_no_state,
	    damaged_state_is_refused_whole,
	    what_does_not_fit_the_memory_is_left_out,
	    refusals_are_reported_and_waited_for,
	    held_name_says_since_when_and_from_where,
	    refusal_whose_body_is_cut_off_is_still_a_refusal,
	    nonsense_is_a_failed_attempt,
	    redirect_is_followed_with_its_hops_and_the_secret,
	    redirect_goes_only_where_it_may,
	    the_sixth_redirect_in_a_row_is_refused,
	    location_with_a_long_lease_is_understood,
	    unreachable_relays_are_gone_through_before_a_wait,
	    delay_grows_with_each_failure_up_to_the_longest,
	    only_a_link_that_stood_long_enough_resets_the_delay,
	    lost_relay_is_tried_first_then_its_peers_then_the_configured,
	    relay_that_stops_is_tried_last,
	    close_codes_and_their_delays,
	    learnt_cleartext_relays_are_not_used_where_only_wss_is_configured,
	    welcome_that_leads_out_of_tls_is_refused,
	    pings_when_it_has_been_silent,
	    is_dead_after_three_silent_heartbeats,
	    answers_a_probe_at_once,
	    a_pong_counts_as_something_sent,
	    open_asks_for_a_channel_at_the_relay_of_the_welcome,
	    refuse_names_the_id,
	    messages_out_of_place_end_the_link_with_1002,
	    other_breaches_end_the_link_too,
	    unknown_operations_and_keys_are_ignored,
	    move_makes_the_new_link_before_it_leaves_the_old,
	    move_uses_the_same_instance_and_the_lease,
	    move_without_a_place_goes_to_a_peer,
	    move_to_a_forbidden_place_is_refused_and_the_link_stays,
	    failed_move_is_tried_again_while_the_old_link_stands,
	    old_link_that_is_taken_over_during_a_move_is_no_loss,
	    both_links_lost_during_a_move_begin_a_new_round,
	    single_link_leaves_before_it_connects,
	    renewal_connects_anew_to_the_same_relay,
	    leaving_says_goodbye_and_rests,
	    nothing_is_heard_on_a_link_that_is_over,
	};

	return run_suite("session", tests, COUNT(tests));
}
