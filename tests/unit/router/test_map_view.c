/* SPDX-License-Identifier: MIT */
#include "../wire/support.h"

#include <stdio.h>

#include "router/map_view.h"

#define MAPS                                                                   \
	"0 (/m/http.new.map) x entry_cnt=0\n1 (/m/http.map) x entry_cnt=0\n"

static struct route_table *table;
static struct map_view view;

static void
changed_cb(void *ctx, struct route_entry *entry)
{
	(void)ctx;
	map_view_note(&view, entry);
}

static void
put(const char *key, uint16_t port)
{
	struct route_target target = {
	    .ip = {127, 0, 0, 1}, .ip_len = 4, .port = port};

	ck_assert_int_eq(route_table_put(table, ROUTE_HTTP, str_of(key),
			     &target, 1, ROUTE_FROM_EVENT),
	    0);
}

static void
drop(const char *key)
{
	route_table_remove(table, ROUTE_HTTP, str_of(key), false);
}

/* A view that has just written both maps whole. */
static void
setup(bool indexed)
{
	table = route_table_new(changed_cb, NULL);
	map_view_init(&view, table, 3, ROUTE_HTTP);
	map_view_discover(&view, STR(MAPS), indexed);
	ck_assert_int_eq(map_view_plan(&view), MAP_PLAN_REBUILD);
	map_view_begin_base(&view);
	map_view_end_base(&view, 0);
	map_view_begin_overlay(&view);
	map_view_end_overlay(&view, 0);
	ck_assert_int_eq(map_view_plan(&view), MAP_PLAN_REST);
}

static void
teardown(void)
{
	map_view_fini(&view);
	route_table_free(&table);
}

static void
expect_change(bool rebuilding, int verb, const char *map, const char *key,
    const char *value)
{
	struct map_change change;

	ck_assert(map_view_take(&view, rebuilding, &change));
	ck_assert_int_eq(change.verb, verb);
	ck_assert_str_eq(change.map, map);
	ck_assert_str_eq(change.line.key, key);
	if (value != NULL)
		ck_assert_str_eq(change.line.value, value);
}

static void
expect_no_change(void)
{
	struct map_change change;

	ck_assert(!map_view_take(&view, false, &change));
}

START_TEST(finds_its_maps_by_their_file_names)
{
	table = route_table_new(changed_cb, NULL);
	map_view_init(&view, table, 0, ROUTE_SNI);
	map_view_discover(&view,
	    STR("0 (/x/http.map) a\n1 (/x/notsni.map) a\n2 (/y/sni.map) a\n"
		"3 (/y/sni.new.map) a\n4 (/y/a b/sni.map) a"),
	    false);
	ck_assert_str_eq(view.base, "/y/sni.map");
	ck_assert_str_eq(view.overlay, "/y/sni.new.map");
	map_view_discover(&view, STR("0 (sni.map) a"), false);
	ck_assert_str_eq(view.base, "sni.map");
	ck_assert_str_eq(view.overlay, "");
	map_view_discover(
	    &view, STR("0 (/y/sni.map;quit) a\n1 (/y/xsni.map) b"), false);
	ck_assert_str_eq(view.base, "");
	ck_assert_int_eq(map_view_plan(&view), MAP_PLAN_REST);
	teardown();
}
END_TEST

START_TEST(a_key_is_added_to_the_overlay_once_and_set_after)
{
	setup(false);
	put("a", 1);
	put("a", 2); /* still the same pending change */
	expect_change(
	    false, MAP_CHANGE_ADD, "/m/http.new.map", "a", "127.0.0.1,2");
	expect_no_change();
	put("a", 3);
	expect_change(
	    false, MAP_CHANGE_SET, "/m/http.new.map", "a", "127.0.0.1,3");
	ck_assert_uint_eq(view.overlay_entries, 1);
	teardown();
}
END_TEST

START_TEST(a_removed_route_leaves_a_tombstone)
{
	setup(false);
	put("a", 1);
	expect_change(
	    false, MAP_CHANGE_ADD, "/m/http.new.map", "a", "127.0.0.1,1");
	drop("a");
	expect_change(
	    false, MAP_CHANGE_SET, "/m/http.new.map", "a", ROUTE_TOMBSTONE);
	put("a", 1);
	expect_change(
	    false, MAP_CHANGE_SET, "/m/http.new.map", "a", "127.0.0.1,1");
	teardown();
}
END_TEST

START_TEST(an_indexed_map_is_changed_directly)
{
	setup(true);
	put("a", 1);
	expect_change(false, MAP_CHANGE_SET, "/m/http.map", "a", "127.0.0.1,1");
	drop("a");
	expect_change(false, MAP_CHANGE_DEL, "/m/http.map", "a", NULL);
	teardown();
}
END_TEST

static void
expect_overlay(const char *key, const char *value)
{
	char text[ROUTE_VALUE_TEXT_MAX];
	struct str found;

	ck_assert(map_view_next_overlay(&view, &found, text));
	ck_assert(str_is(found, key));
	ck_assert_str_eq(text, value);
}

START_TEST(a_fold_keeps_in_the_overlay_what_changed_meanwhile)
{
	char value[ROUTE_VALUE_TEXT_MAX];
	struct str key;

	setup(false);
	put("old", 1);
	put("both", 1);
	expect_change(
	    false, MAP_CHANGE_ADD, "/m/http.new.map", "old", "127.0.0.1,1");
	expect_change(
	    false, MAP_CHANGE_ADD, "/m/http.new.map", "both", "127.0.0.1,1");
	put("pending", 1); /* goes with the big map */

	map_view_begin_base(&view);
	expect_no_change();
	ck_assert(map_view_next_base(&view, &key, value));
	ck_assert(str_is(key, "old"));
	drop("both");
	put("new", 2);
	expect_change(
	    true, MAP_CHANGE_SET, "/m/http.new.map", "both", ROUTE_TOMBSTONE);
	expect_change(
	    true, MAP_CHANGE_ADD, "/m/http.new.map", "new", "127.0.0.1,2");
	while (map_view_next_base(&view, &key, value))
		ck_assert(!str_is(key, "both"));
	map_view_end_base(&view, 3);

	map_view_begin_overlay(&view);
	expect_overlay("both", ROUTE_TOMBSTONE);
	expect_overlay("new", "127.0.0.1,2");
	ck_assert(!map_view_next_overlay(&view, &key, value));
	map_view_end_overlay(&view, 2);

	/* "old" is not in the overlay any more, the others are */
	put("old", 9);
	put("new", 9);
	expect_change(
	    false, MAP_CHANGE_ADD, "/m/http.new.map", "old", "127.0.0.1,9");
	expect_change(
	    false, MAP_CHANGE_SET, "/m/http.new.map", "new", "127.0.0.1,9");
	teardown();
}
END_TEST

START_TEST(another_process_gets_everything_again)
{
	setup(false);
	put("a", 1);
	expect_change(
	    false, MAP_CHANGE_ADD, "/m/http.new.map", "a", "127.0.0.1,1");
	drop("a");
	map_view_reset(&view);
	put("b", 1); /* nobody to tell */
	expect_no_change();
	map_view_discover(&view, STR(MAPS), false);
	ck_assert_int_eq(map_view_plan(&view), MAP_PLAN_REBUILD);
	ck_assert(!view.synced);
	teardown();
}
END_TEST

START_TEST(a_count_that_differs_is_noticed)
{
	setup(false);
	put("a", 1);
	expect_change(
	    false, MAP_CHANGE_ADD, "/m/http.new.map", "a", "127.0.0.1,1");
	ck_assert(!map_view_agrees(&view, STR(MAPS)));
	ck_assert(map_view_agrees(&view,
	    STR("0 (/m/http.new.map) entry_cnt=1\n1 (/m/http.map) "
		"entry_cnt=0")));
	ck_assert(!map_view_agrees(&view,
	    STR("0 (/m/http.new.map) entry_cnt=1\n1 (/m/http.map) "
		"entry_cnt=7")));
	ck_assert(
	    !map_view_agrees(&view, STR("0 (/m/http.new.map) entry_cnt=1")));
	teardown();
}
END_TEST

START_TEST(many_changes_come_out_in_their_order)
{
	char key[32], expected[32];
	int i;

	setup(false);
	for (i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "host-%d", i);
		put(key, 1);
		if (i % 3 == 0) {
			struct map_change change;

			ck_assert(map_view_take(&view, false, &change));
			snprintf(expected, sizeof(expected), "host-%d", i / 3);
			ck_assert_str_eq(change.line.key, expected);
		}
	}
	ck_assert_uint_eq(entry_list_count(&view.dirty), 1000 - 334);
	teardown();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {finds_its_maps_by_their_file_names,
	    a_key_is_added_to_the_overlay_once_and_set_after,
	    a_removed_route_leaves_a_tombstone,
	    an_indexed_map_is_changed_directly,
	    a_fold_keeps_in_the_overlay_what_changed_meanwhile,
	    another_process_gets_everything_again,
	    a_count_that_differs_is_noticed,
	    many_changes_come_out_in_their_order};

	return run_suite("map_view", tests, COUNT(tests));
}
