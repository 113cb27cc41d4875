/* SPDX-License-Identifier: MIT */
/* Who waits for whom on the lanes, how often a transaction is begun, and when it is given up. */
#include <stdlib.h>
#include <unistd.h>

#include "redis_store.h"
#include "registry/registry_redis.h"

#define SKIPPED 77 /* automake */
#define CROWD 5000
#define OTHERS_CONFLICTS 100
#define PATIENCE_MS 40

/* A transaction that counts. */
struct probe {
	struct redis_tx tx;
	unsigned number;
};

static unsigned n_begun, n_finished, n_wanted;
static unsigned n_unavailable;
static unsigned n_conflicts; /* that are still to come */
static size_t most_waiting;

const struct suite_store suite_store = {
    .start = redis_server_start,
    .stop = redis_server_stop,
    .open = redis_store_open,
    .put_device = redis_store_put_nothing,
};

static struct redis_registry *
lanes_of(void)
{
	return redis_registry_of(scene.registry);
}

static bool
read_any(struct redis_tx *tx, const redisReply *reply)
{
	(void)tx;
	(void)reply;
	return true;
}

static void
finish_probe(struct redis_tx *tx, enum registry_status status, bool quiet)
{
	(void)quiet;
	n_finished++;
	n_unavailable += status == REGISTRY_UNAVAILABLE;
	free(tx);
}

static bool
all_finished(void)
{
	return n_finished == n_wanted;
}

static void
start(const struct redis_tx_ops *ops, const char *subject)
{
	struct probe *probe = calloc(1, sizeof(*probe));

	ck_assert_ptr_nonnull(probe);
	probe->number = n_wanted++;
	redis_tx_start(lanes_of(), &probe->tx, ops, subject);
}

static void
end(struct redis_tx *tx)
{
	redis_tx_end(tx, REGISTRY_OK);
}

/* One after the other. */

static void
begin_in_order(struct redis_tx *tx)
{
	const struct redis_tx *other;
	size_t n = 0;

	ck_assert_uint_eq(((struct probe *)(void *)tx)->number, n_begun++);
	TAILQ_FOREACH (other, &lanes_of()->lanes.waiting, link)
		n++;
	if (n > most_waiting)
		most_waiting = n;
	redis_tx_readf(tx, read_any, "GET taupe:test");
	redis_tx_then(tx, end);
}

static const struct redis_tx_ops in_order = {
    .name = "test",
    .begin = begin_in_order,
    .finish = finish_probe,
};

/* Those that wait are looked at whenever a transaction is over. */
START_TEST(a_crowd_about_one_subject_is_not_looked_at_before_its_turn)
{
	for (int i = 0; i < CROWD; i++)
		start(&in_order, "probes");
	scene_run_until(all_finished);
	ck_assert_uint_eq(n_begun, CROWD);
	ck_assert_uint_eq(n_unavailable, 0);
	ck_assert_uint_le(most_waiting, 1);
}
END_TEST

START_TEST(who_waits_behind_another_is_answered_when_redis_dies)
{
	redis_ask("CLIENT PAUSE 60000 ALL");
	for (int i = 0; i < 20; i++)
		start(&in_order, "probes");
	scene_run_ms(30);
	ck_assert_uint_eq(n_begun, 1);
	redis_server_kill();
	scene_run_until(all_finished);
	ck_assert_uint_eq(n_unavailable, 20);
	ck_assert_uint_eq(lanes_of()->lanes.subjects.count, 0);
}
END_TEST

START_TEST(who_waits_behind_another_is_freed_with_the_registry)
{
	for (int i = 0; i < 20; i++)
		start(&in_order, "probes");
	registry_free(&scene.registry);
	ck_assert(all_finished());
}
END_TEST

/* While others write what is watched. */

static void
write_something(struct redis_tx *tx)
{
	redis_tx_queuef(tx, "SET taupe:test:written 1");
}

static void
lose(struct redis_tx *tx)
{
	if (n_conflicts > 0) {
		n_conflicts--;
		redis_ask("INCR taupe:test");
	}
	redis_tx_write(tx, write_something);
}

static void
begin_in_vain(struct redis_tx *tx)
{
	struct redis_args watch = REDIS_ARGS_NONE;

	n_begun++;
	redis_args_add(&watch, "WATCH");
	redis_args_add(&watch, "taupe:test");
	redis_tx_watch(tx, &watch);
	redis_tx_readf(tx, read_any, "GET taupe:test");
	redis_tx_then(tx, lose);
}

static const struct redis_tx_ops in_vain = {
    .name = "test",
    .begin = begin_in_vain,
    .finish = finish_probe,
};

START_TEST(a_transaction_is_begun_a_hundred_times_and_no_more)
{
	n_conflicts = OTHERS_CONFLICTS - 1;
	start(&in_vain, "a");
	scene_run_until(all_finished);
	ck_assert_uint_eq(n_unavailable, 0);
	ck_assert_str_eq(redis_ask("GET taupe:test:written"), "1");
	n_begun = 0;
	n_conflicts = 2 * OTHERS_CONFLICTS;
	start(&in_vain, "a");
	scene_run_until(all_finished);
	ck_assert_uint_eq(n_begun, OTHERS_CONFLICTS);
	ck_assert_uint_eq(n_unavailable, 1);
}
END_TEST

static const struct redis_tx_ops patiently = {
    .name = "test",
    .patience_ms = 20000,
    .begin = begin_in_vain,
    .finish = finish_probe,
};

START_TEST(who_has_patience_is_begun_as_often_as_others_win)
{
	n_conflicts = 12 * OTHERS_CONFLICTS;
	start(&patiently, "a");
	scene_run_until(all_finished);
	ck_assert_uint_eq(n_unavailable, 0);
	ck_assert_uint_eq(n_begun, 12 * OTHERS_CONFLICTS + 1);
}
END_TEST

static const struct redis_tx_ops impatiently = {
    .name = "test",
    .patience_ms = PATIENCE_MS,
    .begin = begin_in_vain,
    .finish = finish_probe,
};

START_TEST(what_others_have_won_against_for_too_long_is_given_up)
{
	uint64_t begun_ms = loop_now_ms(scene.loop);

	n_conflicts = UINT32_MAX;
	start(&impatiently, "a");
	scene_run_until(all_finished);
	ck_assert_uint_eq(n_unavailable, 1);
	ck_assert_uint_ge(loop_now_ms(scene.loop) - begun_ms, PATIENCE_MS);
}
END_TEST

/* The enrolment of a device, as its transaction is, but that another relay wins before each write.
 * It is got hold of while it waits behind a probe. */

static const struct redis_tx_ops *undisturbed;
static void (*then_undisturbed)(struct redis_tx *tx);
static int n_verdicts[ENROLMENT_UNAVAILABLE + 1];

static void
enrol_another(struct redis_tx *tx)
{
	if (n_conflicts > 0) {
		n_conflicts--;
		redis_ask("HINCRBY taupe:fleet:probes used 1");
	}
	then_undisturbed(tx);
}

static void
begin_disturbed(struct redis_tx *tx)
{
	n_begun++;
	undisturbed->begin(tx);
	then_undisturbed = tx->then;
	tx->then = enrol_another;
}

static void
disturb_next(struct redis_tx *tx)
{
	static struct redis_tx_ops disturbed;
	struct redis_tx *next = TAILQ_FIRST(&tx->later);

	if (next == NULL) {
		redis_tx_readf(tx, read_any, "GET taupe:test");
		redis_tx_then(tx, disturb_next);
		return;
	}
	undisturbed = next->ops;
	disturbed = *undisturbed;
	disturbed.begin = begin_disturbed;
	next->ops = &disturbed;
	redis_tx_end(tx, REGISTRY_OK);
}

static const struct redis_tx_ops disturbing = {
    .name = "test",
    .begin = disturb_next,
    .finish = finish_probe,
};

static void
enrolled_cb(void *ctx, enum enrolment_verdict verdict,
    const struct device_record *record)
{
	(void)ctx;
	(void)record;
	n_verdicts[verdict]++;
	n_finished++;
}

START_TEST(an_enrolment_goes_on_however_often_other_relays_win)
{
	struct enrolment enrolment = {.name = "p-1", .fleet = "probes"};

	redis_ask(
	    "HSET taupe:fleet:probes fleet probes key_sha256 "
	    "0000000000000000000000000000000000000000000000000000000000000000 "
	    "max 0 used 0 expires_ms 0");
	n_conflicts = 12 * OTHERS_CONFLICTS;
	start(&disturbing, "probes");
	n_wanted++;
	ck_assert_int_eq(scene.registry->ops->enrol(
			     scene.registry, &enrolment, enrolled_cb, NULL),
	    0);
	scene_run_until(all_finished);
	ck_assert_int_eq(n_verdicts[ENROLMENT_NEW], 1);
	ck_assert_uint_eq(n_begun, 12 * OTHERS_CONFLICTS + 1);
	ck_assert_str_eq(redis_ask("HGET taupe:fleet:probes used"), "1201");
}
END_TEST

static void
dawdle(struct redis_tx *tx)
{
	usleep(PATIENCE_MS * 1000);
	redis_tx_end(tx, REGISTRY_OK);
}

static void
begin_slowly(struct redis_tx *tx)
{
	n_begun++;
	redis_tx_readf(tx, read_any, "GET taupe:test");
	redis_tx_then(tx, dawdle);
}

static const struct redis_tx_ops slowly = {
    .name = "test",
    .patience_ms = PATIENCE_MS,
    .begin = begin_slowly,
    .finish = finish_probe,
};

START_TEST(what_nobody_waits_for_any_more_is_not_begun)
{
	for (int i = 0; i < 20; i++)
		start(&slowly, "probes");
	scene_run_until(all_finished);
	ck_assert_uint_eq(n_begun, 1);
	ck_assert_uint_eq(n_unavailable, 19);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("registry_lane");
	TCase *tcase = tcase_create("lane");

	if (!redis_server_exists())
		return SKIPPED;
	tcase_add_checked_fixture(tcase, scene_setup, scene_teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(
	    tcase, a_crowd_about_one_subject_is_not_looked_at_before_its_turn);
	tcase_add_test(
	    tcase, who_waits_behind_another_is_answered_when_redis_dies);
	tcase_add_test(
	    tcase, who_waits_behind_another_is_freed_with_the_registry);
	tcase_add_test(
	    tcase, a_transaction_is_begun_a_hundred_times_and_no_more);
	tcase_add_test(tcase, who_has_patience_is_begun_as_often_as_others_win);
	tcase_add_test(
	    tcase, what_others_have_won_against_for_too_long_is_given_up);
	tcase_add_test(
	    tcase, an_enrolment_goes_on_however_often_other_relays_win);
	tcase_add_test(tcase, what_nobody_waits_for_any_more_is_not_begun);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
