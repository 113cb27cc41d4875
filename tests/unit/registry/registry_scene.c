/* SPDX-License-Identifier: MIT */
/* The scene: asking the registry and running the loop until it has answered. */
#include <stdio.h>
#include <stdlib.h>

#include "registry_suite.h"

#define LIMIT_MS 10000
#define POLL_MS 1
#define GRANTS_MAX 40

struct scene scene;

/* Running. */

static struct timer poll_timer;
static bool (*poll_done)(void);
static uint64_t poll_until_ms;

static void
poll_cb(void *ctx)
{
	(void)ctx;
	if (poll_done != NULL && poll_done()) {
		loop_stop(scene.loop);
	} else if (loop_now_ms(scene.loop) >= poll_until_ms) {
		ck_assert_msg(poll_done == NULL, "it did not happen in time");
		loop_stop(scene.loop);
	} else {
		timer_set(scene.loop, &poll_timer, POLL_MS);
	}
}

static void
run(bool (*done)(void), uint64_t limit_ms)
{
	poll_done = done;
	poll_until_ms = loop_now_ms(scene.loop) + limit_ms;
	timer_init(&poll_timer, poll_cb, NULL);
	timer_set(scene.loop, &poll_timer, POLL_MS);
	ck_assert_int_eq(loop_run(scene.loop), 0);
	timer_clear(scene.loop, &poll_timer);
	poll_done = NULL;
}

/* Something has happened: no need to wait for the next poll. */
void
scene_look(void)
{
	if (poll_done != NULL && poll_done())
		loop_stop(scene.loop);
}

void
scene_run_until(bool (*done)(void))
{
	if (!done())
		run(done, LIMIT_MS);
}

void
scene_run_ms(uint64_t ms)
{
	run(NULL, ms);
}

/* Events. */

void
scene_event_cb(void *ctx, const struct registry_event *event)
{
	(void)ctx;
	ck_assert_uint_lt(scene.n_events, SUITE_EVENTS_MAX);
	scene.events[scene.n_events++] = *event;
	scene_look();
}

static struct {
	enum registry_event_type type;
	const char *name;
	size_t from;
} wanted;

static bool
event_came(void)
{
	for (; wanted.from < scene.n_events; wanted.from++) {
		const struct registry_event *event = &scene.events[wanted.from];

		if (event->type == wanted.type &&
		    (wanted.name == NULL ||
			strcmp(event->name, wanted.name) == 0))
			return true;
	}
	return false;
}

bool
scene_has_event(enum registry_event_type type, const char *name, size_t from)
{
	wanted.type = type;
	wanted.name = name;
	wanted.from = from;
	return event_came();
}

const struct registry_event *
scene_wait_event(enum registry_event_type type, const char *name, size_t *from)
{
	wanted.type = type;
	wanted.name = name;
	wanted.from = *from;
	scene_run_until(event_came);
	*from = wanted.from + 1;
	return &scene.events[wanted.from];
}

/* Answers. */

static bool answered, inside_call;

static bool
was_answered(void)
{
	return answered;
}

static void
begin_call(void)
{
	answered = false;
	inside_call = true;
}

static void
end_call(int result)
{
	inside_call = false;
	ck_assert_int_eq(result, 0);
	scene_run_until(was_answered);
}

static void
take_answer(void)
{
	ck_assert_msg(!inside_call, "the answer came from inside the call");
	ck_assert_msg(!answered, "two answers came");
	answered = true;
	scene_look();
}

/* Devices. */

void
scene_put_device(const char *name, const char *reserved)
{
	struct device_record record = {0};
	struct form_reader r;
	struct form_pair pair;
	char text[512];

	ck_assert(str_copy(str_of(name), record.name, sizeof(record.name)));
	memset(record.secret_sha256, 7, sizeof(record.secret_sha256));
	ck_assert(
	    str_copy(str_of(reserved ? reserved : ""), text, sizeof(text)));
	form_reader_init(&r, text, strlen(text));
	while (form_next(&r, &pair) == WIRE_DONE)
		ck_assert(device_record_set(&record, pair.key, pair.value));
	suite_store.put_device(&record);
}

static struct {
	enum registry_status status;
	struct device_record record;
} got;

static void
device_cb(
    void *ctx, enum registry_status status, const struct device_record *record)
{
	ck_assert_ptr_eq(ctx, &got);
	take_answer();
	got.status = status;
	ck_assert_int_eq(record != NULL, status == REGISTRY_OK);
	if (record != NULL)
		got.record = *record;
}

enum registry_status
scene_get_device(const char *name, struct device_record *record)
{
	char copy[DEVICE_NAME_MAX + 1];

	ck_assert(str_copy(str_of(name), copy, sizeof(copy)));
	begin_call();
	int result = scene.registry->ops->device_get(
	    scene.registry, copy, device_cb, &got);
	memset(copy, 'x', sizeof(copy)); /* requests are copied */
	end_call(result);
	if (record != NULL)
		*record = got.record;
	return got.status;
}

/* Credentials. */

static struct {
	enum enrolment_verdict verdict;
	struct device_record record;
} enrolled;

static void
enrol_cb(void *ctx, enum enrolment_verdict verdict,
    const struct device_record *record)
{
	ck_assert_ptr_eq(ctx, &enrolled);
	take_answer();
	enrolled.verdict = verdict;
	ck_assert_int_eq(record != NULL, verdict <= ENROLMENT_KNOWN);
	if (record != NULL)
		enrolled.record = *record;
}

enum enrolment_verdict
scene_enrol(const struct enrolment *enrolment, struct device_record *record)
{
	struct enrolment copy = *enrolment;
	int result;

	begin_call();
	result = scene.registry->ops->enrol(
	    scene.registry, &copy, enrol_cb, &enrolled);
	memset(&copy, 0xff, sizeof(copy));
	end_call(result);
	*record = enrolled.record;
	return enrolled.verdict;
}

static enum registry_status rotated;

static void
rotate_cb(void *ctx, enum registry_status status)
{
	ck_assert_ptr_eq(ctx, &rotated);
	take_answer();
	rotated = status;
}

enum registry_status
scene_rotate(const struct rotation *rotation)
{
	struct rotation copy = *rotation;
	int result;

	begin_call();
	result = scene.registry->ops->rotate(
	    scene.registry, &copy, rotate_cb, &rotated);
	memset(&copy, 0xff, sizeof(copy));
	end_call(result);
	return rotated;
}

/* Claims. */

static void
add_service(struct claim *claim, struct str text)
{
	struct str name, kind;
	size_t at = claim->n_services++;

	ck_assert(str_split(text, ':', &name, &kind));
	ck_assert(str_copy(
	    name, claim->services[at].name, sizeof(claim->services[at].name)));
	ck_assert(service_kind_find(kind, &claim->services[at].kind));
}

struct claim
scene_claim(const char *name, const char *instance, const char *services)
{
	struct claim claim = {0};
	struct str rest = str_of(services), one;

	ck_assert(str_copy(str_of(name), claim.name, sizeof(claim.name)));
	ck_assert(
	    str_copy(str_of(instance), claim.instance, sizeof(claim.instance)));
	ck_assert(
	    str_copy(STR("203.0.113.7:51234"), claim.from, sizeof(claim.from)));
	while (rest.len > 0) {
		str_split(rest, ' ', &one, &rest);
		add_service(&claim, one);
	}
	if (scene_get_device(name, &claim.device) != REGISTRY_OK)
		ck_assert(str_copy(str_of(name), claim.device.name,
		    sizeof(claim.device.name)));
	return claim;
}

static struct claim_result claimed;

static void
claim_cb(void *ctx, const struct claim_result *result)
{
	ck_assert_ptr_eq(ctx, &claimed);
	take_answer();
	claimed = *result;
}

struct claim_result
scene_do_claim(struct registry *registry, const struct claim *claim)
{
	struct claim copy = *claim;
	int result;

	begin_call();
	result = registry->ops->claim(registry, &copy, claim_cb, &claimed);
	memset(&copy, 0xff, sizeof(copy));
	end_call(result);
	return claimed;
}

struct claim_result
scene_join(const char *name, const char *instance, const char *services)
{
	struct claim claim = scene_claim(name, instance, services);

	return scene_do_claim(scene.registry, &claim);
}

/* Holding. */

static enum registry_status done_status;

static void
done_cb(void *ctx, enum registry_status status)
{
	ck_assert_ptr_eq(ctx, &done_status);
	take_answer();
	done_status = status;
}

/* Of the holdings that the test has made. */
static struct grant *grants[GRANTS_MAX];
static size_t n_grants;

struct holding
scene_holding(const char *name, const struct claim_result *result)
{
	struct holding holding = {
	    .grant = grant_new(&result->lease, &result->session),
	    .connected = true,
	};

	ck_assert_ptr_nonnull(holding.grant);
	ck_assert_uint_lt(n_grants, GRANTS_MAX);
	grants[n_grants++] = holding.grant;

	ck_assert_int_eq(result->status, REGISTRY_OK);
	ck_assert(str_copy(str_of(name), holding.name, sizeof(holding.name)));
	return holding;
}

enum registry_status
scene_hold(struct registry *registry, const struct holding *holding)
{
	struct holding copy = *holding;
	struct route *routes = NULL;
	int result;

	if (holding->n_routes > 0) {
		routes = calloc(holding->n_routes, sizeof(*routes));
		ck_assert_ptr_nonnull(routes);
		memcpy(routes, holding->routes,
		    holding->n_routes * sizeof(*routes));
		copy.routes = routes;
	}
	begin_call();
	result = registry->ops->hold(registry, &copy, done_cb, &done_status);
	free(routes);
	memset(&copy, 0xff, sizeof(copy));
	end_call(result);
	return done_status;
}

enum registry_status
scene_expire(struct registry *registry, const char *name, uint64_t epoch)
{
	begin_call();
	end_call(registry->ops->expire(
	    registry, name, epoch, done_cb, &done_status));
	return done_status;
}

/* Counters. */

static struct device_counters refused;

static void
counted_cb(void *ctx, const struct device_counters *what)
{
	ck_assert_ptr_eq(ctx, &refused);
	take_answer();
	refused = *what;
}

bool
scene_count_begin(const char *name, struct device_counters *delta)
{
	bool waits;

	begin_call();
	refused = (struct device_counters){0};
	waits = scene.registry->ops->count(
	    scene.registry, name, 20261127, delta, counted_cb, &refused);
	inside_call = false;
	return waits;
}

struct device_counters
scene_count_end(void)
{
	scene_run_until(was_answered);
	return refused;
}

/* Life. */

void
scene_setup(void)
{
	size_t from = 0;

	memset(&scene, 0, sizeof(scene));
	scene.loop = loop_new();
	ck_assert_ptr_nonnull(scene.loop);
	ck_assert(port_set_parse(&scene.public_ports, STR("20000-20099")));
	scene.settings = (struct registry_settings){
	    .relay_id = "r1",
	    .lease_ms = SUITE_LEASE_MS,
	    .quarantine_ms = SUITE_QUARANTINE_MS,
	    .announce_ms = SUITE_ANNOUNCE_MS,
	    .public_ports = &scene.public_ports,
	};
	suite_store.start();
	scene_put_device("alice", NULL);
	scene_put_device("bob", NULL);
	scene.registry = suite_store.open("r1", scene_event_cb, NULL);
	ck_assert_ptr_nonnull(scene.registry);
	ck_assert(!scene_wait_event(REGISTRY_UP, NULL, &from)->lost);
	ck_assert(scene.registry->ops->is_up(scene.registry));
}

void
scene_teardown(void)
{
	while (n_grants > 0)
		grant_drop(&grants[--n_grants]);
	registry_free(&scene.registry);
	timer_clear(scene.loop, &poll_timer);
	suite_store.stop();
	loop_free(&scene.loop);
}

int
suite_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
