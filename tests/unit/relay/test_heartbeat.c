/* SPDX-License-Identifier: MIT */
/* When a session is dead: after three of the relay's intervals, or of those that its agent has
 * chosen; and that the relay asks when one of these is late. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../net/support.h"
#include "relay/session.h"
#include "scene.h"

static struct channel control;

static void
begin_with(int backend, const char *const *options)
{
	scene_begin(backend, options);
	agent_login(&control, "one");
}

static void
teardown(void)
{
	peer_close(&control.peer);
	scene_teardown();
}

static struct session *
session(void)
{
	return scene_device()->session;
}

/* The interval that it has chosen; 0: none. */
static uint32_t
kept(void)
{
	return scene_device()->grant->heartbeat_ms;
}

/* The agent says what it keeps from now on. */
static void
choose(const char *text)
{
	channel_send_text(&control, text);
	RUN_UNTIL(kept() != 0);
}

START_TEST(session_lives_for_three_of_the_relays_intervals)
{
	static const char *const options[] = {"heartbeat=300ms", NULL};
	uint64_t began, lived;

	begin_with(_i, options);
	began = session()->heard_ms;
	RUN_UNTIL(scene_device()->session == NULL);
	lived = loop_now_ms(loop) - began;
	ck_assert_uint_ge(lived, 900);
	ck_assert_uint_lt(lived, 1200);
}
END_TEST

START_TEST(chosen_interval_counts_three_times)
{
	static const char *const options[] = {
	    "heartbeat=300ms", "heartbeat-max=10s", NULL};

	begin_with(_i, options);
	choose("op=heartbeat&heartbeat_ms=2000");
	ck_assert_uint_eq(
	    session_due_ms(session()), session()->heard_ms + 6000);
	/* over what was dead before */
	run_for_ms(loop, 1200);
	ck_assert_ptr_nonnull(session());
}
END_TEST

START_TEST(long_interval_that_is_late_is_asked_for)
{
	static const char *const options[] = {"heartbeat=30s", NULL};
	uint64_t heard;

	begin_with(_i, options);
	choose("op=heartbeat&heartbeat_ms=300000");
	heard = session()->heard_ms;
	/* a quarter more than the interval, not three of them */
	ck_assert_uint_eq(session_due_ms(session()), heard + 375000);
	session()->heard_ms -= 375000;
	ck_assert(!session_tend(session()));
	ck_assert_uint_eq(channel_next(&control).opcode, WS_OP_PING);
	ck_assert_uint_ne(session()->probed_ms, 0);
	channel_send(&control, 0x8a, "", 0);
	RUN_UNTIL(session()->probed_ms == 0);
	ck_assert_uint_ge(session_due_ms(session()), heard + 375000);
}
END_TEST

START_TEST(late_agent_that_does_not_answer_is_dead)
{
	static const char *const options[] = {
	    "heartbeat=30s", "probe-timeout=60ms", NULL};

	begin_with(_i, options);
	choose("op=heartbeat&heartbeat_ms=300000");
	session()->heard_ms -= 375000;
	device_retime(scene_device());
	RUN_UNTIL(scene_device()->session == NULL);
	ck_assert_uint_eq(relay->counters.probes, 1);
}
END_TEST

/* Its own rule holds for an agent that chooses nothing: nobody is asked early. */
START_TEST(agent_that_chooses_nothing_is_not_asked)
{
	static const char *const options[] = {"heartbeat=30s", NULL};

	begin_with(_i, options);
	ck_assert_uint_eq(
	    session_due_ms(session()), session()->heard_ms + 90000);
	session()->heard_ms -= 89000;
	ck_assert(!session_tend(session()));
	ck_assert_uint_eq(relay->counters.probes, 0);
}
END_TEST

START_TEST(interval_that_is_said_again_is_not_written_again)
{
	static const char *const options[] = {"heartbeat=30s", NULL};
	uint64_t far_ms;

	begin_with(_i, options);
	choose("op=heartbeat&heartbeat_ms=60000");
	far_ms = loop_now_ms(loop) + 3600000;
	scene_device()->due_ms = far_ms;
	channel_send_text(&control, "op=heartbeat&heartbeat_ms=60000");
	channel_send(&control, 0x89, "?", 1);
	ck_assert_uint_eq(channel_next(&control).opcode, WS_OP_PONG);
	ck_assert_uint_eq(scene_device()->due_ms, far_ms);
}
END_TEST

/* Have what is due written now. */
static void
write_what_is_due(void)
{
	scene_device()->due_ms = loop_now_ms(loop);
	device_retime(scene_device());
	RUN_UNTIL(scene_device()->due_ms > loop_now_ms(loop));
}

static bool
is_written_soon(void)
{
	return scene_device()->due_ms <= loop_now_ms(loop) + 10000;
}

/* The agent chooses, and its choice counts from now on. */
static void
change_to(uint32_t ms)
{
	char text[60];

	snprintf(text, sizeof(text), "op=heartbeat&heartbeat_ms=%u", ms);
	channel_send_text(&control, text);
	RUN_UNTIL(kept() == ms);
}

/* Each counts at once, but an agent that goes to and fro has the registry written no more often
 * than one that has changed once. */
START_TEST(interval_that_changes_for_ever_is_written_early_once)
{
	static const char *const options[] = {"heartbeat=30s", NULL};

	begin_with(_i, options);
	ck_assert(!is_written_soon());
	for (unsigned regular = 0; regular < 3; regular++) {
		change_to(60000);
		ck_assert(is_written_soon());
		change_to(50000); /* goes with it */
		write_what_is_due();
		for (unsigned i = 0; i < 4; i++) {
			change_to(i % 2 == 0 ? 60000 : 50000);
			ck_assert(!is_written_soon());
		}
		write_what_is_due();
	}
}
END_TEST

START_TEST(interval_is_kept_within_the_relays_bounds)
{
	static const char *const options[] = {
	    "heartbeat=1s", "heartbeat-min=500ms", "heartbeat-max=5s", NULL};

	begin_with(_i, options);
	choose("op=heartbeat&heartbeat_ms=1");
	ck_assert_uint_eq(kept(), 500);
	channel_send_text(&control, "op=heartbeat&heartbeat_ms=86400000");
	RUN_UNTIL(kept() == 5000);
}
END_TEST

START_TEST(bounds_hold_the_relays_own_interval)
{
	static const char *const options[] = {
	    "heartbeat=1s", "heartbeat-min=2s", "heartbeat-max=600ms", NULL};

	begin_with(_i, options);
	choose("op=heartbeat&heartbeat_ms=1");
	ck_assert_uint_eq(kept(), 1000);
	channel_send_text(&control, "op=heartbeat&heartbeat_ms=3000");
	run_for_ms(loop, 50);
	ck_assert_uint_eq(kept(), 1000);
}
END_TEST

START_TEST(malformed_interval_ends_the_session)
{
	static const char *const texts[] = {"op=heartbeat",
	    "op=heartbeat&heartbeat_ms=0", "op=heartbeat&heartbeat_ms=86400001",
	    "op=heartbeat&heartbeat_ms=-1",
	    "op=heartbeat&heartbeat_ms=1000&beat_bytes=x",
	    "op=heartbeat&heartbeat_ms=1000&budget_bytes=0"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		begin_with(_i, NULL);
		channel_send_text(&control, texts[i]);
		channel_expect_close(&control, 1002);
		teardown();
	}
	begin_with(_i, NULL);
}
END_TEST

/* Another process of the agent: it begins with the relay's interval. */
START_TEST(next_session_has_chosen_nothing)
{
	static const char *const options[] = {"heartbeat=30s", NULL};
	struct channel before;

	begin_with(_i, options);
	choose("op=heartbeat&heartbeat_ms=300000");
	before = control;
	agent_login(&control, "one");
	ck_assert_uint_eq(kept(), 0);
	ck_assert_uint_eq(
	    session_due_ms(session()), session()->heard_ms + 90000);
	peer_close(&before.peer);
}
END_TEST

START_TEST(registry_is_told_what_the_agent_says)
{
	static const char *const options[] = {"heartbeat=30s", NULL};
	struct session_info info;

	begin_with(_i, options);
	grant_session(scene_device()->grant, "r", &info);
	ck_assert_uint_eq(info.heartbeat_ms, 0);
	choose("op=heartbeat&heartbeat_ms=285000&beat_bytes=160&budget_bytes="
	       "5000000");
	grant_session(scene_device()->grant, "r", &info);
	ck_assert_uint_eq(info.heartbeat_ms, 285000);
	ck_assert_uint_eq(info.beat_bytes, 160);
	ck_assert_uint_eq(info.budget_bytes, 5000000);
	/* soon, and with what else is said until then */
	ck_assert_uint_le(scene_device()->due_ms, loop_now_ms(loop) + 10000);
}
END_TEST

int
main(void)
{
	const TTest *const list[] = {
	    session_lives_for_three_of_the_relays_intervals,
	    chosen_interval_counts_three_times,
	    long_interval_that_is_late_is_asked_for,
	    late_agent_that_does_not_answer_is_dead,
	    agent_that_chooses_nothing_is_not_asked,
	    interval_that_is_said_again_is_not_written_again,
	    interval_that_changes_for_ever_is_written_early_once,
	    interval_is_kept_within_the_relays_bounds,
	    bounds_hold_the_relays_own_interval,
	    malformed_interval_ends_the_session,
	    next_session_has_chosen_nothing,
	    registry_is_told_what_the_agent_says,
	};

	return scene_run_suite(
	    "heartbeat", list, sizeof(list) / sizeof(list[0]), teardown);
}
