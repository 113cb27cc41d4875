/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../net/side.h"
#include "base/log.h"
#include "relay/page.h"
#include "wire/http_head.h"

#define LARGEST (256 * 1024)

static struct pages pages;
static char folder[200];

static void
setup(void)
{
	const char *parent = getenv("TMPDIR");

	side_begin(0);
	log_setup("test", LOG_LEVEL_ERROR, false);
	snprintf(folder, sizeof(folder), "%s/taupe-page-XXXXXX",
	    parent ? parent : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chdir(folder), 0);
}

static void
teardown(void)
{
	(void)remove("404.html");
	(void)remove("502.html");
	(void)remove("503.html");
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(folder), 0);
	pages_free(&pages);
	side_teardown();
}

static void
page_file(const char *name, const char *body)
{
	FILE *file = fopen(name, "w");

	ck_assert_ptr_nonnull(file);
	fputs(body, file);
	ck_assert_int_eq(fclose(file), 0);
}

/* What a visitor receives: the head is checked, the body returned until the next call. */
static const char *
received(enum page page, unsigned retry_after_s, unsigned status)
{
	static struct peer peer;
	static char head_copy[1000];
	struct side *side;
	struct http_answer head;
	const struct str *fields = head.fields;
	uint64_t value;
	size_t consumed;

	peer_close(&peer);
	side = side_open(&peer, 0, 0);
	page_write(&pages, page, retry_after_s, true, &side->conn);
	conn_shutdown(&side->conn);
	run_until_ended(loop, &peer);
	side_free(side);
	ck_assert_uint_gt(peer.len, 20);
	snprintf(head_copy, sizeof(head_copy), "%.*s",
	    (int)(peer.len < 999 ? peer.len : 999), (char *)peer.data);
	ck_assert_int_eq(
	    http_answer_parse(head_copy, strlen(head_copy), &head, &consumed),
	    WIRE_DONE);
	ck_assert_uint_eq(head.status, status);
	ck_assert_ptr_nonnull(strstr(head_copy, "\r\nConnection: close\r\n"));
	ck_assert_ptr_nonnull(
	    strstr(head_copy, "\r\nCache-Control: no-store\r\n"));
	ck_assert(
	    str_is(fields[HTTP_CONTENT_TYPE], "text/html; charset=utf-8"));
	ck_assert(
	    str_to_number(fields[HTTP_CONTENT_LENGTH], UINT64_MAX, &value));
	ck_assert_uint_eq(value, peer.len - consumed);
	ck_assert_int_eq(
	    fields[HTTP_RETRY_AFTER].ptr != NULL, retry_after_s > 0);
	if (retry_after_s > 0) {
		ck_assert(
		    str_to_number(fields[HTTP_RETRY_AFTER], 1000, &value));
		ck_assert_uint_eq(value, retry_after_s);
	}
	peer.data = realloc(peer.data, peer.len + 1);
	peer.data[peer.len] = '\0';
	return (const char *)peer.data + consumed;
}

START_TEST(built_in_pages_say_what_is_wrong)
{
	ck_assert_ptr_nonnull(
	    strstr(received(PAGE_UNKNOWN, 0, 404), "No device"));
	ck_assert_ptr_nonnull(
	    strstr(received(PAGE_REFUSED, 2, 502), "did not answer"));
	ck_assert_ptr_nonnull(
	    strstr(received(PAGE_OFFLINE, 5, 503), "offline"));
	ck_assert_ptr_nonnull(strstr(received(PAGE_BUSY, 5, 503), "is busy"));
	ck_assert_ptr_nonnull(
	    strstr(received(PAGE_CROWD, 5, 429), "your network"));
}
END_TEST

START_TEST(no_folder_leaves_them_built_in)
{
	ck_assert_int_eq(pages_load(&pages, NULL), 0);
	ck_assert_int_eq(pages_load(&pages, "/nonexistent"), 0);
	ck_assert_ptr_nonnull(
	    strstr(received(PAGE_OFFLINE, 0, 503), "offline"));
}
END_TEST

START_TEST(files_take_the_place_of_what_they_name)
{
	page_file("503.html", "<h1>back soon</h1>");
	ck_assert_int_eq(pages_load(&pages, folder), 0);
	ck_assert_str_eq(received(PAGE_OFFLINE, 5, 503), "<h1>back soon</h1>");
	ck_assert_ptr_nonnull(
	    strstr(received(PAGE_UNKNOWN, 0, 404), "No device"));
	/* read again: changed, added, removed */
	page_file("404.html", "");
	ck_assert_int_eq(remove("503.html"), 0);
	ck_assert_int_eq(pages_load(&pages, folder), 0);
	ck_assert_str_eq(received(PAGE_UNKNOWN, 0, 404), "");
	ck_assert_ptr_nonnull(
	    strstr(received(PAGE_OFFLINE, 0, 503), "offline"));
}
END_TEST

START_TEST(the_largest_page_fits_and_a_larger_one_changes_nothing)
{
	char *body = malloc(LARGEST + 2);

	memset(body, 'x', LARGEST + 1);
	body[LARGEST] = '\0';
	page_file("502.html", body);
	ck_assert_int_eq(pages_load(&pages, folder), 0);
	ck_assert_str_eq(received(PAGE_REFUSED, 0, 502), body);
	memset(body, 'y', LARGEST + 1);
	body[LARGEST + 1] = '\0';
	page_file("502.html", body);
	page_file("404.html", "new");
	ck_assert_int_eq(pages_load(&pages, folder), -1);
	ck_assert_int_eq(*received(PAGE_REFUSED, 0, 502), 'x');
	ck_assert_ptr_nonnull(
	    strstr(received(PAGE_UNKNOWN, 0, 404), "No device"));
	free(body);
}
END_TEST

START_TEST(what_cannot_be_read_is_an_error)
{
	ck_assert_int_eq(mkdir("404.html", 0700), 0);
	ck_assert_int_eq(pages_load(&pages, folder), -1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("page");
	TCase *tests = tcase_create("page");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, built_in_pages_say_what_is_wrong);
	tcase_add_test(tests, no_folder_leaves_them_built_in);
	tcase_add_test(tests, files_take_the_place_of_what_they_name);
	tcase_add_test(
	    tests, the_largest_page_fits_and_a_larger_one_changes_nothing);
	tcase_add_test(tests, what_cannot_be_read_is_an_error);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
