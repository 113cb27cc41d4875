/* SPDX-License-Identifier: MIT */
#include "../wire/support.h"

#include <stdio.h>

#include "router/route_table.h"

static struct route_table *table;
static unsigned n_changes;
static char last_key[300];
static bool last_live, last_stricter;
static uint8_t dirty_bits; /* what the viewers of a test set at each change */

static void
changed_cb(void *ctx, struct route_entry *entry)
{
	(void)ctx;
	n_changes++;
	snprintf(last_key, sizeof(last_key), "%.*s",
	    STR_ARG(route_entry_key(entry)));
	last_live = entry->live;
	last_stricter = entry->stricter;
	entry->dirty |= dirty_bits;
}

static void
setup(void)
{
	table = route_table_new(changed_cb, NULL);
	n_changes = 0;
	dirty_bits = 0;
}

static void
teardown(void)
{
	route_table_free(&table);
	ck_assert_ptr_null(table);
}

static struct route_target
target_of(uint16_t port)
{
	return (struct route_target){
	    .ip = {127, 0, 0, 1}, .ip_len = 4, .port = port};
}

static void
put(const char *key, uint16_t port, uint64_t epoch, enum route_source source)
{
	struct route_target target = target_of(port);

	ck_assert_int_eq(route_table_put(table, ROUTE_HTTP, str_of(key),
			     &target, epoch, source),
	    0);
}

/* 0: no such route */
static unsigned
port_of(const char *key)
{
	const struct route_entry *entry =
	    route_table_find(table, ROUTE_HTTP, str_of(key));

	return entry == NULL ? 0 : entry->target.port;
}

START_TEST(tells_of_changes_and_only_of_changes)
{
	setup();
	put("a", 1, 1, ROUTE_FROM_EVENT);
	ck_assert_uint_eq(n_changes, 1);
	put("a", 1, 2, ROUTE_FROM_EVENT);
	ck_assert_uint_eq(n_changes, 1);
	put("a", 2, 2, ROUTE_FROM_EVENT);
	ck_assert_uint_eq(n_changes, 2);
	ck_assert(last_live);
	route_table_remove(table, ROUTE_HTTP, STR("a"), false);
	ck_assert_uint_eq(n_changes, 3);
	ck_assert(!last_live);
	ck_assert_str_eq(last_key, "a");
	route_table_remove(table, ROUTE_HTTP, STR("a"), false);
	ck_assert_uint_eq(n_changes, 3);
	ck_assert_uint_eq(route_table_count(table, ROUTE_HTTP), 0);
	teardown();
}
END_TEST

/* Does this change close what was open? */
static bool
closes(enum route_kind kind, const char *access)
{
	struct route_target target = target_of(1);
	unsigned before = n_changes;

	if (access != NULL)
		target.access = access;
	target.access_len = access != NULL ? strlen(access) : 0;
	ck_assert_int_eq(route_table_put(table, kind, STR("a"), &target, 1,
			     ROUTE_FROM_EVENT),
	    0);
	ck_assert_uint_eq(n_changes, before + 1);
	return last_stricter;
}

START_TEST(says_when_what_was_open_is_not_any_more)
{
	setup();
	dirty_bits = 1; /* a viewer needs the key: it stays when it goes */
	ck_assert(!closes(ROUTE_HTTP, "private,a")); /* nothing was open */
	ck_assert(closes(ROUTE_HTTP, "private,b"));  /* another key: the links are void */
	ck_assert(!closes(ROUTE_HTTP, NULL));
	ck_assert(closes(ROUTE_HTTP, "private,b"));
	ck_assert(!closes(ROUTE_HTTP, NULL));
	route_table_remove(table, ROUTE_HTTP, STR("a"), false);
	ck_assert(!last_stricter);
	ck_assert(closes(ROUTE_HTTP, "private,b")); /* it was gone for a moment */
	ck_assert(closes(ROUTE_REVOKED, NULL));
	ck_assert(!closes(ROUTE_ALLOW, NULL)); /* one more is let in */
	teardown();
}
END_TEST

START_TEST(keeps_kinds_apart)
{
	struct route_target target = target_of(5);

	setup();
	put("a", 1, 1, ROUTE_FROM_EVENT);
	ck_assert_int_eq(route_table_put(table, ROUTE_SNI, STR("a"), &target, 1,
			     ROUTE_FROM_EVENT),
	    0);
	ck_assert_uint_eq(port_of("a"), 1);
	ck_assert_uint_eq(
	    route_table_find(table, ROUTE_SNI, STR("a"))->target.port, 5);
	route_table_remove(table, ROUTE_HTTP, STR("a"), false);
	ck_assert_ptr_nonnull(route_table_find(table, ROUTE_SNI, STR("a")));
	teardown();
}
END_TEST

START_TEST(the_last_event_counts_and_the_newest_of_a_snapshot)
{
	setup();
	put("a", 2, 20, ROUTE_FROM_EVENT);
	put("a", 1, 10, ROUTE_FROM_SNAPSHOT);
	ck_assert_uint_eq(port_of("a"), 2);
	put("a", 3, 20, ROUTE_FROM_EVENT); /* the same session, moved */
	ck_assert_uint_eq(port_of("a"), 3);
	put("a", 1, 10,
	    ROUTE_FROM_EVENT); /* of a relay whose clock is behind */
	ck_assert_uint_eq(port_of("a"), 1);
	teardown();
}
END_TEST

START_TEST(a_snapshot_removes_what_it_lacks)
{
	setup();
	put("stays", 1, 1, ROUTE_FROM_EVENT);
	put("goes", 1, 1, ROUTE_FROM_EVENT);
	route_table_begin_snapshot(table, false);
	put("stays", 1, 1, ROUTE_FROM_SNAPSHOT);
	put("comes", 1, 1, ROUTE_FROM_EVENT);
	ck_assert_uint_eq(route_table_end_snapshot(table, false), 1);
	ck_assert_uint_eq(port_of("stays"), 1);
	ck_assert_uint_eq(port_of("comes"), 1);
	ck_assert_uint_eq(port_of("goes"), 0);
	teardown();
}
END_TEST

START_TEST(what_a_snapshot_lacks_is_kept_in_doubt_until_one_is_believed)
{
	setup();
	put("back", 1, 5, ROUTE_FROM_EVENT);
	put("older", 1, 5, ROUTE_FROM_EVENT);
	put("gone", 1, 5, ROUTE_FROM_EVENT);
	route_table_begin_snapshot(table, false);
	put("older", 2, 4, ROUTE_FROM_SNAPSHOT);
	ck_assert_uint_eq(route_table_end_snapshot(table, true), 3);
	ck_assert(route_table_find(table, ROUTE_HTTP, STR("gone"))->doubtful);
	ck_assert_uint_eq(port_of("older"), 1);
	put("back", 1, 6, ROUTE_FROM_EVENT);
	ck_assert(!route_table_find(table, ROUTE_HTTP, STR("back"))->doubtful);

	route_table_begin_snapshot(table, true);
	put("back", 1, 6, ROUTE_FROM_SNAPSHOT);
	put("older", 2, 4, ROUTE_FROM_SNAPSHOT);
	ck_assert_uint_eq(route_table_end_snapshot(table, false), 1);
	ck_assert_uint_eq(port_of("back"), 1);
	ck_assert_uint_eq(port_of("older"), 2);
	ck_assert_uint_eq(port_of("gone"), 0);
	teardown();
}
END_TEST

START_TEST(routes_of_an_earlier_run_are_replaced_by_anything)
{
	setup();
	put("a", 1, 0, ROUTE_FROM_FILE);
	ck_assert(route_table_find(table, ROUTE_HTTP, STR("a"))->doubtful);
	put("a", 2, 7, ROUTE_FROM_SNAPSHOT);
	put("a", 3, 0, ROUTE_FROM_FILE);
	ck_assert_uint_eq(port_of("a"), 2);
	teardown();
}
END_TEST

START_TEST(derived_routes_are_the_routers_alone)
{
	setup();
	put("relay", 1, 0, ROUTE_DERIVED);
	put("relay", 2, 99, ROUTE_FROM_EVENT);
	route_table_remove(table, ROUTE_HTTP, STR("relay"), false);
	route_table_begin_snapshot(table, false);
	ck_assert_uint_eq(route_table_end_snapshot(table, false), 0);
	ck_assert_uint_eq(port_of("relay"), 1);
	route_table_remove(table, ROUTE_HTTP, STR("relay"), true);
	ck_assert_uint_eq(port_of("relay"), 0);
	teardown();
}
END_TEST

START_TEST(a_removed_route_stays_while_a_viewer_needs_its_key)
{
	struct route_entry *entry;

	setup();
	put("a", 1, 1, ROUTE_FROM_EVENT);
	entry = route_table_find(table, ROUTE_HTTP, STR("a"));
	dirty_bits = 3;
	route_table_remove(table, ROUTE_HTTP, STR("a"), false);
	entry->dirty = 1;
	route_table_release(table, entry);
	ck_assert(!entry->live);
	put("a", 2, 1, ROUTE_FROM_EVENT); /* it is the same entry again */
	ck_assert_ptr_eq(route_table_find(table, ROUTE_HTTP, STR("a")), entry);
	dirty_bits = 0;
	entry->dirty = 0;
	entry->overlaid[1] = 4;
	route_table_remove(table, ROUTE_HTTP, STR("a"), false);
	ck_assert(!entry->live);
	entry->overlaid[1] = 0;
	route_table_release(
	    table, entry); /* frees it: the leak checker looks on */
	teardown();
}
END_TEST

/* Slots that become free are used again, so that walking is stable. */
START_TEST(a_walk_meets_what_stays_exactly_once)
{
	static unsigned met[4000];
	struct route_entry *entry;
	size_t cursor = 0;
	char key[32];
	unsigned i, n = 0;

	setup();
	for (i = 0; i < 4000; i++) {
		snprintf(key, sizeof(key), "host-%u", i);
		put(key, 1, 1, ROUTE_FROM_EVENT);
	}
	while ((entry = route_table_next(table, ROUTE_HTTP, &cursor)) != NULL) {
		unsigned number;

		snprintf(
		    key, sizeof(key), "%.*s", STR_ARG(route_entry_key(entry)));
		ck_assert_int_eq(sscanf(key, "host-%u", &number), 1);
		if (number < 4000)
			met[number]++;
		/* every third goes, met or not, and others come into the gaps */
		snprintf(key, sizeof(key), "host-%u", n * 3 % 4000 / 3 * 3);
		route_table_remove(table, ROUTE_HTTP, str_of(key), false);
		snprintf(key, sizeof(key), "host-%u", 10000 + n);
		if (n < 1000)
			put(key, 1, 1, ROUTE_FROM_EVENT);
		n++;
	}
	for (i = 0; i < 4000; i++)
		if (i % 3 != 0)
			ck_assert_uint_eq(met[i], 1);
	teardown();
}
END_TEST

START_TEST(old_marks_mean_nothing_after_the_counter_has_wrapped)
{
	int i;

	setup();
	put("forgotten", 1, 1, ROUTE_FROM_EVENT);
	for (i = 0; i < 300; i++) {
		route_table_begin_snapshot(table, false);
		ck_assert_uint_eq(route_table_end_snapshot(table, true), 1);
	}
	teardown();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {tells_of_changes_and_only_of_changes,
	    says_when_what_was_open_is_not_any_more,
	    keeps_kinds_apart,
	    the_last_event_counts_and_the_newest_of_a_snapshot,
	    a_snapshot_removes_what_it_lacks,
	    what_a_snapshot_lacks_is_kept_in_doubt_until_one_is_believed,
	    routes_of_an_earlier_run_are_replaced_by_anything,
	    derived_routes_are_the_routers_alone,
	    a_removed_route_stays_while_a_viewer_needs_its_key,
	    a_walk_meets_what_stays_exactly_once,
	    old_marks_mean_nothing_after_the_counter_has_wrapped};

	return run_suite("route_table", tests, COUNT(tests));
}
