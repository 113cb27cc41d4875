/* SPDX-License-Identifier: MIT */
/* From the first dial to the welcome: configuration, request, refusals, redirects, state. */
#include <stdio.h>
#include <string.h>

#include "bench.h"

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
	b.config.warm_channels = 3;
	b.config.mux_visits = 300;
	b.config.mux_window = 4096;
	begin(&b);
	act(&b);
	connected(&b, 0);
	ck_assert_str_eq(request_field(b.request[0], b.request_len[0], "Host"),
	    "r1.example.com:8000");
	ck_assert_str_eq(
	    request_field(b.request[0], b.request_len[0], "Authorization"),
	    "Bearer q3vJ0mB7yZkR1sT5uXnEwA");
	ck_assert_int_eq(http_request_parse(
			     b.request[0], b.request_len[0], &head, &consumed),
	    WIRE_DONE);
	ck_assert(str_equal(head.path, STR("/v1/control")));
	ck_assert(str_copy(head.query, query, sizeof(query)));
	ck_assert_int_eq(
	    control_params_decode(query, strlen(query), &params, &error),
	    WIRE_DONE);
	ck_assert(str_equal(params.name, STR("alice")));
	ck_assert_uint_eq(params.instance.len, 32);
	ck_assert_uint_eq(params.n_services, 2);
	ck_assert(str_equal(params.services[1].name, STR("ssh")));
	ck_assert_int_eq(params.services[1].kind, SERVICE_TCP);
	ck_assert_ptr_null(params.lease.ptr);
	ck_assert_uint_eq(params.hops, 0);
	ck_assert_uint_eq(params.warm, 3);
	ck_assert_uint_eq(params.mux, 1);
	ck_assert_uint_eq(params.visits, 300);
	ck_assert_uint_eq(params.window, 4096);
}
END_TEST

START_TEST(shared_channels_are_offered_only_if_they_are_wanted)
{
	char request[TAUPE_REQUEST_MAX + 1] = "";
	struct bench b;

	init(&b);
	b.config.mux_window = 4096;
	begin(&b);
	act(&b);
	connected(&b, 0);
	memcpy(request, b.request[0], b.request_len[0]);
	ck_assert_ptr_nonnull(strstr(request, "service=ssh"));
	ck_assert_ptr_null(strstr(request, "mux="));
	ck_assert_ptr_null(strstr(request, "visits="));
	ck_assert_ptr_null(strstr(request, "window="));
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
	hear_text(&b, 0,
	    WELCOME("ws://r1.example.com:8000",
		"&url=web:https://k7.example.com/&url=ssh:tcp://"
		"example.com:20022"));
	ck_assert_uint_eq(b.event.n_urls, 2);
	ck_assert_uint_eq(
	    b.event.urls[1].url.len, strlen("tcp://example.com:20022"));
	ck_assert_int_eq(memcmp(b.event.urls[1].service.ptr, "ssh", 3), 0);
}
END_TEST

START_TEST(each_stage_of_the_handshake_has_its_time)
{
	struct bytes in = {.len = 0};
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
	connected(&b, 0);
	b.now += 9000;
	relay_accept(&in, b.request[0], b.request_len[0]);
	hear(&b, 0, &in);
	b.now += 9999;
	act(&b);
	DID(&b, "");
	b.now += 1;
	act(&b);
	DID(&b, "close0(no welcome in time)");
}
END_TEST

/* Longer than the session's clock sees: as long as it does. */
START_TEST(stage_of_seven_weeks_is_not_over_at_once)
{
	struct bench b;

	init(&b);
	b.config.handshake_timeout_ms = UINT32_MAX;
	begin(&b);
	act(&b);
	DID(&b, "dial0 r1.example.com:8000");
	ck_assert_uint_eq(b.until, b.now + (1u << 30));
	pass(&b, (1u << 30) - 1);
	DID(&b, "");
	pass(&b, 1);
	DID(&b, "close0(no connection in time) dial0 r2.example.net:80");
}
END_TEST

START_TEST(list_of_relays_may_become_shorter)
{
	struct bench b;

	init(&b);
	begin(&b);
	act(&b);
	connected(&b, 0);
	hear_raw(&b, 0, "HTTP/1.1 503 Service Unavailable\r\n\r\n");
	b.config.n_relays = 1;
	b.trace[0] = '\0';
	pass(&b, 2000);
	DID(&b, "dial0 r1.example.com:8000");
}
END_TEST

START_TEST(configuration_is_checked)
{
	static const char *const no_url[] = {"http://r1.example.com"};
	static const struct taupe_service twins[] = {
	    {"web", TAUPE_HTTP}, {"web", TAUPE_TCP}};
	static const struct taupe_service strange[] = {{"Web", TAUPE_HTTP}};
	char agent[258];
	struct bench b;

#define WRONG(change, text)                                                    \
	init(&b);                                                              \
	change;                                                                \
	ck_assert_ptr_nonnull(                                                 \
	    strstr(taupe_session_init(&b.session, &b.config), text))
	WRONG(b.config.name = NULL, "device name");
	WRONG(b.config.name = "no blanks", "device name");
	WRONG(b.config.secret = "no blanks", "secret");
	memset(agent, 'x', sizeof(agent) - 1);
	agent[sizeof(agent) - 1] = '\0';
	WRONG(b.config.user_agent = agent, "user agent");
	WRONG(b.config.user_agent = "a\tb", "user agent");
	WRONG(b.config.user_agent = "caf\xe9", "user agent");
	WRONG(b.config.relays = no_url; b.config.n_relays = 1, "relay");
	WRONG(b.config.n_relays = 0; b.config.memory = NULL, "no relay");
	WRONG(b.config.n_services = 0, "no service");
	WRONG(b.config.n_services = 17, "16");
	WRONG(b.config.services = twins, "one name");
	WRONG(b.config.services = strange, "service name");
	WRONG(b.config.random_cb = NULL, "random");
	WRONG(b.config.mux_visits = 65536, "shared channel");
	WRONG(b.config.mux_window = 1023, "window");
	WRONG(b.config.mux_window = 16777217, "window");
	WRONG(b.config.buffer_size = 2 * TAUPE_BUFFER_MIN - 1, "buffer");
#undef WRONG
	init(&b);
	b.config.secret = NULL;
	agent[256] = '\0';
	b.config.user_agent = agent;
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
	    taupe_session_connected(&b.session, 0, b.now, small, sizeof(small)),
	    0);
	act(&b);
	DID(&b, "close0(the request has no room, or a value is malformed)");
	ck_assert_uint_ge(b.until, b.now + 30000);
}
END_TEST

#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16
#define X256 X64 X64 X64 X64
#define X63 X16 X16 X16 "xxxxxxxxxxxxxxx"
/* 253 characters */
#define LONGEST_HOST X63 "." X63 "." X63 "." X16 X16 X16 "xxxxxxxxxxxxx"

START_TEST(longest_request_has_room)
{
	static const char *const relays[] = {"ws://" LONGEST_HOST ":65535"};
	struct taupe_service services[TAUPE_SERVICES_MAX];
	char names[TAUPE_SERVICES_MAX][21];
	struct bench b;

	init(&b);
	for (size_t i = 0; i < COUNT(services); i++) {
		snprintf(names[i], sizeof(names[i]), X16 "xx%zu", i + 10);
		services[i] = (struct taupe_service){names[i], TAUPE_HTTP};
	}
	b.config.name = X63;
	b.config.secret = b.config.user_agent = X256;
	b.config.relays = relays;
	b.config.n_relays = 1;
	b.config.services = services;
	b.config.n_services = COUNT(services);
	b.config.warm_channels = TAUPE_WARM_MAX;
	b.config.mux_visits = TAUPE_MUX_VISITS_MAX;
	b.config.mux_window = 16777216;
	begin(&b);
	act(&b);
	accepted(&b, 0);
	hear_text(&b, 0,
	    WELCOME("ws://" LONGEST_HOST ":65535", "&lease=" X256 X256 X256 X256));
	taupe_session_renew(&b.session, b.now);
	act(&b);
	connected(&b, 1);
	b.request[1][b.request_len[1] - 1] = '\0';
	ck_assert_ptr_nonnull(strstr(b.request[1], "&lease=" X256 X256));
	printf("the longest request: %zu bytes of %d\n", b.request_len[1],
	    TAUPE_REQUEST_MAX);
	ck_assert_uint_lt(b.request_len[1], TAUPE_REQUEST_MAX);
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
	ck_assert_uint_eq(len,
	    strlen("label=k7x2m9q4tz&lease=token&relay=ws://r1.example.com:8000"
		   "&peer=ws://r3.example.org&peer=ws://r4.example.org:81"));
	ck_assert_int_eq(
	    memcmp(state, "label=k7x2m9q4tz&lease=token&relay=", 35), 0);
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
	lost_and_dialled(&b, 0);
	accepted(&b, 0);
	hear_text(&b, 0,
	    WELCOME("ws://r1.example.com:8000",
		"&peer=ws://r3.example.org&peer=ws://"
		"r4.example.org:81&lease=token"));
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_WELCOME);
	ck_assert(!b.event.state_changed);
	lost_and_dialled(&b, 0);
	accepted(&b, 0);
	hear_text(&b, 0,
	    WELCOME("ws://r1.example.com:8000",
		"&peer=ws://r3.example.org&lease=token"));
	ck_assert(b.event.state_changed);
}
END_TEST

START_TEST(damaged_state_is_refused_whole)
{
	static const char *const damaged[] = {
	    "label=UPPER",
	    "relay=nonsense",
	    "peer=",
	    "label=%zz",
	    "\xff",
	    "=x",
	    "peer=ws://a&peer=ws://b&peer=ws://c&peer=ws://d&peer=ws://"
	    "e&peer=ws://f&peer=ws://g"
	    "&peer=ws://h&peer=ws://i",
	};
	char text[200], out[100];
	struct bench b;

	init(&b);
	begin(&b);
	for (size_t i = 0; i < COUNT(damaged); i++) {
		strcpy(text, damaged[i]);
		ck_assert(
		    !taupe_session_restore(&b.session, text, strlen(text)));
		ck_assert_uint_eq(
		    taupe_session_export(&b.session, out, sizeof(out)), 0);
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
			ck_assert_ptr_nonnull(
			    strstr(state, "lease=token&relay=ws://r1"));
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
	    {"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", 400, "",
		30000, 60000},
	    {"HTTP/1.1 401 Unauthorized\r\nContent-Type: "
	     "application/x-www-form-urlencoded\r\n"
	     "Content-Length: "
	     "38\r\n\r\nerror=unauthorized&reason=wrong%20secret",
		401, "wrong secr", 30000, 60000},
	    {"HTTP/1.1 404 Not Found\r\n\r\n", 404, "", 30000, 60000},
	    {"HTTP/1.1 426 Upgrade Required\r\n\r\n", 426, "", 30000, 60000},
	    {"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n\r\n", 429,
		"", 7000, 9000},
	    {"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\n\r\n", 503,
		"", 0, 2000},
	    {"HTTP/1.1 503 Service Unavailable\r\nRetry-After: soon\r\n\r\n",
		503, "", 0, 2000},
	    {"HTTP/1.1 503 Service Unavailable\r\nRetry-After: "
	     "99999999999\r\n\r\n",
		503, "", 3600000, 3602000},
	    {"HTTP/1.0 502 Bad Gateway\r\nContent-Type: "
	     "text/html\r\n\r\n<html>",
		502, "", 0, 2000},
	    {"HTTP/1.1 200 OK\r\nContent-Type: "
	     "application/x-www-form-urlencoded\r\n"
	     "Content-Length: 99999999\r\n\r\nerror=x",
		200, "", 0, 2000},
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
	static const char body[] =
	    "error=held&reason=another%20live%20instance&"
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
	    "HTTP/1.1 409 Conflict\r\nContent-Type: "
	    "application/x-www-form-urlencoded\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    strlen(body));
	bytes_add_text(&in, head);
	bytes_add_text(&in, body);
	ck_assert_uint_eq(
	    taupe_session_input(&b.session, 0, in.data, in.len, b.now, &event),
	    in.len);
	ck_assert_int_eq(event.type, TAUPE_EVENT_REFUSED);
	ck_assert_uint_eq(event.status, 409);
	ck_assert_uint_eq(event.error.len, 4);
	ck_assert_int_eq(
	    memcmp(event.since.ptr, "2026-01-31T04:40:00Z", event.since.len),
	    0);
	ck_assert_int_eq(
	    memcmp(event.from.ptr, "203.0.113.7:51234", event.from.len), 0);
	ck_assert_int_eq(
	    memcmp(event.text.ptr, "another live instance", event.text.len), 0);
}
END_TEST

START_TEST(refusal_whose_body_is_cut_off_is_still_a_refusal)
{
	struct bench b;

	init(&b);
	refuse(&b,
	    "HTTP/1.1 401 Unauthorized\r\nContent-Type: "
	    "application/x-www-form-urlencoded\r\n"
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

#define REDIRECT_TO(location)                                                  \
	"HTTP/1.1 302 Found\r\nLocation: " location                            \
	"\r\nContent-Length: 0\r\n\r\n"

START_TEST(redirect_is_followed_with_its_hops_and_the_secret)
{
	struct bench b;

	init(&b);
	refuse(&b,
	    REDIRECT_TO("ws://r9.example.com/v1/control?name=alice&hops=3"));
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_REDIRECT);
	DID(&b, "close0() dial0 r9.example.com:80");
	connected(&b, 0);
	ck_assert_str_eq(request_field(b.request[0], b.request_len[0], "Host"),
	    "r9.example.com");
	ck_assert_str_ne(
	    request_field(b.request[0], b.request_len[0], "Authorization"), "");
	b.request[0][b.request_len[0] - 1] = '\0';
	ck_assert_ptr_nonnull(strstr(b.request[0], "&hops=3"));
}
END_TEST

/* What is no number of hops is as many as were followed. */
START_TEST(hops_of_a_redirect_are_bounded)
{
	static const struct {
		const char *hops, *said;
	} rows[] = {{"100", "&hops=100 "}, {"101", "&hops=1 "},
	    {"256", "&hops=1 "}, {"x", "&hops=1 "}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char answer[300];
		struct bench b;

		init(&b);
		snprintf(answer, sizeof(answer),
		    REDIRECT_TO("ws://r9.example.com/v1/control?hops=%s"),
		    rows[i].hops);
		refuse(&b, answer);
		connected(&b, 0);
		b.request[0][b.request_len[0] - 1] = '\0';
		ck_assert_msg(strstr(b.request[0], rows[i].said) != NULL,
		    "%s: %s", rows[i].hops, b.request[0]);
	}
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
	    {false, "ws://r2.example.net:9999/v1/control",
		NULL}, /* host of the relay list */
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
	static const char *const secure_relays[] = {
	    "wss://r1.example.com", "ws://r2.example.net"};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char answer[300];
		struct bench b;

		init(&b);
		if (rows[i].secure)
			b.config.relays = secure_relays;
		snprintf(answer, sizeof(answer), REDIRECT_TO("%s?name=alice"),
		    rows[i].location);
		refuse(&b, answer);
		if (rows[i].refusal == NULL) {
			ck_assert_msg(b.event.type == TAUPE_EVENT_REDIRECT,
			    "%s", rows[i].location);
			ck_assert_ptr_nonnull(strstr(b.trace, "dial0"));
		} else {
			ck_assert_int_eq(
			    b.event.type, TAUPE_EVENT_REDIRECT_REFUSED);
			ck_assert_ptr_nonnull(
			    strstr(b.event.reason, rows[i].refusal));
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

START_TEST(redirect_to_nobody_comes_back_at_once_and_says_so)
{
	struct bench b;

	init(&b);
	refuse(&b, REDIRECT_TO("ws://r9.example.com/v1/control?hops=1"));
	lost(&b, 0);
	DID(&b, "close0() dial0 r9.example.com:80 dial0 r1.example.com:8000");
	connected(&b, 0);
	b.request[0][b.request_len[0] - 1] = '\0';
	ck_assert_ptr_nonnull(strstr(b.request[0], "&hops=1"));
	hear_raw(&b, 0, REDIRECT_TO("ws://r9.example.com/v1/control?hops=2"));
	DID(&b, "close0() dial0 r9.example.com:80");
}
END_TEST

START_TEST(redirects_to_nobody_end_in_a_wait)
{
	struct bench b;

	/* where we come back to is gone as well */
	init(&b);
	b.config.n_relays = 1;
	refuse(&b, REDIRECT_TO("ws://r9.example.com/v1/control"));
	lost(&b, 0);
	lost(&b, 0);
	DID(&b, "close0() dial0 r9.example.com:80 dial0 r1.example.com:8000");
	/* or sends us there again and again */
	init(&b);
	b.config.n_relays = 1;
	refuse(&b, REDIRECT_TO("ws://r9.example.com/v1/control"));
	for (int i = 0; i < 4; i++) {
		lost(&b, 0);
		connected(&b, 0);
		hear_raw(&b, 0, REDIRECT_TO("ws://r9.example.com/v1/control"));
		ck_assert_int_eq(b.event.type, TAUPE_EVENT_REDIRECT);
	}
	lost(&b, 0);
	connected(&b, 0);
	hear_raw(&b, 0, REDIRECT_TO("ws://r9.example.com/v1/control"));
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_REDIRECT_REFUSED);
	ck_assert_str_eq(b.event.reason, "too many redirects");
	ck_assert_uint_gt(b.until, b.now);
}
END_TEST

START_TEST(location_with_a_long_lease_is_understood)
{
	char answer[2000], lease[1025];
	struct bench b;

	memset(lease, 'x', sizeof(lease));
	lease[sizeof(lease) - 1] = '\0';
	snprintf(answer, sizeof(answer),
	    REDIRECT_TO("ws://r9.example.com/v1/control?lease=%s&hops=1"),
	    lease);
	init(&b);
	refuse(&b, answer);
	ck_assert_int_eq(b.event.type, TAUPE_EVENT_REDIRECT);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    dials_the_first_configured_relay_at_once,
	    request_names_device_services_and_instance_and_carries_the_secret,
	    shared_channels_are_offered_only_if_they_are_wanted,
	    welcome_is_reported_at_every_cut,
	    welcome_names_the_urls,
	    each_stage_of_the_handshake_has_its_time,
	    stage_of_seven_weeks_is_not_over_at_once,
	    list_of_relays_may_become_shorter,
	    configuration_is_checked,
	    request_that_does_not_fit_is_given_up_with_a_reason,
	    longest_request_has_room,
	    state_survives_a_restart,
	    the_same_welcome_changes_no_state,
	    damaged_state_is_refused_whole,
	    what_does_not_fit_the_memory_is_left_out,
	    refusals_are_reported_and_waited_for,
	    held_name_says_since_when_and_from_where,
	    refusal_whose_body_is_cut_off_is_still_a_refusal,
	    nonsense_is_a_failed_attempt,
	    redirect_is_followed_with_its_hops_and_the_secret,
	    hops_of_a_redirect_are_bounded,
	    redirect_goes_only_where_it_may,
	    the_sixth_redirect_in_a_row_is_refused,
	    redirect_to_nobody_comes_back_at_once_and_says_so,
	    redirects_to_nobody_end_in_a_wait,
	    location_with_a_long_lease_is_understood,
	};

	return run_suite("handshake", tests, COUNT(tests));
}
