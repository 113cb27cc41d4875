/* SPDX-License-Identifier: MIT */
#include "support.h"

#include "wire/handshake.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="	      /* RFC 6455 section 1.3 */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" /* its answer there */

static void
parse_request(const char *text, struct http_head *head)
{
	size_t len = strlen(text), consumed;

	ck_assert_msg(http_request_parse(guard_copy(0, text, len), len, head,
			  &consumed) == WIRE_DONE,
	    "%s", text);
}

START_TEST(rfc_example_of_key_and_accept)
{
	char key[WS_KEY_LEN], accept[WS_ACCEPT_LEN];

	ws_key_make((const uint8_t *)"the sample nonce", key);
	ck_assert_mem_eq(key, KEY, WS_KEY_LEN);
	ws_accept_make(KEY, accept);
	ck_assert_mem_eq(accept, ACCEPT, WS_ACCEPT_LEN);
}
END_TEST

/* docs/PROTOCOL.md section 4.1 */
START_TEST(writes_the_request_of_the_protocol)
{
	static const char expected[] =
	    "GET /v1/control?name=alice&service=web:http HTTP/1.1\r\n"
	    "Host: r1.example.com\r\n"
	    "Upgrade: websocket\r\n"
	    "Connection: Upgrade\r\n"
	    "Sec-WebSocket-Key: dGF1cGUgZGlncyBoZXJlIQ==\r\n"
	    "Sec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Protocol: taupe.v1\r\n"
	    "Authorization: Bearer q3vJ0mB7yZkR1sT5uXnEwA\r\n"
	    "User-Agent: taupe-agent/0.1.0\r\n"
	    "\r\n";
	const struct handshake_request request = {
	    .host = "r1.example.com",
	    .port = 80,
	    .secret = "q3vJ0mB7yZkR1sT5uXnEwA",
	    .user_agent = "taupe-agent/0.1.0",
	    .key = "dGF1cGUgZGlncyBoZXJlIQ==",
	};

	for (size_t cap = 0; cap <= sizeof(expected) - 1; cap++) {
		char *out = guard_copy(0, expected, cap);
		struct writer w;

		memset(out, '.', cap);
		writer_init(&w, out, cap);
		writer_cstr(&w, "GET /v1/control?name=alice&service=web:http");
		handshake_request_write(&w, &request);
		ck_assert_uint_eq(w.full, cap < sizeof(expected) - 1);
		ck_assert_mem_eq(out, expected, writer_len(&w));
	}
}
END_TEST

/* The request behind "GET /", as the relay takes it. */
static void
write_request(const struct handshake_request *request, char *out, size_t cap)
{
	struct writer w;

	writer_init(&w, out, cap - 1);
	writer_cstr(&w, "GET /");
	handshake_request_write(&w, request);
	ck_assert(!w.full);
	out[writer_len(&w)] = '\0';
}

START_TEST(request_without_secret)
{
	const struct handshake_request request = {
	    .host = "a", .port = 80, .user_agent = "b", .key = KEY};
	char out[1024];
	struct http_head head;
	struct str key;
	const char *error;

	write_request(&request, out, sizeof(out));
	parse_request(out, &head);
	ck_assert_uint_eq(http_field_count(&head, "Authorization"), 0);
	ck_assert_uint_eq(handshake_request_check(&head, &key, &error), 101);
	ck_assert(slice_is(key, KEY));
}
END_TEST

START_TEST(host_has_brackets_and_port_where_they_are_needed)
{
	static const struct {
		const char *host;
		uint16_t port;
		bool secure;
		const char *field;
	} cases[] = {
	    {"r1.example.com", 80, false, "r1.example.com"},
	    {"r1.example.com", 443, true, "r1.example.com"},
	    {"r1.example.com", 443, false, "r1.example.com:443"},
	    {"r1.example.com", 80, true, "r1.example.com:80"},
	    {"2001:db8::1", 80, false, "[2001:db8::1]"},
	    {"::1", 65535, true, "[::1]:65535"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct handshake_request request = {.host = cases[i].host,
		    .port = cases[i].port,
		    .secure = cases[i].secure,
		    .user_agent = "b",
		    .key = KEY};
		char out[1024];
		struct http_head head;

		write_request(&request, out, sizeof(out));
		parse_request(out, &head);
		ck_assert(
		    slice_is(http_field_get(&head, "Host"), cases[i].field));
	}
}
END_TEST

/* The secret's form is narrower, see secrets_are_bounded; where that is not checked, test_small.c has
 * such a one. */
START_TEST(value_of_several_lines_is_not_written)
{
	static const struct handshake_request requests[] = {
	    {"a\nevil", 80, false, "x", "b", KEY},
	    {"a\tevil", 80, false, "x", "b", KEY},
	    {"a", 80, false, "x", "b\revil", KEY},
	    {"a", 80, false, "x", "b\x7f" "evil", KEY},
	    {"a", 80, false, "x", "b\xe9" "evil", KEY},
	};

	for (size_t i = 0; i < COUNT(requests); i++) {
		char out[1024] = "";
		struct writer w;

		writer_init(&w, out, sizeof(out) - 1);
		handshake_request_write(&w, &requests[i]);
		ck_assert(w.full);
		ck_assert_ptr_null(strstr(out, "evil"));
	}
}
END_TEST

#define UPGRADE "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define WS_KEY "Sec-WebSocket-Key: " KEY "\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define PROTOCOL "Sec-WebSocket-Protocol: taupe.v1\r\n"
#define GET "GET / HTTP/1.1\r\n"

START_TEST(checks_requests)
{
	static const struct {
		unsigned status;
		const char *text;
	} cases[] = {
	    {101, GET UPGRADE WS_KEY VERSION PROTOCOL},
	    {101,
		GET "HOST: a\r\nupgrade: WebSocket\r\nCONNECTION: keep-alive, "
		    "UPGRADE\r\n" WS_KEY VERSION PROTOCOL},
	    {101,
		GET UPGRADE WS_KEY VERSION
		"Sec-WebSocket-Protocol: x, taupe.v1\r\n"},
	    {101,
		GET UPGRADE WS_KEY VERSION
		"Sec-WebSocket-Protocol: x\r\n" PROTOCOL},
	    {101,
		GET UPGRADE WS_KEY VERSION PROTOCOL
		"Sec-WebSocket-Extensions: permessage-deflate\r\n"},
	    {101, GET UPGRADE WS_KEY VERSION PROTOCOL "Content-Length: 0\r\n"},
	    {400, "POST / HTTP/1.1\r\n" UPGRADE WS_KEY VERSION PROTOCOL},
	    {400, "get / HTTP/1.1\r\n" UPGRADE WS_KEY VERSION PROTOCOL},
	    {400, "GET / HTTP/1.0\r\n" UPGRADE WS_KEY VERSION PROTOCOL},
	    {400,
		GET
		"Upgrade: websocket\r\nConnection: Upgrade\r\n" WS_KEY VERSION
		    PROTOCOL},
	    {400, GET UPGRADE "Host: b\r\n" WS_KEY VERSION PROTOCOL},
	    {400, GET "Host: a\r\n"},
	    {400,
		GET
		"Host: a\r\nConnection: Upgrade\r\n" WS_KEY VERSION PROTOCOL},
	    {400,
		GET "Host: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n" WS_KEY
		    VERSION PROTOCOL},
	    {400,
		GET
		"Host: a\r\nUpgrade: websocket\r\n" WS_KEY VERSION PROTOCOL},
	    {400,
		GET
		"Host: a\r\nUpgrade: websocket\r\nConnection: close\r\n" WS_KEY
		    VERSION PROTOCOL},
	    {400, GET UPGRADE WS_KEY VERSION PROTOCOL "Content-Length: 1\r\n"},
	    {400,
		GET UPGRADE WS_KEY VERSION PROTOCOL
		"Content-Length: 0\r\nContent-Length: 0\r\n"},
	    {400,
		GET UPGRADE WS_KEY VERSION PROTOCOL
		"Transfer-Encoding: chunked\r\n"},
	    {400, GET UPGRADE VERSION PROTOCOL},
	    {400, GET UPGRADE WS_KEY WS_KEY VERSION PROTOCOL},
	    {400, GET UPGRADE "Sec-WebSocket-Key: \r\n" VERSION PROTOCOL},
	    {400,
		GET UPGRADE
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n" VERSION
		    PROTOCOL},
	    {400,
		GET UPGRADE
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA\r\n" VERSION
		    PROTOCOL},
	    {400,
		GET UPGRADE
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ-==\r\n" VERSION
		    PROTOCOL},
	    {426, GET UPGRADE WS_KEY PROTOCOL},
	    {426, GET UPGRADE WS_KEY "Sec-WebSocket-Version: 8\r\n" PROTOCOL},
	    {426, GET UPGRADE WS_KEY VERSION VERSION PROTOCOL},
	    {426, GET UPGRADE WS_KEY VERSION},
	    {426,
		GET UPGRADE WS_KEY VERSION
		"Sec-WebSocket-Protocol: taupe.v2\r\n"},
	    {426,
		GET UPGRADE WS_KEY VERSION
		"Sec-WebSocket-Protocol: taupe.v11\r\n"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[1024] = "";
		struct http_head head;
		struct str key = {NULL, 0};
		const char *error;
		unsigned status;

		ck_assert(
		    str_copy(str_of(cases[i].text), text, sizeof(text) - 2));
		strcat(text, "\r\n");
		parse_request(text, &head);
		status = handshake_request_check(&head, &key, &error);
		ck_assert_msg(
		    status == cases[i].status, "%s%u %s", text, status, error);
		ck_assert((error == NULL) == (status == 101));
		ck_assert(slice_is(key, status == 101 ? KEY : NULL));
	}
}
END_TEST

START_TEST(bearer_secrets)
{
	static const struct {
		const char *field, *secret;
	} cases[] = {
	    {"Authorization: Bearer abc", "abc"},
	    {"authorization: bEARER   azAZ09-._~+/==", "azAZ09-._~+/=="},
	    {"Authorization: Bearer", NULL},
	    {"Authorization: Bearer =", NULL},
	    {"Authorization: Bearer a=b", NULL},
	    {"Authorization: Bearer a b", NULL},
	    {"Authorization: Bearer a,b", NULL},
	    {"Authorization: Bearer\ta", NULL},
	    {"Authorization: Basic YTpi", NULL},
	    {"Authorization: BearerX abc", NULL},
	    {"Authorization: abc", NULL},
	    {"Authorization: Bearer abc\r\nAuthorization: Bearer def", NULL},
	    {"X-Authorization: Bearer abc", NULL},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[256] = GET;
		struct http_head head;

		strcat(text, cases[i].field);
		strcat(text, "\r\n\r\n");
		parse_request(text, &head);
		ck_assert_msg(
		    slice_is(handshake_bearer(&head), cases[i].secret), "%s",
		    cases[i].field);
	}
}
END_TEST

START_TEST(secrets_are_bounded)
{
	char secret[SECRET_MAX + 1];

	memset(secret, 'x', sizeof(secret));
	ck_assert(handshake_secret_valid((struct str){secret, SECRET_MAX}));
	ck_assert(
	    !handshake_secret_valid((struct str){secret, SECRET_MAX + 1}));
	ck_assert(!handshake_secret_valid((struct str){NULL, 0}));
}
END_TEST

/* docs/PROTOCOL.md section 4.1 */
#define RANDOM "u7oYJ2xq-3bVd_0aKf5sT8wZrE1nPgQhL6mCiXjD4yM"

START_TEST(enrolment_keys)
{
	static const struct {
		const char *key, *fleet; /* NULL: it is none */
	} cases[] = {
	    {"probes." RANDOM, "probes"},
	    {"lab.probes_2." RANDOM, "lab.probes_2"},
	    {"p." RANDOM, "p"},
	    {"." RANDOM, NULL},
	    {RANDOM, NULL},
	    {"", NULL},
	    {"probes" RANDOM, NULL},
	    {"probes-" RANDOM, NULL},
	    {"-probes." RANDOM, NULL},
	    {"pro bes." RANDOM, NULL},
	    {"probes." RANDOM "x", NULL},
	    {"probes." RANDOM "=", NULL},
	    {"probes.+7oYJ2xq-3bVd_0aKf5sT8wZrE1nPgQhL6mCiXjD4yM", NULL},
	    {"probes.u7oYJ2xq/3bVd_0aKf5sT8wZrE1nPgQhL6mCiXjD4yM", NULL},
	    {"probes.u7oYJ2xq-3bVd_0aKf5sT8wZrE1nPgQhL6mCiXjD4y.", NULL},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i].key);
		struct str key = {guard_copy(0, cases[i].key, len), len},
			   fleet = {NULL, 0};
		bool found = handshake_enrolment_key_parse(key, &fleet);

		ck_assert_msg(
		    found == (cases[i].fleet != NULL), "%s", cases[i].key);
		if (found) {
			ck_assert(slice_is(fleet, cases[i].fleet));
			ck_assert(handshake_secret_valid(key));
		}
	}
	ck_assert(!handshake_enrolment_key_parse(
	    (struct str){NULL, 0}, &(struct str){NULL, 0}));
}
END_TEST

START_TEST(writes_the_response_of_the_protocol)
{
	static const char expected[] =
	    "HTTP/1.1 101 Switching Protocols\r\n"
	    "Upgrade: websocket\r\n"
	    "Connection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: QtyFT1/m0FtIZztLknHqGrmLE2o=\r\n"
	    "Sec-WebSocket-Protocol: taupe.v1\r\n"
	    "\r\n";
	char out[512];
	struct writer w;

	writer_init(&w, out, sizeof(out));
	handshake_response_write(&w, "dGF1cGUgZGlncyBoZXJlIQ==");
	ck_assert(slice_is((struct str){out, writer_len(&w)}, expected));
}
END_TEST

#define OK "HTTP/1.1 101 Switching Protocols\r\n"
#define ANSWER "Sec-WebSocket-Accept: " ACCEPT "\r\n"
#define UPGRADED "Upgrade: websocket\r\nConnection: Upgrade\r\n"

START_TEST(checks_responses)
{
	static const struct {
		bool fine;
		const char *text;
	} cases[] = {
	    {true, OK UPGRADED ANSWER PROTOCOL},
	    {true,
		OK "upgrade: WebSocket\r\nconnection: upgrade\r\n" ANSWER
		    PROTOCOL},
	    {false, "HTTP/1.1 200 OK\r\n" UPGRADED ANSWER PROTOCOL},
	    {false, "HTTP/1.0 101 x\r\n" UPGRADED ANSWER PROTOCOL},
	    {false, OK "Connection: Upgrade\r\n" ANSWER PROTOCOL},
	    {false, OK "Upgrade: websocket\r\n" ANSWER PROTOCOL},
	    {false,
		OK "Upgrade: h2c\r\nConnection: Upgrade\r\n" ANSWER PROTOCOL},
	    {false, OK UPGRADED PROTOCOL},
	    {false,
		OK UPGRADED "Sec-WebSocket-Accept: "
			    "S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" PROTOCOL},
	    {false, OK UPGRADED ANSWER ANSWER PROTOCOL},
	    {false, OK UPGRADED ANSWER},
	    {false, OK UPGRADED ANSWER "Sec-WebSocket-Protocol: taupe.v2\r\n"},
	    {false,
		OK UPGRADED ANSWER "Sec-WebSocket-Protocol: taupe.v1, x\r\n"},
	    {false,
		OK UPGRADED ANSWER PROTOCOL
		"Sec-WebSocket-Extensions: permessage-deflate\r\n"},
	    {false,
		OK UPGRADED ANSWER PROTOCOL "Sec-WebSocket-Extensions: a\r\n"
					    "Sec-WebSocket-Extensions: b\r\n"},
	    {false, OK "Upgrade: websocket\r\n" UPGRADED ANSWER PROTOCOL},
	    {true,
		OK "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		   "Connection: keep-alive\r\n" ANSWER PROTOCOL},
	    {true,
		OK "Upgrade: websocket\r\nConnection: keep-alive , "
		   "upgrade\r\n" ANSWER PROTOCOL},
	    {false,
		OK "Upgrade: websocket\r\nConnection: upgrades\r\n" ANSWER
		    PROTOCOL},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[1024] = "";
		struct http_answer answer;
		const char *error;
		size_t consumed;

		strcat(text, cases[i].text);
		strcat(text, "\r\n");
		ck_assert_int_eq(
		    http_answer_parse(text, strlen(text), &answer, &consumed),
		    WIRE_DONE);
		error = handshake_answer_check(&answer, KEY);
		ck_assert_msg((error == NULL) == cases[i].fine, "%s", text);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    rfc_example_of_key_and_accept,
	    writes_the_request_of_the_protocol,
	    request_without_secret,
	    host_has_brackets_and_port_where_they_are_needed,
	    value_of_several_lines_is_not_written,
	    checks_requests,
	    bearer_secrets,
	    secrets_are_bounded,
	    enrolment_keys,
	    writes_the_response_of_the_protocol,
	    checks_responses,
	};

	return run_suite("handshake", tests, COUNT(tests));
}
