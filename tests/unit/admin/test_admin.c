/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/name_page.h"
#include "admin/token.h"

#define NAMES 1000

static struct name_page page;

static void
take(const char *name)
{
	name_page_take(&page, str_of(name));
}

/* Names of four digits, in an order that is none. */
static void
take_all(void)
{
	char name[8];

	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "%04u", i * 7919 % NAMES);
		take(name);
	}
}

START_TEST(a_page_has_the_first_names_behind_a_name)
{
	char wanted[8];
	unsigned next = 0;
	size_t limits[] = {1, 7, NAME_PAGE_MAX};

	for (int k = 0; k < 3; k++) {
		page = (struct name_page){.limit = limits[k]};
		for (next = 0; next < NAMES;) {
			page.count = 0;
			page.more = false;
			take_all();
			for (size_t i = 0; i < page.count; i++) {
				snprintf(
				    wanted, sizeof(wanted), "%04u", next++);
				ck_assert_str_eq(page.names[i], wanted);
				ck_assert_int_eq(
				    name_page_find(&page, wanted), (long)i);
			}
			ck_assert(page.count == page.limit || next == NAMES);
			ck_assert_int_eq(page.more, next < NAMES);
			strcpy(page.after, page.names[page.count - 1]);
		}
	}
}
END_TEST

START_TEST(a_name_that_comes_twice_is_there_once)
{
	page = (struct name_page){.limit = 3};
	take("b");
	take("a");
	take("b");
	take("a");
	ck_assert_uint_eq(page.count, 2);
	ck_assert(!page.more);
	take("c");
	take("c");
	ck_assert(!page.more);
	take("aa");
	ck_assert(page.more);
	ck_assert_str_eq(page.names[2], "b");
	ck_assert_int_eq(name_page_find(&page, "c"), -1);
}
END_TEST

START_TEST(what_is_searched_for_is_a_part_in_capitals_or_not)
{
	page = (struct name_page){.search = "b-c"};
	ck_assert(name_page_matches(&page, STR("b-c")));
	ck_assert(name_page_matches(&page, STR("aB-Cd")));
	ck_assert(!name_page_matches(&page, STR("b-")));
	ck_assert(!name_page_matches(&page, STR("b_c")));
	ck_assert(!name_page_matches(&page, STR("")));
	page.search[0] = '\0';
	ck_assert(name_page_matches(&page, STR("")));
}
END_TEST

START_TEST(a_token_has_its_name_in_it)
{
	char text[TOKEN_TEXT_MAX + 1], name[DEVICE_NAME_MAX + 1];
	struct token_record record;

	token_draw(&record, "a.b", TOKEN_READ, 1000, text);
	ck_assert_uint_eq(strlen(text), 3 + 1 + SECRET_TEXT_LEN);
	ck_assert_uint_eq(record.expires_ms, record.created_ms + 1000);
	ck_assert(token_name(str_of(text), name));
	ck_assert_str_eq(name, "a.b");
	ck_assert(!token_name(str_of(text + 1), name)); /* ".b" is no name */
	ck_assert(!token_name(str_of(text + 4), name));
	ck_assert(!token_name(STR(""), name));
	text[3] = '-';
	ck_assert(!token_name(str_of(text), name));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("admin");
	TCase *tests = tcase_create("admin");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, a_page_has_the_first_names_behind_a_name);
	tcase_add_test(tests, a_name_that_comes_twice_is_there_once);
	tcase_add_test(
	    tests, what_is_searched_for_is_a_part_in_capitals_or_not);
	tcase_add_test(tests, a_token_has_its_name_in_it);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
