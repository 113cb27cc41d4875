/* SPDX-License-Identifier: MIT */
#include "support.h"

#include "wire/http_forward.h"
#include "wire/http_stream.h"

/* What a connection's bytes become: each head and trailer section written anew, each body as it
 * is, and the status that ends it in brackets. */
struct passage {
	struct http_stream stream;
	char in[8192], out[8192];
	size_t in_len;
	struct writer w;
	unsigned status;
};

static void
passage_init(struct passage *passage)
{
	memset(passage, 0, sizeof(*passage));
	http_stream_init(&passage->stream);
	writer_init(&passage->w, passage->out, sizeof(passage->out) - 1);
}

static void
consume(struct passage *passage, size_t len)
{
	passage->in_len -= len;
	memmove(passage->in, passage->in + len, passage->in_len);
}

static enum wire_result
take_head(struct passage *passage)
{
	bool trailers = passage->stream.part == HTTP_TRAILERS;
	struct http_head head;
	size_t consumed = 0;
	const char *in = guard_copy(0, passage->in, passage->in_len), *error;
	enum wire_result result = trailers
	    ? http_trailers_parse(in, passage->in_len, &head, &consumed)
	    : http_request_parse(in, passage->in_len, &head, &consumed);

	if (result == WIRE_BAD)
		passage->status = head.error_status;
	if (result != WIRE_DONE)
		return result;
	if (trailers) {
		http_stream_end_trailers(&passage->stream);
		http_forward_trailers(&head, &passage->w);
	} else {
		struct http_forward forward = {
		    .from = STR("192.0.2.1"), .scheme = STR("http")};

		passage->status =
		    http_stream_begin(&passage->stream, &head, &error);
		if (passage->status != 0)
			return WIRE_BAD;
		forward.upgrades = passage->stream.part == HTTP_SWITCH;
		http_forward_head(&head, &forward, &passage->w);
	}
	consume(passage, consumed);
	return WIRE_DONE;
}

static enum wire_result
take_body(struct passage *passage)
{
	size_t passed;
	const char *in = guard_copy(0, passage->in, passage->in_len);
	enum wire_result result = http_stream_body(
	    &passage->stream, in, passage->in_len, &passed);

	writer_str(&passage->w, (struct str){passage->in, passed});
	consume(passage, passed);
	if (result == WIRE_BAD)
		passage->status = 400;
	return result;
}

static void
feed(struct passage *passage, const char *data, size_t len)
{
	enum wire_result result = WIRE_DONE;

	memcpy(passage->in + passage->in_len, data, len);
	passage->in_len += len;
	while (result == WIRE_DONE && passage->in_len > 0 &&
	    passage->status == 0) {
		if (passage->stream.part == HTTP_SWITCH)
			return;
		result = passage->stream.part == HTTP_BODY ? take_body(passage)
							   : take_head(passage);
	}
}

#define FORWARDED                                                              \
	"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n"            \
	"X-Forwarded-Host: a\r\n\r\n"
#define GET "GET / HTTP/1.1\r\nHost: a\r\n"
#define GOT GET FORWARDED
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n"

static const struct {
	const char *in, *out;
	unsigned status;
} passages[] = {
    {GET "\r\n", GOT, 0},
    {GET "\r\n" GET "\r\n", GOT GOT, 0},
    {"GET /?a=b%20 HTTP/1.0\r\nHost: a\r\n\r\n",
	"GET /?a=b%20 HTTP/1.0\r\nHost: a\r\n" FORWARDED, 0},
    /* nobody but us says who the visitor is */
    {GET "X-Forwarded-For: 1.2.3.4\r\nx-forwarded-proto: https\r\n"
	 "X-FORWARDED-Anything: 1\r\nForwarded: for=1.2.3.4\r\n"
	 "X-Real-IP: 1.2.3.4\r\nX-Taupe-Client-Certificate: Zm9v\r\n"
	 "X_Forwarded_For: 1.2.3.4\r\nx_real-ip: 1.2.3.4\r\n"
	 "Accept: */*\r\n\r\n",
	GET "Accept: */*\r\n" FORWARDED, 0},
    {GET "X-Forwarded: 1\r\nX-Real-IPs: 1\r\nForwardeds: 1\r\n\r\n",
	GET "X-Forwarded: 1\r\nX-Real-IPs: 1\r\nForwardeds: 1\r\n" FORWARDED, 0},
    {GET "Connection: close, X-Forwarded-For\r\n\r\n",
	GET "Connection: close\r\n" FORWARDED, 0},
    {GET "connection: keep-alive\r\nConnection: cookie\r\nCookie: a=b\r\n\r\n",
	GET "Cookie: a=b\r\nConnection: keep-alive\r\n" FORWARDED, 0},
    /* bodies */
    {POST "Content-Length: 5\r\n\r\nhello" GET "\r\n",
	POST "Content-Length: 5\r\n" FORWARDED "hello" GOT, 0},
    {POST "Content-Length: 0\r\n\r\n" GET "\r\n",
	POST "Content-Length: 0\r\n" FORWARDED GOT, 0},
    {POST "Content-Length: 56\r\n\r\n" GET "X-Forwarded-For: 1.2.3.4\r\n\r\n",
	POST "Content-Length: 56\r\n" FORWARDED GET
	     "X-Forwarded-For: 1.2.3.4\r\n\r\n",
	0},
    {CHUNKED "\r\n5\r\nhello\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\n\r\n" GET
	     "\r\n",
	CHUNKED FORWARDED "5\r\nhello\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\n\r\n" GOT,
	0},
    {CHUNKED "\r\n0\r\nX-Sum: 1\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n" GET "\r\n",
	CHUNKED FORWARDED "0\r\nX-Sum: 1\r\n\r\n" GOT, 0},
    {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
	"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n" FORWARDED
	"x",
	0},
    /* what a server behind us could read differently */
    {CHUNKED "Content-Length: 5\r\n\r\n0\r\n\r\n", "", 400},
    {POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "", 400},
    {POST "Content-Length: 5, 5\r\n\r\nhello", "", 400},
    {POST "Content-Length: +5\r\n\r\nhello", "", 400},
    {POST "Content-Length: 0x5\r\n\r\nhello", "", 400},
    {POST "Content-Length:\r\n\r\n", "", 400},
    {POST "Content-Length: 18446744073709551615\r\n\r\n", "", 400},
    {POST "Transfer-Encoding: gzip, chunked\r\n\r\n", "", 501},
    {POST "Transfer-Encoding: xchunked\r\n\r\n", "", 501},
    {POST "Transfer-Encoding:\r\n\r\n", "", 501},
    {CHUNKED "Transfer-Encoding: identity\r\n\r\n", "", 400},
    {"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "",
	400},
    {POST "Transfer-Encoding : chunked\r\n\r\n", "", 400},
    {POST "Transfer-Encoding:\r\n chunked\r\n\r\n", "", 400},
    {GET "A: b\nTransfer-Encoding: chunked\r\n\r\n", "", 400},
    {GET "A: b\rTransfer-Encoding: chunked\r\n\r\n", "", 400},
    {CHUNKED "\r\nx\r\n", CHUNKED FORWARDED, 400},
    {CHUNKED "\r\n\r\n", CHUNKED FORWARDED, 400},
    {CHUNKED "\r\n0x5\r\nhello", CHUNKED FORWARDED "0", 400},
    {CHUNKED "\r\n-1\r\n", CHUNKED FORWARDED, 400},
    {CHUNKED "\r\n5\nhello", CHUNKED FORWARDED "5", 400},
    {CHUNKED "\r\n5 \r\nhello", CHUNKED FORWARDED "5", 400},
    {CHUNKED "\r\n5\r\nhelloX", CHUNKED FORWARDED "5\r\nhello", 400},
    {CHUNKED "\r\n5\r\nhello\n", CHUNKED FORWARDED "5\r\nhello", 400},
    {CHUNKED "\r\n5;a\nb\r\n", CHUNKED FORWARDED "5;a", 400},
    {CHUNKED "\r\n0\r\nbad trailer\r\n\r\n", CHUNKED FORWARDED "0\r\n", 400},
    {CHUNKED "\r\nfffffffffffffffff\r\n", CHUNKED FORWARDED "fffffffffffffff",
	400},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", 505},
    /* another protocol: first of its connection, and not HTTP */
    {GET "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\nxyz",
	GET "Upgrade: websocket\r\nConnection: upgrade\r\n" FORWARDED, 0},
    {GET "\r\n" GET "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	GOT GOT, 0},
    {GET "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n" GET "\r\n",
	GOT GOT, 0},
    {GET "Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n\r\n" GET "\r\n",
	GOT GOT, 0},
    {GET "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n\r\n" GET "\r\n",
	GOT GOT, 0},
    {GET "Upgrade: websocket\r\n\r\n" GET "\r\n", GOT GOT, 0},
    {GET "Connection: Upgrade\r\nUpgrade: a\r\nContent-Length: 1\r\n\r\nx" GET
	 "\r\n",
	GET "Content-Length: 1\r\n" FORWARDED "x" GOT, 0},
};

static void
require_passage(const struct passage *passage, size_t i)
{
	ck_assert_uint_eq(passage->status, passages[i].status);
	ck_assert_str_eq(passage->out, passages[i].out);
}

START_TEST(passes_on_what_it_should)
{
	size_t i = (size_t)_i, len = strlen(passages[i].in);
	struct passage passage;

	passage_init(&passage);
	feed(&passage, passages[i].in, len);
	require_passage(&passage, i);
}
END_TEST

START_TEST(every_split_gives_the_same)
{
	size_t i = (size_t)_i, len = strlen(passages[i].in);
	struct passage passage;

	for (size_t cut = 1; cut < len; cut++) {
		passage_init(&passage);
		feed(&passage, passages[i].in, cut);
		feed(&passage, passages[i].in + cut, len - cut);
		require_passage(&passage, i);
	}
	passage_init(&passage);
	for (size_t at = 0; at < len; at++)
		feed(&passage, passages[i].in + at, 1);
	require_passage(&passage, i);
}
END_TEST

START_TEST(proxy_that_is_trusted_is_passed_on)
{
	static const char in[] =
	    GET "X-Forwarded-For: 192.0.2.7, 192.0.2.8\r\nForwarded: for=a\r\n"
		"X-Forwarded-Proto: https\r\n\r\n";
	struct http_forward forward = {
	    .from = STR("192.0.2.1"), .scheme = STR("http"), .trusted = true};
	struct http_head head;
	char out[512];
	struct writer w;
	size_t consumed;

	ck_assert_int_eq(
	    http_request_parse(in, sizeof(in) - 1, &head, &consumed), WIRE_DONE);
	ck_assert(slice_is(http_forwarded_for(&head), "192.0.2.8"));
	writer_init(&w, out, sizeof(out) - 1);
	http_forward_head(&head, &forward, &w);
	*w.at = '\0';
	ck_assert_str_eq(out,
	    GET "X-Forwarded-For: 192.0.2.7, 192.0.2.8\r\nForwarded: for=a\r\n"
		"X-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n\r\n");
}
END_TEST

START_TEST(chunk_line_has_a_bound)
{
	char in[512];
	struct passage passage;

	for (size_t len = HTTP_CHUNK_LINE_MAX - 4;
	     len <= HTTP_CHUNK_LINE_MAX; len++) {
		passage_init(&passage);
		feed(&passage, CHUNKED "\r\n", strlen(CHUNKED "\r\n"));
		memset(in, 'x', sizeof(in));
		memcpy(in, "1;", 2);
		memcpy(in + len - 2, "\r\n", 2);
		feed(&passage, in, len);
		ck_assert_uint_eq(passage.status,
		    len <= HTTP_CHUNK_LINE_MAX ? 0 : 400);
	}
	passage_init(&passage);
	feed(&passage, CHUNKED "\r\n", strlen(CHUNKED "\r\n"));
	memset(in, '0', sizeof(in));
	feed(&passage, in, sizeof(in));
	ck_assert_uint_eq(passage.status, 400);
}
END_TEST

static const struct {
	const char *in;
	enum wire_result result;
	bool yes;
} answers[] = {
    {"HTTP/1.1 101", WIRE_DONE, true},
    {"HTTP/1.1 101 Switching Protocols\r\n", WIRE_DONE, true},
    {"HTTP/1.1 200 OK\r\n", WIRE_DONE, false},
    {"HTTP/1.0 404 Not Found\r\n", WIRE_DONE, false},
    {"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 101", WIRE_DONE, true},
    {"HTTP/1.1 102\r\n\r\nHTTP/1.1 200", WIRE_DONE, false},
    {"HTTP/1.1 102\n\nHTTP/1.1 101", WIRE_DONE, true},
    {"HTTP/1.1 102 x\r\nHTTP/1.1 101\r\n", WIRE_MORE, false},
    {"HTTP/1.1 10", WIRE_MORE, false},
    {"HTTP/2.0 101", WIRE_BAD, false},
    {"SSH-2.0-x", WIRE_BAD, false},
    {"HTTP/1.1 1x1", WIRE_BAD, false},
};

START_TEST(knows_an_answer_that_switches)
{
	size_t i = (size_t)_i, len = strlen(answers[i].in);

	for (size_t cut = 0; cut <= len; cut++) {
		struct http_switch look = {0};
		bool yes = false;
		enum wire_result result = http_switch_look(
		    &look, guard_copy(0, answers[i].in, cut), cut, &yes);

		if (result == WIRE_MORE)
			result = http_switch_look(&look,
			    guard_copy(1, answers[i].in + cut, len - cut),
			    len - cut, &yes);
		ck_assert_int_eq(result, answers[i].result);
		ck_assert_int_eq(yes, answers[i].yes);
	}
}
END_TEST

START_TEST(answer_decides_what_follows)
{
	struct http_stream stream = {.part = HTTP_SWITCH};

	http_stream_switched(&stream, true);
	ck_assert_int_eq(stream.part, HTTP_TUNNEL);
	http_stream_switched(&stream, false);
	ck_assert_int_eq(stream.part, HTTP_HEAD);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("wire/http_stream");
	TCase *tcase = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(
	    tcase, passes_on_what_it_should, 0, (int)COUNT(passages));
	tcase_add_loop_test(
	    tcase, every_split_gives_the_same, 0, (int)COUNT(passages));
	tcase_add_test(tcase, proxy_that_is_trusted_is_passed_on);
	tcase_add_test(tcase, chunk_line_has_a_bound);
	tcase_add_loop_test(
	    tcase, knows_an_answer_that_switches, 0, (int)COUNT(answers));
	tcase_add_test(tcase, answer_decides_what_follows);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
