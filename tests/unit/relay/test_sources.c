/* SPDX-License-Identifier: MIT */
/* The clock is the test's: sources have none. */
#include <check.h>
#include <stdio.h>

#include "../net/support.h"
#include "base/log.h"
#include "base/options.h"
#include "relay/sources.h"

#define HELD_MAX 64

static char trusted[] = "192.0.2.1", *trusted_list[] = {trusted};
static struct relay_options options;
static struct counters counters;
static struct limit_hits hits;
static struct sources *sources;
static struct source *held[HELD_MAX];
static enum source_use uses[HELD_MAX];
static size_t n_held;
static uint64_t now_ms;
static unsigned retry_after_s;

static void
tell_cb(void *ctx, const char *limit, const char *who, uint32_t times)
{
	(void)ctx;
	(void)times;
	ck_assert_str_ne(limit, "");
	ck_assert_str_ne(who, "");
}

static void
begin(int64_t max_sources)
{
	sources_free(&sources);
	options.max_sources = max_sources;
	sources = sources_new(&options, &hits);
	ck_assert_ptr_nonnull(sources);
}

static void
setup(void)
{
	log_setup("test", LOG_LEVEL_ERROR, false);
	options = (struct relay_options){.trusted_proxy = {trusted_list, 1}};
	counters = (struct counters){0};
	hits = (struct limit_hits){.counters = &counters, .tell_cb = tell_cb};
	now_ms = 1000;
	n_held = 0;
	begin(16);
}

static void
leave(size_t i)
{
	sources_leave(sources, uses[i], &held[i]);
}

static void
teardown(void)
{
	while (n_held > 0)
		leave(--n_held);
	sources_free(&sources);
}

/* One that is admitted is held until the end, or leave(). */
static bool
admit(enum source_use use, const char *ip)
{
	struct address from;

	ck_assert_uint_lt(n_held, HELD_MAX);
	ck_assert(address_parse_ip(str_of(ip), 1234, &from));
	uses[n_held] = use;
	retry_after_s = 0;
	if (!sources_admit(
		sources, use, &from, now_ms, &held[n_held], &retry_after_s)) {
		ck_assert_ptr_null(held[n_held]);
		ck_assert_uint_ge(retry_after_s, 1);
		return false;
	}
	n_held++;
	return true;
}

/* One that comes and goes at once. */
static bool
pass(enum source_use use, const char *ip)
{
	if (!admit(use, ip))
		return false;
	leave(--n_held);
	return true;
}

START_TEST(so_many_at_once_and_one_more_when_one_has_left)
{
	options.source_handshakes = 2;
	ck_assert(admit(SOURCE_AGENT, "198.51.100.1"));
	ck_assert(admit(SOURCE_GUEST, "198.51.100.1"));
	ck_assert(!admit(SOURCE_AGENT, "198.51.100.1"));
	ck_assert(!admit(SOURCE_GUEST, "198.51.100.1"));
	ck_assert(admit(SOURCE_AGENT, "198.51.100.2"));
	ck_assert_uint_eq(counters.source_handshakes_over_max, 2);
	leave(0);
	ck_assert(admit(SOURCE_AGENT, "198.51.100.1"));
	ck_assert(!admit(SOURCE_AGENT, "198.51.100.1"));
}
END_TEST

START_TEST(handshakes_and_visitors_are_counted_apart)
{
	options.source_handshakes = options.source_visitors = 1;
	ck_assert(admit(SOURCE_AGENT, "198.51.100.1"));
	ck_assert(admit(SOURCE_VISITOR, "198.51.100.1"));
	ck_assert(!admit(SOURCE_VISITOR, "198.51.100.1"));
	ck_assert_uint_eq(counters.source_visitors_over_max, 1);
	ck_assert_uint_eq(counters.source_handshakes_over_max, 0);
	leave(0);
	ck_assert(!admit(SOURCE_VISITOR, "198.51.100.1"));
}
END_TEST

START_TEST(ten_seconds_worth_may_come_at_once_and_then_the_rate)
{
	options.source_visitor_rate = 2;
	for (int i = 0; i < 20; i++)
		ck_assert(pass(SOURCE_VISITOR, "198.51.100.1"));
	ck_assert(!pass(SOURCE_VISITOR, "198.51.100.1"));
	ck_assert_uint_eq(counters.source_visitors_over_rate, 1);
	now_ms += 499;
	ck_assert(!pass(SOURCE_VISITOR, "198.51.100.1"));
	now_ms += 1;
	ck_assert(pass(SOURCE_VISITOR, "198.51.100.1"));
	ck_assert(!pass(SOURCE_VISITOR, "198.51.100.1"));
	ck_assert(pass(SOURCE_VISITOR, "198.51.100.2"));
}
END_TEST

START_TEST(what_the_relay_asked_for_does_not_count_into_the_rate)
{
	options.source_handshake_rate = 1;
	for (int i = 0; i < 100; i++) {
		ck_assert(admit(SOURCE_AGENT, "198.51.100.1"));
		sources_excuse(sources, held[n_held - 1], now_ms);
		leave(--n_held);
	}
	for (int i = 0; i < 10; i++)
		ck_assert(pass(SOURCE_AGENT, "198.51.100.1"));
	ck_assert(!pass(SOURCE_AGENT, "198.51.100.1"));
	ck_assert_uint_eq(counters.source_handshakes_over_rate, 1);
	sources_excuse(sources, NULL, now_ms);
}
END_TEST

static bool
may_try(void)
{
	return sources_may_try(
	    sources, held[0], "198.51.100.1", now_ms, &retry_after_s);
}

START_TEST(guesses_that_overtake_each_other_are_paid_for_afterwards)
{
	options.source_auth_rate = 1;
	ck_assert(admit(SOURCE_AGENT, "198.51.100.1"));
	for (int i = 0; i < 15; i++)
		ck_assert(may_try());
	for (int i = 0; i < 15; i++)
		sources_failed(sources, held[0], now_ms);
	now_ms += 5999;
	ck_assert(!may_try());
	ck_assert_uint_ge(retry_after_s, 1);
	ck_assert_uint_eq(counters.source_auth_over_rate, 1);
	now_ms += 1;
	ck_assert(may_try());
	ck_assert(sources_may_try(sources, NULL, "-", now_ms, &retry_after_s));
	sources_failed(sources, NULL, now_ms);
}
END_TEST

START_TEST(addresses_of_a_64_are_one_source)
{
	options.source_visitors = 1;
	ck_assert(admit(SOURCE_VISITOR, "2001:db8:1:2::1"));
	ck_assert(!admit(SOURCE_VISITOR, "2001:db8:1:2:ffff::7"));
	ck_assert(admit(SOURCE_VISITOR, "2001:db8:1:3::1"));
	/* IPv4 does not mix with it, and is the same in both its forms */
	ck_assert(admit(SOURCE_VISITOR, "::1.2.3.4"));
	ck_assert(admit(SOURCE_VISITOR, "1.2.3.4"));
	ck_assert(admit(SOURCE_VISITOR, "1.2.3.5"));
	ck_assert(!admit(SOURCE_VISITOR, "::ffff:1.2.3.4"));
}
END_TEST

START_TEST(loopback_and_trusted_proxies_are_no_sources)
{
	static const char *const none[] = {
	    "127.0.0.1", "127.9.9.9", "::1", "192.0.2.1", "::ffff:192.0.2.1"};

	options.source_visitors = options.source_visitor_rate = 1;
	for (int i = 0; i < 5; i++)
		for (int times = 0; times < 3; times++) {
			ck_assert(admit(SOURCE_VISITOR, none[i]));
			ck_assert_ptr_null(held[n_held - 1]);
		}
	ck_assert(admit(SOURCE_VISITOR, "192.0.2.2"));
	ck_assert(!admit(SOURCE_VISITOR, "192.0.2.2"));
}
END_TEST

START_TEST(without_limits_nothing_is_looked_up)
{
	for (int i = 0; i < 3; i++) {
		ck_assert(admit(SOURCE_VISITOR, "198.51.100.1"));
		ck_assert(admit(SOURCE_AGENT, "198.51.100.1"));
		ck_assert_ptr_null(held[n_held - 1]);
	}
	/* a limit that comes later counts those who come later */
	options.source_visitors = 1;
	ck_assert(admit(SOURCE_VISITOR, "198.51.100.1"));
	ck_assert(!admit(SOURCE_VISITOR, "198.51.100.1"));
}
END_TEST

static const char *
nth(int n)
{
	static char text[32];

	snprintf(text, sizeof(text), "198.51.%d.%d", n / 200, n % 200 + 1);
	return text;
}

START_TEST(who_was_seen_longest_ago_is_forgotten_first)
{
	options.source_visitor_rate = 1;
	begin(4);
	for (int i = 0; i < 4; i++)
		for (int times = 0; times < 10; times++)
			ck_assert(pass(SOURCE_VISITOR, nth(i)));
	ck_assert(!pass(SOURCE_VISITOR, nth(0))); /* which is seen now */
	ck_assert(pass(SOURCE_VISITOR, nth(4)));
	ck_assert(!pass(SOURCE_VISITOR, nth(0)));
	ck_assert(!pass(SOURCE_VISITOR, nth(2)));
	ck_assert(!pass(SOURCE_VISITOR, nth(3)));
	ck_assert(pass(SOURCE_VISITOR, nth(1))); /* it was */
}
END_TEST

START_TEST(who_has_something_running_is_not_forgotten)
{
	options.source_visitors = 1;
	begin(4);
	ck_assert(admit(SOURCE_VISITOR, nth(0)));
	for (int i = 1; i < 600; i++)
		ck_assert(pass(SOURCE_VISITOR, nth(i)));
	ck_assert(!admit(SOURCE_VISITOR, nth(0)));
	ck_assert_uint_eq(counters.sources_over_max, 0);
}
END_TEST

START_TEST(a_table_full_of_busy_ones_lets_strangers_in_uncounted)
{
	options.source_visitors = 1;
	begin(4);
	for (int i = 0; i < 4; i++)
		ck_assert(admit(SOURCE_VISITOR, nth(i)));
	ck_assert(admit(SOURCE_VISITOR, nth(4)));
	ck_assert_ptr_null(held[4]);
	ck_assert_uint_eq(counters.sources_over_max, 1);
	ck_assert(!admit(SOURCE_VISITOR, nth(0)));
	leave(1);
	ck_assert(admit(SOURCE_VISITOR, nth(5)));
	ck_assert_ptr_nonnull(held[5]);
}
END_TEST

START_TEST(many_sources_in_any_order_are_found_again)
{
	static bool inside[400];
	static struct source *of[400];
	unsigned random = 1;

	options.source_visitors = 1;
	begin(400);
	for (int i = 0; i < 40000; i++) {
		struct address from;
		unsigned n = (random = random * 1103515245 + 12345) >> 8;

		n %= 400;
		ck_assert(address_parse_ip(str_of(nth((int)n)), 0, &from));
		if (inside[n] && i % 3 == 0) {
			sources_leave(sources, SOURCE_VISITOR, &of[n]);
			inside[n] = false;
			continue;
		}
		ck_assert(sources_admit(sources, SOURCE_VISITOR, &from, now_ms,
			      inside[n] ? &held[0] : &of[n],
			      &retry_after_s) != inside[n]);
		inside[n] = true;
	}
	for (int i = 0; i < 400; i++)
		sources_leave(sources, SOURCE_VISITOR, &of[i]);
}
END_TEST

START_TEST(a_rate_that_is_changed_holds_at_once)
{
	options.source_visitor_rate = 100;
	for (int i = 0; i < 10; i++)
		ck_assert(pass(SOURCE_VISITOR, "198.51.100.1"));
	options.source_visitor_rate = 1;
	for (int i = 0; i < 10; i++)
		ck_assert(pass(SOURCE_VISITOR, "198.51.100.1"));
	ck_assert(!pass(SOURCE_VISITOR, "198.51.100.1"));
	options.source_visitor_rate = 0;
	ck_assert(pass(SOURCE_VISITOR, "198.51.100.1"));
}
END_TEST

START_TEST(a_limit_is_counted_each_time_and_logged_once_a_second)
{
	struct hits said = {0};
	uint32_t times;

	ck_assert(hits_due(&said, 1000, &times));
	ck_assert_uint_eq(times, 1);
	for (int i = 0; i < 9; i++)
		ck_assert(!hits_due(&said, 1999, &times));
	ck_assert(hits_due(&said, 2000, &times));
	ck_assert_uint_eq(times, 10);
}
END_TEST

START_TEST(a_limit_is_told_once_a_minute_with_all_that_was_logged_since)
{
	struct hits said = {0};
	uint32_t times;

	for (uint64_t at = 1000; at < 61000; at += 1000) {
		ck_assert(hits_due(&said, at, &times));
		ck_assert_uint_eq(times, 1);
		ck_assert(hits_tell(&said, at, &times) == (at == 1000));
	}
	ck_assert(hits_due(&said, 61000, &times));
	ck_assert(hits_tell(&said, 61000, &times));
	ck_assert_uint_eq(times, 60);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sources");
	TCase *tcase = tcase_create("sources");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, so_many_at_once_and_one_more_when_one_has_left);
	tcase_add_test(tcase, handshakes_and_visitors_are_counted_apart);
	tcase_add_test(
	    tcase, ten_seconds_worth_may_come_at_once_and_then_the_rate);
	tcase_add_test(
	    tcase, what_the_relay_asked_for_does_not_count_into_the_rate);
	tcase_add_test(
	    tcase, guesses_that_overtake_each_other_are_paid_for_afterwards);
	tcase_add_test(tcase, addresses_of_a_64_are_one_source);
	tcase_add_test(tcase, loopback_and_trusted_proxies_are_no_sources);
	tcase_add_test(tcase, without_limits_nothing_is_looked_up);
	tcase_add_test(tcase, who_was_seen_longest_ago_is_forgotten_first);
	tcase_add_test(tcase, who_has_something_running_is_not_forgotten);
	tcase_add_test(
	    tcase, a_table_full_of_busy_ones_lets_strangers_in_uncounted);
	tcase_add_test(tcase, many_sources_in_any_order_are_found_again);
	tcase_add_test(tcase, a_rate_that_is_changed_holds_at_once);
	tcase_add_test(
	    tcase, a_limit_is_counted_each_time_and_logged_once_a_second);
	tcase_add_test(tcase,
	    a_limit_is_told_once_a_minute_with_all_that_was_logged_since);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
