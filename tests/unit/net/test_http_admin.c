/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "net/conn.h"
#include "net/http_admin.h"
#include "support.h"

static struct loop *loop;
static struct http_admin *admin;
static struct address bound;
static struct conn conn;
static char answer[1 << 20];
static size_t answer_len;
static int n_ended;
static char last_query[256];

static void
hello_cb(void *ctx, const char *query, struct http_reply *reply)
{
	ck_assert_ptr_eq(ctx, &bound);
	snprintf(last_query, sizeof(last_query), "%s",
	    query != NULL ? query : "(none)");
	reply->body = strdup("hello\n");
	reply->len = 6;
}

static void
unwell_cb(void *ctx, const char *query, struct http_reply *reply)
{
	(void)ctx;
	(void)query;
	reply->status = 503;
	reply->type = "application/json";
	reply->body = strdup("{}");
	reply->len = 2;
}

static void
empty_cb(void *ctx, const char *query, struct http_reply *reply)
{
	(void)ctx;
	(void)query;
	reply->body = strdup("allocated, and of no length");
}

static void
large_cb(void *ctx, const char *query, struct http_reply *reply)
{
	(void)ctx;
	(void)query;
	reply->len = 500000;
	reply->body = malloc(reply->len);
	memset(reply->body, 'x', reply->len);
}

static const struct http_admin_route routes[] = {
    {"/healthz", "text/plain", hello_cb},
    {"/readyz", "text/plain", unwell_cb},
    {"/empty", "text/plain", empty_cb},
    {"/large", "application/octet-stream", large_cb},
    {NULL, NULL, NULL},
};

static void
readable_cb(struct conn *c)
{
	ssize_t got;

	while ((got = conn_read(c, answer + answer_len,
		    sizeof(answer) - 1 - answer_len)) > 0)
		answer_len += (size_t)got;
	if (got == CONN_AGAIN)
		return;
	answer[answer_len] = '\0';
	n_ended++;
	conn_fini(c);
}

static void
connected_cb(struct conn *c, const char *error)
{
	(void)c;
	ck_assert_msg(error == NULL, "%s", error);
}

static void
broken_cb(struct conn *c)
{
	n_ended++;
	conn_fini(c);
}

static const struct conn_ops ops = {.readable_cb = readable_cb,
    .connected_cb = connected_cb,
    .broken_cb = broken_cb};

/* Send bytes, then read until the server closes. */
static const char *
exchange(const char *bytes, size_t len)
{
	int before = n_ended;

	answer_len = 0;
	answer[0] = '\0';
	ck_assert_int_eq(conn_connect(&conn, loop, &bound, &ops, NULL), 0);
	ck_assert_int_eq(conn_write(&conn, bytes, len), 0);
	run_until(loop, &n_ended, before + 1);
	return answer;
}

static const char *
request(const char *method, const char *target, const char *headers)
{
	static char text[65536];

	snprintf(text, sizeof(text),
	    "%s %s HTTP/1.1\r\n%sConnection: close\r\n\r\n", method, target,
	    headers);
	return exchange(text, strlen(text));
}

static int
status(const char *text)
{
	int code = 0;

	return sscanf(text, "HTTP/1.%*d %d", &code) == 1 ? code : 0;
}

static void
setup(void)
{
	struct address any = address_from("127.0.0.1:0");

	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	admin = http_admin_new(loop, &any, routes, &bound);
	ck_assert_ptr_nonnull(admin);
	http_admin_address(admin, &bound);
	ck_assert_uint_ne(address_port(&bound), 0);
	conn = (struct conn)CONN_CLOSED;
}

static void
teardown(void)
{
	conn_fini(&conn);
	http_admin_free(&admin);
	buf_pool_drain();
	loop_free(&loop);
}

START_TEST(answers_a_known_path)
{
	const char *got = request("GET", "/healthz", "Host: localhost\r\n");

	ck_assert_int_eq(status(got), 200);
	ck_assert_ptr_nonnull(strstr(got, "Content-Type: text/plain\r\n"));
	ck_assert_ptr_nonnull(strstr(got, "Content-Length: 6\r\n"));
	ck_assert_ptr_nonnull(strstr(got, "Cache-Control: no-store\r\n"));
	ck_assert_ptr_nonnull(
	    strstr(got, "X-Content-Type-Options: nosniff\r\n"));
	ck_assert_ptr_nonnull(strstr(got, "\r\n\r\nhello\n"));
	ck_assert_str_eq(last_query, "(none)");
}
END_TEST

START_TEST(hands_the_query_on)
{
	ck_assert_int_eq(status(request("GET", "/healthz?a=b&c", "")), 200);
	ck_assert_str_eq(last_query, "a=b&c");
}
END_TEST

START_TEST(a_reply_has_its_own_status_and_type)
{
	const char *got = request("GET", "/readyz", "");

	ck_assert_int_eq(status(got), 503);
	ck_assert_ptr_nonnull(
	    strstr(got, "Content-Type: application/json\r\n"));
}
END_TEST

START_TEST(bodies_may_be_empty_or_large)
{
	const char *got = request("GET", "/empty", "");

	ck_assert_int_eq(status(got), 200);
	ck_assert_ptr_nonnull(strstr(got, "Content-Length: 0\r\n"));
	got = request("GET", "/large", "");
	ck_assert_int_eq(status(got), 200);
	ck_assert_uint_gt(answer_len, 500000);
}
END_TEST

START_TEST(other_paths_are_not_found)
{
	static const char *const targets[] = {"/", "/healthz/", "/healthzz",
	    "/Healthz", "/../healthz", "/%68ealthz"};

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		ck_assert_msg(status(request("GET", targets[i], "")) == 404,
		    "%s: %s", targets[i], answer);
}
END_TEST

START_TEST(reading_is_all_that_is_allowed)
{
	static const char *const methods[] = {
	    "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		const char *got =
		    request(methods[i], "/healthz", "Content-Length: 0\r\n");

		ck_assert_msg(status(got) == 405, "%s: %s", methods[i], got);
		ck_assert_ptr_nonnull(strstr(got, "Allow: GET, HEAD\r\n"));
	}
}
END_TEST

START_TEST(head_has_no_body)
{
	const char *got = request("HEAD", "/healthz", "");

	ck_assert_int_eq(status(got), 200);
	ck_assert_ptr_null(strstr(got, "hello"));
}
END_TEST

START_TEST(a_foreign_host_is_refused)
{
	static const struct {
		const char *header;
		int status;
	} hosts[] = {
	    {"", 200},
	    {"Host:\r\n", 200},
	    {"Host: localhost\r\n", 200},
	    {"Host: LOCALHOST:9000\r\n", 200},
	    {"Host: 127.0.0.1\r\n", 200},
	    {"Host: 127.0.0.1:9000\r\n", 200},
	    {"Host: [::1]\r\n", 200},
	    {"Host: [::1]:9000\r\n", 200},
	    {"Host: evil.example\r\n", 403},
	    {"Host: evil.example:9000\r\n", 403},
	    {"Host: localhost.evil.example\r\n", 403},
	    {"Host: evil.localhost\r\n", 403},
	    {"Host: 127.0.0.1.evil.example\r\n", 403},
	    {"Host: a:localhost\r\n", 403},
	};

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		ck_assert_msg(status(request("GET", "/healthz",
				  hosts[i].header)) == hosts[i].status,
		    "%s%s", hosts[i].header, answer);
	/* A target in absolute form does not get round it. */
	ck_assert_int_eq(status(request("GET", "http://evil.example/healthz",
			     "Host: evil.example\r\n")),
	    403);
	ck_assert_int_eq(
	    status(request("GET", "http://evil.example/healthz", "")), 403);
	ck_assert_int_eq(
	    status(request("GET", "//evil.example/healthz", "")), 403);
}
END_TEST

START_TEST(large_requests_are_refused)
{
	static char header[20000];
	int n = snprintf(header, sizeof(header), "X-Large: ");

	memset(header + n, 'x', 12000);
	strcpy(header + n + 12000, "\r\n");
	ck_assert_int_ne(status(request("GET", "/healthz", header)), 200);
	ck_assert_int_ne(
	    status(request("GET", "/healthz", "Content-Length: 10000000\r\n")),
	    200);
	ck_assert_int_eq(status(request("GET", "/healthz", "")), 200);
}
END_TEST

START_TEST(malformed_requests_end_one_connection)
{
	static const char *const bad[] = {"garbage\r\n\r\n", "\r\n\r\n",
	    "GET\r\n\r\n", "GET /healthz HTTP/9.9\r\n\r\n",
	    "GET /healthz\r\n\r\n",
	    "\x16\x03\x01\x02\x01\x01\xfc\x03\x03\r\n\r\n",
	    "GET /healthz HTTP/1.1\r\n: x\r\nConnection: close\r\n\r\n",
	    "BREW /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *got = exchange(bad[i], strlen(bad[i]));

		ck_assert_msg(status(got) != 200 || i == 6, "%s", bad[i]);
	}
	ck_assert_int_eq(status(request("GET", "/healthz", "")), 200);
}
END_TEST

START_TEST(a_port_in_use_is_refused)
{
	int before = open_descriptors();

	ck_assert_ptr_null(http_admin_new(loop, &bound, routes, &bound));
	ck_assert_int_eq(errno, EADDRINUSE);
	ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

START_TEST(rests_when_descriptors_run_out)
{
	struct rlimit limit, few;
	clock_t cpu_before;
	int fd = dial(&bound);

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	few.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	cpu_before = clock();
	run_for_ms(loop, 300);
	ck_assert_int_lt(clock() - cpu_before, CLOCKS_PER_SEC / 5);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(status(request("GET", "/healthz", "")), 200);
	close(fd);
}
END_TEST

START_TEST(may_be_freed_with_a_connection_open)
{
	ck_assert_int_eq(conn_connect(&conn, loop, &bound, &ops, NULL), 0);
	ck_assert_int_eq(conn_write(&conn, "GET /hea", 8), 0);
	run_for_ms(loop, 30);
	http_admin_free(&admin);
	ck_assert_ptr_null(admin);
	run_until(loop, &n_ended, 1);
}
END_TEST

/* ---- a handler ---- */

static struct http_request *kept;
static int n_gone;

static void
echo(struct http_request **request)
{
	struct http_reply reply = {.status = 201, .type = "text/plain"};
	struct str body = http_request_body(*request);
	FILE *out = open_memstream(&reply.body, &reply.len);

	fprintf(out, "%d %s %s [%.*s] %s", (int)http_request_method(*request),
	    http_request_path(*request), http_request_peer(*request),
	    STR_ARG(body), http_request_header(*request, "X-Mine"));
	fclose(out);
	reply.headers[0].name = "X-Yours";
	reply.headers[0].value = "1";
	http_request_answer(request, &reply);
}

static void
handle_cb(void *ctx, struct http_request *request)
{
	ck_assert_ptr_eq(ctx, &bound);
	if (http_request_too_large(request)) {
		struct http_reply reply = {.status = 413};

		http_request_answer(&request, &reply);
	} else if (http_request_route(request) != NULL) {
		http_request_run(&request);
	} else if (strcmp(http_request_path(request), "/later") == 0) {
		kept = request;
	} else {
		echo(&request);
	}
}

static void
gone_cb(void *ctx)
{
	ck_assert_ptr_eq(ctx, &kept);
	n_gone++;
}

START_TEST(a_handler_has_the_whole_request)
{
	static const char text[] =
	    "PATCH /x/y HTTP/1.1\r\nX-Mine: z\r\nConnection: close\r\n"
	    "Content-Length: 4\r\n\r\nabcd";
	const char *got;

	http_admin_handle(admin, handle_cb);
	got = exchange(text, sizeof(text) - 1);
	ck_assert_int_eq(status(got), 201);
	ck_assert_ptr_nonnull(strstr(got, "X-Yours: 1\r\n"));
	ck_assert_ptr_nonnull(strstr(got, "\r\n\r\n4 /x/y 127.0.0.1 [abcd] z"));
	ck_assert_int_eq(status(request("GET", "/healthz", "")), 200);
	ck_assert_int_eq(status(request("DELETE", "/healthz", "")), 405);
	ck_assert_int_eq(
	    status(request("GET", "/x", "Host: evil.example\r\n")), 403);
}
END_TEST

START_TEST(too_large_a_body_is_told)
{
	static char text[HTTP_BODY_MAX + 300];
	int n = snprintf(text, sizeof(text),
	    "POST /x HTTP/1.1\r\nConnection: close\r\nContent-Length: "
	    "%d\r\n\r\n",
	    HTTP_BODY_MAX + 1);

	memset(text + n, 'x', HTTP_BODY_MAX + 1);
	http_admin_handle(admin, handle_cb);
	ck_assert_int_eq(
	    status(exchange(text, (size_t)n + HTTP_BODY_MAX + 1)), 413);
	ck_assert_int_eq(
	    status(request("POST", "/x", "Content-Length: 99999999\r\n")), 413);
}
END_TEST

static void
begin_later(void)
{
	static const char text[] = "GET /later HTTP/1.1\r\n\r\n";

	http_admin_handle(admin, handle_cb);
	kept = NULL;
	answer_len = 0;
	ck_assert_int_eq(conn_connect(&conn, loop, &bound, &ops, NULL), 0);
	ck_assert_int_eq(conn_write(&conn, text, sizeof(text) - 1), 0);
	for (int i = 0; i < 500 && kept == NULL; i++)
		run_for_ms(loop, 2);
	ck_assert_ptr_nonnull(kept);
}

START_TEST(an_answer_may_come_later)
{
	begin_later();
	echo(&kept);
	ck_assert_ptr_null(kept);
	for (int i = 0; i < 500 && answer_len == 0; i++) {
		run_for_ms(loop, 2);
		readable_cb(&conn);
	}
	answer[answer_len] = '\0';
	ck_assert_int_eq(status(answer), 201);
}
END_TEST

static void
answer_kept(void)
{
	struct http_reply reply = {
	    .status = 200, .body = strdup("x"), .len = 1};

	http_request_answer(&kept, &reply);
}

START_TEST(an_answer_may_come_too_late)
{
	begin_later();
	conn_fini(&conn);
	run_for_ms(loop, 30);
	answer_kept();
	run_for_ms(loop, 10);
	begin_later();
	http_admin_free(&admin);
	answer_kept();
}
END_TEST

static void
begin_stream(void)
{
	struct http_reply reply = {.status = 200, .type = "text/event-stream"};

	begin_later();
	n_gone = 0;
	ck_assert(http_request_stream(kept, &reply, gone_cb, &kept));
	ck_assert(http_request_send(kept, "data: 1\n\n", 9));
	for (int i = 0; i < 500 && answer_len == 0; i++)
		run_for_ms(loop, 2);
}

START_TEST(a_stream_goes_on_until_somebody_leaves)
{
	begin_stream();
	run_for_ms(loop, 10);
	answer[answer_len] = '\0';
	ck_assert_ptr_nonnull(
	    strstr(answer, "Content-Type: text/event-stream"));
	ck_assert_ptr_nonnull(strstr(answer, "data: 1"));
	conn_fini(&conn);
	run_until(loop, &n_gone, 1);
	begin_stream(); /* our end, and the connection's */
	n_ended = 0;
	http_request_end(&kept);
	run_until(loop, &n_ended, 1);
	ck_assert_int_eq(n_gone, 0);
	begin_stream(); /* the server's end */
	http_admin_free(&admin);
	ck_assert(!http_request_send(kept, "x", 1));
	http_request_end(&kept);
	ck_assert_int_eq(n_gone, 0);
}
END_TEST

static int
count_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(a_stream_that_nobody_reads_is_bounded_and_cut)
{
	static char much[65536];
	int n = 0, descriptors;

	begin_stream();
	memset(much, 'x', sizeof(much));
	while (http_request_send(kept, much, sizeof(much)))
		n++;
	ck_assert_int_le(n, HTTP_BACKLOG_MAX / (int)sizeof(much));
	descriptors = count_descriptors();
	http_request_end(&kept);
	ck_assert_int_eq(count_descriptors(), descriptors - 1);
	ck_assert_int_eq(n_gone, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("http_admin");
	TCase *tests = tcase_create("http_admin");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, answers_a_known_path);
	tcase_add_test(tests, hands_the_query_on);
	tcase_add_test(tests, a_reply_has_its_own_status_and_type);
	tcase_add_test(tests, bodies_may_be_empty_or_large);
	tcase_add_test(tests, other_paths_are_not_found);
	tcase_add_test(tests, reading_is_all_that_is_allowed);
	tcase_add_test(tests, head_has_no_body);
	tcase_add_test(tests, a_foreign_host_is_refused);
	tcase_add_test(tests, large_requests_are_refused);
	tcase_add_test(tests, malformed_requests_end_one_connection);
	tcase_add_test(tests, a_port_in_use_is_refused);
	tcase_add_test(tests, rests_when_descriptors_run_out);
	tcase_add_test(tests, may_be_freed_with_a_connection_open);
	tcase_add_test(tests, a_handler_has_the_whole_request);
	tcase_add_test(tests, too_large_a_body_is_told);
	tcase_add_test(tests, an_answer_may_come_later);
	tcase_add_test(tests, an_answer_may_come_too_late);
	tcase_add_test(tests, a_stream_goes_on_until_somebody_leaves);
	tcase_add_test(tests, a_stream_that_nobody_reads_is_bounded_and_cut);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
