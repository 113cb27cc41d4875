/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/api/login.h"

static struct logins logins;

START_TEST(a_login_is_found_by_its_cookie_alone)
{
	struct token_record token = {.name = "eve", .role = TOKEN_READ};
	const struct login *login;
	char id[SECRET_TEXT_LEN + 1];

	logins = (struct logins){0};
	memset(id, 0, sizeof(id));
	ck_assert_ptr_null(
	    login_find(&logins, (struct str){id, SECRET_TEXT_LEN}));
	login = login_add(&logins, &token);
	strcpy(id, login->id);
	ck_assert_ptr_eq(login_find(&logins, str_of(id)), login);
	ck_assert_ptr_null(login_find(&logins, (struct str){id, 42}));
	ck_assert_ptr_null(login_find(&logins, (struct str){NULL, 0}));
	ck_assert(login_may_change(login, login->csrf));
	ck_assert(!login_may_change(login, id));
	ck_assert(!login_may_change(login, NULL));
	id[0] ^= 1;
	ck_assert_ptr_null(login_find(&logins, str_of(id)));
	id[0] ^= 1;
	login_end(login_find(&logins, str_of(id)));
	ck_assert_ptr_null(login_find(&logins, str_of(id)));
}
END_TEST

START_TEST(an_old_one_makes_room_and_an_expired_one_is_none)
{
	struct token_record token = {.name = "eve", .role = TOKEN_READ};
	char first[SECRET_TEXT_LEN + 1], id[SECRET_TEXT_LEN + 1];

	logins = (struct logins){0};
	strcpy(first, login_add(&logins, &token)->id);
	login_find(&logins, str_of(first))->until_ms--;
	for (int i = 0; i < LOGINS_OF_TOKEN; i++)
		strcpy(id, login_add(&logins, &token)->id);
	ck_assert_ptr_null(login_find(&logins, str_of(first)));
	login_find(&logins, str_of(id))->until_ms = 1;
	ck_assert_ptr_null(login_find(&logins, str_of(id)));
}
END_TEST

START_TEST(no_token_takes_the_place_of_anothers)
{
	struct token_record eve = {.name = "eve"}, other = {.name = "0"};
	char id[SECRET_TEXT_LEN + 1];

	logins = (struct logins){0};
	strcpy(id, login_add(&logins, &eve)->id);
	for (int i = 0; i < LOGINS_MAX; i++)
		ck_assert_ptr_nonnull(login_add(&logins, &other));
	ck_assert_ptr_nonnull(login_find(&logins, str_of(id)));
	for (int i = 0; i < LOGINS_MAX - 1 - LOGINS_OF_TOKEN; i++) {
		snprintf(other.name, sizeof(other.name), "%d", i + 1);
		ck_assert_ptr_nonnull(login_add(&logins, &other));
	}
	strcpy(other.name, "last");
	ck_assert_ptr_null(login_add(&logins, &other));
	ck_assert_ptr_nonnull(login_find(&logins, str_of(id)));
	ck_assert_ptr_nonnull(login_add(&logins, &eve));
}
END_TEST

START_TEST(a_cookie_is_found_by_its_whole_name)
{
	static const struct {
		const char *header, *value;
	} cases[] = {
	    {NULL, NULL},
	    {"", NULL},
	    {"a=1", "1"},
	    {"b=2; a=1", "1"},
	    {"b=2;a=1;c", "1"},
	    {"aa=1; a=2; a=3", "2"},
	    {"a", NULL},
	    {"A=1", NULL},
	    {" ; ;; a=", ""},
	    {"=a; x=a=1", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str value = cookie_find(cases[i].header, "a");

		ck_assert_int_eq(value.ptr != NULL, cases[i].value != NULL);
		ck_assert(cases[i].value == NULL ||
		    str_equal(value, str_of(cases[i].value)));
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("login");
	TCase *tests = tcase_create("login");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, a_login_is_found_by_its_cookie_alone);
	tcase_add_test(tests, an_old_one_makes_room_and_an_expired_one_is_none);
	tcase_add_test(tests, no_token_takes_the_place_of_anothers);
	tcase_add_test(tests, a_cookie_is_found_by_its_whole_name);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
