/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash_map.h"

#define MANY 5000

struct thing {
	int before; /* so that the node is not the first member */
	struct hash_node node;
	char key[24];
	size_t key_len;
	bool seen;
};

static struct hash_map map;
static struct thing things[MANY];
static int n_visited;

static struct str
key_cb(const struct hash_node *node)
{
	const struct thing *thing = HASH_ENTRY(node, const struct thing, node);

	return (struct str){thing->key, thing->key_len};
}

static void
put(struct thing *thing, const char *key, size_t len)
{
	memcpy(thing->key, key, len);
	thing->key_len = len;
	ck_assert_int_eq(hash_map_insert(&map, &thing->node), 0);
}

static void
put_numbered(int from, int to)
{
	for (int i = from; i < to; i++) {
		char key[24];

		put(&things[i], key,
		    (size_t)snprintf(key, sizeof(key), "device-%d", i));
	}
}

static struct thing *
find(const char *key, size_t len)
{
	struct hash_node *node = hash_map_find(&map, (struct str){key, len});

	return node != NULL ? HASH_ENTRY(node, struct thing, node) : NULL;
}

static struct thing *
find_numbered(int i)
{
	char key[24];

	return find(key, (size_t)snprintf(key, sizeof(key), "device-%d", i));
}

static void
setup(void)
{
	hash_map_init(&map, key_cb);
}

static void
teardown(void)
{
	hash_map_fini(&map);
}

START_TEST(an_empty_map_finds_nothing)
{
	ck_assert_ptr_null(find("a", 1));
	ck_assert_ptr_null(find("", 0));
	hash_map_fini(&map);
	hash_map_fini(&map);
}
END_TEST

START_TEST(finds_every_entry_while_it_grows)
{
	for (int i = 0; i < MANY; i++) {
		put_numbered(i, i + 1);
		ck_assert_uint_eq(map.count, (size_t)i + 1);
		ck_assert_ptr_eq(find_numbered(i), &things[i]);
		ck_assert_ptr_eq(find_numbered(i / 2), &things[i / 2]);
		ck_assert_ptr_null(find_numbered(i + 1));
	}
	for (int i = 0; i < MANY; i++)
		ck_assert_ptr_eq(find_numbered(i), &things[i]);
	/* two entries a bucket at most, and never more buckets than entries */
	ck_assert_uint_ge(2 * map.n_buckets, MANY);
	ck_assert_uint_le(map.n_buckets, MANY);
	ck_assert_uint_eq(map.n_buckets & (map.n_buckets - 1), 0);
}
END_TEST

START_TEST(what_was_removed_is_gone_and_the_rest_stays)
{
	put_numbered(0, MANY);
	for (int i = 0; i < MANY; i += 3)
		hash_map_remove(&map, &things[i].node);
	for (int i = 0; i < MANY; i++) {
		if (i % 3 == 0)
			ck_assert_ptr_null(find_numbered(i));
		else
			ck_assert_ptr_eq(find_numbered(i), &things[i]);
	}
	for (int i = 0; i < MANY; i += 3)
		put_numbered(i, i + 1);
	ck_assert_uint_eq(map.count, MANY);
	for (int i = 0; i < MANY; i++)
		ck_assert_ptr_eq(find_numbered(i), &things[i]);
}
END_TEST

START_TEST(keys_are_bytes_of_a_length)
{
	put(&things[0], "", 0);
	put(&things[1], "a", 1);
	put(&things[2], "a\0", 2);
	put(&things[3], "a\0b", 3);
	put(&things[4], "\xff\x80", 2);
	ck_assert_ptr_eq(find("", 0), &things[0]);
	ck_assert_ptr_eq(find("a", 1), &things[1]);
	ck_assert_ptr_eq(find("a\0", 2), &things[2]);
	ck_assert_ptr_eq(find("a\0b", 3), &things[3]);
	ck_assert_ptr_eq(find("\xff\x80", 2), &things[4]);
	ck_assert_ptr_null(find("A", 1));
	ck_assert_ptr_null(find("a\0c", 3));
}
END_TEST

START_TEST(entries_of_one_key_are_all_found)
{
	struct hash_node *node;
	int n = 0;

	put_numbered(0, MANY / 2);
	for (int i = 0; i < 3; i++)
		put(&things[MANY - 1 - i], "device-7", 8);
	for (node = hash_map_find(&map, STR("device-7")); node != NULL;
	     node = hash_map_find_next(&map, node)) {
		ck_assert(!HASH_ENTRY(node, struct thing, node)->seen);
		HASH_ENTRY(node, struct thing, node)->seen = true;
		n++;
	}
	ck_assert_int_eq(n, 4);
	ck_assert(things[7].seen);
	for (int i = 0; i < 3; i++)
		ck_assert(things[MANY - 1 - i].seen);
	hash_map_remove(&map, &things[7].node);
	hash_map_remove(&map, &things[MANY - 2].node);
	node = hash_map_find(&map, STR("device-7"));
	ck_assert_ptr_nonnull(node);
	node = hash_map_find_next(&map, node);
	ck_assert_ptr_nonnull(node);
	ck_assert_ptr_null(hash_map_find_next(&map, node));
}
END_TEST

static void
see_cb(void *ctx, struct hash_node *node)
{
	struct thing *thing = HASH_ENTRY(node, struct thing, node);

	ck_assert_ptr_eq(ctx, &map);
	ck_assert(!thing->seen);
	thing->seen = true;
	n_visited++;
}

static void
see_and_remove_cb(void *ctx, struct hash_node *node)
{
	see_cb(ctx, node);
	hash_map_remove(&map, node);
	memset(node, 0xaa, sizeof(*node)); /* as if it had been freed */
}

START_TEST(each_visits_every_entry_once)
{
	hash_map_each(&map, see_cb, &map);
	ck_assert_int_eq(n_visited, 0);
	put_numbered(0, MANY);
	hash_map_each(&map, see_cb, &map);
	ck_assert_int_eq(n_visited, MANY);
}
END_TEST

START_TEST(each_may_remove_what_it_is_given)
{
	put_numbered(0, MANY);
	hash_map_each(&map, see_and_remove_cb, &map);
	ck_assert_int_eq(n_visited, MANY);
	ck_assert_uint_eq(map.count, 0);
	ck_assert_ptr_null(find_numbered(0));
}
END_TEST

/* Keys that differ in one digit must not end in one bucket. */
START_TEST(spreads_similar_keys)
{
	size_t longest = 0;

	put_numbered(0, MANY);
	for (size_t i = 0; i < map.n_buckets; i++) {
		size_t length = 0;

		for (struct hash_node *node = map.buckets[i]; node != NULL;
		     node = node->next)
			length++;
		longest = length > longest ? length : longest;
	}
	ck_assert_uint_le(longest, 12);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("hash_map");
	TCase *tests = tcase_create("hash_map");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, an_empty_map_finds_nothing);
	tcase_add_test(tests, finds_every_entry_while_it_grows);
	tcase_add_test(tests, what_was_removed_is_gone_and_the_rest_stays);
	tcase_add_test(tests, keys_are_bytes_of_a_length);
	tcase_add_test(tests, entries_of_one_key_are_all_found);
	tcase_add_test(tests, each_visits_every_entry_once);
	tcase_add_test(tests, each_may_remove_what_it_is_given);
	tcase_add_test(tests, spreads_similar_keys);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
