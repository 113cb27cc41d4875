/* SPDX-License-Identifier: MIT */
/* The busiest devices are the same ones in whatever order they came. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "relay/ranking.h"
#include "relay/counting.h"

static struct relay relay;

static void
setup(void)
{
	devices_init(&relay);
}

static void
free_cb(void *ctx, struct hash_node *node)
{
	struct device *device = HASH_ENTRY(node, struct device, by_name);

	hash_map_remove(ctx, node);
	counting_leave(device);
	free(device);
}

static void
teardown(void)
{
	hash_map_each(&relay.devices, free_cb, &relay.devices);
	hash_map_fini(&relay.devices);
	counting_free_all(&relay);
}

/* bytes 0: nobody has visited it. */
static void
add(unsigned number, uint64_t bytes)
{
	struct device *device = calloc(1, sizeof(*device) + 16);

	ck_assert_ptr_nonnull(device);
	snprintf(device->name, 16, "d%06u", number);
	device->relay = &relay;
	if (bytes > 0)
		counting_add(device, 1, bytes / 2, bytes - bytes / 2);
	ck_assert_int_eq(hash_map_insert(&relay.devices, &device->by_name), 0);
}

START_TEST(most_bytes_come_first_and_names_decide_among_equals)
{
	size_t n;
	const struct device **list;

	/* 0, 1, 2, 0, 1, 2, …: a permutation, as 7919 is prime */
	for (unsigned i = 0; i < 3000; i++)
		add(i * 7919 % 3000, 1 + i * 7919 % 3000 % 3);
	list = devices_ranked(&relay, 1500, &n);
	ck_assert_uint_eq(n, 1500);
	for (unsigned i = 0; i < 1500; i++) {
		char name[16];
		unsigned number = i < 1000 ? 3 * i + 2 : 3 * (i - 1000) + 1;

		snprintf(name, sizeof(name), "d%06u", number);
		ck_assert_str_eq(list[i]->name, name);
	}
	free(list);
}
END_TEST

START_TEST(who_was_not_visited_is_none_of_them)
{
	size_t n;
	const struct device **list;

	add(1, 0);
	add(2, 5);
	add(3, 0);
	list = devices_ranked(&relay, 100, &n);
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(list[0]->name, "d000002");
	free(list);
}
END_TEST

START_TEST(none_are_asked_for)
{
	size_t n = 1;

	ck_assert_ptr_null(devices_ranked(&relay, 100, &n));
	ck_assert_uint_eq(n, 0);
	add(1, 5);
	n = 1;
	ck_assert_ptr_null(devices_ranked(&relay, 0, &n));
	ck_assert_uint_eq(n, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ranking");
	TCase *tcase = tcase_create("ranking");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(
	    tcase, most_bytes_come_first_and_names_decide_among_equals);
	tcase_add_test(tcase, who_was_not_visited_is_none_of_them);
	tcase_add_test(tcase, none_are_asked_for);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
