/* SPDX-License-Identifier: MIT */
/* What being reachable may cost, on a clock of the test's. */
#include "config.h"

#include <string.h>

#include "agent/budget.h"
#include "agent/settings.h"
#include "support.h"

#define DAY UINT64_C(86400000)
#define MB UINT64_C(1000000)

static struct budget budget;
static struct settings settings;
static uint64_t now, total; /* of the link's bytes */

static void
begin(uint64_t limit)
{
	memset(&settings, 0, sizeof(settings));
	settings.data_budget = limit;
	now = 5000;
	total = 0;
	budget_init(&budget, now);
	budget_apply(&budget, &settings, now);
	budget_link_begins(&budget, 0, true);
}

/* So much later the link has cost so many bytes more, and a heartbeat is sent. */
static void
beat(uint64_t after_ms, uint64_t bytes)
{
	now += after_ms;
	total += bytes;
	budget_count(&budget, 0, true, total, now);
	budget_beat(&budget, 0, "mole");
}

START_TEST(shapes_of_a_budget)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} rows[] = {
	    {"5MB/month", 5 * MB},
	    {"5 MB/month", 5 * MB},
	    {"200kB/month", 200000},
	    {"1500KB/month", 1500000},
	    {"1GB/month", 1000 * MB},
	    {"2MiB/month", 2 << 20},
	    {"500KiB/month", 512000},
	    {"1GiB/month", 1 << 30},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t bytes = 0;

		ck_assert_msg(budget_parse(str_of(rows[i].text), &bytes), "%s",
		    rows[i].text);
		ck_assert_uint_eq(bytes, rows[i].bytes);
	}
}
END_TEST

START_TEST(nothing_is_counted_where_nobody_pays)
{
	begin(0);
	ck_assert(!budget_counts(&budget));
	settings.options.metered = true;
	budget_apply(&budget, &settings, now);
	ck_assert(budget_counts(&budget));
	begin(1 * MB);
	ck_assert(budget_counts(&budget));
}
END_TEST

START_TEST(without_a_budget_only_the_price_is_known)
{
	begin(0);
	settings.options.metered = true;
	budget_apply(&budget, &settings, now);
	beat(30000, 250);
	for (int i = 0; i < 3; i++)
		beat(30000, 250);
	ck_assert_uint_eq(budget.search.floor_ms, 0);
	ck_assert_uint_eq(budget_wait_ms(&budget, now), 0);
	ck_assert_uint_eq(budget.search.beat_bytes, 250);
}
END_TEST

/* A connection that stands has cost something by then, and so has the month. */
START_TEST(budget_that_is_set_later_begins_with_nothing_spent)
{
	begin(0);
	total = 9000000;
	now += 20 * DAY;
	settings.data_budget = 1 * MB;
	budget_apply(&budget, &settings, now);
	beat(30000, 250);
	ck_assert_uint_eq(budget.spent_bytes, 0);
	ck_assert_uint_eq(budget.elapsed_ms, 30000);
	beat(30000, 250);
	ck_assert_uint_eq(budget.spent_bytes, 250);
	/* another limit is no other beginning */
	settings.data_budget = 2 * MB;
	budget_apply(&budget, &settings, now);
	beat(30000, 250);
	ck_assert_uint_eq(budget.spent_bytes, 500);
}
END_TEST

/* metered counts as well, for the price of a heartbeat; nobody has said what it may cost. */
START_TEST(budget_that_is_set_where_bytes_were_counted_begins_anew)
{
	begin(0);
	settings.options.metered = true;
	budget_apply(&budget, &settings, now);
	beat(10 * DAY, 0);
	beat(30000, 8 * MB);
	now += DAY / 2;
	settings.data_budget = 5 * MB;
	budget_apply(&budget, &settings, now);
	ck_assert_uint_eq(budget_wait_ms(&budget, now), 0);
	ck_assert_uint_eq(budget.spent_bytes, 0);
	ck_assert_uint_eq(budget.elapsed_ms, 0);
	beat(30000, 250);
	beat(30000, 250);
	ck_assert_uint_eq(budget.spent_bytes, 250);
	ck_assert_uint_eq(budget.elapsed_ms, 60000);
}
END_TEST

START_TEST(even_interval_is_what_the_budget_buys)
{
	begin(1 * MB);
	budget.search.networks[0].good_ms = 3000000;
	budget.search.networks[0].bad_ms = 4000000;
	for (int i = 0; i < 5; i++)
		beat(450000, 160);
	/* 30 days at 160 bytes: 6,250 heartbeats */
	ck_assert_uint_ge(budget.search.floor_ms, 405000);
	ck_assert_uint_le(budget.search.floor_ms, 425000);
}
END_TEST

START_TEST(network_that_is_searched_is_not_given_up_for_the_budget)
{
	begin(1 * MB);
	for (int i = 0; i < 5; i++)
		beat(30000, 160);
	ck_assert_uint_eq(budget.search.floor_ms, 0);
}
END_TEST

START_TEST(interval_that_the_network_does_not_bear_is_not_asked_for)
{
	begin(1 * MB);
	budget.search.networks[0].good_ms = 57000;
	budget.search.networks[0].bad_ms = 60000;
	for (int i = 0; i < 5; i++)
		beat(56000, 160);
	ck_assert_uint_eq(budget.search.floor_ms, 0);
	ck_assert(budget.warned);
}
END_TEST

START_TEST(a_tenth_may_be_spent_ahead_and_then_it_rests)
{
	begin(1 * MB);
	beat(1000, 100000);
	ck_assert_uint_eq(budget_wait_ms(&budget, now), 0);
	ck_assert_uint_eq(budget.search.floor_ms, 0);
	beat(1000, 1000);
	/* 1,000 bytes of a megabyte are 43 minutes of 30 days */
	ck_assert_uint_ge(budget_wait_ms(&budget, now), 2585000);
	ck_assert_uint_le(budget_wait_ms(&budget, now), 2592000);
	/* and until some handshakes may be paid for */
	ck_assert_uint_ge(
	    budget.search.floor_ms, budget_wait_ms(&budget, now) + 51000000);
}
END_TEST

START_TEST(another_limit_ends_the_rest)
{
	begin(1 * MB);
	beat(1000, 200000);
	ck_assert_uint_gt(budget.search.floor_ms, 0);
	budget_apply(&budget, &settings, now);
	ck_assert_uint_gt(budget.search.floor_ms, 0);
	settings.data_budget = 5 * MB;
	budget_apply(&budget, &settings, now);
	ck_assert_uint_eq(budget.search.floor_ms, 0);
	ck_assert_uint_eq(budget_wait_ms(&budget, now), 0);
}
END_TEST

START_TEST(attempts_in_vain_are_paid_for)
{
	begin(1 * MB);
	for (int i = 0; i < 16; i++)
		budget_dial_failed(&budget, 6000, now += 1000);
	ck_assert_uint_eq(budget_wait_ms(&budget, now), 0);
	budget_dial_failed(&budget, 6000, now += 1000);
	ck_assert_uint_eq(budget.spent_bytes, 102000);
	ck_assert_uint_ge(budget_wait_ms(&budget, now), 5000000);
}
END_TEST

/* A month goes on while nothing but attempts in vain happens, and brings more than they cost. */
START_TEST(time_passes_with_attempts_in_vain)
{
	begin(1 * MB);
	beat(1000, 200000);
	for (int hour = 0; hour < 4 * 24; hour++)
		budget_dial_failed(&budget, 100, now += DAY / 24);
	ck_assert_uint_eq(budget_wait_ms(&budget, now), 0);
}
END_TEST

/* Though nothing is counted while there is no connection: an attempt that fails after the rest does not
 * begin another one. */
START_TEST(rest_ends_while_nothing_is_connected)
{
	uint32_t rest_ms;

	begin(1 * MB);
	beat(1000, 200000);
	rest_ms = budget_wait_ms(&budget, now);
	ck_assert_uint_ge(rest_ms, 3 * DAY - 10000);
	now += rest_ms / 2;
	ck_assert_uint_le(budget_wait_ms(&budget, now), rest_ms / 2 + 10000);
	now += rest_ms / 2;
	ck_assert_uint_le(budget_wait_ms(&budget, now), 10000);
	now += 10000;
	ck_assert_uint_eq(budget_wait_ms(&budget, now), 0);
}
END_TEST

/* Whatever happens, a month costs no more than it may: here a network that loses each
 * heartbeat, so that each costs a handshake as well. */
START_TEST(month_costs_no_more_than_it_may)
{
	begin(1 * MB);
	budget.search.networks[0].good_ms = 57000;
	budget.search.networks[0].bad_ms = 60000;
	for (;;) {
		uint64_t next_ms = budget_wait_ms(&budget, now);

		if (next_ms < budget.search.floor_ms)
			next_ms = budget.search.floor_ms;
		if (next_ms < 56000)
			next_ms = 56000;
		if (now + next_ms >= 5000 + 30 * DAY)
			break;
		beat(next_ms, 6250);
	}
	ck_assert_uint_le(total, 1 * MB + 6250);
	ck_assert_uint_ge(total, MB * 8 / 10);
}
END_TEST

START_TEST(next_month_begins_with_what_was_too_much)
{
	begin(1 * MB);
	beat(1000, 1200000);
	now += 30 * DAY;
	budget_count(&budget, 0, true, total, now);
	ck_assert_uint_eq(budget.spent_bytes, 200000);
	ck_assert_uint_le(budget.elapsed_ms, 1000);
	now += 30 * DAY;
	budget_count(&budget, 0, true, total, now);
	ck_assert_uint_eq(budget.spent_bytes, 0);
}
END_TEST

START_TEST(price_is_that_of_heartbeats_with_nothing_in_between)
{
	begin(100 * MB);
	beat(1000, 6000); /* the handshake */
	ck_assert_uint_eq(budget.clean_bytes, 0);
	beat(1000, 160);
	budget_link_busy(&budget, 0); /* a visitor */
	beat(1000, 900);
	ck_assert_uint_eq(budget.clean_bytes, 160);
	ck_assert_uint_eq(budget.search.beat_bytes, 160);
	/* one in many that costs more is part of the average, and not told */
	beat(1000, 250);
	beat(1000, 160);
	ck_assert_uint_ge(budget.clean_bytes, 160);
	ck_assert_uint_le(budget.clean_bytes, 175);
	ck_assert_uint_eq(budget.search.beat_bytes, 160);
	/* another price from now on is */
	beat(1000, 250);
	beat(1000, 250);
	ck_assert_uint_eq(budget.search.beat_bytes, 250);
}
END_TEST

/* Which rode on the control channel. */
START_TEST(visits_cost_nothing)
{
	begin(100 * MB);
	beat(1000, 6000);
	beat(1000, 160);
	total += 1000000;
	budget_skip(&budget, 0, true, total);
	beat(1000, 0);
	ck_assert_uint_eq(budget.spent_bytes, 6160);
	ck_assert_uint_eq(budget.clean_bytes, 160);
	beat(1000, 160);
	ck_assert_uint_eq(budget.spent_bytes, 6320);
	/* nobody knows how much it was */
	budget_skip(&budget, 0, false, 0);
	ck_assert_uint_eq(budget.spent_bytes, 6320);
}
END_TEST

START_TEST(estimates_where_the_system_does_not_count)
{
	begin(100 * MB);
	budget_count(&budget, 0, false, 0, now);
	budget_beat(&budget, 0, "mole");
	ck_assert_uint_eq(budget.spent_bytes, 6000);
	budget_count(&budget, 0, false, 0, now);
	ck_assert_uint_eq(budget.spent_bytes, 6250);
}
END_TEST

START_TEST(spending_is_remembered_over_a_restart)
{
	char text[200] = "label=k7x2";
	struct writer w;

	begin(1 * MB);
	beat(60000, 4321);
	writer_init(&w, text + strlen(text), sizeof(text) - strlen(text));
	budget_put(&budget, &w);
	ck_assert_uint_le(writer_len(&w), BUDGET_TEXT_MAX);
	ck_assert_mem_eq(
	    text, "label=k7x2&budget_spent=4321&budget_elapsed_ms=60000", 52);
	begin(1 * MB);
	budget_take(&budget, (struct str){text, 52});
	ck_assert_uint_eq(budget.spent_bytes, 4321);
	ck_assert_uint_eq(budget.elapsed_ms, 60000);
}
END_TEST

START_TEST(damaged_state_counts_nothing)
{
	begin(1 * MB);
	budget_take(&budget,
	    STR("budget_spent=x&budget_elapsed_ms=2592000001&&=&budget_spent"));
	ck_assert_uint_eq(budget.spent_bytes, 0);
	ck_assert_uint_eq(budget.elapsed_ms, 0);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    shapes_of_a_budget,
	    nothing_is_counted_where_nobody_pays,
	    budget_that_is_set_later_begins_with_nothing_spent,
	    budget_that_is_set_where_bytes_were_counted_begins_anew,
	    without_a_budget_only_the_price_is_known,
	    even_interval_is_what_the_budget_buys,
	    network_that_is_searched_is_not_given_up_for_the_budget,
	    interval_that_the_network_does_not_bear_is_not_asked_for,
	    a_tenth_may_be_spent_ahead_and_then_it_rests,
	    another_limit_ends_the_rest,
	    attempts_in_vain_are_paid_for,
	    time_passes_with_attempts_in_vain,
	    rest_ends_while_nothing_is_connected,
	    month_costs_no_more_than_it_may,
	    next_month_begins_with_what_was_too_much,
	    price_is_that_of_heartbeats_with_nothing_in_between,
	    visits_cost_nothing,
	    estimates_where_the_system_does_not_count,
	    spending_is_remembered_over_a_restart,
	    damaged_state_counts_nothing,
	};

	return run_suite("budget", tests, COUNT(tests));
}
