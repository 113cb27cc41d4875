/* SPDX-License-Identifier: MIT */
/* A device whose record is gone: removed, and it ends; or lost by the registry, and it goes on. The test is
 * the registry that is asked for the record, and answers when it likes. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "relay/backlog.h"
#include "relay/device.h"
#include "scene.h"

#define QUESTIONS_MAX 8

static const struct registry_ops *own;
static struct registry_ops ops;
static size_t n_questions;
static struct {
	registry_device_cb cb;
	void *ctx;
} questions[QUESTIONS_MAX];

static struct channel control;

static int
device_get(struct registry *registry, const char *name, registry_device_cb cb,
    void *ctx)
{
	(void)registry;
	ck_assert_str_eq(name, SCENE_DEVICE);
	ck_assert_uint_lt(n_questions, QUESTIONS_MAX);
	questions[n_questions].cb = cb;
	questions[n_questions++].ctx = ctx;
	return 0;
}

/* It comes in as to an open relay, which is not open then. */
static void
login(void)
{
	relay->registry->ops = own;
	relay->options.open = true;
	agent_login(&control, "one");
	relay->options.open = false;
	relay->registry->ops = &ops;
}

static void
begin(void)
{
	scene_begin(0, NULL);
	own = relay->registry->ops;
	ops = *own;
	ops.device_get = device_get;
	n_questions = 0;
	login();
}

static void
teardown(void)
{
	peer_close(&control.peer);
	scene_teardown();
}

static void
answer(size_t i, enum registry_status status)
{
	struct device_record record = {0};

	ck_assert_uint_lt(i, n_questions);
	if (status == REGISTRY_OK)
		memcpy(record.secret_sha256, scene_device()->secret_sha256,
		    SECRET_HASH_LEN);
	questions[i].cb(
	    questions[i].ctx, status, status == REGISTRY_OK ? &record : NULL);
}

static void
expect_questions(size_t n)
{
	ck_assert_uint_eq(n_questions, n);
}

/* Events of any device may have been missed: it is asked about. */
static void
doubt(void)
{
	size_t before = n_questions;

	devices_doubt(relay);
	backlog_write(relay);
	expect_questions(before + 1);
}

/* The event of this one came. */
static void
tell(void)
{
	size_t before = n_questions;

	ck_assert_int_eq(device_changed(relay, SCENE_DEVICE), 0);
	expect_questions(before + 1);
}

static bool
is_gone(void)
{
	return scene_device() == NULL && LIST_EMPTY(&relay->released);
}

static void
expect_revoked(void)
{
	channel_expect_close(&control, WS_CLOSE_POLICY);
	RUN_UNTIL(is_gone());
}

static void
expect_in_order(void)
{
	channel_expect_silence(&control);
	ck_assert_ptr_nonnull(scene_device());
	ck_assert(!scene_device()->unread && !scene_device()->unwritten);
}

START_TEST(a_device_that_may_have_been_lost_goes_on)
{
	begin();
	doubt();
	answer(0, REGISTRY_UNAVAILABLE);
	backlog_write(relay);
	answer(1, REGISTRY_NOT_FOUND);
	expect_in_order();
	/* and that says nothing of later */
	tell();
	answer(2, REGISTRY_NOT_FOUND);
	expect_revoked();
}
END_TEST

START_TEST(a_device_that_was_removed_before_its_turn_ends)
{
	begin();
	devices_doubt(relay);
	tell();
	answer(0, REGISTRY_NOT_FOUND);
	expect_revoked();
	backlog_write(relay);
	expect_questions(1);
}
END_TEST

START_TEST(a_device_that_was_removed_while_it_is_asked_about_ends)
{
	begin();
	doubt();
	tell();
	answer(0, REGISTRY_OK); /* of before it was */
	expect_in_order();
	answer(1, REGISTRY_NOT_FOUND);
	expect_revoked();
}
END_TEST

START_TEST(a_device_that_was_removed_before_the_doubt_ends)
{
	begin();
	tell();
	doubt();
	answer(0, REGISTRY_NOT_FOUND);
	expect_revoked();
	answer(1, REGISTRY_NOT_FOUND);
}
END_TEST

/* What the event has said is known until the registry answers. */
START_TEST(a_removed_device_whose_record_could_not_be_read_ends)
{
	begin();
	tell();
	answer(0, REGISTRY_UNAVAILABLE);
	doubt();
	answer(1, REGISTRY_NOT_FOUND);
	expect_revoked();
}
END_TEST

static void
be_let_in_without_the_registry(bool lost)
{
	begin();
	scene_device()->unverified = true;
	relay->registry_lost = lost;
}

START_TEST(a_device_that_was_let_in_unasked_goes_on_if_it_was_lost)
{
	be_let_in_without_the_registry(_i);
	doubt();
	answer(0, REGISTRY_NOT_FOUND);
	if (_i)
		expect_in_order();
	else
		expect_revoked();
}
END_TEST

START_TEST(a_device_that_was_let_in_unasked_and_removed_ends)
{
	be_let_in_without_the_registry(true);
	tell();
	answer(0, REGISTRY_NOT_FOUND);
	expect_revoked();
}
END_TEST

/* It has moved, and is back before it was forgotten: what was to be asked then is asked now. */
START_TEST(a_device_that_comes_back_is_asked_about)
{
	struct channel before;

	begin();
	device_moved(scene_device());
	devices_doubt(relay);
	backlog_write(relay);
	expect_questions(0);
	before = control;
	login();
	peer_close(&before.peer);
	backlog_write(relay);
	expect_questions(1);
	answer(0, REGISTRY_NOT_FOUND);
	expect_in_order();
	tell();
	answer(1, REGISTRY_NOT_FOUND);
	expect_revoked();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("recheck");
	TCase *tests = tcase_create("recheck");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_test(tests, a_device_that_may_have_been_lost_goes_on);
	tcase_add_test(tests, a_device_that_was_removed_before_its_turn_ends);
	tcase_add_test(
	    tests, a_device_that_was_removed_while_it_is_asked_about_ends);
	tcase_add_test(tests, a_device_that_was_removed_before_the_doubt_ends);
	tcase_add_test(
	    tests, a_removed_device_whose_record_could_not_be_read_ends);
	tcase_add_loop_test(tests,
	    a_device_that_was_let_in_unasked_goes_on_if_it_was_lost, 0, 2);
	tcase_add_test(
	    tests, a_device_that_was_let_in_unasked_and_removed_ends);
	tcase_add_test(tests, a_device_that_comes_back_is_asked_about);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
