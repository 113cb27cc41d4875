/* SPDX-License-Identifier: MIT */
/* The log: one event, one line, whatever stands in the fields. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/close_reason.h"
#include "base/log.h"
#include "support.h"

/* The line behind the time and the level. */
static const char *
logged_message(void)
{
	const char *line = capture_end(), *message = strstr(line, " msg=");

	ck_assert_msg(message != NULL, "no message in: %s", line);
	return message + 1;
}

START_TEST(line_has_time_level_message_and_fields)
{
	const char *line;

	capture_begin(STDERR_FILENO);
	log_info("session opened", LOG_S("device", "alice"),
	    LOG_U("epoch", UINT64_MAX), LOG_I("delta", INT64_MIN));
	line = capture_end();
	ck_assert_str_eq(line + 25,
	    "level=info msg=\"session opened\" device=alice "
	    "epoch=18446744073709551615 delta=-9223372036854775808\n");
	for (int i = 0; i < 24; i++) {
		char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";

		if (form[i] == 'd')
			ck_assert_msg(
			    line[i] >= '0' && line[i] <= '9', "time: %s", line);
		else
			ck_assert_int_eq(line[i], form[i]);
	}
}
END_TEST

START_TEST(message_alone_is_a_line)
{
	capture_begin(STDERR_FILENO);
	log_warn("stopping");
	ck_assert_str_eq(capture_end() + 25, "level=warn msg=stopping\n");
}
END_TEST

static const struct {
	const char *value, *logged;
} values[] = {
    {"plain", "plain"},
    {"127.0.0.1:80", "127.0.0.1:80"},
    {"", "\"\""},
    {"two words", "\"two words\""},
    {"a=b", "\"a=b\""},
    {"say \"hi\"", "\"say \\\"hi\\\"\""},
    {"back\\slash", "\"back\\\\slash\""},
    {"line\nbreak\r\ttab", "\"line\\nbreak\\r\\ttab\""},
    {"\x1b[31mred", "\"\\x1b[31mred\""},
    {"\x7f", "\"\\x7f\""},
    {"caf\xc3\xa9", "\"caf\\xc3\\xa9\""},
    {"x\nlevel=error msg=forged", "\"x\\nlevel=error msg=forged\""},
};

START_TEST(value_is_quoted_and_escaped)
{
	char expected[200];

	capture_begin(STDERR_FILENO);
	log_info("m", LOG_S("k", values[_i].value), LOG_U("after", 1));
	snprintf(expected, sizeof(expected), "msg=m k=%s after=1\n",
	    values[_i].logged);
	ck_assert_str_eq(logged_message(), expected);
}
END_TEST

START_TEST(slice_with_nul_is_escaped)
{
	capture_begin(STDERR_FILENO);
	log_info("m", LOG_STR("k", STR("a\0b")));
	ck_assert_str_eq(logged_message(), "msg=m k=\"a\\x00b\"\n");
}
END_TEST

START_TEST(absent_values_leave_their_field_out)
{
	struct str absent = {NULL, 0};
	const char *none = NULL;

	capture_begin(STDERR_FILENO);
	log_info(
	    "m", LOG_S("a", none), LOG_STR("b", absent), LOG_S("c", "here"));
	ck_assert_str_eq(logged_message(), "msg=m c=here\n");
}
END_TEST

/* Around the limit, each length gives one line that ends well. */
START_TEST(long_line_is_cut_and_says_so)
{
	static char value[3000];
	bool was_cut = false;

	for (size_t len = 1900; len < 2100; len++) {
		const char *line;
		size_t size;

		memset(value, 'v', len);
		value[len] = '\0';
		if (_i == 1)
			value[len / 2] = '"';
		capture_begin(STDERR_FILENO);
		log_info("m", LOG_S("k", value), LOG_S("last", "yes"));
		line = capture_end();
		size = strlen(line);
		ck_assert_uint_le(size, 2000);
		ck_assert_ptr_eq(strchr(line, '\n'), line + size - 1);
		if (strstr(line, " last=yes\n") != NULL) {
			ck_assert_msg(!was_cut, "%zu fits, less did not", len);
		} else {
			was_cut = true;
			ck_assert_str_eq(line + size - 10, " cut=true\n");
		}
	}
	ck_assert(was_cut);
}
END_TEST

START_TEST(levels_below_the_threshold_are_silent)
{
	capture_begin(STDERR_FILENO);
	log_debug("hidden before setup");
	log_setup("test", LOG_LEVEL_WARN, false);
	log_info("hidden");
	log_error("shown");
	log_setup("test", LOG_LEVEL_DEBUG, false);
	log_debug("shown too");
	ck_assert_ptr_nonnull(strstr(capture_end(), "level=error msg=shown\n"));
	ck_assert_ptr_null(strstr(file_read("captured"), "hidden"));
	ck_assert_ptr_nonnull(
	    strstr(file_read("captured"), "level=debug msg=\"shown too\"\n"));
}
END_TEST

START_TEST(syslog_takes_the_lines_away_from_stderr)
{
	capture_begin(STDERR_FILENO);
	log_setup("taupe-test", LOG_LEVEL_DEBUG, true);
	log_debug("unit test");
	log_setup("taupe-test", LOG_LEVEL_DEBUG, false);
	log_debug("back");
	ck_assert_ptr_null(strstr(capture_end(), "unit test"));
	ck_assert_ptr_nonnull(strstr(file_read("captured"), "msg=back"));
}
END_TEST

START_TEST(errno_survives_and_has_a_text)
{
	capture_begin(STDERR_FILENO);
	errno = ENOENT;
	log_info("m", LOG_S("error", log_errno()));
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_str_eq(
	    logged_message(), "msg=m error=\"No such file or directory\"\n");
}
END_TEST

START_TEST(level_names_parse)
{
	enum log_level level;

	ck_assert(
	    log_level_parse(STR("error"), &level) && level == LOG_LEVEL_ERROR);
	ck_assert(
	    log_level_parse(STR("debug"), &level) && level == LOG_LEVEL_DEBUG);
	ck_assert(!log_level_parse(STR("Debug"), &level));
	ck_assert(!log_level_parse(STR(""), &level));
	ck_assert(!log_level_parse(STR("debugging"), &level));
}
END_TEST

/* Counters become metric names: small letters and underscores, each one once. */
START_TEST(close_reasons_have_distinct_counter_names)
{
	for (unsigned a = 0; a < CLOSE_REASON_COUNT; a++) {
		const char *name = close_reason_name(a),
			   *text = close_reason_description(a);

		ck_assert_uint_gt(strlen(name), 0);
		ck_assert_uint_eq(
		    strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		ck_assert_int_eq(text[strlen(text) - 1], '.');
		for (unsigned b = 0; b < a; b++)
			ck_assert_str_ne(name, close_reason_name(b));
	}
	ck_assert_str_eq(close_reason_name(CLOSE_TAKEN_OVER), "taken_over");
	ck_assert_str_eq(close_reason_description(CLOSE_SHUTDOWN),
	    "This process is stopping.");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("log");
	TCase *tcase = tcase_create("log");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, scratch_setup, scratch_teardown);
	tcase_add_test(tcase, line_has_time_level_message_and_fields);
	tcase_add_test(tcase, message_alone_is_a_line);
	tcase_add_loop_test(tcase, value_is_quoted_and_escaped, 0,
	    sizeof(values) / sizeof(values[0]));
	tcase_add_test(tcase, slice_with_nul_is_escaped);
	tcase_add_test(tcase, absent_values_leave_their_field_out);
	tcase_add_loop_test(tcase, long_line_is_cut_and_says_so, 0, 2);
	tcase_add_test(tcase, levels_below_the_threshold_are_silent);
	tcase_add_test(tcase, syslog_takes_the_lines_away_from_stderr);
	tcase_add_test(tcase, errno_survives_and_has_a_text);
	tcase_add_test(tcase, level_names_parse);
	tcase_add_test(tcase, close_reasons_have_distinct_counter_names);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
