/* SPDX-License-Identifier: MIT */
/* What is packed comes back the same, of every length that the wide structs allow. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "registry/grant.h"

static struct lease lease;
static struct session_info session;

static void
setup(void)
{
	memset(&lease, 0, sizeof(lease));
	memset(&session, 0, sizeof(session));
	lease.epoch = session.epoch = UINT64_C(1795630064115697);
	session.since_ms = UINT64_C(1795630064115);
	strcpy(session.relay, "r1");
}

static void
fill(char *text, size_t len, char c)
{
	memset(text, c, len);
	text[len] = '\0';
}

static void
check_round_trip(void)
{
	struct grant *grant = grant_new(&lease, &session);
	struct session_info session_out;
	struct lease lease_out;

	ck_assert_ptr_nonnull(grant);
	ck_assert_uint_eq(grant->epoch, session.epoch);
	ck_assert_uint_eq(grant->since_ms, session.since_ms);
	ck_assert_str_eq(grant_label(grant), lease.label);
	ck_assert_str_eq(grant_instance(grant), session.instance);
	ck_assert_str_eq(grant_from(grant), session.from);
	memset(&lease_out, 0xff, sizeof(lease_out));
	memset(&session_out, 0xff, sizeof(session_out));
	grant_lease(grant, &lease_out);
	grant_session(grant, "r1", &session_out);
	ck_assert_mem_eq(&lease_out, &lease, sizeof(lease));
	ck_assert_mem_eq(&session_out, &session, sizeof(session));
	grant_drop(&grant);
	ck_assert_ptr_null(grant);
}

START_TEST(nothing_but_an_epoch_comes_back)
{
	check_round_trip();
}
END_TEST

START_TEST(texts_of_every_length_come_back)
{
	for (size_t len = 0; len < sizeof(lease.label); len++) {
		fill(lease.label, len, 'l');
		check_round_trip();
	}
	for (size_t len = 0; len < sizeof(session.instance); len++) {
		fill(session.instance, len, 'i');
		check_round_trip();
	}
	for (size_t len = 0; len < sizeof(session.from); len++) {
		fill(session.from, len, 'f');
		check_round_trip();
	}
}
END_TEST

START_TEST(every_number_of_ports_comes_back)
{
	for (size_t n = 0; n <= SERVICES_MAX; n++) {
		setup();
		lease.n_ports = n;
		for (size_t i = 0; i < n; i++) {
			/* of every length, the empty one and the longest too */
			fill(lease.ports[i].service,
			    (i * 7 + n) % sizeof(lease.ports[i].service),
			    (char)('a' + i));
			lease.ports[i].port = (uint16_t)(65535 - i * 257);
		}
		check_round_trip();
	}
}
END_TEST

START_TEST(the_epoch_of_a_lease_is_its_sessions)
{
	struct lease out;
	struct grant *grant;

	lease.epoch = 7;
	grant = grant_new(&lease, &session);
	ck_assert_ptr_nonnull(grant);
	grant_lease(grant, &out);
	ck_assert_uint_eq(out.epoch, session.epoch);
	grant_drop(&grant);
	ck_assert_ptr_null(grant);
}
END_TEST

START_TEST(it_lasts_as_long_as_anybody_keeps_it)
{
	struct grant *first = grant_new(&lease, &session), *second;

	ck_assert_ptr_nonnull(first);
	second = grant_keep(first);
	ck_assert_ptr_eq(second, first);
	grant_drop(&first);
	ck_assert_ptr_null(first);
	ck_assert_uint_eq(second->epoch, session.epoch);
	grant_drop(&second);
	grant_drop(&second);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("grant");
	TCase *tests = tcase_create("grant");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, nothing_but_an_epoch_comes_back);
	tcase_add_test(tests, texts_of_every_length_come_back);
	tcase_add_test(tests, every_number_of_ports_comes_back);
	tcase_add_test(tests, it_lasts_as_long_as_anybody_keeps_it);
	tcase_add_test(tests, the_epoch_of_a_lease_is_its_sessions);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
