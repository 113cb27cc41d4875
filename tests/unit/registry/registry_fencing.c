/* SPDX-License-Identifier: MIT */
/*
 * Three sessions of one device, one after the other, each with a write that may come at any
 * time after its own claim: all orders of all kinds of writes, against a model of four lines
 * of what must stand. Every relay's promise that a late write of a dead session changes
 * nothing rests on this.
 */
#include "registry_suite.h"

#include <stdio.h>
#include <stdlib.h>

#define SESSIONS 3
#define STEPS (2 * SESSIONS)
#define NAME "alice"

enum write { RENEW, DISCONNECT, EXPIRE, WRITES };

struct late_session {
	struct claim_result claim;
	struct grant *grant;
	struct route route;
	enum write write;
	bool claimed, written;
};

static struct late_session sessions[SESSIONS];
static unsigned n_orders;
static char story[200]; /* of the order at hand, for a failure */

/* What must stand: the epoch of the last session that counts, 0 when its lease has ended, and
 * with it all memory of it: then the next one who writes is believed, as by a database that
 * was lost;
 * whether it is connected; and the one route, of whom. */
static struct {
	uint64_t epoch;
	bool connected;
	const struct late_session *route;
} model;

static char route_value[ROUTE_VALUE_MAX];
static enum registry_status route_status;
static bool route_answered;

static void
route_cb(void *ctx, enum registry_status status, const struct route *route)
{
	(void)ctx;
	route_answered = true;
	route_status = status;
	snprintf(route_value, sizeof(route_value), "%s",
	    route != NULL ? route->value : "");
	scene_look();
}

static bool
is_answered(void)
{
	return route_answered;
}

static void
check_routes(void)
{
	for (size_t i = 0; i < SESSIONS; i++) {
		const struct late_session *s = &sessions[i];
		bool stands = model.route != NULL &&
		    strcmp(model.route->route.key, s->route.key) == 0;

		if (!s->claimed || !suite_store.keeps_routes)
			continue;
		route_answered = false;
		ck_assert_int_eq(scene.registry->ops->route_get(scene.registry,
				     s->route.key, route_cb, NULL),
		    0);
		scene_run_until(is_answered);
		ck_assert_msg(route_status ==
			    (stands ? REGISTRY_OK : REGISTRY_NOT_FOUND) &&
			(!stands ||
			    strcmp(route_value, model.route->route.value) == 0),
		    "%s: %s leads to %s", story, s->route.key, route_value);
	}
}

static void
do_claim(size_t i)
{
	struct late_session *s = &sessions[i];
	uint64_t before = model.epoch;
	char label[LABEL_MAX + 1];

	s->claim = scene_join(NAME, "i1", "web:http");
	s->claimed = true;
	ck_assert_int_eq(s->claim.status, REGISTRY_OK);
	ck_assert_msg(s->claim.session.epoch > before &&
		(i == 0 ||
		    s->claim.session.epoch >
			sessions[i - 1].claim.session.epoch),
	    "%s: the epoch went back", story);
	s->grant = grant_new(&s->claim.lease, &s->claim.session);
	ck_assert_ptr_nonnull(s->grant);
	memcpy(label, s->claim.lease.label, sizeof(label));
	snprintf(
	    s->route.key, sizeof(s->route.key), "http/%s.example.com", label);
	snprintf(
	    s->route.value, sizeof(s->route.value), "127.0.0.1,%zu", 30000 + i);
	model.epoch = s->claim.session.epoch;
	model.connected = true;
}

static enum registry_status
send_write(struct late_session *s)
{
	struct holding holding = {.grant = s->grant,
	    .connected = s->write == RENEW,
	    .remaining_ms = SUITE_LEASE_MS,
	    .routes = &s->route,
	    .n_routes = 1};

	if (s->write == EXPIRE)
		return scene_expire(
		    scene.registry, NAME, s->claim.session.epoch);
	strcpy(holding.name, NAME);
	return scene_hold(scene.registry, &holding);
}

static void
do_write(size_t i)
{
	struct late_session *s = &sessions[i];
	uint64_t epoch = s->claim.session.epoch;
	enum registry_status status = send_write(s);

	s->written = true;
	if (epoch < model.epoch) {
		ck_assert_msg(status == REGISTRY_STALE,
		    "%s: a dead session's write got %d", story, (int)status);
		return;
	}
	ck_assert_msg(status == REGISTRY_OK, "%s: got %d", story, (int)status);
	model.epoch = s->write == EXPIRE ? 0 : epoch;
	model.connected = s->write == RENEW;
	model.route = s->write == EXPIRE ? NULL : s;
}

/* Who else comes finds the session that counts; or none, and gets the name. */
static void
check_end(void)
{
	struct claim_result other = scene_join(NAME, "i2", "web:http");

	if (!model.connected) {
		ck_assert_msg(other.status == REGISTRY_OK &&
			other.session.epoch > model.epoch,
		    "%s: nobody holds it, and yet %d", story,
		    (int)other.status);
		return;
	}
	ck_assert_msg(
	    other.status == REGISTRY_HELD && other.session.epoch == model.epoch,
	    "%s: %d, held by %llu", story, (int)other.status,
	    (unsigned long long)other.session.epoch);
}

static void
begin_order(void)
{
	for (size_t i = 0; i < SESSIONS; i++) {
		grant_drop(&sessions[i].grant);
		sessions[i].claimed = sessions[i].written = false;
	}
	/* whoever was there: its lease ends */
	(void)scene_expire(scene.registry, NAME, UINT64_MAX);
	memset(&model, 0, sizeof(model));
	scene.n_events = 0;
}

/* steps: 0 is the next claim, n the write of session n. */
static void
play(const unsigned steps[STEPS])
{
	size_t n_claimed = 0, len = 0;
	static const char letters[WRITES] = {'r', 'd', 'e'};

	begin_order();
	n_orders++;
	story[0] = '\0';
	for (size_t i = 0; i < STEPS; i++) {
		if (steps[i] == 0)
			len += (size_t)sprintf(
			    story + len, "claim%zu ", n_claimed + 1);
		else
			len += (size_t)sprintf(story + len, "%c%u ",
			    letters[sessions[steps[i] - 1].write], steps[i]);
		if (steps[i] == 0)
			do_claim(n_claimed++);
		else
			do_write(steps[i] - 1);
		check_routes();
	}
	check_end();
}

static void
play_orders(unsigned steps[STEPS], size_t n, size_t n_claimed)
{
	if (n == STEPS) {
		play(steps);
		return;
	}
	if (n_claimed < SESSIONS) {
		steps[n] = 0;
		play_orders(steps, n + 1, n_claimed + 1);
	}
	for (unsigned i = 1; i <= n_claimed; i++) {
		bool used = false;

		for (size_t k = 0; k < n; k++)
			used = used || steps[k] == i;
		if (used)
			continue;
		steps[n] = i;
		play_orders(steps, n + 1, n_claimed);
	}
}

START_TEST(late_writes_in_every_order_change_nothing)
{
	unsigned steps[STEPS];

	scene_put_device(NAME, NULL);
	sessions[0].write = (enum write)_i;
	for (int k = 0; k < WRITES * WRITES; k++) {
		sessions[1].write = (enum write)(k / WRITES);
		sessions[2].write = (enum write)(k % WRITES);
		play_orders(steps, 0, 0);
	}
	begin_order();
	ck_assert_uint_eq(n_orders, 15 * WRITES * WRITES);
}
END_TEST

void
suite_add_fencing(Suite *suite)
{
	TCase *tcase = tcase_create("fencing");

	tcase_add_checked_fixture(tcase, scene_setup, scene_teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(
	    tcase, late_writes_in_every_order_change_nothing, 0, WRITES);
	suite_add_tcase(suite, tcase);
}
