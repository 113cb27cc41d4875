/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "registry/port_set.h"

static struct port_set set;

static const struct {
	const char *text;
	uint32_t count; /* 0: refused */
} texts[] = {
    {"20000", 1},
    {"1", 1},
    {"65535", 1},
    {"20000-20999", 1000},
    {"1-65535", 65535},
    {"20000-20999,30000", 1001},
    {"20000-20999,21000-21999", 2000}, /* adjoining */
    {"20000-20999,20500-21499", 1500}, /* overlapping */
    {"30000,20000-20001", 3},	       /* in any order */
    {" 20000 - 20001 , 30000 ", 3},
    {"7-7", 1},
    {"7,7", 1},
    {"", 0},
    {",", 0},
    {"20000,", 0},
    {",20000", 0},
    {"0", 0},
    {"0-5", 0},
    {"65536", 0},
    {"20000-65536", 0},
    {"20999-20000", 0},
    {"-", 0},
    {"20000-", 0},
    {"-20000", 0},
    {"1-2-3", 0},
    {"abc", 0},
    {"20000;30000", 0},
    {"2 0000", 0},
    {"+20000", 0},
    {"99999999999999999999999", 0},
};

START_TEST(parses_what_an_operator_writes)
{
	port_set_clear(&set);
	ck_assert_int_eq(
	    port_set_parse(&set, str_of(texts[_i].text)), texts[_i].count > 0);
	if (texts[_i].count > 0)
		ck_assert_uint_eq(set.count, texts[_i].count);
}
END_TEST

START_TEST(every_cut_of_a_text_is_read_within_its_bounds)
{
	const char *text = "20000-20999,30000";

	for (size_t len = 0; len <= strlen(text); len++) {
		char *copy =
		    malloc(len + 1); /* the sanitizer watches its end */

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, text, len);
		port_set_clear(&set);
		(void)port_set_parse(&set, (struct str){copy, len});
		free(copy);
	}
}
END_TEST

START_TEST(adds_removes_and_counts)
{
	port_set_clear(&set);
	port_set_add(&set, 80);
	port_set_add(&set, 80);
	port_set_add(&set, 0); /* is no port */
	ck_assert_uint_eq(set.count, 1);
	ck_assert(port_set_has(&set, 80));
	ck_assert(!port_set_has(&set, 81));
	ck_assert(!port_set_has(&set, 0));
	port_set_remove(&set, 81);
	port_set_remove(&set, 80);
	port_set_remove(&set, 80);
	ck_assert_uint_eq(set.count, 0);
	ck_assert(!port_set_has(&set, 80));
}
END_TEST

START_TEST(goes_round_from_any_place)
{
	port_set_clear(&set);
	ck_assert_uint_eq(port_set_next(&set, 5), 0);
	ck_assert(port_set_parse(&set, STR("64,127,128,65535")));
	ck_assert_uint_eq(port_set_next(&set, 0), 64);
	ck_assert_uint_eq(port_set_next(&set, 64), 64);
	ck_assert_uint_eq(port_set_next(&set, 65), 127);
	ck_assert_uint_eq(port_set_next(&set, 128), 128);
	ck_assert_uint_eq(port_set_next(&set, 129), 65535);
	port_set_remove(&set, 65535);
	ck_assert_uint_eq(port_set_next(&set, 65535), 64);
	port_set_clear(&set);
	port_set_add(&set, 70);
	ck_assert_uint_eq(
	    port_set_next(&set, 71), 70); /* in the word where it began */
}
END_TEST

START_TEST(a_walk_visits_each_port_once)
{
	uint16_t port = 31000;

	port_set_clear(&set);
	ck_assert(port_set_parse(&set, STR("1-3,20000-20999,65530-65535")));
	for (uint32_t n = set.count; n > 0; n--) {
		port = port_set_next(&set, port);
		ck_assert_uint_ne(port, 0);
		port_set_remove(&set, port);
		port++;
	}
	ck_assert_uint_eq(set.count, 0);
}
END_TEST

START_TEST(finds_the_next_port_that_is_not_there)
{
	port_set_clear(&set);
	ck_assert_uint_eq(port_set_next_absent(&set, 7), 7);
	ck_assert(port_set_parse(&set, STR("64-200,300-65535")));
	ck_assert_uint_eq(port_set_next_absent(&set, 63), 63);
	ck_assert_uint_eq(port_set_next_absent(&set, 64), 201);
	ck_assert_uint_eq(port_set_next_absent(&set, 130), 201);
	ck_assert_uint_eq(port_set_next_absent(&set, 250), 250);
	ck_assert_uint_eq(port_set_next_absent(&set, 300), 0);
	ck_assert(port_set_parse(&set, STR("1-65535")));
	ck_assert_uint_eq(port_set_next_absent(&set, 1), 0);
}
END_TEST

START_TEST(counts_to_any_of_its_ports)
{
	port_set_clear(&set);
	ck_assert_uint_eq(port_set_nth(&set, 0), 0);
	ck_assert(port_set_parse(&set, STR("2,63-65,20000-20999,65535")));
	ck_assert_uint_eq(port_set_nth(&set, 0), 2);
	ck_assert_uint_eq(port_set_nth(&set, 1), 63);
	ck_assert_uint_eq(port_set_nth(&set, 3), 65);
	ck_assert_uint_eq(port_set_nth(&set, 4), 20000);
	ck_assert_uint_eq(port_set_nth(&set, 1003), 20999);
	ck_assert_uint_eq(port_set_nth(&set, 1004), 65535);
	ck_assert_uint_eq(port_set_nth(&set, 1005), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("port_set");
	TCase *tests = tcase_create("port_set");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, parses_what_an_operator_writes, 0,
	    sizeof(texts) / sizeof(texts[0]));
	tcase_add_test(tests, every_cut_of_a_text_is_read_within_its_bounds);
	tcase_add_test(tests, adds_removes_and_counts);
	tcase_add_test(tests, goes_round_from_any_place);
	tcase_add_test(tests, a_walk_visits_each_port_once);
	tcase_add_test(tests, finds_the_next_port_that_is_not_there);
	tcase_add_test(tests, counts_to_any_of_its_ports);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
