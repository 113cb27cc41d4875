/* SPDX-License-Identifier: MIT */
#include "../wire/support.h"

#include <stdio.h>

#include "net/hap_reply.h"

/* As HAProxy 2.6.12 says it. */
static const char show_map[] =
    "# id (file) description\n"
    "0 (/m/http.new.map) pattern loaded from file '/m/http.new.map' used by "
    "map at file "
    "'t.cfg' line 11. curr_ver=0 next_ver=0 entry_cnt=0\n"
    "1 (/m/http.map) pattern loaded from file '/m/http.map' used by map at "
    "file 't.cfg' line "
    "12, by map at file 't.cfg' line 30. curr_ver=4 next_ver=5 "
    "entry_cnt=200000\n"
    "-1 () built-in\n\n> ";

static const struct {
	const char *raw, *text;
} replies[] = {
    {"\n> ", ""},
    {"+ \n> ", ""},
    {"+ + + \n> ", ""},
    {"+ + Version number in the future, please use 'prepare map' before.\n\n> ",
	"Version number in the future, please use 'prepare map' before."},
    {"entry not found.\n\n> ", "entry not found."},
    {"Name: HAProxy\nPid: 3\n\n> ", "Name: HAProxy\nPid: 3"},
    {"a > b\n\n> ", "a > b"},
    {"line\r\n\r\n> ", "line"},
};

START_TEST(finds_the_end_of_a_reply_at_every_split)
{
	for (size_t i = 0; i < COUNT(replies); i++) {
		size_t len = strlen(replies[i].raw);

		for (size_t cut = 0; cut < len; cut++) {
			struct hap_reply reply = {0};
			struct str text;

			ck_assert_int_eq(
			    hap_reply_feed(&reply,
				guard_copy(0, replies[i].raw, cut), cut, &text),
			    WIRE_MORE);
			ck_assert_int_eq(
			    hap_reply_feed(&reply,
				guard_copy(0, replies[i].raw + cut, len - cut),
				len - cut, &text),
			    WIRE_DONE);
			ck_assert_msg(str_is(text, replies[i].text), "%s",
			    replies[i].raw);
			hap_reply_fini(&reply);
		}
	}
}
END_TEST

START_TEST(one_byte_at_a_time_is_enough)
{
	struct hap_reply reply = {0};
	struct str text;

	for (size_t i = 0; i < COUNT(replies); i++) {
		size_t len = strlen(replies[i].raw);

		hap_reply_reset(&reply);
		for (size_t at = 0; at < len; at++)
			ck_assert_int_eq(
			    hap_reply_feed(&reply,
				guard_copy(0, replies[i].raw + at, 1), 1,
				&text),
			    at + 1 < len ? WIRE_MORE : WIRE_DONE);
		ck_assert(str_is(text, replies[i].text));
	}
	hap_reply_fini(&reply);
}
END_TEST

START_TEST(refuses_what_nobody_asked_for)
{
	struct hap_reply reply = {0};
	struct str text;

	ck_assert_int_eq(
	    hap_reply_feed(&reply, "\n> more", 7, &text), WIRE_BAD);
	hap_reply_reset(&reply);
	ck_assert_int_eq(hap_reply_feed(&reply, "a\0\n> ", 5, &text), WIRE_BAD);
	hap_reply_fini(&reply);
}
END_TEST

START_TEST(refuses_a_reply_without_end)
{
	struct hap_reply reply = {0};
	struct str text;
	char line[4096];
	size_t fed = 0;

	memset(line, 'x', sizeof(line));
	while (fed + sizeof(line) <= HAP_REPLY_MAX) {
		ck_assert_int_eq(
		    hap_reply_feed(&reply, line, sizeof(line), &text),
		    WIRE_MORE);
		fed += sizeof(line);
	}
	ck_assert_int_eq(hap_reply_feed(&reply, line, 1, &text), WIRE_BAD);
	hap_reply_fini(&reply);
}
END_TEST

START_TEST(reads_show_info)
{
	static const char full[] =
	    "Name: HAProxy\nVersion: 2.6.12-1+deb12u4\nPid: 11621\n"
	    "Uptime_sec: 0\nStopping: 1\nJobs: 5\n"
	    "Start_time_sec: 1795324082\nTainted: 0";
	struct hap_info info;
	size_t len = sizeof(full) - 1;

	ck_assert(
	    hap_info_parse((struct str){guard_copy(0, full, len), len}, &info));
	ck_assert_uint_eq(info.pid, 11621);
	ck_assert_uint_eq(info.major, 2);
	ck_assert_uint_eq(info.minor, 6);
	ck_assert_uint_eq(info.start_s, 1795324082);
	ck_assert(info.stopping);
	ck_assert_str_eq(info.version, "2.6.12-1+deb12u4");
	for (size_t cut = 0; cut <
	     sizeof("Name: HAProxy\nVersion: 2.6.12-1+deb12u4\nPid: 11621") - 1;
	     cut++)
		ck_assert(
		    !hap_info_parse(
			(struct str){guard_copy(0, full, cut), cut}, &info) ||
		    info.pid < 11621);
}
END_TEST

START_TEST(reads_versions)
{
	static const struct {
		const char *text;
		unsigned major, minor;
		bool good;
	} cases[] = {
	    {"2.9-dev3", 2, 9, true},
	    {"3.0.0", 3, 0, true},
	    {"2.10.1-x", 2, 10, true},
	    {"", 0, 0, false},
	    {"2", 0, 0, false},
	    {"x.6", 0, 0, false},
	    {"2.", 0, 0, false},
	    {"-1.2", 0, 0, false},
	    {"99999.1", 0, 0, false},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct hap_info info;
		char text[80];

		snprintf(
		    text, sizeof(text), "Version: %s\nPid: 1", cases[i].text);
		ck_assert_msg(
		    hap_info_parse(str_of(text), &info) == cases[i].good, "%s",
		    cases[i].text);
		if (cases[i].good) {
			ck_assert_uint_eq(info.major, cases[i].major);
			ck_assert_uint_eq(info.minor, cases[i].minor);
		}
	}
}
END_TEST

START_TEST(refuses_strange_process_numbers)
{
	static const char *const cases[] = {
	    "", "x", "-1", "99999999999", "1 2"};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct hap_info info;
		char text[80];

		snprintf(
		    text, sizeof(text), "Version: 2.6.1\nPid: %s", cases[i]);
		ck_assert_msg(
		    !hap_info_parse(str_of(text), &info), "%s", cases[i]);
	}
}
END_TEST

START_TEST(lists_maps_with_their_entries)
{
	struct hap_reply reply = {0};
	struct hap_map_line line;
	struct str text;

	ck_assert_int_eq(
	    hap_reply_feed(&reply, show_map, sizeof(show_map) - 1, &text),
	    WIRE_DONE);
	ck_assert(hap_map_line_next(&text, &line));
	ck_assert(str_is(line.file, "/m/http.new.map"));
	ck_assert(line.has_entries);
	ck_assert_uint_eq(line.entries, 0);
	ck_assert(hap_map_line_next(&text, &line));
	ck_assert(str_is(line.file, "/m/http.map"));
	ck_assert_uint_eq(line.entries, 200000);
	ck_assert(!hap_map_line_next(&text, &line));
	hap_reply_fini(&reply);
}
END_TEST

START_TEST(a_list_without_counts_is_still_a_list)
{
	struct str text =
	    STR("0 (/m/a.map) pattern loaded from file\nnonsense\n1 (b");
	struct hap_map_line line;

	ck_assert(hap_map_line_next(&text, &line));
	ck_assert(str_is(line.file, "/m/a.map"));
	ck_assert(!line.has_entries);
	ck_assert(!hap_map_line_next(&text, &line));
}
END_TEST

START_TEST(reads_prepared_versions)
{
	uint64_t version;

	ck_assert(hap_version_parse(STR("New version created: 12"), &version));
	ck_assert_uint_eq(version, 12);
	ck_assert(!hap_version_parse(STR("New version created: "), &version));
	ck_assert(!hap_version_parse(STR("New version created: 1x"), &version));
	ck_assert(!hap_version_parse(STR("Permission denied"), &version));
	ck_assert(!hap_version_parse(STR(""), &version));
}
END_TEST

START_TEST(reads_looked_up_values)
{
	static const char found[] =
	    "type=str, case=sensitive, found=yes, idx=tree, "
	    "key=\"a\", value=\"127.0.0.1,80\", type=\"str\"";
	struct str value;

	ck_assert(hap_value_parse(str_of(found), &value));
	ck_assert(str_is(value, "127.0.0.1,80"));
	ck_assert(
	    hap_value_parse(STR("type=str, case=sensitive, found=no"), &value));
	ck_assert_ptr_null(value.ptr);
	for (size_t cut = 0; cut < sizeof(found) - 20; cut++)
		ck_assert(
		    !hap_value_parse(
			(struct str){guard_copy(0, found, cut), cut}, &value) ||
		    value.ptr == NULL);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {finds_the_end_of_a_reply_at_every_split,
	    one_byte_at_a_time_is_enough, refuses_what_nobody_asked_for,
	    refuses_a_reply_without_end, reads_show_info, reads_versions,
	    refuses_strange_process_numbers, lists_maps_with_their_entries,
	    a_list_without_counts_is_still_a_list, reads_prepared_versions,
	    reads_looked_up_values};

	return run_suite("hap_reply", tests, COUNT(tests));
}
