/* SPDX-License-Identifier: MIT */
/* What is remembered of tokens of the admin API, and of who comes with false ones. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/api/verdicts.h"
#include "relay/guesses.h"

#define NOW 1000000
#define MINUTE 30
#define PLACES (GUESSES_ROWS * GUESSES_OF_ROW)

static struct guesses guesses;
static struct verdicts verdicts;

static struct address
ip(const char *text)
{
	struct address address;

	ck_assert(address_parse_ip(str_of(text), 0, &address));
	return address;
}

static void
begin(void)
{
	memset(&guesses, 0, sizeof(guesses));
	guesses_init(&guesses);
}

static int
tries(const char *from, int n, uint64_t now_ms)
{
	struct address address = ip(from);
	unsigned retry_after_s = 0;
	int good = 0;

	for (int i = 0; i < n; i++) {
		if (guesses_may(&guesses, MINUTE, &address, now_ms,
			&retry_after_s))
			good++;
		else
			ck_assert_uint_ge(retry_after_s, 1);
	}
	return good;
}

START_TEST(a_source_guesses_so_often_a_minute)
{
	struct address from = ip("192.0.2.1");

	begin();
	ck_assert_int_eq(tries("192.0.2.1", 100, NOW), MINUTE);
	ck_assert_int_eq(tries("192.0.2.2", 100, NOW), MINUTE);
	ck_assert_int_eq(tries("192.0.2.1", 100, NOW + 60000), MINUTE);
	guesses_was_right(&guesses, MINUTE, &from, NOW + 60000);
	ck_assert_int_eq(tries("192.0.2.1", 100, NOW + 60000), 1);
}
END_TEST

START_TEST(another_number_a_minute)
{
	struct address from = ip("192.0.2.1");
	unsigned retry_after_s, n = 0;

	for (unsigned a_minute = 1; a_minute <= GUESSES_MINUTE_MAX;
	     a_minute = 2 * a_minute + 1) {
		begin();
		for (n = 0; guesses_may(
			 &guesses, a_minute, &from, NOW, &retry_after_s);
		     n++)
			;
		ck_assert_uint_ge(n, a_minute);
		ck_assert_uint_le(n, 2 * a_minute);
	}
}
END_TEST

START_TEST(a_network_of_ipv6_is_one_source)
{
	begin();
	ck_assert_int_eq(tries("2001:db8::1", 100, NOW), MINUTE);
	ck_assert_int_eq(tries("2001:db8::ffff:1", 100, NOW), 0);
	ck_assert_int_eq(tries("2001:db8:0:1::1", 100, NOW), MINUTE);
}
END_TEST

START_TEST(the_table_of_sources_has_an_end)
{
	char text[32];

	begin();
	ck_assert_int_eq(tries("192.0.2.1", 100, NOW), MINUTE);
	for (unsigned i = 0; i < 2 * PLACES; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u", i / 256, i % 256);
		/* who is here again and again stays */
		ck_assert_int_eq(tries("192.0.2.1", 1, NOW + 1 + i / 16), 0);
		ck_assert_int_eq(tries(text, 1, NOW + 1 + i / 16), 1);
	}
}
END_TEST

static struct token_record
token(unsigned number)
{
	struct token_record record = {.role = TOKEN_READ};

	record.sha256[0] = (uint8_t)number;
	record.sha256[1] = (uint8_t)(number >> 8);
	return record;
}

START_TEST(a_verdict_stands_in_for_some_minutes)
{
	struct token_record one = token(1), two = token(2);
	const struct verdict *found;

	memset(&verdicts, 0, sizeof(verdicts));
	ck_assert_ptr_null(verdict_find(&verdicts, one.sha256));
	verdict_keep(&verdicts, &one, NOW);
	verdict_keep(&verdicts, &two, NOW);
	found = verdict_find(&verdicts, one.sha256);
	ck_assert_ptr_nonnull(found);
	ck_assert(verdict_stands_in(found, NOW + VERDICT_MS - 1));
	ck_assert(!verdict_stands_in(found, NOW + VERDICT_MS));
	verdict_keep(&verdicts, &one, NOW + VERDICT_MS);
	ck_assert(verdict_stands_in(found, NOW + VERDICT_MS));
	verdict_forget(&verdicts, one.sha256);
	ck_assert_ptr_null(verdict_find(&verdicts, one.sha256));
	ck_assert_ptr_nonnull(verdict_find(&verdicts, two.sha256));
}
END_TEST

START_TEST(the_verdict_of_longest_ago_makes_room)
{
	struct token_record first = token(0);

	memset(&verdicts, 0, sizeof(verdicts));
	for (unsigned i = 0; i < VERDICTS_MAX; i++) {
		struct token_record record = token(i);

		verdict_keep(&verdicts, &record, NOW + i);
	}
	verdict_keep(&verdicts, &first, NOW + VERDICTS_MAX);
	for (unsigned i = VERDICTS_MAX; i < 2 * VERDICTS_MAX - 1; i++) {
		struct token_record record = token(i);

		verdict_keep(&verdicts, &record, NOW + 1 + i);
	}
	ck_assert_ptr_nonnull(verdict_find(&verdicts, first.sha256));
	for (unsigned i = 1; i < VERDICTS_MAX; i++) {
		struct token_record record = token(i);

		ck_assert_ptr_null(verdict_find(&verdicts, record.sha256));
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tokens");
	TCase *tcase = tcase_create("tokens");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_source_guesses_so_often_a_minute);
	tcase_add_test(tcase, another_number_a_minute);
	tcase_add_test(tcase, a_network_of_ipv6_is_one_source);
	tcase_add_test(tcase, the_table_of_sources_has_an_end);
	tcase_add_test(tcase, a_verdict_stands_in_for_some_minutes);
	tcase_add_test(tcase, the_verdict_of_longest_ago_makes_room);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
