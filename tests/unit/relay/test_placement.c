/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "relay/placement.h"

#define RELAYS 5

static struct placement placement;
static struct relay_info relays[RELAYS];
static struct placement_question question;

/* Relay 0 asks; each has so many agents, weighs 100, and takes a million. */
static void
given(const uint64_t agents[RELAYS])
{
	memset(&placement, 0, sizeof(placement));
	for (int i = 0; i < RELAYS; i++) {
		relays[i] = (struct relay_info){
		    .agents = agents[i], .weight = 100, .capacity = 1000000};
		snprintf(relays[i].id, sizeof(relays[i].id), "r%d", i);
	}
	question = (struct placement_question){.relays = relays,
	    .n_relays = RELAYS,
	    .self = &relays[0],
	    .now_ms = 1000,
	    .wall_ms = 100000};
}

/* The place of the relay that the agent is sent to; 0: it is kept; -1: nobody takes it. */
static int
decide(void)
{
	const struct relay_info *to = NULL;

	switch (placement_decide(&placement, &question, &to)) {
	case PLACEMENT_KEEP:
		return 0;
	case PLACEMENT_FULL:
		return -1;
	case PLACEMENT_REDIRECT:
		break;
	}
	ck_assert(to >= relays && to < relays + RELAYS);
	ck_assert_ptr_ne(to, question.self);
	return (int)(to - relays);
}

START_TEST(one_alone_keeps_all_that_it_can_take)
{
	given((uint64_t[RELAYS]){5000});
	for (size_t n = 0; n <= 1; n++) {
		question.n_relays = n;
		ck_assert_int_eq(decide(), 0);
		relays[0].capacity = 5000;
		ck_assert_int_eq(decide(), -1);
		relays[0].capacity = 5001;
		ck_assert_int_eq(decide(), 0);
	}
}
END_TEST

START_TEST(the_least_loaded_keeps)
{
	given((uint64_t[RELAYS]){10, 20, 30, 40, 50});
	ck_assert_int_eq(decide(), 0);
	given((uint64_t[RELAYS]){0});
	ck_assert_int_eq(decide(), 0);
	given((uint64_t[RELAYS]){1000, 1000, 1000, 1000, 1000});
	ck_assert_int_eq(decide(), 0);
}
END_TEST

START_TEST(within_the_tolerance_it_keeps)
{
	given((uint64_t[RELAYS]){1040, 1000, 1000, 1000, 1000});
	ck_assert_int_eq(decide(), 0);
	given((uint64_t[RELAYS]){1100, 1000, 1000, 1000, 1000});
	ck_assert_int_gt(decide(), 0);
}
END_TEST

/* Whatever the random number, it is the better of two, and never one that is worse than
 * we are. */
START_TEST(a_redirect_goes_to_the_better_of_two)
{
	int counts[RELAYS] = {0};

	for (uint32_t random = 0; random < 5000; random++) {
		given((uint64_t[RELAYS]){500, 900, 100, 200, 300});
		question.random = random * 2654435761u;
		counts[decide()]++;
	}
	ck_assert_int_eq(counts[1], 0); /* worse than ours */
	ck_assert_int_gt(counts[2], counts[3]);
	ck_assert_int_gt(counts[3], counts[4]);
	ck_assert_int_gt(counts[4], 0);
	ck_assert_int_eq(counts[0], 0);
}
END_TEST

START_TEST(two_worse_candidates_are_no_reason_to_send_away)
{
	bool kept = false;

	for (uint32_t random = 0; random < 200; random++) {
		given((uint64_t[RELAYS]){500, 100, 900, 900, 900});
		question.random = random;
		switch (decide()) {
		case 0:
			kept = true;
			break;
		case 1:
			break;
		default:
			ck_abort_msg("sent to a worse relay");
		}
	}
	ck_assert(kept);
}
END_TEST

START_TEST(load_is_relative_to_weight)
{
	given((uint64_t[RELAYS]){100, 100, 100, 100, 100});
	for (int i = 1; i < RELAYS; i++)
		relays[i].weight = 50;
	ck_assert_int_eq(decide(), 0);
	given((uint64_t[RELAYS]){100, 100, 100, 100, 100});
	relays[3].weight = 400;
	question.random = 2; /* r3 is one of the candidates */
	ck_assert_int_eq(decide(), 3);
}
END_TEST

START_TEST(nobody_is_sent_where_there_is_no_room)
{
	given((uint64_t[RELAYS]){500, 0, 0, 0, 0});
	relays[1].draining = true;
	relays[2].overdue = true;
	relays[3].capacity = 0;
	for (uint32_t random = 0; random < 50; random++) {
		question.random = random;
		ck_assert_int_eq(decide(), 4);
	}
	relays[4].draining = true;
	ck_assert_int_eq(decide(), 0);
	relays[0].draining = true;
	ck_assert_int_eq(decide(), -1);
}
END_TEST

START_TEST(who_is_full_or_draining_sends_away_whatever_the_load)
{
	given((uint64_t[RELAYS]){10, 500, 500, 500, 500});
	relays[0].capacity = 10;
	ck_assert_int_gt(decide(), 0);
	given((uint64_t[RELAYS]){10, 500, 500, 500, 500});
	relays[0].draining = true;
	question.hops = PLACEMENT_HOPS_MAX;
	ck_assert_int_gt(decide(), 0);
}
END_TEST

START_TEST(who_was_sent_here_is_kept_unless_it_is_clearly_wrong)
{
	given((uint64_t[RELAYS]){1200, 1000, 1000, 1000, 1000});
	ck_assert_int_gt(decide(), 0);
	question.hops = 1;
	ck_assert_int_eq(decide(), 0);
	given((uint64_t[RELAYS]){2000, 1000, 1000, 1000, 1000});
	question.hops = 1;
	ck_assert_int_gt(decide(), 0);
	question.hops = PLACEMENT_HOPS_MAX;
	ck_assert_int_eq(decide(), 0);
	question.hops = PLACEMENT_HOPS_MAX + 3;
	ck_assert_int_eq(decide(), 0);
}
END_TEST

START_TEST(who_returns_is_kept_unless_it_is_clearly_wrong)
{
	given((uint64_t[RELAYS]){1258, 1000, 1000, 1000, 1000});
	ck_assert_int_gt(decide(), 0);
	question.returns = true;
	ck_assert_int_eq(decide(), 0);
	relays[0].agents = 1259 + 500;
	question.coming = 501;
	ck_assert_int_eq(decide(), 0);
	question.coming = 500;
	ck_assert_int_gt(decide(), 0);
}
END_TEST

START_TEST(who_returns_is_not_sent_to_where_others_are_coming_back)
{
	given((uint64_t[RELAYS]){5000, 10, 10, 10, 10});
	question.returns = true;
	for (int i = 1; i < RELAYS; i++)
		relays[i].since_ms = question.wall_ms - 29999;
	ck_assert_int_eq(decide(), 0);
	question.returns = false;
	ck_assert_int_gt(decide(), 0);
	question.returns = true;
	for (int i = 1; i < RELAYS; i++)
		relays[i].since_ms--;
	ck_assert_int_gt(decide(), 0);
}
END_TEST

START_TEST(who_was_here_stays)
{
	given((uint64_t[RELAYS]){5000, 10, 10, 10, 10});
	question.returns = true;
	ck_assert_int_gt(decide(), 0);
	question.at_home = true;
	ck_assert_int_eq(decide(), 0);
	relays[0].capacity = 5000;
	ck_assert_int_gt(decide(), 0);
	relays[0].capacity = 5001;
	relays[0].draining = true;
	ck_assert_int_gt(decide(), 0);
}
END_TEST

/* A crowd comes to one relay within one view of the others: each is sent where there is
 * room, counting those that were sent before. */
START_TEST(a_crowd_is_spread)
{
	uint64_t agents[RELAYS];

	given((uint64_t[RELAYS]){0, 300, 0, 100, 0});
	memset(agents, 0, sizeof(agents));
	for (uint32_t i = 0; i < 10000; i++) {
		int to;

		question.random = i * 2654435761u >> 7;
		to = decide();
		ck_assert_int_ge(to, 0);
		agents[to]++;
		if (to == 0)
			relays[0].agents++;
	}
	for (int i = 0; i < RELAYS; i++) {
		uint64_t total = agents[i] + (i == 1 ? 300 : i == 3 ? 100 : 0);

		ck_assert_msg(total > 1800 && total < 2400, "r%d: %lu", i,
		    (unsigned long)total);
	}
}
END_TEST

START_TEST(who_has_arrived_is_not_counted_twice)
{
	given((uint64_t[RELAYS]){110, 100, 1000, 1000, 1000});
	question.n_relays = 2;
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(decide(), 1);
	relays[1].agents = 105;
	relays[0].agents = 112;
	ck_assert_int_eq(decide(), 0); /* 105 there, 5 on their way */
	for (int i = 0; i < 8; i++)
		placement_arrived(&placement, "r1");
	placement_arrived(&placement, "r9");
	ck_assert_int_eq(decide(), 1);
}
END_TEST

START_TEST(those_that_never_arrive_are_given_up)
{
	given((uint64_t[RELAYS]){1000, 0, 0, 0, 0});
	question.n_relays = 2;
	for (int i = 0; i < 995; i++)
		(void)decide();
	relays[0].agents = 900;
	ck_assert_int_eq(decide(), 0);
	question.now_ms += 60000;
	ck_assert_int_eq(decide(), 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("placement");
	TCase *tests = tcase_create("placement");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, one_alone_keeps_all_that_it_can_take);
	tcase_add_test(tests, the_least_loaded_keeps);
	tcase_add_test(tests, within_the_tolerance_it_keeps);
	tcase_add_test(tests, a_redirect_goes_to_the_better_of_two);
	tcase_add_test(tests, two_worse_candidates_are_no_reason_to_send_away);
	tcase_add_test(tests, load_is_relative_to_weight);
	tcase_add_test(tests, nobody_is_sent_where_there_is_no_room);
	tcase_add_test(
	    tests, who_is_full_or_draining_sends_away_whatever_the_load);
	tcase_add_test(
	    tests, who_was_sent_here_is_kept_unless_it_is_clearly_wrong);
	tcase_add_test(tests, who_returns_is_kept_unless_it_is_clearly_wrong);
	tcase_add_test(
	    tests, who_returns_is_not_sent_to_where_others_are_coming_back);
	tcase_add_test(tests, who_was_here_stays);
	tcase_add_test(tests, a_crowd_is_spread);
	tcase_add_test(tests, who_has_arrived_is_not_counted_twice);
	tcase_add_test(tests, those_that_never_arrive_are_given_up);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
