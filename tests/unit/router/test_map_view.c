/* SPDX-License-Identifier: MIT */
#include "../wire/support.h"

#include <stdio.h>
#include <stdlib.h>

#include "router/map_view.h"

#define MAPS                                                                   \
	"0 (/m/http.new.map) x entry_cnt=0\n"                                  \
	"1 (/m/http.again.map) x entry_cnt=0\n"                                \
	"2 (/m/http.map) x entry_cnt=0\n"
#define MAPS_WITHOUT_AGAIN                                                     \
	"0 (/m/http.new.map) x entry_cnt=0\n1 (/m/http.map) x entry_cnt=0\n"
#define BASE "/m/http.map"
#define OVERLAY "/m/http.new.map"
#define AGAIN "/m/http.again.map"

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

static void
end(bool more)
{
	ck_assert_int_eq(map_view_end(&view, 0), more);
}

/* A view of these maps that has just written all of them, empty. */
static void
setup_with(const char *maps, bool indexed)
{
	table = route_table_new(changed_cb, NULL);
	map_view_init(&view, table, 3, ROUTE_HTTP);
	map_view_discover(&view, str_of(maps), indexed);
	ck_assert_int_eq(map_view_plan(&view), MAP_PLAN_REBUILD);
	map_view_begin(&view, MAP_BASE);
	end(true);
	map_view_begin(&view, MAP_OVERLAY);
	if (view.map[MAP_AGAIN][0] != '\0') {
		end(true);
		map_view_begin(&view, MAP_AGAIN);
	}
	ck_assert(!map_view_is_told(&view));
	end(false);
	ck_assert(map_view_is_told(&view));
	ck_assert_int_eq(map_view_plan(&view), MAP_PLAN_REST);
}

static void
setup(bool indexed)
{
	setup_with(MAPS, indexed);
}

static void
teardown(void)
{
	map_view_fini(&view);
	route_table_free(&table);
}

static void
expect_change(int verb, const char *map, const char *key, const char *value)
{
	struct map_change change;

	ck_assert(map_view_take(&view, &change));
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

	ck_assert(!map_view_take(&view, &change));
}

START_TEST(finds_its_maps_by_their_file_names)
{
	table = route_table_new(changed_cb, NULL);
	map_view_init(&view, table, 0, ROUTE_SNI);
	map_view_discover(&view,
	    STR("0 (/x/http.map) a\n1 (/x/notsni.map) a\n2 (/y/sni.map) a\n"
		"3 (/y/sni.new.map) a\n4 (/y/a b/sni.map) a\n"
		"5 (/y/sni.again.map) a"),
	    false);
	ck_assert_str_eq(view.map[MAP_AGAIN], "/y/sni.again.map");
	ck_assert_str_eq(view.map[MAP_BASE], "/y/sni.map");
	ck_assert_str_eq(view.map[MAP_OVERLAY], "/y/sni.new.map");
	map_view_discover(&view, STR("0 (sni.map) a"), false);
	ck_assert_str_eq(view.map[MAP_BASE], "sni.map");
	ck_assert_str_eq(view.map[MAP_OVERLAY], "");
	map_view_discover(
	    &view, STR("0 (/y/sni.map;quit) a\n1 (/y/xsni.map) b"), false);
	ck_assert_str_eq(view.map[MAP_BASE], "");
	ck_assert_int_eq(map_view_plan(&view), MAP_PLAN_REST);
	teardown();
}
END_TEST

START_TEST(a_key_is_added_to_the_overlay_then_to_the_one_above_and_set_there)
{
	setup(false);
	put("a", 1);
	put("a", 2); /* still the same pending change */
	expect_change(MAP_CHANGE_ADD, OVERLAY, "a", "127.0.0.1,2");
	expect_no_change();
	put("a", 3);
	expect_change(MAP_CHANGE_ADD, AGAIN, "a", "127.0.0.1,3");
	put("a", 4);
	expect_change(MAP_CHANGE_SET, AGAIN, "a", "127.0.0.1,4");
	ck_assert_uint_eq(view.entries[MAP_OVERLAY], 1);
	ck_assert_uint_eq(view.entries[MAP_AGAIN], 1);
	teardown();
}
END_TEST

START_TEST(with_one_overlay_a_key_is_set_in_it)
{
	setup_with(MAPS_WITHOUT_AGAIN, false);
	put("a", 1);
	expect_change(MAP_CHANGE_ADD, OVERLAY, "a", "127.0.0.1,1");
	put("a", 3);
	expect_change(MAP_CHANGE_SET, OVERLAY, "a", "127.0.0.1,3");
	ck_assert_uint_eq(view.entries[MAP_OVERLAY], 1);
	map_view_begin(&view, MAP_BASE);
	ck_assert(map_view_takes_changes(&view));
	end(true);
	map_view_begin(&view, MAP_OVERLAY);
	ck_assert(!map_view_takes_changes(&view));
	end(false);
	ck_assert(map_view_takes_changes(&view));
	teardown();
}
END_TEST

START_TEST(a_removed_route_leaves_a_tombstone)
{
	setup(false);
	put("a", 1);
	expect_change(MAP_CHANGE_ADD, OVERLAY, "a", "127.0.0.1,1");
	drop("a");
	expect_change(MAP_CHANGE_ADD, AGAIN, "a", ROUTE_TOMBSTONE);
	put("a", 1);
	expect_change(MAP_CHANGE_SET, AGAIN, "a", "127.0.0.1,1");
	teardown();
}
END_TEST

START_TEST(an_indexed_map_is_changed_directly)
{
	setup(true);
	put("a", 1);
	expect_change(MAP_CHANGE_SET, BASE, "a", "127.0.0.1,1");
	drop("a");
	expect_change(MAP_CHANGE_DEL, BASE, "a", NULL);
	map_view_begin(&view, MAP_BASE);
	ck_assert(!map_view_takes_changes(&view));
	teardown();
}
END_TEST

static void
expect_line(const char *key, const char *value)
{
	char text[ROUTE_VALUE_TEXT_MAX];
	struct str found;

	ck_assert(map_view_next(&view, &found, text));
	ck_assert(str_is(found, key));
	ck_assert_str_eq(text, value);
}

static void
expect_no_line(void)
{
	char text[ROUTE_VALUE_TEXT_MAX];
	struct str found;

	ck_assert(!map_view_next(&view, &found, text));
}

START_TEST(a_fold_keeps_in_the_overlays_what_changed_meanwhile)
{
	setup(false);
	put("old", 1);
	put("both", 1);
	expect_change(MAP_CHANGE_ADD, OVERLAY, "old", "127.0.0.1,1");
	expect_change(MAP_CHANGE_ADD, OVERLAY, "both", "127.0.0.1,1");
	put("pending", 1); /* goes with the big map */

	map_view_begin(&view, MAP_BASE);
	expect_no_change();
	expect_line("old", "127.0.0.1,1");
	drop("both");
	put("new", 2);
	expect_change(MAP_CHANGE_ADD, AGAIN, "both", ROUTE_TOMBSTONE);
	expect_change(MAP_CHANGE_ADD, OVERLAY, "new", "127.0.0.1,2");
	expect_line("pending", "127.0.0.1,1");
	expect_line("new", "127.0.0.1,2");
	expect_no_line();
	end(true);

	map_view_begin(&view, MAP_OVERLAY);
	expect_line("both", ROUTE_TOMBSTONE);
	put("newer", 3); /* the overlay is being written: one further up */
	put("old", 4);
	expect_change(MAP_CHANGE_ADD, AGAIN, "newer", "127.0.0.1,3");
	expect_change(MAP_CHANGE_ADD, AGAIN, "old", "127.0.0.1,4");
	expect_line("new", "127.0.0.1,2");
	expect_no_line();
	end(true);

	map_view_begin(&view, MAP_AGAIN);
	ck_assert(!map_view_takes_changes(&view));
	expect_line("newer", "127.0.0.1,3");
	expect_line("old", "127.0.0.1,4");
	expect_no_line();
	end(false);

	/* each is set where it stands now */
	put("both", 5);
	put("newer", 6);
	put("pending", 7);
	expect_change(MAP_CHANGE_ADD, AGAIN, "both", "127.0.0.1,5");
	expect_change(MAP_CHANGE_SET, AGAIN, "newer", "127.0.0.1,6");
	expect_change(MAP_CHANGE_ADD, OVERLAY, "pending", "127.0.0.1,7");
	teardown();
}
END_TEST

START_TEST(an_overlay_takes_in_what_stands_above_it)
{
	setup(false);
	put("once", 1);
	put("twice", 1);
	expect_change(MAP_CHANGE_ADD, OVERLAY, "once", "127.0.0.1,1");
	expect_change(MAP_CHANGE_ADD, OVERLAY, "twice", "127.0.0.1,1");
	put("twice", 2);
	expect_change(MAP_CHANGE_ADD, AGAIN, "twice", "127.0.0.1,2");

	map_view_begin(&view, MAP_OVERLAY);
	put("new", 3);
	expect_change(MAP_CHANGE_ADD, AGAIN, "new", "127.0.0.1,3");
	expect_line("once", "127.0.0.1,1");
	expect_line("twice", "127.0.0.1,2");
	expect_no_line();
	end(true);
	map_view_begin(&view, MAP_AGAIN);
	expect_line("new", "127.0.0.1,3");
	expect_no_line();
	end(false);

	/* "new" stands above alone; the next time it goes along */
	map_view_begin(&view, MAP_OVERLAY);
	expect_line("once", "127.0.0.1,1");
	expect_line("twice", "127.0.0.1,2");
	expect_line("new", "127.0.0.1,3");
	expect_no_line();
	end(true);
	map_view_begin(&view, MAP_AGAIN);
	expect_no_line();
	end(false);
	put("new", 4);
	expect_change(MAP_CHANGE_ADD, AGAIN, "new", "127.0.0.1,4");
	teardown();
}
END_TEST

#define KEYS 40

/* HAProxy's maps. */
static struct {
	struct map_line lines[KEYS];
	unsigned n;
} hap[MAP_LEVELS];

static unsigned
hap_find(int level, const char *key)
{
	unsigned i = 0;

	while (i < hap[level].n && strcmp(hap[level].lines[i].key, key) != 0)
		i++;
	return i;
}

static void
hap_change(const struct map_change *change)
{
	int level = 0;
	unsigned i;

	while (strcmp(change->map, view.map[level]) != 0)
		level++;
	i = hap_find(level, change->line.key);
	/* a key is added once only, and set only where it is */
	if (change->verb == MAP_CHANGE_ADD)
		ck_assert_uint_eq(i, hap[level].n++);
	ck_assert_uint_lt(i, hap[level].n);
	hap[level].lines[i] = change->line;
}

static const char *
hap_get(const char *key)
{
	for (int level = MAP_LEVELS - 1; level >= 0; level--) {
		unsigned i = hap_find(level, key);

		if (i < hap[level].n)
			return hap[level].lines[i].value;
	}
	return ROUTE_TOMBSTONE;
}

/* Each key leads in HAProxy to where the table says, unless a change is pending. */
static void
expect_equal(void)
{
	char key[16], value[ROUTE_VALUE_TEXT_MAX];
	const char *expected;

	for (int i = 0; i < KEYS; i++) {
		struct route_entry *entry;

		snprintf(key, sizeof(key), "k%d", i);
		entry = route_table_find(table, ROUTE_HTTP, str_of(key));
		expected = entry != NULL
		    ? route_target_text(&entry->target, value)
		    : ROUTE_TOMBSTONE;
		/* check writes down each assertion, and these are millions */
		if (strcmp(hap_get(key), expected) != 0)
			ck_assert_str_eq(hap_get(key), expected);
	}
}

static void
change_some(unsigned *seed)
{
	struct map_change change;
	char key[16];

	for (int n = rand_r(seed) % 4; n > 0; n--) {
		snprintf(key, sizeof(key), "k%d", rand_r(seed) % KEYS);
		if (rand_r(seed) % 4 == 0)
			drop(key);
		else
			put(key, (uint16_t)(1 + rand_r(seed) % 1000));
	}
	if (!map_view_takes_changes(&view))
		return;
	while (map_view_take(&view, &change))
		hap_change(&change);
	expect_equal();
}

/* Write a map as map_transaction does, with changes in between, and commit it at once. */
static bool
write_map(enum map_level level, unsigned *seed)
{
	struct map_line lines[KEYS + 1];
	struct str found;
	unsigned n = 0;

	map_view_begin(&view, level);
	while (map_view_next(&view, &found, lines[n].value)) {
		ck_assert(str_copy(found, lines[n].key, sizeof(lines[n].key)));
		ck_assert_uint_lt(++n, KEYS + 1);
		change_some(seed);
	}
	change_some(seed);
	memcpy(hap[level].lines, lines, n * sizeof(lines[0]));
	hap[level].n = n;
	return map_view_end(&view, n);
}

static void
write_maps_again_and_again(unsigned seed)
{
	memset(hap, 0, sizeof(hap));
	setup_with(seed % 4 == 0 ? MAPS_WITHOUT_AGAIN : MAPS, false);
	for (int turn = 0; turn < 100; turn++) {
		enum map_level level =
		    rand_r(&seed) % 3 == 0 && view.map[MAP_AGAIN][0] != '\0'
		    ? MAP_OVERLAY
		    : MAP_BASE;

		for (int i = rand_r(&seed) % 30; i > 0; i--)
			change_some(&seed);
		while (write_map(level, &seed))
			level++;
		change_some(&seed);
		for (int i = 0; i < MAP_LEVELS; i++)
			ck_assert_uint_eq(view.entries[i], hap[i].n);
	}
	teardown();
}

START_TEST(whatever_changes_while_maps_are_written_haproxy_is_told)
{
	for (unsigned seed = 1; seed <= 20; seed++)
		write_maps_again_and_again(seed);
}
END_TEST

START_TEST(another_process_gets_everything_again)
{
	setup(false);
	put("a", 1);
	expect_change(MAP_CHANGE_ADD, OVERLAY, "a", "127.0.0.1,1");
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
	expect_change(MAP_CHANGE_ADD, OVERLAY, "a", "127.0.0.1,1");
	ck_assert(!map_view_agrees(&view, STR(MAPS)));
	ck_assert(map_view_agrees(&view,
	    STR("0 (/m/http.new.map) entry_cnt=1\n1 (/m/http.map) "
		"entry_cnt=0\n2 (/m/http.again.map) entry_cnt=0")));
	ck_assert(!map_view_agrees(&view,
	    STR("0 (/m/http.new.map) entry_cnt=1\n1 (/m/http.map) "
		"entry_cnt=7\n2 (/m/http.again.map) entry_cnt=0")));
	ck_assert(!map_view_agrees(&view,
	    STR("0 (/m/http.new.map) entry_cnt=1\n1 (/m/http.map) "
		"entry_cnt=0\n2 (/m/http.again.map) entry_cnt=1")));
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

			ck_assert(map_view_take(&view, &change));
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
	    a_key_is_added_to_the_overlay_then_to_the_one_above_and_set_there,
	    with_one_overlay_a_key_is_set_in_it,
	    a_removed_route_leaves_a_tombstone,
	    an_indexed_map_is_changed_directly,
	    a_fold_keeps_in_the_overlays_what_changed_meanwhile,
	    an_overlay_takes_in_what_stands_above_it,
	    whatever_changes_while_maps_are_written_haproxy_is_told,
	    another_process_gets_everything_again,
	    a_count_that_differs_is_noticed,
	    many_changes_come_out_in_their_order};

	return run_suite("map_view", tests, COUNT(tests));
}
