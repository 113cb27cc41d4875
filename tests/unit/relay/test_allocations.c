/* SPDX-License-Identifier: MIT */
/* In a steady state a visit costs no allocation. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "../net/allocations.h"
#include "relay/device.h"
#include "scene.h"

#define VISITS 1000
#define CROWD 80

static struct channel control, transfer;
static struct peer visitor;

static void
teardown(void)
{
	peer_close(&visitor);
	peer_close(&transfer.peer);
	peer_close(&control.peer);
	scene_teardown();
}

static void
visit(unsigned long number)
{
	char open[40];

	visitor_dial(&visitor, "web");
	peer_send(&visitor, "request", 7);
	snprintf(open, sizeof(open), "op=open&visit=%lu&service=web&", number);
	channel_expect(&transfer, open);
	channel_expect_bytes(&transfer, "request");
	channel_send_bytes(&transfer, "response");
	channel_send_end(&transfer);
	run_until_ended(loop, &visitor);
	ck_assert_uint_eq(visitor.len, 8);
	peer_end(&visitor);
	channel_expect_bytes(&transfer, NULL);
	RUN_UNTIL(count_idle() == 1);
	peer_close(&visitor);
	transfer.peer.len = transfer.at = 0;
}

START_TEST(a_thousand_visits_on_an_idle_channel_allocate_nothing)
{
	unsigned long number = 1;
	size_t before;

	allocations_begin();
	scene_begin(_i, NULL);
	agent_login(&control, "one");
	visitor_dial(&visitor, "web");
	agent_dig(&control, &transfer, NULL);
	channel_expect(&transfer, "op=open&visit=1&service=web&");
	peer_reset(&visitor);
	channel_expect(&transfer, "op=abort&visit=1");
	channel_send_text(&transfer, "op=abort&visit=1");
	RUN_UNTIL(count_idle() == 1);
	while (number < 10)
		visit(++number);
	ck_assert_uint_gt(allocations(), 0); /* they are seen */
	before = allocations();
	while (number < 10 + VISITS)
		visit(++number);
	ck_assert_uint_eq(relay->counters.visits_reused, 9 + VISITS);
	ck_assert_uint_eq(allocations() - before, 0);
}
END_TEST

START_TEST(an_open_visitor_costs_less_than_two_kilobytes)
{
	static struct channel channels[CROWD];
	static struct peer crowd[CROWD];
	long before = 0;

	allocations_begin();
	scene_begin(_i, NULL);
	agent_login(&control, "one");
	for (int i = 0; i < CROWD; i++) {
		if (i == CROWD / 4)
			before = allocated_bytes();
		visit_begin(&control, &channels[i], &crowd[i], "shell");
		channel_send_text(&channels[i], "op=opened&visit=1");
	}
	run_for_ms(loop, 10);
	ck_assert_uint_eq(relay->n_visitors, CROWD);
	ck_assert_int_gt(allocated_bytes(), before); /* they are seen */
	ck_assert_int_lt(
	    (allocated_bytes() - before) / (CROWD - CROWD / 4), 2048);
	for (int i = 0; i < CROWD; i++) {
		peer_close(&crowd[i]);
		peer_close(&channels[i].peer);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("allocations");
	TCase *tests = tcase_create("allocations");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 120);
	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_loop_test(
	    tests, a_thousand_visits_on_an_idle_channel_allocate_nothing, 0, 2);
	tcase_add_loop_test(
	    tests, an_open_visitor_costs_less_than_two_kilobytes, 0, 2);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
