/* SPDX-License-Identifier: MIT */
/* What both registries must do. */
#include <stdio.h>

#include "registry_suite.h"

#define BOTH "web:http ssh:tcp"

static uint16_t
port_of(const struct claim_result *result, const char *service)
{
	return service_port_find(
	    result->lease.ports, result->lease.n_ports, str_of(service));
}

/* The device goes offline; its lease ends in remaining_ms. */
static void
leave(
    const char *name, const struct claim_result *result, uint64_t remaining_ms)
{
	struct holding holding = scene_holding(name, result);

	holding.connected = false;
	holding.remaining_ms = remaining_ms;
	ck_assert_int_eq(scene_hold(scene.registry, &holding), REGISTRY_OK);
}

/* Devices. */

START_TEST(knows_a_device_and_what_is_reserved_for_it)
{
	struct device_record record;

	scene_put_device("carol", "label=shop&port=ssh:20022");
	ck_assert_int_eq(scene_get_device("carol", &record), REGISTRY_OK);
	ck_assert_str_eq(record.name, "carol");
	ck_assert_str_eq(record.label, "shop");
	ck_assert_uint_eq(
	    service_port_find(record.ports, record.n_ports, STR("ssh")), 20022);
	ck_assert_uint_eq(record.secret_sha256[31], 7);
	ck_assert_int_eq(scene_get_device("nobody", NULL), REGISTRY_NOT_FOUND);
}
END_TEST

static bool
alice_was_cut(void)
{
	/* a stand-alone relay looks at its file when it announces itself */
	struct relay_info self = {.id = "r1", .weight = 1};

	if (scene_has_event(REGISTRY_DEVICE, "alice", 0))
		return true;
	scene.registry->ops->announce(
	    scene.registry, &self, NULL, NULL, NULL, 0);
	return false;
}

START_TEST(tells_of_a_removed_device)
{
	suite_store.remove_device("alice");
	scene_run_until(alice_was_cut);
	ck_assert_int_eq(scene_get_device("alice", NULL), REGISTRY_NOT_FOUND);
	ck_assert(!scene_has_event(REGISTRY_DEVICE, "bob", 0));
}
END_TEST

START_TEST(open_mode_knows_every_device)
{
	struct device_record record;

	scene.settings.open_mode = true;
	registry_free(&scene.registry);
	scene.registry = suite_store.open("r1", scene_event_cb, NULL);
	scene.n_events = 0;
	scene_wait_event(REGISTRY_UP, NULL, &(size_t){0});
	ck_assert_int_eq(scene_get_device("anybody", &record), REGISTRY_OK);
	ck_assert_str_eq(record.name, "anybody");
}
END_TEST

/* Credentials. */

static struct enrolment
enrolment_of(const char *name, uint8_t key, uint8_t secret)
{
	struct enrolment enrolment = {.fleet = "probes", .from = "192.0.2.9:5"};

	ck_assert(str_copy(str_of(name), enrolment.name, DEVICE_NAME_MAX + 1));
	memset(enrolment.key_sha256, key, SECRET_HASH_LEN);
	memset(enrolment.secret_sha256, secret, SECRET_HASH_LEN);
	return enrolment;
}

static enum enrolment_verdict
enrol(const char *name, uint8_t key, uint8_t secret)
{
	struct enrolment enrolment = enrolment_of(name, key, secret);
	struct device_record record;

	return scene_enrol(&enrolment, &record);
}

static void
put_fleet(uint64_t max, uint64_t expires_ms, const char *pattern)
{
	struct fleet_record fleet = {
	    .name = "probes", .max = max, .expires_ms = expires_ms};

	memset(fleet.key_sha256, 9, SECRET_HASH_LEN);
	ck_assert(
	    str_copy(str_of(pattern), fleet.pattern, sizeof(fleet.pattern)));
	suite_store.put_fleet(&fleet);
}

START_TEST(who_has_a_fleets_key_becomes_a_device)
{
	struct enrolment enrolment = enrolment_of("p-1", 9, 5);
	struct device_record record, stored;

	put_fleet(0, 0, "");
	ck_assert_int_eq(scene_enrol(&enrolment, &record), ENROLMENT_NEW);
	ck_assert_str_eq(record.name, "p-1");
	ck_assert_str_eq(record.fleet, "probes");
	ck_assert_int_eq(scene_get_device("p-1", &stored), REGISTRY_OK);
	ck_assert_str_eq(stored.fleet, "probes");
	ck_assert_mem_eq(
	    stored.secret_sha256, enrolment.secret_sha256, SECRET_HASH_LEN);
	/* its answer was lost: it asks again */
	ck_assert_int_eq(scene_enrol(&enrolment, &record), ENROLMENT_KNOWN);
	ck_assert_str_eq(record.name, "p-1");
}
END_TEST

START_TEST(a_fleet_enrols_whom_it_is_for)
{
	ck_assert_int_eq(enrol("p-1", 9, 5), ENROLMENT_BAD_KEY);
	put_fleet(2, loop_wall_ms() + 60000, "p-*");
	ck_assert_int_eq(enrol("p-1", 8, 5), ENROLMENT_BAD_KEY);
	ck_assert_int_eq(enrol("q-1", 9, 5), ENROLMENT_NAME_REFUSED);
	ck_assert_int_eq(enrol("p-1", 9, 5), ENROLMENT_NEW);
	ck_assert_int_eq(enrol("p-1", 9, 6), ENROLMENT_NAME_TAKEN);
	ck_assert_int_eq(enrol("alice", 9, 6), ENROLMENT_NAME_TAKEN);
	ck_assert_int_eq(enrol("p-2", 9, 5), ENROLMENT_NEW);
	ck_assert_int_eq(enrol("p-3", 9, 5), ENROLMENT_FULL);
	ck_assert_int_eq(enrol("p-2", 9, 5), ENROLMENT_KNOWN);
	put_fleet(0, loop_wall_ms(), "");
	ck_assert_int_eq(enrol("p-4", 9, 5), ENROLMENT_EXPIRED);
	ck_assert_int_eq(enrol("p-2", 9, 6), ENROLMENT_EXPIRED);
	ck_assert_int_eq(enrol("p-2", 9, 5), ENROLMENT_KNOWN);
	ck_assert_int_eq(scene_get_device("p-2", NULL), REGISTRY_OK);
	ck_assert_int_eq(scene_get_device("p-4", NULL), REGISTRY_NOT_FOUND);
}
END_TEST

/* The secret of a device of the scene is all sevens. */
static struct rotation
rotation_of(const char *name, uint8_t old, uint8_t new)
{
	struct rotation rotation = {0};

	ck_assert(str_copy(str_of(name), rotation.name, DEVICE_NAME_MAX + 1));
	memset(rotation.old_sha256, old, SECRET_HASH_LEN);
	memset(rotation.new_sha256, new, SECRET_HASH_LEN);
	return rotation;
}

static uint8_t
secret_of(const char *name, const char *rotation)
{
	struct device_record record;

	ck_assert_int_eq(scene_get_device(name, &record), REGISTRY_OK);
	ck_assert_str_eq(record.rotation, rotation);
	return record.secret_sha256[0];
}

START_TEST(a_secret_changes_once_and_only_if_that_is_wanted)
{
	struct rotation rotation = rotation_of("carol", 7, 8),
			late = rotation_of("carol", 7, 6);

	ck_assert_int_eq(scene_rotate(&rotation), REGISTRY_NOT_FOUND);
	scene_put_device("carol", "label=shop");
	ck_assert_int_eq(scene_rotate(&rotation), REGISTRY_STALE);
	ck_assert_uint_eq(secret_of("carol", ""), 7);
	scene_put_device("carol", "label=shop&rotation=asked");
	ck_assert_int_eq(scene_rotate(&rotation), REGISTRY_OK);
	ck_assert_uint_eq(secret_of("carol", ""), 8);
	ck_assert_int_eq(scene_rotate(&rotation), REGISTRY_OK);
	ck_assert_int_eq(scene_rotate(&late), REGISTRY_STALE);
	ck_assert_uint_eq(secret_of("carol", ""), 8);
}
END_TEST

START_TEST(a_session_with_an_old_secret_rotates_nothing)
{
	struct rotation rotation = rotation_of("carol", 1, 8);

	scene_put_device("carol", "rotation=asked");
	ck_assert_int_eq(scene_rotate(&rotation), REGISTRY_STALE);
	ck_assert_uint_eq(secret_of("carol", "asked"), 7);
}
END_TEST

START_TEST(why_a_secret_stays_is_written_down)
{
	struct rotation rotation = rotation_of("carol", 7, 0);

	strcpy(rotation.error, "no state_dir & no = place");
	scene_put_device("carol", "rotation=asked");
	ck_assert_int_eq(scene_rotate(&rotation), REGISTRY_OK);
	ck_assert_uint_eq(secret_of("carol", rotation.error), 7);
	/* and that is no wish any more */
	ck_assert_int_eq(scene_rotate(&rotation), REGISTRY_STALE);
}
END_TEST

/* Claims. */

START_TEST(a_claim_grants_a_label_a_port_and_an_epoch)
{
	uint64_t before_ms = loop_wall_ms(), before_us = loop_wall_us();
	struct claim_result result = scene_join("alice", "i1", BOTH);

	ck_assert_int_eq(result.status, REGISTRY_OK);
	ck_assert(result.new_label);
	ck_assert_uint_eq(strlen(result.lease.label), 10);
	ck_assert_uint_eq(
	    strspn(result.lease.label, "0123456789abcdefghjkmnpqrstvwxyz"), 10);
	ck_assert_uint_eq(result.lease.n_ports, 1);
	ck_assert(port_set_has(&scene.public_ports, port_of(&result, "ssh")));
	ck_assert_uint_ge(result.session.epoch, before_us);
	ck_assert_uint_ge(result.session.since_ms, before_ms);
	ck_assert_str_eq(result.session.relay, "r1");
	ck_assert_str_eq(result.session.instance, "i1");
	ck_assert_str_eq(result.session.from, "203.0.113.7:51234");
}
END_TEST

START_TEST(the_same_instance_takes_over_at_once)
{
	struct claim_result first = scene_join("alice", "i1", BOTH);
	struct claim_result second = scene_join("alice", "i1", BOTH);

	ck_assert_int_eq(second.status, REGISTRY_OK);
	ck_assert(!second.new_label);
	ck_assert_str_eq(second.lease.label, first.lease.label);
	ck_assert_uint_eq(port_of(&second, "ssh"), port_of(&first, "ssh"));
	ck_assert_uint_gt(second.session.epoch, first.session.epoch);
}
END_TEST

START_TEST(another_instance_is_told_who_holds_the_name)
{
	struct claim_result first = scene_join("alice", "i1", BOTH);
	struct claim_result second = scene_join("alice", "i2", BOTH);

	ck_assert_int_eq(second.status, REGISTRY_HELD);
	ck_assert_uint_eq(second.session.epoch, first.session.epoch);
	ck_assert_uint_eq(second.session.since_ms, first.session.since_ms);
	ck_assert_str_eq(second.session.relay, "r1");
	ck_assert_str_eq(second.session.from, "203.0.113.7:51234");
	ck_assert_str_eq(second.session.instance, "i1");
}
END_TEST

START_TEST(takes_over_from_the_probed_epoch_only)
{
	struct claim_result first = scene_join("alice", "i1", BOTH), result;
	struct claim claim = scene_claim("alice", "i2", BOTH);

	claim.over_epoch = first.session.epoch - 1;
	result = scene_do_claim(scene.registry, &claim);
	ck_assert_int_eq(result.status, REGISTRY_HELD);
	claim.over_epoch = first.session.epoch;
	result = scene_do_claim(scene.registry, &claim);
	ck_assert_int_eq(result.status, REGISTRY_OK);
	ck_assert_str_eq(result.lease.label, first.lease.label);
	ck_assert_uint_gt(result.session.epoch, first.session.epoch);
}
END_TEST

START_TEST(another_instance_may_come_once_the_first_has_left)
{
	struct claim_result first = scene_join("alice", "i1", BOTH), second;

	leave("alice", &first, SUITE_LEASE_MS);
	second = scene_join("alice", "i2", BOTH);
	ck_assert_int_eq(second.status, REGISTRY_OK);
	ck_assert_str_eq(second.lease.label, first.lease.label);
	ck_assert_uint_eq(port_of(&second, "ssh"), port_of(&first, "ssh"));
}
END_TEST

START_TEST(devices_never_share)
{
	struct claim_result a = scene_join("alice", "i1", BOTH);
	struct claim_result b = scene_join("bob", "i1", BOTH);

	ck_assert_int_eq(b.status, REGISTRY_OK);
	ck_assert_str_ne(a.lease.label, b.lease.label);
	ck_assert_uint_ne(port_of(&a, "ssh"), port_of(&b, "ssh"));
}
END_TEST

START_TEST(each_tcp_service_gets_a_port_of_its_own)
{
	struct claim_result result =
	    scene_join("alice", "i1", "a:tcp b:tcp c:tls d:http e:tcp");

	ck_assert_int_eq(result.status, REGISTRY_OK);
	ck_assert_uint_eq(result.lease.n_ports, 3);
	ck_assert_uint_ne(port_of(&result, "a"), port_of(&result, "b"));
	ck_assert_uint_ne(port_of(&result, "b"), port_of(&result, "e"));
	ck_assert_uint_ne(port_of(&result, "a"), port_of(&result, "e"));
	ck_assert_uint_eq(port_of(&result, "c"), 0);
}
END_TEST

/* The public ports, with another registry on the same store. */
static void
reopen_with_ports(const char *ports)
{
	size_t from = scene.n_events;

	port_set_clear(&scene.public_ports);
	ck_assert(port_set_parse(&scene.public_ports, str_of(ports)));
	registry_free(&scene.registry);
	scene.registry = suite_store.open("r1", scene_event_cb, NULL);
	ck_assert_ptr_nonnull(scene.registry);
	scene_wait_event(REGISTRY_UP, NULL, &from);
}

START_TEST(a_service_that_is_gone_frees_its_port)
{
	struct claim_result first, second;

	reopen_with_ports("20000-20001");
	first = scene_join("alice", "i1", "a:tcp b:tcp");
	ck_assert_int_eq(
	    scene_join("bob", "i1", "c:tcp").status, REGISTRY_EXHAUSTED);
	second = scene_join("alice", "i1", "b:tcp");
	ck_assert_uint_eq(second.lease.n_ports, 1);
	ck_assert_uint_eq(port_of(&second, "b"), port_of(&first, "b"));
	second = scene_join("bob", "i1", "c:tcp");
	ck_assert_uint_eq(port_of(&second, "c"), port_of(&first, "a"));
}
END_TEST

START_TEST(exhausted_ports_are_reported_and_nothing_is_kept)
{
	struct claim_result a, b;

	reopen_with_ports("20000-20001,20005");
	a = scene_join("alice", "i1", "a:tcp b:tcp");
	ck_assert_int_eq(a.status, REGISTRY_OK);
	b = scene_join("bob", "i1", "a:tcp b:tcp");
	ck_assert_int_eq(b.status, REGISTRY_EXHAUSTED);
	b = scene_join("bob", "i1", "a:tcp");
	ck_assert_int_eq(b.status, REGISTRY_OK);
	ck_assert_uint_eq(b.lease.n_ports, 1);
	leave("alice", &a, SUITE_LEASE_MS);
	ck_assert_int_eq(
	    scene_join("bob", "i1", "a:tcp b:tcp").status, REGISTRY_EXHAUSTED);
	ck_assert_int_eq(scene_expire(scene.registry, "alice", a.session.epoch),
	    REGISTRY_OK);
	ck_assert_int_eq(
	    scene_join("bob", "i1", "a:tcp b:tcp").status, REGISTRY_OK);
}
END_TEST

START_TEST(finds_the_last_free_port_of_many)
{
	struct claim_result result;
	char name[32];

	reopen_with_ports("20000-20029,40000");
	for (int i = 0; i < 31; i++) {
		snprintf(name, sizeof(name), "device-%d", i);
		scene_put_device(name, NULL);
		result = scene_join(name, "i1", "a:tcp");
		ck_assert_int_eq(result.status, REGISTRY_OK);
	}
	ck_assert_int_eq(
	    scene_join("alice", "i1", "a:tcp").status, REGISTRY_EXHAUSTED);
}
END_TEST

/* Counters. */

START_TEST(counts_all_or_says_what_it_has_not)
{
	struct device_counters delta = {2, 0, 30}, refused = {0};

	if (scene_count_begin("alice", &delta))
		refused = scene_count_end();
	ck_assert_mem_eq(&delta, &(struct device_counters){0}, sizeof(delta));
	ck_assert_mem_eq(&refused, &delta, sizeof(delta));
	ck_assert(!scene_count_begin("alice", &delta));
}
END_TEST

/* Reservations. */

START_TEST(what_is_reserved_goes_to_its_device_alone)
{
	struct claim_result result;

	scene_put_device("carol", "label=shop&port=ssh:20001");
	reopen_with_ports("20000-20001");
	result = scene_join("alice", "i1", "ssh:tcp");
	ck_assert_uint_eq(port_of(&result, "ssh"), 20000);
	ck_assert_int_eq(
	    scene_join("bob", "i1", "ssh:tcp").status, REGISTRY_EXHAUSTED);
	result = scene_join("carol", "i1", BOTH);
	ck_assert_int_eq(result.status, REGISTRY_OK);
	ck_assert_str_eq(result.lease.label, "shop");
	ck_assert(!result.new_label);
	ck_assert_uint_eq(port_of(&result, "ssh"), 20001);
}
END_TEST

START_TEST(a_reserved_port_may_lie_outside_the_public_ports)
{
	struct claim_result result;

	scene_put_device("carol", "port=ssh:2222");
	result = scene_join("carol", "i1", "ssh:tcp db:tcp");
	ck_assert_uint_eq(port_of(&result, "ssh"), 2222);
	ck_assert(port_set_has(&scene.public_ports, port_of(&result, "db")));
}
END_TEST

START_TEST(a_reservation_takes_effect_at_the_next_connection)
{
	struct claim_result first = scene_join("alice", "i1", BOTH), second;

	scene_put_device("alice", "label=shop&port=ssh:20001");
	second = scene_join("alice", "i1", BOTH);
	ck_assert_str_eq(second.lease.label, "shop");
	ck_assert_uint_eq(port_of(&second, "ssh"), 20001);
	/* the old label rests now, for its device as well */
	scene_put_device("alice", NULL);
	leave("alice", &second, SUITE_LEASE_MS);
	ck_assert_int_eq(
	    scene_expire(scene.registry, "alice", second.session.epoch),
	    REGISTRY_OK);
	ck_assert_str_ne(
	    scene_join("alice", "i1", BOTH).lease.label, first.lease.label);
}
END_TEST

START_TEST(a_reservation_ends_a_rest_but_no_lease)
{
	struct claim_result first = scene_join("alice", "i1", "web:http");
	char reserved[LABEL_MAX + 8];

	snprintf(reserved, sizeof(reserved), "label=%s", first.lease.label);
	scene_put_device("carol", reserved);
	ck_assert_int_eq(
	    scene_join("carol", "i1", "web:http").status, REGISTRY_EXHAUSTED);
	ck_assert_int_eq(
	    scene_expire(scene.registry, "alice", first.session.epoch),
	    REGISTRY_OK);
	ck_assert_str_eq(scene_join("carol", "i1", "web:http").lease.label,
	    first.lease.label);
}
END_TEST

START_TEST(a_reserved_port_in_use_is_reported)
{
	struct claim_result first = scene_join("alice", "i1", "ssh:tcp");
	char reserved[64];

	snprintf(
	    reserved, sizeof(reserved), "port=ssh:%u", port_of(&first, "ssh"));
	scene_put_device("carol", reserved);
	ck_assert_int_eq(
	    scene_join("carol", "i1", "ssh:tcp").status, REGISTRY_EXHAUSTED);
}
END_TEST

/* Leases. */

START_TEST(a_label_rests_after_its_lease)
{
	struct claim_result first = scene_join("alice", "i1", BOTH), second;
	struct claim claim;

	leave("alice", &first, 40);
	scene_run_ms(80);
	second = scene_join("alice", "i1", BOTH);
	ck_assert_int_eq(second.status, REGISTRY_OK);
	ck_assert(second.new_label);
	ck_assert_str_ne(second.lease.label, first.lease.label);
	/* not even a signed lease brings it back */
	leave("alice", &second, 40);
	scene_run_ms(80);
	claim = scene_claim("alice", "i1", BOTH);
	claim.has_signed_lease = true;
	claim.signed_lease = first.lease;
	second = scene_do_claim(scene.registry, &claim);
	ck_assert_str_ne(second.lease.label, first.lease.label);
	ck_assert_uint_eq(port_of(&second, "ssh"), port_of(&first, "ssh"));
}
END_TEST

START_TEST(an_ended_lease_frees_its_ports)
{
	struct claim_result first;

	reopen_with_ports("20000");
	first = scene_join("alice", "i1", "ssh:tcp");
	leave("alice", &first, 40);
	scene_run_ms(80);
	ck_assert_int_eq(
	    scene_join("bob", "i1", "ssh:tcp").status, REGISTRY_OK);
}
END_TEST

START_TEST(a_label_is_free_when_it_has_rested)
{
	struct claim_result first;
	struct claim claim;

	scene.settings.quarantine_ms = 60;
	reopen_with_ports("20000");
	first = scene_join("alice", "i1", "web:http");
	ck_assert_int_eq(
	    scene_expire(scene.registry, "alice", first.session.epoch),
	    REGISTRY_OK);
	scene_run_ms(120);
	claim = scene_claim("alice", "i1", "web:http");
	claim.has_signed_lease = true;
	claim.signed_lease = first.lease;
	ck_assert_str_eq(scene_do_claim(scene.registry, &claim).lease.label,
	    first.lease.label);
}
END_TEST

START_TEST(without_quarantine_a_label_is_free_at_once)
{
	struct claim_result first;
	struct claim claim;

	scene.settings.quarantine_ms = 0;
	reopen_with_ports("20000");
	first = scene_join("alice", "i1", "web:http");
	ck_assert_int_eq(
	    scene_expire(scene.registry, "alice", first.session.epoch),
	    REGISTRY_OK);
	claim = scene_claim("alice", "i1", "web:http");
	claim.has_signed_lease = true;
	claim.signed_lease = first.lease;
	ck_assert_str_eq(scene_do_claim(scene.registry, &claim).lease.label,
	    first.lease.label);
}
END_TEST

START_TEST(a_signed_lease_counts_where_the_registry_knows_nothing)
{
	struct claim_result first = scene_join("alice", "i1", BOTH), second;
	struct claim claim = scene_claim("alice", "i2", BOTH);

	suite_store.forget(&scene.registry);
	claim.has_signed_lease = true;
	claim.signed_lease = first.lease;
	second = scene_do_claim(scene.registry, &claim);
	ck_assert_int_eq(second.status, REGISTRY_OK);
	ck_assert(!second.new_label);
	ck_assert_str_eq(second.lease.label, first.lease.label);
	ck_assert_uint_eq(port_of(&second, "ssh"), port_of(&first, "ssh"));
	ck_assert_uint_gt(second.session.epoch, first.session.epoch);
}
END_TEST

/* The registry has lost an epoch of a clock that is minutes ahead of ours. */
START_TEST(an_epoch_is_later_than_the_one_that_was_shown)
{
	struct claim claim = scene_claim("alice", "i1", BOTH);
	uint64_t ahead = loop_wall_us() + 600000000;
	struct claim_result result;

	claim.has_signed_lease = true;
	strcpy(claim.signed_lease.label, "abcdefghjk");
	claim.signed_lease.epoch = ahead;
	result = scene_do_claim(scene.registry, &claim);
	ck_assert_int_eq(result.status, REGISTRY_OK);
	ck_assert_uint_gt(result.session.epoch, ahead);
	ck_assert_uint_eq(result.lease.epoch, result.session.epoch);
}
END_TEST

START_TEST(a_signed_lease_does_not_take_from_others)
{
	struct claim_result bob = scene_join("bob", "i1", BOTH), result;
	struct claim claim =
	    scene_claim("alice", "i1", "web:http ssh:tcp db:tcp");

	scene_put_device("carol", "port=db:20050&label=shop");
	claim.has_signed_lease = true;
	claim.signed_lease = bob.lease;
	claim.signed_lease.ports[claim.signed_lease.n_ports++] =
	    (struct service_port){"db", 20050};
	result = scene_do_claim(scene.registry, &claim);
	ck_assert_int_eq(result.status, REGISTRY_OK);
	ck_assert_str_ne(result.lease.label, bob.lease.label);
	ck_assert_uint_ne(port_of(&result, "ssh"), port_of(&bob, "ssh"));
	ck_assert_uint_ne(port_of(&result, "db"), 20050);
	ck_assert_uint_ne(port_of(&result, "db"), port_of(&result, "ssh"));
}
END_TEST

START_TEST(the_standing_lease_counts_more_than_the_signed_one)
{
	struct claim_result first = scene_join("alice", "i1", BOTH), second;
	struct claim claim = scene_claim("alice", "i1", BOTH);

	claim.has_signed_lease = true;
	ck_assert(
	    str_copy(STR("other"), claim.signed_lease.label, LABEL_MAX + 1));
	claim.signed_lease.n_ports = 1;
	claim.signed_lease.ports[0] = (struct service_port){"ssh", 20077};
	second = scene_do_claim(scene.registry, &claim);
	ck_assert_str_eq(second.lease.label, first.lease.label);
	ck_assert_uint_eq(port_of(&second, "ssh"), port_of(&first, "ssh"));
}
END_TEST

/* Fencing. */

START_TEST(late_writes_of_a_dead_session_change_nothing)
{
	struct claim_result first = scene_join("alice", "i1", BOTH);
	struct holding late = scene_holding("alice", &first);
	struct claim_result second = scene_join("alice", "i1", BOTH);

	ck_assert_int_eq(scene_hold(scene.registry, &late), REGISTRY_STALE);
	late.connected = false;
	ck_assert_int_eq(scene_hold(scene.registry, &late), REGISTRY_STALE);
	ck_assert_int_eq(
	    scene_expire(scene.registry, "alice", first.session.epoch),
	    REGISTRY_STALE);
	ck_assert_uint_eq(scene_join("alice", "i9", BOTH).session.epoch,
	    second.session.epoch);
	/* also when the newer session has ended */
	leave("alice", &second, SUITE_LEASE_MS);
	late.connected = true;
	ck_assert_int_eq(scene_hold(scene.registry, &late), REGISTRY_STALE);
}
END_TEST

START_TEST(what_is_held_may_be_written_again_and_again)
{
	struct claim_result first = scene_join("alice", "i1", BOTH);
	struct holding holding = scene_holding("alice", &first);
	size_t before;

	ck_assert_int_eq(scene_hold(scene.registry, &holding), REGISTRY_OK);
	scene_run_ms(30);
	before = scene.n_events;
	ck_assert_int_eq(scene_hold(scene.registry, &holding), REGISTRY_OK);
	ck_assert_int_eq(scene_hold(scene.registry, &holding), REGISTRY_OK);
	scene_run_ms(30);
	ck_assert_uint_eq(scene.n_events, before);
}
END_TEST

START_TEST(holding_fills_a_registry_that_has_forgotten)
{
	struct claim_result first = scene_join("alice", "i1", BOTH), second;
	struct holding holding = scene_holding("alice", &first);

	suite_store.forget(&scene.registry);
	ck_assert_int_eq(scene_hold(scene.registry, &holding), REGISTRY_OK);
	second = scene_join("alice", "i2", BOTH);
	ck_assert_int_eq(second.status, REGISTRY_HELD);
	ck_assert_uint_eq(second.session.epoch, first.session.epoch);
	second = scene_join("alice", "i1", BOTH);
	ck_assert_str_eq(second.lease.label, first.lease.label);
	ck_assert_uint_eq(port_of(&second, "ssh"), port_of(&first, "ssh"));
}
END_TEST

START_TEST(what_another_device_got_meanwhile_cannot_be_held)
{
	struct claim_result first = scene_join("alice", "i1", "ssh:tcp");
	struct holding holding = scene_holding("alice", &first);
	struct claim_result bob;
	char port[16];

	suite_store.forget(&scene.registry);
	snprintf(port, sizeof(port), "%u", port_of(&first, "ssh"));
	reopen_with_ports(port);
	bob = scene_join("bob", "i1", "ssh:tcp");
	ck_assert_uint_eq(port_of(&bob, "ssh"), port_of(&first, "ssh"));
	ck_assert_int_eq(
	    scene_hold(scene.registry, &holding), REGISTRY_EXHAUSTED);
	ck_assert_int_eq(
	    scene_join("bob", "i1", "ssh:tcp").status, REGISTRY_OK);
}
END_TEST

START_TEST(a_lease_that_is_gone_may_expire_again)
{
	struct claim_result first = scene_join("alice", "i1", BOTH);

	ck_assert_int_eq(
	    scene_expire(scene.registry, "alice", first.session.epoch),
	    REGISTRY_OK);
	ck_assert_int_eq(
	    scene_expire(scene.registry, "alice", first.session.epoch),
	    REGISTRY_OK);
	ck_assert_int_eq(
	    scene_expire(scene.registry, "nobody", 1), REGISTRY_OK);
}
END_TEST

/* Events. */

START_TEST(tells_of_sessions)
{
	struct claim_result first = scene_join("alice", "i1", BOTH), second;
	const struct registry_event *event;
	size_t from = 0;

	event = scene_wait_event(REGISTRY_SESSION, "alice", &from);
	ck_assert(event->up);
	ck_assert_uint_eq(event->epoch, first.session.epoch);
	ck_assert_str_eq(event->relay, "r1");
	second = scene_join("alice", "i1", BOTH);
	event = scene_wait_event(REGISTRY_SESSION, "alice", &from);
	ck_assert(!event->up);
	ck_assert_uint_eq(event->epoch, first.session.epoch);
	event = scene_wait_event(REGISTRY_SESSION, "alice", &from);
	ck_assert(event->up);
	ck_assert_uint_eq(event->epoch, second.session.epoch);
	leave("alice", &second, SUITE_LEASE_MS);
	event = scene_wait_event(REGISTRY_SESSION, "alice", &from);
	ck_assert(!event->up);
	ck_assert_uint_eq(event->epoch, second.session.epoch);
}
END_TEST

START_TEST(carries_probes_and_answers)
{
	const struct registry_event *event;
	size_t from = 0;

	scene.registry->ops->probe(scene.registry, "alice", 42, "r1");
	event = scene_wait_event(REGISTRY_PROBE, "alice", &from);
	ck_assert_uint_eq(event->epoch, 42);
	ck_assert_str_eq(event->relay, "r1");
	scene.registry->ops->alive(scene.registry, "alice", 42);
	event = scene_wait_event(REGISTRY_ALIVE, "alice", &from);
	ck_assert_uint_eq(event->epoch, 42);
}
END_TEST

static bool departed;

static void
departed_cb(void *ctx, enum registry_status status)
{
	ck_assert_ptr_eq(ctx, &departed);
	ck_assert_int_eq(status, REGISTRY_OK);
	departed = true;
}

static bool
has_departed(void)
{
	return departed;
}

START_TEST(the_view_holds_this_relay)
{
	struct relay_info self = {.id = "r1",
	    .url = "ws://r1.example.com",
	    .weight = 100,
	    .address = "127.0.0.1:8000",
	    .agents = 3,
	    .capacity = 10,
	    .since_ms = 5};
	const struct relay_info *relays;
	size_t from = 0;

	ck_assert_uint_eq(
	    scene.registry->ops->relays(scene.registry, &relays), 0);
	scene.registry->ops->announce(
	    scene.registry, &self, NULL, NULL, NULL, 0);
	scene_wait_event(REGISTRY_RELAYS, NULL, &from);
	ck_assert_uint_eq(
	    scene.registry->ops->relays(scene.registry, &relays), 1);
	ck_assert_str_eq(relays[0].id, "r1");
	ck_assert_str_eq(relays[0].url, "ws://r1.example.com");
	ck_assert_uint_eq(relays[0].agents, 3);
	departed = false;
	scene.registry->ops->depart(scene.registry, departed_cb, &departed);
	ck_assert(!departed);
	scene_run_until(has_departed);
}
END_TEST

/* Life. */

static void
never_cb(void *ctx, const struct claim_result *result)
{
	(void)ctx;
	(void)result;
	ck_abort_msg("a registry that was freed has answered");
}

static void
never_device_cb(
    void *ctx, enum registry_status status, const struct device_record *record)
{
	(void)ctx;
	(void)status;
	(void)record;
	ck_abort_msg("a registry that was freed has answered");
}

static void
never_counted_cb(void *ctx, const struct device_counters *refused)
{
	(void)ctx;
	(void)refused;
	ck_abort_msg("it has answered");
}

START_TEST(is_silent_once_freed)
{
	struct claim claim = scene_claim("alice", "i1", BOTH);
	struct device_counters delta = {1, 2, 3};

	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(scene.registry->ops->claim(
				     scene.registry, &claim, never_cb, NULL),
		    0);
	ck_assert_int_eq(scene.registry->ops->device_get(
			     scene.registry, "alice", never_device_cb, NULL),
	    0);
	(void)scene.registry->ops->count(
	    scene.registry, "alice", 20261127, &delta, never_counted_cb, NULL);
	registry_free(&scene.registry);
	scene_run_ms(30);
}
END_TEST

static void
freeing_cb(void *ctx, const struct claim_result *result)
{
	(void)ctx;
	ck_assert_int_eq(result->status, REGISTRY_OK);
	registry_free(&scene.registry);
}

static bool
is_freed(void)
{
	return scene.registry == NULL;
}

START_TEST(may_be_freed_by_an_answer)
{
	struct claim claim = scene_claim("alice", "i1", BOTH);

	ck_assert_int_eq(scene.registry->ops->claim(
			     scene.registry, &claim, freeing_cb, NULL),
	    0);
	ck_assert_int_eq(
	    scene.registry->ops->claim(scene.registry, &claim, never_cb, NULL),
	    0);
	scene_run_until(is_freed);
	scene_run_ms(20);
}
END_TEST

/* START_TEST makes no constant, so there is no table of them. */
static void
add_tests(TCase *tcase)
{
	tcase_add_test(tcase, knows_a_device_and_what_is_reserved_for_it);
	tcase_add_test(tcase, tells_of_a_removed_device);
	tcase_add_test(tcase, open_mode_knows_every_device);
	tcase_add_test(tcase, who_has_a_fleets_key_becomes_a_device);
	tcase_add_test(tcase, a_fleet_enrols_whom_it_is_for);
	tcase_add_test(tcase, a_secret_changes_once_and_only_if_that_is_wanted);
	tcase_add_test(tcase, a_session_with_an_old_secret_rotates_nothing);
	tcase_add_test(tcase, why_a_secret_stays_is_written_down);
	tcase_add_test(tcase, a_claim_grants_a_label_a_port_and_an_epoch);
	tcase_add_test(tcase, the_same_instance_takes_over_at_once);
	tcase_add_test(tcase, another_instance_is_told_who_holds_the_name);
	tcase_add_test(tcase, takes_over_from_the_probed_epoch_only);
	tcase_add_test(
	    tcase, another_instance_may_come_once_the_first_has_left);
	tcase_add_test(tcase, devices_never_share);
	tcase_add_test(tcase, each_tcp_service_gets_a_port_of_its_own);
	tcase_add_test(tcase, a_service_that_is_gone_frees_its_port);
	tcase_add_test(tcase, exhausted_ports_are_reported_and_nothing_is_kept);
	tcase_add_test(tcase, finds_the_last_free_port_of_many);
	tcase_add_test(tcase, what_is_reserved_goes_to_its_device_alone);
	tcase_add_test(tcase, a_reserved_port_may_lie_outside_the_public_ports);
	tcase_add_test(
	    tcase, a_reservation_takes_effect_at_the_next_connection);
	tcase_add_test(tcase, a_reservation_ends_a_rest_but_no_lease);
	tcase_add_test(tcase, a_reserved_port_in_use_is_reported);
	tcase_add_test(tcase, a_label_rests_after_its_lease);
	tcase_add_test(tcase, an_ended_lease_frees_its_ports);
	tcase_add_test(tcase, a_label_is_free_when_it_has_rested);
	tcase_add_test(tcase, without_quarantine_a_label_is_free_at_once);
	tcase_add_test(
	    tcase, a_signed_lease_counts_where_the_registry_knows_nothing);
	tcase_add_test(tcase, an_epoch_is_later_than_the_one_that_was_shown);
	tcase_add_test(tcase, a_signed_lease_does_not_take_from_others);
	tcase_add_test(
	    tcase, the_standing_lease_counts_more_than_the_signed_one);
	tcase_add_test(tcase, late_writes_of_a_dead_session_change_nothing);
	tcase_add_test(tcase, what_is_held_may_be_written_again_and_again);
	tcase_add_test(tcase, holding_fills_a_registry_that_has_forgotten);
	tcase_add_test(tcase, what_another_device_got_meanwhile_cannot_be_held);
	tcase_add_test(tcase, a_lease_that_is_gone_may_expire_again);
	tcase_add_test(tcase, tells_of_sessions);
	tcase_add_test(tcase, carries_probes_and_answers);
	tcase_add_test(tcase, the_view_holds_this_relay);
	tcase_add_test(tcase, counts_all_or_says_what_it_has_not);
	tcase_add_test(tcase, is_silent_once_freed);
	tcase_add_test(tcase, may_be_freed_by_an_answer);
}

void
suite_add_common(Suite *suite)
{
	TCase *tcase = tcase_create("common");

	tcase_add_checked_fixture(tcase, scene_setup, scene_teardown);
	tcase_set_timeout(tcase, 30);
	add_tests(tcase);
	suite_add_tcase(suite, tcase);
}
