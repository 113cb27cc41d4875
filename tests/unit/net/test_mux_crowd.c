/* SPDX-License-Identifier: MIT */
/* Everything at once, at random: what each raw side and the far end receive is what was sent. */
#include <check.h>
#include <stdlib.h>

#include "mux_scene.h"

#define CROWD 12

struct both_ways {
	size_t down, up; /* sent to the raw side, from it */
	size_t down_max, up_max;
	uint64_t given; /* credit, to the owner */
	bool down_ended, up_ended;
};

static size_t
at_most(size_t n)
{
	return (size_t)random() % (n + 1);
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void
step_down(struct mux_visit *visit, int number, struct both_ways *flow)
{
	size_t may = WINDOW + visit->credit_bytes - flow->down;
	size_t n =
	    least(at_most(30000), least(may, flow->down_max - flow->down));

	if (n > 0)
		far_send(&far, 'D', number, flood + flow->down, n);
	flow->down += n;
	if (flow->down == flow->down_max && !flow->down_ended) {
		far_send(&far, 'E', number, NULL, 0);
		flow->down_ended = true;
	}
}

static void
step_up(struct mux_visit *visit, int number, struct both_ways *flow)
{
	size_t n = least(at_most(30000), flow->up_max - flow->up);

	flow->up += peer_send_some(&visit->peer, flood + flow->up, n);
	if (flow->up == flow->up_max && !flow->up_ended) {
		peer_end(&visit->peer);
		flow->up_ended = true;
	}
	ck_assert_uint_le(visit->len, WINDOW + flow->given);
	if (random() % 3 == 0 && WINDOW + flow->given < flow->up_max) {
		n = at_most(WINDOW) + 1;
		far_send(&far, 'C', number, NULL, n);
		flow->given += n;
	}
}

static bool
is_complete(struct mux_visit *visit, const struct both_ways *flow)
{
	/* whoever ends last is told so by closing, which is the owner's */
	return (visit->peer.ended || conn_is_over(&visit->raw)) &&
	    visit->peer.len == flow->down_max && visit->ended &&
	    visit->len == flow->up_max;
}

START_TEST(a_crowd_at_random_loses_nothing)
{
	struct both_ways flows[CROWD] = {0};
	uint64_t limit;
	bool complete;

	srandom((unsigned)_i);
	mux_begin(_i % 2, _i % 3 == 0 ? 0 : SMALL_BUFFERS);
	for (int i = 0; i < CROWD; i++) {
		mux_visit_prepare(
		    owner, i, WINDOW, WINDOW, random() % 2 ? SMALL_BUFFERS : 0);
		flows[i].down_max = at_most(sizeof(flood) / 2);
		flows[i].up_max = at_most(sizeof(flood) / 2);
	}
	limit = loop_now_ms(loop) + 40000;
	do {
		complete = true;
		for (int i = 0; i < CROWD; i++) {
			struct mux_visit *visit = &owner->visits[i];

			if (visit->side.raw == NULL && random() % 4 == 0)
				mux_join(&visit->side, &visit->raw, NULL, 0);
			step_down(visit, i, &flows[i]);
			step_up(visit, i, &flows[i]);
			if (random() % 3 != 0)
				peer_receive(&visit->peer);
			complete &= is_complete(visit, &flows[i]);
		}
		if (random() % 3 == 0)
			mux_turn(owner, &far);
		else
			run_for_ms(loop, 1); /* the far end does not read */
		ck_assert_uint_lt(loop_now_ms(loop), limit);
	} while (!complete);
	for (int i = 0; i < CROWD; i++) {
		struct mux_visit *visit = &owner->visits[i];

		pattern_check(visit->data, visit->len, 0);
		pattern_check(visit->peer.data, visit->peer.len, 0);
		ck_assert_int_eq(visit->n_eof, 1);
		ck_assert_int_eq(visit->n_failed, 0);
	}
	mux_end();
}
END_TEST

static void
add_crowd(Suite *suite)
{
	TCase *tests = tcase_create("crowd");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, side_teardown);
	tcase_add_loop_test(tests, a_crowd_at_random_loses_nothing, 0, 8);
	suite_add_tcase(suite, tests);
}

int
main(void)
{
	Suite *suite = suite_create("mux crowd");
	SRunner *runner;
	int failed;

	add_crowd(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
