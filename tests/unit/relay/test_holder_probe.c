/* SPDX-License-Identifier: MIT */
/* Whether the holder of a name lives: here, at another relay, and asked by one. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "relay/holder_probe.h"
#include "scene.h"

static const char *const options[] = {"probe-timeout=60ms", NULL};

static struct channel control;
static struct holder_probe probe;
static struct session_info holder;
static size_t n_answers;
static bool lives;

static void
answer_cb(void *ctx, bool alive)
{
	ck_assert_ptr_eq(ctx, &probe);
	n_answers++;
	lives = alive;
}

/* What is said and asked through the registry. */
static struct registry_ops ops;
static size_t n_asked, n_said;
static uint64_t said_epoch;

static void
ask_cb(
    struct registry *registry, const char *name, uint64_t epoch, const char *at)
{
	(void)registry;
	ck_assert_str_eq(name, SCENE_DEVICE);
	ck_assert_uint_eq(epoch, holder.epoch);
	ck_assert_str_eq(at, "elsewhere");
	n_asked++;
}

static void
say_cb(struct registry *registry, const char *name, uint64_t epoch)
{
	(void)registry;
	ck_assert_str_eq(name, SCENE_DEVICE);
	n_said++;
	said_epoch = epoch;
}

static void
begin(int backend)
{
	scene_begin(backend, options);
	ops = *relay->registry->ops;
	ops.probe = ask_cb;
	ops.alive = say_cb;
	relay->registry->ops = &ops;
	n_answers = n_asked = n_said = 0;
	holder_probe_init(&probe, relay, answer_cb, &probe);
}

/* The session of the scene's device is the holder. */
static void
begin_here(int backend)
{
	begin(backend);
	agent_login(&control, "one");
	grant_session(scene_device()->grant, relay->self.id, &holder);
}

static void
begin_elsewhere(int backend)
{
	begin(backend);
	holder = (struct session_info){.epoch = 7, .relay = "elsewhere"};
	holder_probe_start(&probe, SCENE_DEVICE, &holder);
	ck_assert_uint_eq(n_asked, 1);
	ck_assert_uint_eq(n_answers, 0);
}

static void
teardown(void)
{
	peer_close(&control.peer);
	scene_teardown();
}

static void
tell(enum registry_event_type type, uint64_t epoch, bool up)
{
	struct registry_event event = {.type = type,
	    .name = SCENE_DEVICE,
	    .epoch = epoch,
	    .up = up,
	    .relay = "elsewhere"};

	holder_probe_notice(&probe, &event);
}

static void
expect_answer(bool alive)
{
	RUN_UNTIL(n_answers > 0);
	ck_assert_uint_eq(n_answers, 1);
	ck_assert_int_eq(lives, alive);
}

START_TEST(a_session_here_answers_its_ping)
{
	begin_here(_i);
	holder_probe_start(&probe, SCENE_DEVICE, &holder);
	ck_assert_uint_eq(channel_next(&control).opcode, WS_OP_PING);
	ck_assert_uint_eq(n_answers, 0);
	channel_send(&control, 0x8a, "", 0);
	expect_answer(true);
	ck_assert_ptr_nonnull(scene_device()->session);
}
END_TEST

START_TEST(a_session_here_that_is_silent_is_closed)
{
	begin_here(_i);
	holder_probe_start(&probe, SCENE_DEVICE, &holder);
	expect_answer(false);
	ck_assert_ptr_null(scene_device()->session);
}
END_TEST

/* The registry still knows of it, and this relay does not. */
START_TEST(a_session_of_an_earlier_life_does_not_live)
{
	begin(_i);
	holder = (struct session_info){.epoch = 7};
	(void)str_copy(
	    str_of(relay->self.id), holder.relay, sizeof(holder.relay));
	holder_probe_start(&probe, SCENE_DEVICE, &holder);
	ck_assert_uint_eq(n_answers, 1);
	ck_assert_int_eq(lives, false);
}
END_TEST

START_TEST(a_session_elsewhere_lives_if_its_relay_says_so)
{
	begin_elsewhere(_i);
	tell(REGISTRY_ALIVE, 6, false); /* another one */
	tell(REGISTRY_SESSION, 7, true);
	ck_assert_uint_eq(n_answers, 0);
	tell(REGISTRY_ALIVE, 7, false);
	expect_answer(true);
	tell(REGISTRY_SESSION, 7, false);
	ck_assert_uint_eq(n_answers, 1);
	ck_assert(!timer_is_set(&probe.timer));
}
END_TEST

START_TEST(a_session_elsewhere_that_has_ended_does_not_live)
{
	begin_elsewhere(_i);
	tell(REGISTRY_SESSION, 7, false);
	expect_answer(false);
	ck_assert(!timer_is_set(&probe.timer));
}
END_TEST

START_TEST(a_session_elsewhere_of_which_nothing_is_heard_does_not_live)
{
	begin_elsewhere(_i);
	expect_answer(false);
	ck_assert_str_eq(probe.holder.relay, "elsewhere");
}
END_TEST

START_TEST(a_probe_that_is_cancelled_is_silent)
{
	begin_here(_i);
	holder_probe_start(&probe, SCENE_DEVICE, &holder);
	holder_probe_cancel(&probe);
	RUN_UNTIL(scene_device()->session == NULL);
	holder = (struct session_info){.epoch = 7, .relay = "elsewhere"};
	holder_probe_start(&probe, SCENE_DEVICE, &holder);
	holder_probe_cancel(&probe);
	ck_assert(!timer_is_set(&probe.timer));
	tell(REGISTRY_ALIVE, 7, false);
	ck_assert_uint_eq(n_answers, 0);
}
END_TEST

/* Another relay asks about the session of this one. */
START_TEST(a_session_that_is_asked_for_is_said_to_live)
{
	struct registry_event event = {
	    .type = REGISTRY_PROBE, .name = SCENE_DEVICE};

	begin_here(_i);
	event.epoch = holder.epoch + 1;
	holder_probe_answer(relay, &event);
	ck_assert_uint_eq(relay->counters.probes, 0);
	event.epoch = holder.epoch;
	holder_probe_answer(relay, &event);
	ck_assert_uint_eq(channel_next(&control).opcode, WS_OP_PING);
	ck_assert_uint_eq(n_said, 0);
	channel_send(&control, 0x8a, "", 0);
	RUN_UNTIL(n_said == 1);
	ck_assert_uint_eq(said_epoch, holder.epoch);
}
END_TEST

START_TEST(a_session_that_is_asked_for_and_silent_is_closed)
{
	struct registry_event event = {
	    .type = REGISTRY_PROBE, .name = SCENE_DEVICE};

	begin_here(_i);
	event.epoch = holder.epoch;
	holder_probe_answer(relay, &event);
	RUN_UNTIL(scene_device()->session == NULL);
	ck_assert_uint_eq(n_said, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("holder_probe");
	TCase *tests = tcase_create("holder_probe");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_loop_test(tests, a_session_here_answers_its_ping, 0, 2);
	tcase_add_loop_test(
	    tests, a_session_here_that_is_silent_is_closed, 0, 2);
	tcase_add_test(tests, a_session_of_an_earlier_life_does_not_live);
	tcase_add_test(tests, a_session_elsewhere_lives_if_its_relay_says_so);
	tcase_add_test(tests, a_session_elsewhere_that_has_ended_does_not_live);
	tcase_add_test(
	    tests, a_session_elsewhere_of_which_nothing_is_heard_does_not_live);
	tcase_add_loop_test(tests, a_probe_that_is_cancelled_is_silent, 0, 2);
	tcase_add_loop_test(
	    tests, a_session_that_is_asked_for_is_said_to_live, 0, 2);
	tcase_add_test(tests, a_session_that_is_asked_for_and_silent_is_closed);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
