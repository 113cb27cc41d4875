/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <stdio.h>

#include "wire/http_head.h"

static const char request[] = "GET /v1/control?name=alice HTTP/1.1\r\n"
			      "Host: r1.example.com\r\n"
			      "X-Empty:\r\n"
			      "X-Blanks: \t a  b \t\r\n"
			      "Connection: keep-alive\r\n"
			      "CONNECTION: Upgrade\r\n"
			      "\r\n";

static enum wire_result
parse_request(const char *text, size_t len, struct http_head *head)
{
	size_t consumed = 0;
	enum wire_result result =
	    http_request_parse(guard_copy(0, text, len), len, head, &consumed);

	ck_assert_uint_eq(consumed, result == WIRE_DONE ? len : 0);
	return result;
}

START_TEST(parses_a_request)
{
	struct http_head head;

	ck_assert_int_eq(
	    parse_request(request, sizeof(request) - 1, &head), WIRE_DONE);
	ck_assert(slice_is(head.method, "GET"));
	ck_assert(slice_is(head.target, "/v1/control?name=alice"));
	ck_assert(slice_is(head.path, "/v1/control"));
	ck_assert(slice_is(head.query, "name=alice"));
	ck_assert_uint_eq(head.minor, 1);
	ck_assert_uint_eq(head.n_fields, 5);
	ck_assert(slice_is(head.fields[0].name, "Host"));
	ck_assert(slice_is(http_field_get(&head, "host"), "r1.example.com"));
	ck_assert(slice_is(http_field_get(&head, "X-Empty"), ""));
	ck_assert(slice_is(http_field_get(&head, "X-Blanks"), "a  b"));
	ck_assert(slice_is(http_field_get(&head, "X-None"), NULL));
}
END_TEST

START_TEST(fields_that_repeat)
{
	struct http_head head;

	ck_assert_int_eq(
	    parse_request(request, sizeof(request) - 1, &head), WIRE_DONE);
	ck_assert_uint_eq(http_field_count(&head, "connection"), 2);
	ck_assert_uint_eq(http_field_count(&head, "host"), 1);
	ck_assert_uint_eq(http_field_count(&head, "none"), 0);
	ck_assert(slice_is(http_field_get(&head, "connection"), NULL));
	ck_assert(http_list_has(&head, "connection", "upgrade"));
	ck_assert(http_list_has(&head, "connection", "keep-alive"));
	ck_assert(!http_list_has(&head, "connection", "close"));
}
END_TEST

START_TEST(request_cut_at_every_byte_wants_more)
{
	struct http_head head;

	for (size_t len = 0; len < sizeof(request) - 1; len++)
		ck_assert_int_eq(parse_request(request, len, &head), WIRE_MORE);
}
END_TEST

START_TEST(looks_at_nothing_behind_the_head)
{
	char in[sizeof(request) + 8];
	struct http_head head;
	size_t consumed;

	memcpy(in, request, sizeof(request) - 1);
	memcpy(in + sizeof(request) - 1, "\0\r\n\n\x7f", 5);
	ck_assert_int_eq(
	    http_request_parse(in, sizeof(request) + 4, &head, &consumed),
	    WIRE_DONE);
	ck_assert_uint_eq(consumed, sizeof(request) - 1);
}
END_TEST

START_TEST(refuses_malformed_requests)
{
	static const struct {
		unsigned status;
		const char *text;
		size_t len;
	} cases[] = {
#define BAD(status, text) {status, text, sizeof(text) - 1}
	    BAD(400, "\r\nGET / HTTP/1.1\r\n\r\n"),
	    BAD(400, "\nGET / HTTP/1.1\r\n\r\n"),
	    BAD(400, " GET / HTTP/1.1\r\n\r\n"),
	    BAD(400, "GET  / HTTP/1.1\r\n\r\n"),
	    BAD(400, "GET /  HTTP/1.1\r\n\r\n"),
	    BAD(400, "GET / HTTP/1.1 \r\n\r\n"),
	    BAD(400, "GET\t/ HTTP/1.1\r\n\r\n"),
	    BAD(400, "GET /\tHTTP/1.1\r\n\r\n"),
	    BAD(400, "GET /\r\n\r\n"),
	    BAD(400, "GET\r\n\r\n"),
	    BAD(400, "G@T / HTTP/1.1\r\n\r\n"),
	    BAD(400, "GET / HTTP/1.1\n\r\n"),
	    BAD(400, "GET / HTTP/1.1\r\n\n"),
	    BAD(400, "GET / HTTP/1.1\r\nA: b\n\r\n"),
	    BAD(400, "GET / HTTP/1.1\rA: b\r\n\r\n"),
	    BAD(400, "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n"),
	    BAD(400, "GET / HTTP/1.1\r\r\n\r\n"),
	    BAD(400, "GET / HTTP/1.1\r\nA: b\0c\r\n\r\n"),
	    BAD(400, "GET / HTTP/1.1\r\nA: b\x01\r\n\r\n"),
	    BAD(400, "GET / HTTP/1.1\r\nA: b\x7f\r\n\r\n"),
	    BAD(400, "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n"),
	    BAD(400, "GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n"),
	    BAD(400, "GET / HTTP/1.1\r\n A: b\r\n\r\n"),
	    BAD(400, "GET / HTTP/1.1\r\nA : b\r\n\r\n"),
	    BAD(400, "GET / HTTP/1.1\r\nA\t: b\r\n\r\n"),
	    BAD(400, "GET / HTTP/1.1\r\n: b\r\n\r\n"),
	    BAD(400, "GET / HTTP/1.1\r\nA b\r\n\r\n"),
	    BAD(400, "GET / HTTP/1.1\r\nA(b: c\r\n\r\n"),
	    BAD(400, "GET / HTTP/1.1\r\n\xc3\xa4: c\r\n\r\n"),
	    BAD(400, "GET * HTTP/1.1\r\n\r\n"),
	    BAD(400, "OPTIONS * HTTP/1.1\r\n\r\n"),
	    BAD(400, "CONNECT a:443 HTTP/1.1\r\n\r\n"),
	    BAD(400, "GET http://a/ HTTP/1.1\r\n\r\n"),
	    BAD(400, "GET /\xc3\xa4 HTTP/1.1\r\n\r\n"),
	    BAD(400, "GET /#x HTTP/1.1\r\n\r\n"),
	    BAD(400, "GET / HTTP/11\r\n\r\n"),
	    BAD(400, "GET / HTTP/1.11\r\n\r\n"),
	    BAD(400, "GET / http/1.1\r\n\r\n"),
	    BAD(400, "GET / HTTP/1,1\r\n\r\n"),
	    BAD(400, "GET / HTTP/1.x\r\n\r\n"),
	    BAD(400, "GET / HTTP/x.1\r\n\r\n"),
	    BAD(400, "GET / FOO/1.1\r\n\r\n"),
	    BAD(505, "GET / HTTP/1.2\r\n\r\n"),
	    BAD(505, "GET / HTTP/0.9\r\n\r\n"),
	    BAD(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	    BAD(400, "\x16\x03\x01\x02\x00\x01\x00\x01"),
	    BAD(400, "SSH-2.0-OpenSSH_9.2\r\n"),
#undef BAD
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		enum wire_result result = WIRE_MORE;
		struct http_head head;

		/* once it is bad, it stays bad, and for the same reason */
		for (size_t len = 0; len <= cases[i].len; len++) {
			const char *error =
			    result == WIRE_BAD ? head.error : NULL;
			enum wire_result now =
			    parse_request(cases[i].text, len, &head);

			ck_assert_msg(now != WIRE_DONE, "%s", cases[i].text);
			ck_assert_msg(now >= result, "%s", cases[i].text);
			if (error != NULL)
				ck_assert_str_eq(head.error, error);
			result = now;
		}
		ck_assert_msg(result == WIRE_BAD, "%s", cases[i].text);
		ck_assert_msg(head.error_status == cases[i].status, "%s: %u",
		    cases[i].text, head.error_status);
	}
}
END_TEST

/* RFC 9110 section 5.6.2; and a path of visible ASCII characters but for '#'. */
START_TEST(every_character_of_a_name_and_of_a_target)
{
	static const char others[] = "!#$%&'*+-.^_`|~";
	char text[64];
	struct http_head head;
	size_t consumed;

	for (int c = 1; c < 256; c++) {
		bool token = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		    (c >= 'A' && c <= 'Z') || strchr(others, c) != NULL;
		bool target = c > ' ' && c <= '~' && c != '#';
		int len = snprintf(text, sizeof(text),
		    "GET / HTTP/1.1\r\nn%c: v\r\n\r\n", c);

		if (c != ':') /* which ends the name */
			ck_assert_msg(
			    (http_request_parse(text, (size_t)len, &head,
				 &consumed) == WIRE_DONE) == token,
			    "name: %d", c);
		len = snprintf(
		    text, sizeof(text), "GET /a%cb HTTP/1.1\r\n\r\n", c);
		if (c != ' ') /* which ends it */
			ck_assert_msg(
			    (http_request_parse(text, (size_t)len, &head,
				 &consumed) == WIRE_DONE) == target,
			    "target: %d", c);
	}
}
END_TEST

START_TEST(complaint_comes_with_the_line_that_earns_it)
{
	struct http_head head;

	ck_assert_int_eq(
	    parse_request("GET * HTTP/1.1\r\n", 16, &head), WIRE_BAD);
	ck_assert_int_eq(
	    parse_request("GET / HTTP/1.1\r\nbad\r\n", 21, &head), WIRE_BAD);
	ck_assert_int_eq(parse_request("\x16\x03", 2, &head), WIRE_BAD);
}
END_TEST

START_TEST(accepts_what_browsers_send)
{
	static const char text[] = "GET /a|b?q={\"x\"}&y=[1]^`~ HTTP/1.0\r\n"
				   "X-Latin: caf\xe9\r\n"
				   "!#$%&'*+-.^_`|~: x\r\n"
				   "X-Colon: a:b: c\r\n\r\n";
	struct http_head head;

	ck_assert_int_eq(
	    parse_request(text, sizeof(text) - 1, &head), WIRE_DONE);
	ck_assert_uint_eq(head.minor, 0);
	ck_assert(slice_is(head.path, "/a|b"));
	ck_assert(slice_is(http_field_get(&head, "x-latin"), "caf\xe9"));
	ck_assert(slice_is(http_field_get(&head, "X-Colon"), "a:b: c"));
	ck_assert_int_eq(
	    parse_request("GET / HTTP/1.1\r\n\r\n", 18, &head), WIRE_DONE);
	ck_assert(slice_is(head.query, NULL));
	ck_assert_int_eq(
	    parse_request("GET /? HTTP/1.1\r\n\r\n", 19, &head), WIRE_DONE);
	ck_assert(slice_is(head.query, ""));
}
END_TEST

/* A head of exactly len bytes, most of them in one place. */
static const char *
make_head(char *out, size_t len, const char *before, const char *behind)
{
	memset(out, 'x', len);
	memcpy(out, before, strlen(before));
	memcpy(out + len - strlen(behind), behind, strlen(behind));
	return out;
}

START_TEST(size_is_bounded)
{
	static char text[HTTP_HEAD_MAX + 1];
	struct http_head head;
	size_t consumed;

	make_head(text, HTTP_HEAD_MAX, "GET / HTTP/1.1\r\nA: ", "\r\n\r\n");
	ck_assert_int_eq(parse_request(text, HTTP_HEAD_MAX, &head), WIRE_DONE);
	ck_assert_int_eq(
	    parse_request(text, HTTP_HEAD_MAX - 1, &head), WIRE_MORE);
	make_head(text, HTTP_HEAD_MAX + 1, "GET / HTTP/1.1\r\nA: ", "\r\n\r\n");
	for (size_t len = HTTP_HEAD_MAX; len <= HTTP_HEAD_MAX + 1; len++) {
		ck_assert_int_eq(
		    http_request_parse(text, len, &head, &consumed), WIRE_BAD);
		ck_assert_uint_eq(head.error_status, 431);
	}
	make_head(text, HTTP_HEAD_MAX, "GET /", "");
	ck_assert_int_eq(
	    parse_request(text, HTTP_HEAD_MAX - 1, &head), WIRE_MORE);
	ck_assert_int_eq(parse_request(text, HTTP_HEAD_MAX, &head), WIRE_BAD);
	ck_assert_uint_eq(head.error_status, 414);
}
END_TEST

START_TEST(number_of_fields_is_bounded)
{
	char text[2048] = "GET / HTTP/1.1\r\n";
	size_t len = strlen(text);
	struct http_head head;

	for (size_t i = 0; i < HTTP_FIELDS_MAX; i++)
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "F%zu: %zu\r\n", i, i);
	memcpy(text + len, "\r\n", 2);
	ck_assert_int_eq(parse_request(text, len + 2, &head), WIRE_DONE);
	ck_assert_uint_eq(head.n_fields, HTTP_FIELDS_MAX);
	ck_assert(slice_is(http_field_get(&head, "F47"), "47"));
	memcpy(text + len, "A: b\r\n\r\n", 8);
	ck_assert_int_eq(parse_request(text, len + 8, &head), WIRE_BAD);
	ck_assert_uint_eq(head.error_status, 431);
}
END_TEST

START_TEST(parses_answers)
{
	static const struct {
		const char *text;
		unsigned status, minor;
	} cases[] = {
	    {"HTTP/1.1 101 Switching Protocols\r\n\r\n", 101, 1},
	    {"HTTP/1.0 302 Found\r\nLocation: ws://a\r\n\r\n", 302, 0},
	    {"HTTP/1.1 503 \r\n\r\n", 503, 1},
	    {"HTTP/1.1 599 \xc3\xa4\r\nX: \xc3\xa4\r\n\r\n", 599, 1},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i].text), consumed;
		struct http_answer answer;

		for (size_t cut = 0; cut <= len; cut++) {
			const char *in = guard_copy(0, cases[i].text, cut);

			ck_assert_int_eq(
			    http_answer_parse(in, cut, &answer, &consumed),
			    cut < len ? WIRE_MORE : WIRE_DONE);
		}
		ck_assert_uint_eq(consumed, len);
		ck_assert_uint_eq(answer.status, cases[i].status);
		ck_assert_uint_eq(answer.minor, cases[i].minor);
	}
}
END_TEST

START_TEST(fields_of_an_answer)
{
	static const char text[] =
	    "HTTP/1.1 302 Found\r\nLOCATION: \tws://a\t \r\nX: y\r\n"
	    "Connection: close\r\nupgrade:h2c\r\nRetry-After: 1\r\n"
	    "Connection: x , Upgrade\r\nRetry-After: 2\r\n"
	    "Retry-After: 3\r\nContent-Length:\r\n\r\nX: ";
	struct http_answer answer;
	const struct str *fields = answer.fields;
	size_t len = sizeof(text) - 1, consumed;

	ck_assert_int_eq(http_answer_parse(
			     guard_copy(0, text, len), len, &answer, &consumed),
	    WIRE_DONE);
	ck_assert_uint_eq(consumed, len - 3);
	ck_assert(answer.upgrades);
	ck_assert(slice_is(fields[HTTP_LOCATION], "ws://a"));
	ck_assert(slice_is(fields[HTTP_UPGRADE], "h2c"));
	ck_assert(slice_is(fields[HTTP_RETRY_AFTER], ""));
	ck_assert(slice_is(fields[HTTP_CONTENT_LENGTH], ""));
	ck_assert(slice_is(fields[HTTP_CONTENT_TYPE], NULL));
	ck_assert(slice_is(fields[HTTP_ACCEPT], NULL));
}
END_TEST

START_TEST(refuses_malformed_answers)
{
	static const char *const cases[] = {"HTTP/1.1\r\n", "HTTP/1.1 200\r\n",
	    "HTTP/1.1  200 OK\r\n", "HTTP/1.1 20 OK\r\n",
	    "HTTP/1.1 2000 OK\r\n", "HTTP/1.1 099 OK\r\n",
	    "HTTP/1.1 000 OK\r\n", "HTTP/1.1 600 OK\r\n", "HTTP/1.1 2x0 OK\r\n",
	    "HTTP/2.0 200 OK\r\n", "\r\n\r\n", "HTTP/1.2 200 OK\r\n",
	    "HTTP/1.11 200 OK\r\n", "ICY 200 OK\r\n", "GET / HTTP/1.1\r\n",
	    "HTTP/1.1 200 OK\n", "HTTP/1.1 200 OK\r\n A: b\r\n",
	    "HTTP/1.1 200 OK\r\nA : b\r\n", "HTTP/1.1 200 OK\r\nA\r\n",
	    "HTTP/1.1 200 OK\r\n: b\r\n", "HTTP/1.1 200 OK\r\nA: b\n",
	    "HTTP/1.1 200 OK\r\nA: b\rc", "HTTP/1.1 200 OK\r\nA: b\x01",
	    "HTTP/1.1 200 OK\r\n\n"};

	for (size_t i = 0; i < COUNT(cases); i++) {
		enum wire_result result = WIRE_MORE;
		struct http_answer answer;

		/* once it is bad, it stays bad, and for the same reason */
		for (size_t len = 0; len <= strlen(cases[i]); len++) {
			const char *error =
			    result == WIRE_BAD ? answer.error : NULL;
			size_t consumed;
			enum wire_result now =
			    http_answer_parse(guard_copy(0, cases[i], len), len,
				&answer, &consumed);

			ck_assert_msg(now != WIRE_DONE, "%s", cases[i]);
			ck_assert_msg(now >= result, "%s", cases[i]);
			if (error != NULL)
				ck_assert_str_eq(answer.error, error);
			result = now;
		}
		ck_assert_msg(result == WIRE_BAD, "%s", cases[i]);
		ck_assert_ptr_nonnull(answer.error);
	}
}
END_TEST

START_TEST(phrases_of_statuses)
{
	ck_assert_str_eq(http_status_phrase(302), "Found");
	ck_assert_str_eq(http_status_phrase(409), "Conflict");
	ck_assert_str_eq(http_status_phrase(503), "Service Unavailable");
	ck_assert_str_eq(http_status_phrase(999), "Unknown");
}
END_TEST

START_TEST(field_cannot_smuggle_another)
{
	static const struct str values[] = {
	    {"a\r\nB: c", 7}, {"a\n", 2}, {"a\r", 2}, {"\0", 1}};
	char out[64];
	struct writer w;

	writer_init(&w, out, sizeof(out));
	http_write_field(&w, "A", STR("b c"));
	ck_assert(!w.full);
	ck_assert(slice_is((struct str){out, writer_len(&w)}, "A: b c\r\n"));
	for (size_t i = 0; i < COUNT(values); i++) {
		writer_init(&w, out, sizeof(out));
		http_write_field(&w, "A", values[i]);
		ck_assert(w.full);
		ck_assert_uint_eq(writer_len(&w), 0);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    parses_a_request,
	    fields_that_repeat,
	    request_cut_at_every_byte_wants_more,
	    looks_at_nothing_behind_the_head,
	    refuses_malformed_requests,
	    every_character_of_a_name_and_of_a_target,
	    complaint_comes_with_the_line_that_earns_it,
	    accepts_what_browsers_send,
	    size_is_bounded,
	    number_of_fields_is_bounded,
	    parses_answers,
	    fields_of_an_answer,
	    refuses_malformed_answers,
	    phrases_of_statuses,
	    field_cannot_smuggle_another,
	};

	return run_suite("http_head", tests, COUNT(tests));
}
