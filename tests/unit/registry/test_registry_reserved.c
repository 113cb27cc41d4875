/* SPDX-License-Identifier: MIT */
/*
 * What operators reserve while relays grant leases and write routes: the operator's side is the admin's
 * own, at each step of the relay's. Whoever comes first has it, and the other one sees that.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "admin/admin.h"
#include "redis_store.h"

#define SKIPPED 77 /* automake */
#define STEPS 12   /* turns of the loop, more than a transaction takes */
#define SHOP "shop.test"

const struct suite_store suite_store = {
    .start = redis_server_start,
    .stop = redis_server_stop,
    .open = redis_store_open,
    .put_device = redis_store_put_nothing,
};

static struct redis_options options;
static struct admin admin;

/* What comes between the operator's look and the writing. */
static void (*meanwhile)(void);

redisReply *__real_redis_sync_vcommandf(
    struct redis_sync *sync, const char *format, va_list args);
redisReply *__wrap_redis_sync_vcommandf(
    struct redis_sync *sync, const char *format, va_list args);

redisReply *
__wrap_redis_sync_vcommandf(
    struct redis_sync *sync, const char *format, va_list args)
{
	void (*now)(void) = meanwhile;

	if (strcmp(format, "MULTI") == 0 && now != NULL) {
		meanwhile = NULL;
		now();
	}
	return __real_redis_sync_vcommandf(sync, format, args);
}

static void
setup(void)
{
	scene_setup();
	options = (struct redis_options){
	    .redis = (char *)(uintptr_t)redis_server_config()->host,
	    .redis_timeout_ms = 2000};
	admin_init(&admin, &options, "test");
}

static void
teardown(void)
{
	admin_fini(&admin);
	scene_teardown();
}

/* So many turns, in each of which something has come. */
static void
run_turns(int n)
{
	while (n-- > 0)
		event_base_loop(loop_base(scene.loop), EVLOOP_ONCE);
}

static bool answered;
static struct claim_result claimed;
static enum registry_status written;

static void
claimed_cb(void *ctx, const struct claim_result *result)
{
	(void)ctx;
	claimed = *result;
	answered = true;
}

static void
written_cb(void *ctx, enum registry_status status)
{
	(void)ctx;
	written = status;
	answered = true;
}

static bool
is_answered(void)
{
	return answered;
}

/* A lease that the device shows, of a label and a port. */
static void
begin_claim(
    struct claim *claim, const char *name, const char *label, uint16_t port)
{
	*claim = scene_claim(name, "i1", "web:http ssh:tcp");
	claim->has_signed_lease = true;
	strcpy(claim->signed_lease.label, label);
	claim->signed_lease.n_ports = 1;
	strcpy(claim->signed_lease.ports[0].service, "ssh");
	claim->signed_lease.ports[0].port = port;
	answered = false;
	ck_assert_int_eq(
	    scene.registry->ops->claim(scene.registry, claim, claimed_cb, NULL),
	    0);
}

static const char *
reserved_for(const char *what, const char *id)
{
	return redis_ask("HGET taupe:reserved %s/%s", what, id);
}

static void
lease_meanwhile(void)
{
	struct claim claim;

	begin_claim(&claim, "alice", "race", 20001);
	scene_run_until(is_answered);
	ck_assert_int_eq(claimed.status, REGISTRY_OK);
	ck_assert_str_eq(claimed.lease.label, "race");
	ck_assert_uint_eq(claimed.lease.ports[0].port, 20001);
}

/* 0: of a label, 1: of a port, 2: of an alias */
START_TEST(what_is_leased_after_the_look_is_not_reserved)
{
	struct device_record record = {.name = "bob"};
	struct device_host host = {.host = "race.example.com",
	    .service = "web",
	    .proof = HOST_ALIAS,
	    .proved_ms = 1};
	int code;

	if (_i == 2)
		ck_assert_int_eq(
		    admin.store->device_add(&admin, &record), ADMIN_OK);
	else if (_i == 1)
		record.n_ports = 1;
	else
		strcpy(record.label, "race");
	strcpy(record.ports[0].service, "ssh");
	record.ports[0].port = 20001;
	meanwhile = lease_meanwhile;
	code = _i == 2 ? admin.store->host_add(&admin, "bob", &host)
		       : admin.store->device_add(&admin, &record);
	ck_assert_ptr_null(meanwhile);
	ck_assert_int_eq(code, ADMIN_TAKEN);
	ck_assert_str_eq(admin.error.text,
	    _i == 1 ? "port 20001 is leased to the device alice: choose "
		      "another one, or wait until its lease has ended"
		    : "label race is leased to the device alice: choose "
		      "another one, or wait until its lease has ended");
	ck_assert_str_eq(redis_ask("EXISTS taupe:reserved"), "0");
	ck_assert_str_eq(redis_ask("GET taupe:label:race"), "alice");
}
END_TEST

/* 0: of a label, 1: of a port, 2: of an alias */
START_TEST(what_is_leased_and_reserved_at_once_has_one_holder)
{
	unsigned n_leased = 0, n_reserved = 0;

	for (int step = 0; step < STEPS; step++) {
		struct device_record record = {0};
		struct device_host host = {
		    .service = "web", .proof = HOST_ALIAS, .proved_ms = 1};
		char name[20], label[20], number[8];
		uint16_t port = (uint16_t)(20000 + step);
		struct claim claim;
		bool leased;
		int code;

		sprintf(name, "alice%d", step);
		sprintf(label, "race%d", step);
		sprintf(number, "%u", (unsigned)port);
		sprintf(record.name, "bob%d", step);
		if (_i == 2) {
			ck_assert_int_eq(
			    admin.store->device_add(&admin, &record), ADMIN_OK);
			sprintf(host.host, "%s.example.com", label);
		} else if (_i == 1) {
			record.n_ports = 1;
			strcpy(record.ports[0].service, "ssh");
			record.ports[0].port = port;
		} else {
			strcpy(record.label, label);
		}
		begin_claim(&claim, name, label, port);
		run_turns(step);
		code = _i == 2
		    ? admin.store->host_add(&admin, record.name, &host)
		    : admin.store->device_add(&admin, &record);
		scene_run_until(is_answered);
		ck_assert_int_eq(claimed.status, REGISTRY_OK);
		leased = _i == 1 ? claimed.lease.ports[0].port == port
				 : strcmp(claimed.lease.label, label) == 0;
		ck_assert_msg(code == (leased ? ADMIN_TAKEN : ADMIN_OK),
		    "step %d: code %d, leased %d", step, code, leased);
		ck_assert_str_eq(_i == 1 ? reserved_for("port", number)
					 : reserved_for("label", label),
		    leased ? "(nil)" : record.name);
		if (leased)
			ck_assert_ptr_nonnull(strstr(admin.error.text, name));
		n_leased += leased;
		n_reserved += !leased;
		/* a port that was drawn is free for the next step */
		ck_assert_int_eq(
		    scene_expire(scene.registry, name, claimed.session.epoch),
		    REGISTRY_OK);
	}
	/* both ends were seen, or the steps show nothing */
	ck_assert_uint_gt(n_leased, 0);
	ck_assert_uint_gt(n_reserved, 1);
}
END_TEST

/* Operators among themselves. */

static unsigned n_others;

static void
others_reserve(void)
{
	char answer[16];

	snprintf(answer, sizeof(answer), "%u", n_others);
	redis_ask("HSET taupe:reserved label/other%s carol%s", answer, answer);
	n_others++;
	meanwhile = others_reserve;
}

START_TEST(who_reserves_something_else_is_in_nobodys_way)
{
	struct device_record record = {.name = "bob", .label = "mine"};

	n_others = 0;
	meanwhile = others_reserve;
	ck_assert_int_eq(admin.store->device_add(&admin, &record), ADMIN_OK);
	ck_assert_uint_eq(n_others, 1);
	ck_assert_int_eq(admin.store->device_rotate(&admin, "bob"), ADMIN_OK);
	meanwhile = NULL;
	ck_assert_str_eq(reserved_for("label", "mine"), "bob");
}
END_TEST

static int other_code;

/* 0: of a label, 1: of a port, 2: of a host, 3: of an alias */
static int
reserve_for(struct admin *by, const char *name, int what)
{
	struct device_record record = {.n_ports = what == 1};
	struct device_host host = {.service = "web",
	    .proof = what == 3 ? HOST_ALIAS : HOST_WORD,
	    .proved_ms = 1};
	int code;

	strcpy(record.name, name);
	if (what == 0)
		strcpy(record.label, "race");
	strcpy(record.ports[0].service, "ssh");
	record.ports[0].port = 20001;
	if (what < 2)
		return by->store->device_add(by, &record);
	strcpy(host.host, what == 2 ? SHOP : "race.example.com");
	if (what == 2)
		strcpy(host.token, "0123456789abcdef0123456789abcdef");
	code = by->store->device_add(by, &record);
	return code == ADMIN_OK || code == ADMIN_TAKEN
	    ? by->store->host_add(by, name, &host)
	    : code;
}

static int operators_want;

static void
another_operator(void)
{
	struct admin other;

	admin_init(&other, &options, "other");
	other_code = reserve_for(&other, "carol", operators_want);
	admin_fini(&other);
}

START_TEST(two_operators_never_reserve_the_same)
{
	struct device_record none = {.name = "bob"};

	operators_want = _i;
	if (_i >= 2) /* of the two transactions it is the second */
		ck_assert_int_eq(
		    admin.store->device_add(&admin, &none), ADMIN_OK);
	meanwhile = another_operator;
	ck_assert_int_eq(reserve_for(&admin, "bob", _i), ADMIN_TAKEN);
	ck_assert_ptr_null(meanwhile);
	ck_assert_int_eq(other_code, ADMIN_OK);
	ck_assert_ptr_nonnull(strstr(admin.error.text, "the device carol"));
	ck_assert_str_eq(redis_ask("HVALS taupe:reserved"),
	    _i == 3 ? "carol carol" : "carol");
}
END_TEST

/* What it has goes with it, whatever comes between. */
START_TEST(a_device_that_is_removed_while_it_gets_a_name_has_none)
{
	struct device_record none = {.name = "carol"};

	ck_assert_int_eq(admin.store->device_add(&admin, &none), ADMIN_OK);
	operators_want = 3;
	meanwhile = another_operator;
	ck_assert_int_eq(
	    admin.store->device_remove(&admin, "carol"), ADMIN_OK);
	ck_assert_ptr_null(meanwhile);
	ck_assert_int_eq(other_code, ADMIN_OK);
	ck_assert_str_eq(redis_ask("EXISTS taupe:reserved"), "0");
	ck_assert_str_eq(redis_ask("EXISTS taupe:device:carol"), "0");
}
END_TEST

/* Routes by a further name. */

static void
begin_hold(
    const char *name, struct claim_result *claim, const struct route *route)
{
	struct holding holding = scene_holding(name, claim);

	holding.routes = route;
	holding.n_routes = route != NULL ? 1 : 0;
	answered = false;
	ck_assert_int_eq(scene.registry->ops->hold(
			     scene.registry, &holding, written_cb, NULL),
	    0);
}

static void
hold(const char *name, struct claim_result *claim, const struct route *route)
{
	begin_hold(name, claim, route);
	scene_run_until(is_answered);
	ck_assert_int_eq(written, REGISTRY_OK);
}

static const struct route route = {
    .key = "http/" SHOP, .value = "127.0.0.1,30001", .is_further = true};

static bool
leads(void)
{
	return strcmp(redis_ask("HEXISTS taupe:routes http/" SHOP), "1") == 0;
}

static void
expect(const char *owned_by_alice, const char *holder)
{
	ck_assert_str_eq(
	    redis_ask("SMEMBERS taupe:owned:device:alice"), owned_by_alice);
	ck_assert_str_eq(redis_ask("GET taupe:host:" SHOP), holder);
}

START_TEST(a_further_name_is_marked_as_long_as_it_leads)
{
	struct claim_result alice = scene_join("alice", "i1", "web:http");

	hold("alice", &alice, &route);
	ck_assert(leads());
	expect("http/" SHOP, "alice");
	hold("alice", &alice, NULL);
	ck_assert(!leads());
	expect("", "(nil)");
	hold("alice", &alice, &route);
	ck_assert_int_eq(
	    scene_expire(scene.registry, "alice", alice.session.epoch),
	    REGISTRY_OK);
	ck_assert(!leads());
	expect("", "(nil)");
}
END_TEST

/* The agent has it as tls now: the name is the device's as before. */
START_TEST(a_further_name_stays_marked_when_its_service_changes)
{
	struct claim_result alice = scene_join("alice", "i1", "web:http");
	struct route sealed = route;

	strcpy(sealed.key, "sni/" SHOP);
	hold("alice", &alice, &route);
	hold("alice", &alice, &sealed);
	ck_assert(!leads());
	expect("sni/" SHOP, "alice");
	hold("alice", &alice, NULL);
	expect("", "(nil)");
}
END_TEST

/* Its first label is somebody's name under another domain: that is no heir. */
START_TEST(a_label_that_reads_the_same_inherits_nothing)
{
	struct claim_result alice = scene_join("alice", "i1", "web:http");

	redis_ask("SET taupe:label:shop bob");
	hold("alice", &alice, &route);
	hold("alice", &alice, NULL);
	ck_assert(!leads());
	ck_assert_str_eq(redis_ask("EXISTS taupe:owned:device:bob"), "0");
}
END_TEST

START_TEST(a_name_that_is_another_devices_by_now_is_not_written)
{
	struct claim_result alice = scene_join("alice", "i1", "web:http"),
			    bob = scene_join("bob", "i1", "web:http");

	hold("alice", &alice, &route);
	redis_ask("HSET taupe:reserved host/" SHOP " bob");
	hold("alice", &alice, &route);
	ck_assert(!leads());
	expect("", "(nil)");
	hold("bob", &bob, &route);
	hold("alice", &alice, &route);
	ck_assert(leads());
	expect("", "bob");
}
END_TEST

/* The one who has let go of it late takes nothing away. */
START_TEST(a_name_that_goes_over_keeps_its_new_route)
{
	struct claim_result alice = scene_join("alice", "i1", "web:http"),
			    bob = scene_join("bob", "i1", "web:http");

	hold("alice", &alice, &route);
	redis_ask("HSET taupe:reserved host/" SHOP " bob");
	hold("bob", &bob, &route);
	hold("alice", &alice, NULL);
	ck_assert(leads());
	expect("", "bob");
	ck_assert_str_eq(
	    redis_ask("SMEMBERS taupe:owned:device:bob"), "http/" SHOP);
}
END_TEST

/* From the moment on at which it is reserved for bob, alice's relay does not write it. */
START_TEST(a_route_that_is_written_while_its_name_goes_over_is_not)
{
	unsigned n_before = 0, n_after = 0;
	struct device_record record = {.name = "bob"};
	struct device_host host = {.host = SHOP,
	    .service = "web",
	    .proof = HOST_ALIAS,
	    .proved_ms = 1};

	ck_assert_int_eq(admin.store->device_add(&admin, &record), ADMIN_OK);
	for (int step = 0; step < STEPS; step++) {
		struct claim_result alice =
		    scene_join("alice", "i1", "web:http");
		bool led;

		begin_hold("alice", &alice, &route);
		run_turns(step);
		ck_assert_int_eq(
		    admin.store->host_add(&admin, "bob", &host), ADMIN_OK);
		led = leads();
		scene_run_until(is_answered);
		ck_assert_int_eq(written, REGISTRY_OK);
		ck_assert_msg(leads() == led, "step %d", step);
		n_before += led;
		n_after += !led;
		hold("alice", &alice, NULL);
		ck_assert(!leads());
		ck_assert_int_eq(
		    admin.store->host_remove(&admin, "bob", &host), ADMIN_OK);
	}
	ck_assert_uint_gt(n_before, 0);
	ck_assert_uint_gt(n_after, 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("registry_reserved");
	TCase *tcase = tcase_create("reserved");

	if (!redis_server_exists())
		return SKIPPED;
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(
	    tcase, what_is_leased_and_reserved_at_once_has_one_holder, 0, 3);
	tcase_add_loop_test(
	    tcase, what_is_leased_after_the_look_is_not_reserved, 0, 3);
	tcase_add_test(tcase, who_reserves_something_else_is_in_nobodys_way);
	tcase_add_loop_test(tcase, two_operators_never_reserve_the_same, 0, 4);
	tcase_add_test(
	    tcase, a_device_that_is_removed_while_it_gets_a_name_has_none);
	tcase_add_test(tcase, a_further_name_is_marked_as_long_as_it_leads);
	tcase_add_test(
	    tcase, a_further_name_stays_marked_when_its_service_changes);
	tcase_add_test(tcase, a_label_that_reads_the_same_inherits_nothing);
	tcase_add_test(
	    tcase, a_name_that_is_another_devices_by_now_is_not_written);
	tcase_add_test(tcase, a_name_that_goes_over_keeps_its_new_route);
	tcase_add_test(
	    tcase, a_route_that_is_written_while_its_name_goes_over_is_not);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
