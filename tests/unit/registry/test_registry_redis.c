/* SPDX-License-Identifier: MIT */
/* The common suite on the registry in Redis, and what only that one has: several relays,
 * routes and their events, loss and garbage. */
#include <stdio.h>
#include <stdlib.h>

#include "redis_store.h"
#include "registry/happening.h"

#define SKIPPED 77 /* automake */

/* The store of the common suite. */

static void
write_hash(const uint8_t *sha256, char hash[2 * SECRET_HASH_LEN + 1])
{
	for (size_t i = 0; i < SECRET_HASH_LEN; i++)
		sprintf(hash + 2 * i, "%02x", sha256[i]);
}

static void
put_fleet(const struct fleet_record *record)
{
	char hash[2 * SECRET_HASH_LEN + 1];

	write_hash(record->key_sha256, hash);
	redis_ask("DEL taupe:fleet:%s", record->name);
	redis_ask(
	    "HSET taupe:fleet:%s fleet %s key_sha256 %s max %llu used %llu "
	    "expires_ms %llu",
	    record->name, record->name, hash, (unsigned long long)record->max,
	    (unsigned long long)record->used,
	    (unsigned long long)record->expires_ms);
	if (record->pattern[0] != '\0')
		redis_ask("HSET taupe:fleet:%s pattern %s", record->name,
		    record->pattern);
}

static void
put_device(const struct device_record *record)
{
	const char *name = record->name;
	char hash[2 * SECRET_HASH_LEN + 1] = "", ports[512] = "";

	write_hash(record->secret_sha256, hash);
	for (size_t i = 0; i < record->n_ports; i++) {
		sprintf(ports + strlen(ports), "%s%s:%u", i ? "," : "",
		    record->ports[i].service, record->ports[i].port);
		redis_ask("HSET taupe:reserved port/%u %s",
		    record->ports[i].port, name);
	}
	redis_ask("DEL taupe:device:%s", name);
	redis_ask("HSET taupe:device:%s name %s secret_sha256 %s created 0",
	    name, name, hash);
	redis_ask("SADD taupe:devices %s", name);
	if (record->label[0] != '\0') {
		redis_ask("HSET taupe:device:%s label %s", name, record->label);
		redis_ask(
		    "HSET taupe:reserved label/%s %s", record->label, name);
	}
	if (ports[0] != '\0')
		redis_ask("HSET taupe:device:%s ports %s", name, ports);
	if (record->rotation[0] != '\0')
		redis_ask(
		    "HSET taupe:device:%s rotation %s", name, record->rotation);
}

static void
remove_device(const char *name)
{
	redis_ask("DEL taupe:device:%s", name);
	redis_ask("XADD taupe:events * kind device name %s", name);
}

static void
forget(struct registry **registry)
{
	(void)registry;
	ck_assert_str_eq(redis_ask("FLUSHALL"), "OK");
}

const struct suite_store suite_store = {
    .start = redis_server_start,
    .stop = redis_server_stop,
    .open = redis_store_open,
    .put_device = put_device,
    .remove_device = remove_device,
    .put_fleet = put_fleet,
    .forget = forget,
    .keeps_routes = true,
};

/* A second relay, whose events nobody looks at. */

static struct registry *second;
static bool second_up;

static void
second_event_cb(void *ctx, const struct registry_event *event)
{
	(void)ctx;
	if (event->type == REGISTRY_UP)
		second_up = true;
}

static bool
is_second_up(void)
{
	return second_up;
}

static void
open_second(void)
{
	second_up = false;
	second = redis_store_open("r2", second_event_cb, NULL);
	ck_assert_ptr_nonnull(second);
	scene_run_until(is_second_up);
}

static void
teardown(void)
{
	registry_free(&second);
	scene_teardown();
}

/* Polling what stands in Redis. */

static const char *asked, *expected;

static bool
redis_says(void)
{
	return strcmp(redis_ask("%s", asked), expected) == 0;
}

static void
wait_redis(const char *question, const char *answer)
{
	asked = question;
	expected = answer;
	scene_run_until(redis_says);
}

static void
announce(struct registry *registry, const char *id, uint64_t agents)
{
	struct relay_info self = {.url = "ws://relay.example.com",
	    .address = "127.0.0.1:8000",
	    .agents = agents,
	    .weight = 100,
	    .capacity = 1000,
	    .since_ms = 77};
	const struct route route = {
	    .key = "relay/relay.example.com", .value = "127.0.0.1,8000"};
	const char *const names[] = {"visits"};
	const uint64_t values[] = {9};

	strcpy(self.id, id);
	registry->ops->announce(registry, &self,
	    strcmp(id, "r2") == 0 ? &route : NULL, names, values, 1);
}

/* Routes. */

static void
hold_routes(
    const struct claim_result *claim, const struct route *routes, size_t n)
{
	struct holding holding = scene_holding("alice", claim);

	holding.routes = routes;
	holding.n_routes = n;
	ck_assert_int_eq(scene_hold(scene.registry, &holding), REGISTRY_OK);
}

static const struct route two_routes[] = {
    {.key = "http/abc.example.com", .value = "127.0.0.1,30001"},
    {.key = "tcp/20022", .value = "::1,30002"},
};

START_TEST(each_changed_route_has_an_event)
{
	struct claim_result claim = scene_join("alice", "i1", "web:http");
	struct route changed[] = {two_routes[0], two_routes[1]};
	char value[64];
	size_t before;

	hold_routes(&claim, two_routes, 2);
	snprintf(value, sizeof(value), "127.0.0.1,30001,%llu",
	    (unsigned long long)claim.session.epoch);
	ck_assert_str_eq(
	    redis_ask("HGET taupe:routes http/abc.example.com"), value);
	ck_assert_str_eq(redis_ask("HLEN taupe:routes"), "2");
	before = strtoul(redis_ask("XLEN taupe:events"), NULL, 10);
	hold_routes(&claim, two_routes, 2);
	ck_assert_uint_eq(
	    strtoul(redis_ask("XLEN taupe:events"), NULL, 10), before);
	strcpy(changed[0].value, "127.0.0.1,30009");
	hold_routes(&claim, changed, 2);
	ck_assert_uint_eq(
	    strtoul(redis_ask("XLEN taupe:events"), NULL, 10), before + 1);
	ck_assert_ptr_nonnull(
	    strstr(redis_ask("XREVRANGE taupe:events + - COUNT 1"),
		"kind route key http/abc.example.com value 127.0.0.1,30009,"));
	hold_routes(&claim, changed + 1, 1);
	ck_assert_uint_eq(
	    strtoul(redis_ask("XLEN taupe:events"), NULL, 10), before + 2);
	ck_assert_str_eq(redis_ask("HKEYS taupe:routes"), "tcp/20022");
	ck_assert_str_eq(
	    redis_ask("SMEMBERS taupe:owned:device:alice"), "tcp/20022");
}
END_TEST

START_TEST(a_new_session_at_the_same_listener_is_no_change)
{
	struct claim_result claim = scene_join("alice", "i1", "web:http");
	char before[4096];

	hold_routes(&claim, two_routes, 2);
	strcpy(before, redis_ask("HGETALL taupe:routes"));
	claim = scene_join("alice", "i1", "web:http");
	hold_routes(&claim, two_routes, 2);
	ck_assert_str_eq(redis_ask("HGETALL taupe:routes"), before);
}
END_TEST

START_TEST(routes_end_with_the_lease)
{
	struct claim_result claim =
	    scene_join("alice", "i1", "web:http ssh:tcp");
	char gone[96];

	hold_routes(&claim, two_routes, 2);
	ck_assert_int_eq(
	    scene_expire(scene.registry, "alice", claim.session.epoch),
	    REGISTRY_OK);
	ck_assert_str_eq(
	    redis_ask("EXISTS taupe:routes taupe:owned:device:alice "
		      "taupe:lease:alice taupe:session:alice taupe:leases"),
	    "0");
	snprintf(gone, sizeof(gone), "EXISTS taupe:port:%u",
	    claim.lease.ports[0].port);
	ck_assert_str_eq(redis_ask("%s", gone), "0");
	snprintf(gone, sizeof(gone), "GET taupe:label:%s", claim.lease.label);
	ck_assert_str_eq(redis_ask("%s", gone), "alice");
}
END_TEST

START_TEST(leases_that_nobody_holds_are_swept)
{
	struct claim_result claim = scene_join("alice", "i1", "web:http");
	struct holding holding = scene_holding("alice", &claim);
	size_t from = 0;

	holding.connected = false;
	holding.remaining_ms = 100;
	holding.routes = two_routes;
	holding.n_routes = 2;
	ck_assert_int_eq(scene_hold(scene.registry, &holding), REGISTRY_OK);
	ck_assert_str_eq(redis_ask("HLEN taupe:routes"), "2");
	wait_redis(
	    "EXISTS taupe:routes taupe:leases taupe:owned:device:alice", "0");
	scene_run_ms(250);
	ck_assert_str_eq(
	    redis_ask("XLEN taupe:events"), "6"); /* 2 sessions, 2 + 2 routes */
	ck_assert(scene_wait_event(REGISTRY_SESSION, "alice", &from)->up);
}
END_TEST

START_TEST(a_lease_that_was_renewed_is_not_swept)
{
	struct claim_result claim = scene_join("alice", "i1", "web:http");

	hold_routes(&claim, two_routes, 2);
	redis_ask("ZADD taupe:leases 1 alice");
	wait_redis("ZCOUNT taupe:leases 2 inf", "1");
	ck_assert_str_eq(redis_ask("HLEN taupe:routes"), "2");
}
END_TEST

START_TEST(keys_live_as_long_as_they_should)
{
	struct claim_result claim = scene_join("alice", "i1", "ssh:tcp");
	long label_ms;

	ck_assert_int_gt(
	    atol(redis_ask("PTTL taupe:session:alice")), SUITE_LEASE_MS - 5000);
	ck_assert_int_gt(
	    atol(redis_ask("PTTL taupe:lease:alice")), SUITE_LEASE_MS - 5000);
	ck_assert_int_le(
	    atol(redis_ask("PTTL taupe:lease:alice")), SUITE_LEASE_MS);
	ck_assert_int_gt(
	    atol(redis_ask("PTTL taupe:port:%u", claim.lease.ports[0].port)),
	    SUITE_LEASE_MS - 5000);
	label_ms = atol(redis_ask("PTTL taupe:label:%s", claim.lease.label));
	ck_assert_int_gt(label_ms, SUITE_LEASE_MS + SUITE_QUARANTINE_MS - 5000);
	ck_assert_int_eq(
	    scene_expire(scene.registry, "alice", claim.session.epoch),
	    REGISTRY_OK);
	label_ms = atol(redis_ask("PTTL taupe:label:%s", claim.lease.label));
	ck_assert_int_gt(label_ms, SUITE_QUARANTINE_MS - 5000);
	ck_assert_int_le(label_ms, SUITE_QUARANTINE_MS);
}
END_TEST

/* Two relays. */

static int n_granted, n_refused, n_answers;
static struct port_set granted_ports;
static char granted_labels[64][LABEL_MAX + 1];

static void
tally_cb(void *ctx, const struct claim_result *result)
{
	(void)ctx;
	n_answers++;
	if (result->status != REGISTRY_OK) {
		ck_assert(result->status == REGISTRY_EXHAUSTED ||
		    result->status == REGISTRY_HELD);
		n_refused++;
		return;
	}
	for (int i = 0; i < n_granted; i++)
		ck_assert_str_ne(granted_labels[i], result->lease.label);
	strcpy(granted_labels[n_granted++], result->lease.label);
	for (size_t i = 0; i < result->lease.n_ports; i++) {
		ck_assert(
		    !port_set_has(&granted_ports, result->lease.ports[i].port));
		port_set_add(&granted_ports, result->lease.ports[i].port);
	}
}

static bool
all_answered(void)
{
	return n_answers == 40;
}

START_TEST(relays_that_grant_at_once_never_grant_the_same)
{
	port_set_clear(&scene.public_ports);
	ck_assert(port_set_parse(&scene.public_ports, STR("20000-20019")));
	registry_free(&scene.registry);
	scene.n_events = 0;
	scene.registry = redis_store_open("r1", scene_event_cb, NULL);
	scene_wait_event(REGISTRY_UP, NULL, &(size_t){0});
	open_second();
	for (int i = 0; i < 40; i++) {
		struct registry *registry = i % 2 ? second : scene.registry;
		struct claim claim = {.n_services = 1};

		sprintf(claim.name, "device-%d", i);
		strcpy(claim.device.name, claim.name);
		strcpy(claim.instance, "i1");
		strcpy(claim.services[0].name, "ssh");
		claim.services[0].kind = SERVICE_TCP;
		ck_assert_int_eq(
		    registry->ops->claim(registry, &claim, tally_cb, NULL), 0);
	}
	scene_run_until(all_answered);
	ck_assert_int_eq(n_granted, 20);
	ck_assert_int_eq(n_refused, 20);
	ck_assert_uint_eq(granted_ports.count, 20);
}
END_TEST

/* How often Redis has had a command. */
static long
calls_of(const char *command)
{
	char field[40];
	const char *found;

	snprintf(field, sizeof(field), "cmdstat_%s:calls=", command);
	found = strstr(redis_ask("INFO commandstats"), field);
	return found != NULL ? atol(found + strlen(field)) : 0;
}

static long
transactions(void)
{
	return calls_of("multi");
}

/* Open the registry anew, without its announcements: they are transactions, too. */
static void
open_quietly(void)
{
	scene.settings.announce_ms = 60000;
	registry_free(&scene.registry);
	scene.n_events = 0;
	scene.registry = redis_store_open("r1", scene_event_cb, NULL);
	scene_wait_event(REGISTRY_UP, NULL, &(size_t){0});
}

/* How many transactions 40 claims at once take; those of each attempt are other devices'. */
static long
count_for_claims(enum service_kind kind, int attempt)
{
	long before;

	open_quietly();
	n_answers = n_granted = 0;
	before = transactions();
	for (int i = 0; i < 40; i++) {
		struct claim claim = {.n_services = 1};

		sprintf(claim.name, "device-%d-%d", attempt, i);
		strcpy(claim.device.name, claim.name);
		strcpy(claim.instance, "i1");
		strcpy(claim.services[0].name, "one");
		claim.services[0].kind = kind;
		ck_assert_int_eq(scene.registry->ops->claim(
				     scene.registry, &claim, tally_cb, NULL),
		    0);
	}
	scene_run_until(all_answered);
	ck_assert_int_eq(n_granted, 40);
	return transactions() - before;
}

START_TEST(claims_at_once_share_their_transactions)
{
	ck_assert_int_le(count_for_claims(SERVICE_HTTP, 0), 2);
}
END_TEST

START_TEST(claims_of_ports_at_once_share_their_transactions)
{
	int attempt = 0;
	long count;

	port_set_clear(&scene.public_ports);
	ck_assert(port_set_parse(&scene.public_ports, STR("10000-65000")));
	/* where two want the same port by chance, all that ride along start anew: it only adds */
	do
		count = count_for_claims(SERVICE_TCP, attempt);
	while (count > 8 && ++attempt < 3);
	ck_assert_int_le(count, 8);
}
END_TEST

static bool
two_answered(void)
{
	return n_answers == 2;
}

START_TEST(a_claim_that_looks_at_many_ports_rides_alone)
{
	struct claim many = scene_claim("alice", "i1", ""),
		     one = scene_claim("bob", "i1", "web:http");

	for (; many.n_services < SERVICES_MAX; many.n_services++) {
		sprintf(many.services[many.n_services].name, "s%zu",
		    many.n_services);
		many.services[many.n_services].kind = SERVICE_TCP;
	}
	ck_assert_int_eq(
	    scene.registry->ops->claim(scene.registry, &many, tally_cb, NULL),
	    0);
	ck_assert_int_eq(
	    scene.registry->ops->claim(scene.registry, &one, tally_cb, NULL),
	    0);
	scene_run_until(two_answered);
	ck_assert_int_eq(n_granted, 2);
	ck_assert_uint_eq(granted_ports.count, SERVICES_MAX);
}
END_TEST

/* Enrolments. */

static int verdicts[ENROLMENT_UNAVAILABLE + 1];

static void
count_verdict_cb(void *ctx, enum enrolment_verdict verdict,
    const struct device_record *record)
{
	(void)ctx;
	(void)record;
	verdicts[verdict]++;
	n_answers++;
}

#define ENROL_MANY 600

static bool
all_enrolled(void)
{
	return n_answers == ENROL_MANY;
}

static void
make_fleet(uint64_t max)
{
	struct fleet_record fleet = {.name = "probes", .max = max};

	memset(fleet.key_sha256, 9, SECRET_HASH_LEN);
	put_fleet(&fleet);
}

static void
enrol_one(struct registry *registry, size_t number, uint8_t key)
{
	struct enrolment enrolment = {.fleet = "probes"};

	sprintf(enrolment.name, "p-%zu", number);
	memset(enrolment.key_sha256, key, SECRET_HASH_LEN);
	ck_assert_int_eq(
	    registry->ops->enrol(registry, &enrolment, count_verdict_cb, NULL),
	    0);
}

/* The devices of a fleet with room for max come at once, by turns to the registries. */
static void
enrol_at_once(uint64_t max, struct registry *const *registries, size_t n)
{
	make_fleet(max);
	for (size_t i = 0; i < ENROL_MANY; i++)
		enrol_one(registries[i % n], i, 9);
	scene_run_until(all_enrolled);
}

START_TEST(enrolments_at_once_do_not_disturb_each_other)
{
	long before;

	open_quietly();
	before = transactions();
	enrol_at_once(0, &scene.registry, 1);
	ck_assert_int_eq(verdicts[ENROLMENT_NEW], ENROL_MANY);
	ck_assert_int_eq(transactions() - before, ENROL_MANY);
	ck_assert_str_eq(redis_ask("HGET taupe:fleet:probes used"), "600");
}
END_TEST

/* What a newer version has put into a record stays there. */
START_TEST(fields_that_are_not_known_are_kept)
{
	struct fleet_record fleet = {.name = "probes"};
	struct enrolment enrolment = {.name = "p-1", .fleet = "probes"};
	struct rotation rotation = {.name = "alice"};
	struct device_record record;

	put_fleet(&fleet);
	redis_ask("HSET taupe:fleet:probes zone x");
	ck_assert_int_eq(scene_enrol(&enrolment, &record), ENROLMENT_NEW);
	ck_assert_str_eq(
	    redis_ask("HMGET taupe:fleet:probes used zone"), "1 x");
	redis_ask("HSET taupe:device:alice zone y rotation asked");
	memset(rotation.old_sha256, 7, SECRET_HASH_LEN);
	memset(rotation.new_sha256, 8, SECRET_HASH_LEN);
	ck_assert_int_eq(scene_rotate(&rotation), REGISTRY_OK);
	ck_assert_str_eq(
	    redis_ask("HMGET taupe:device:alice rotation zone"), "(nil) y");
}
END_TEST

/* Any number of guesses, and the fleet's one good device. */
START_TEST(wrong_keys_take_no_turn_of_their_fleet)
{
	long before;

	open_quietly();
	make_fleet(0);
	before = calls_of("watch");
	for (size_t i = 1; i < ENROL_MANY; i++)
		enrol_one(scene.registry, i, 8);
	enrol_one(scene.registry, 0, 9);
	scene_run_until(all_enrolled);
	ck_assert_int_eq(verdicts[ENROLMENT_BAD_KEY], ENROL_MANY - 1);
	ck_assert_int_eq(verdicts[ENROLMENT_NEW], 1);
	ck_assert_int_eq(calls_of("watch") - before, 1);
}
END_TEST

START_TEST(relays_that_enrol_at_once_fill_a_fleet_and_no_more)
{
	struct registry *both[2] = {scene.registry};

	open_second();
	both[1] = second;
	enrol_at_once(500, both, 2);
	ck_assert_int_eq(verdicts[ENROLMENT_NEW], 500);
	ck_assert_int_eq(verdicts[ENROLMENT_FULL], ENROL_MANY - 500);
	ck_assert_str_eq(redis_ask("HGET taupe:fleet:probes used"), "500");
	ck_assert_str_eq(redis_ask("SCARD taupe:devices"), "502");
}
END_TEST

static void
ended_cb(void *ctx, enum registry_status status)
{
	(void)ctx;
	ck_assert_int_eq(status, REGISTRY_OK);
	n_answers++;
}

START_TEST(routes_that_go_over_to_a_lease_that_ends_meanwhile_end_with_it)
{
	struct claim_result alice = scene_join("alice", "i1", "web:http"),
			    bob = scene_join("bob", "i1", "web:http");
	struct route route = {.value = "127.0.0.1,30001"};

	sprintf(route.key, "http/%s.example.com", alice.lease.label);
	hold_routes(&alice, &route, 1);
	redis_ask("SET taupe:label:%s bob", alice.lease.label);
	ck_assert_int_eq(scene.registry->ops->expire(scene.registry, "alice",
			     alice.session.epoch, ended_cb, NULL),
	    0);
	ck_assert_int_eq(scene.registry->ops->expire(scene.registry, "bob",
			     bob.session.epoch, ended_cb, NULL),
	    0);
	scene_run_until(two_answered);
	ck_assert_str_eq(redis_ask("HKEYS taupe:routes"), "");
}
END_TEST

START_TEST(a_name_claimed_twice_at_once_has_one_holder)
{
	struct claim first = scene_claim("alice", "i1", "web:http"),
		     other = first;

	open_second();
	strcpy(other.instance, "i2");
	ck_assert_int_eq(
	    scene.registry->ops->claim(scene.registry, &first, tally_cb, NULL),
	    0);
	ck_assert_int_eq(second->ops->claim(second, &other, tally_cb, NULL), 0);
	scene_run_until(two_answered);
	ck_assert_int_eq(n_granted, 1);
	ck_assert_int_eq(n_refused, 1);
}
END_TEST

START_TEST(a_device_that_moves_is_fenced_at_its_old_relay)
{
	struct claim_result old = scene_join("alice", "i1", "web:http"), new;
	struct claim claim = scene_claim("alice", "i1", "web:http");
	struct holding late = scene_holding("alice", &old), holding;
	const struct registry_event *event;
	size_t from = 0;

	open_second();
	hold_routes(&old, two_routes, 2);
	new = scene_do_claim(second, &claim);
	ck_assert_str_eq(new.session.relay, "r2");
	ck_assert_str_eq(new.lease.label, old.lease.label);
	holding = scene_holding("alice", &new);
	holding.routes = two_routes;
	holding.n_routes = 1;
	ck_assert_int_eq(scene_hold(second, &holding), REGISTRY_OK);
	late.connected = false;
	ck_assert_int_eq(scene_hold(scene.registry, &late), REGISTRY_STALE);
	ck_assert_int_eq(
	    scene_expire(scene.registry, "alice", old.session.epoch),
	    REGISTRY_STALE);
	ck_assert_str_eq(
	    redis_ask("HKEYS taupe:routes"), "http/abc.example.com");
	scene_wait_event(REGISTRY_SESSION, "alice", &from);
	event = scene_wait_event(REGISTRY_SESSION, "alice", &from);
	ck_assert(!event->up);
	ck_assert_str_eq(event->relay, "r1");
	event = scene_wait_event(REGISTRY_SESSION, "alice", &from);
	ck_assert(event->up);
	ck_assert_str_eq(event->relay, "r2");
}
END_TEST

static const struct relay_info *
find_relay(const char *id)
{
	const struct relay_info *relays;
	size_t n = scene.registry->ops->relays(scene.registry, &relays);

	for (size_t i = 0; i < n; i++)
		if (strcmp(relays[i].id, id) == 0)
			return &relays[i];
	return NULL;
}

static uint64_t wanted_agents;

static bool
sees_agents(void)
{
	const struct relay_info *relay = find_relay("r2");

	return relay != NULL && relay->agents == wanted_agents;
}

START_TEST(the_view_follows_the_sessions_of_others)
{
	struct claim claim = scene_claim("alice", "i1", "web:http");
	struct claim_result result;
	struct holding holding;
	size_t from = 0;

	open_second();
	announce(second, "r2", 5);
	wait_redis("HGET taupe:relay:r2 agents", "5");
	announce(scene.registry, "r1", 0);
	scene_wait_event(REGISTRY_RELAYS, NULL, &from);
	wanted_agents = 5;
	ck_assert(sees_agents());
	ck_assert_str_eq(find_relay("r2")->url, "ws://relay.example.com");
	ck_assert_uint_eq(find_relay("r2")->weight, 100);
	result = scene_do_claim(second, &claim);
	wanted_agents = 6;
	scene_run_until(sees_agents);
	/* an announcement from before the session does not turn the count back */
	announce(scene.registry, "r1", 0);
	scene_wait_event(REGISTRY_RELAYS, NULL, &from);
	ck_assert(sees_agents());
	holding = scene_holding("alice", &result);
	holding.connected = false;
	holding.remaining_ms = 1000;
	ck_assert_int_eq(scene_hold(second, &holding), REGISTRY_OK);
	wanted_agents = 5;
	scene_run_until(sees_agents);
	announce(second, "r2", 8);
	wait_redis("HGET taupe:relay:r2 agents", "8");
	announce(scene.registry, "r1", 0);
	scene_wait_event(REGISTRY_RELAYS, NULL, &from);
	wanted_agents = 8;
	ck_assert(sees_agents());
}
END_TEST

START_TEST(a_relay_whose_sessions_are_taken_over_is_not_taken_for_empty)
{
	struct claim claim = scene_claim("alice", "i1", "web:http");
	size_t from = 0;

	open_second();
	announce(second, "r2", 5);
	wait_redis("HGET taupe:relay:r2 agents", "5");
	announce(scene.registry, "r1", 0);
	scene_wait_event(REGISTRY_RELAYS, NULL, &from);
	(void)scene_do_claim(second, &claim);
	wanted_agents = 6;
	scene_run_until(sees_agents);
	from = scene.n_events;
	(void)scene_do_claim(scene.registry, &claim);
	ck_assert(!scene_wait_event(REGISTRY_SESSION, "alice", &from)->up);
	ck_assert(scene_wait_event(REGISTRY_SESSION, "alice", &from)->up);
	ck_assert(sees_agents());
}
END_TEST

/* The first one announces itself as a relay does: in its interval, not at each event, as each
 * announcement brings another. */
static bool
second_is_swept(void)
{
	static uint64_t next_ms;
	uint64_t now_ms = loop_now_ms(scene.loop);

	if (now_ms >= next_ms) {
		announce(scene.registry, "r1", 0);
		next_ms = now_ms + SUITE_ANNOUNCE_MS;
	}
	return find_relay("r2") == NULL &&
	    strcmp(redis_ask("EXISTS taupe:routes taupe:owned:relay:r2"),
		"0") == 0;
}

START_TEST(a_relay_that_died_is_swept_with_its_route)
{
	size_t from = 0;

	open_second();
	announce(second, "r2", 1);
	wait_redis(
	    "HGET taupe:routes relay/relay.example.com", "127.0.0.1,8000,77");
	ck_assert_str_eq(redis_ask("HGET taupe:relay:r2 counter/visits"), "9");
	ck_assert_str_eq(redis_ask("ZSCORE taupe:relays r2"), "0.01");
	announce(scene.registry, "r1", 0);
	scene_wait_event(REGISTRY_RELAYS, NULL, &from);
	ck_assert_ptr_nonnull(find_relay("r2"));
	registry_free(&second);
	scene_run_until(second_is_swept);
	ck_assert_str_eq(redis_ask("ZRANGE taupe:relays 0 -1"), "r1");
}
END_TEST

static bool departed;

static void
departed_cb(void *ctx, enum registry_status status)
{
	(void)ctx;
	ck_assert_int_eq(status, REGISTRY_OK);
	departed = true;
}

static bool
has_departed(void)
{
	return departed;
}

START_TEST(a_relay_that_leaves_takes_everything_along)
{
	open_second();
	announce(second, "r2", 1);
	wait_redis(
	    "HGET taupe:routes relay/relay.example.com", "127.0.0.1,8000,77");
	second->ops->depart(second, departed_cb, NULL);
	scene_run_until(has_departed);
	ck_assert_str_eq(redis_ask("EXISTS taupe:routes taupe:owned:relay:r2 "
				   "taupe:relay:r2 taupe:relays"),
	    "0");
}
END_TEST

static struct device_counters
count(uint64_t visitors, uint64_t bytes_in, uint64_t bytes_out)
{
	struct device_counters delta = {visitors, bytes_in, bytes_out};

	ck_assert(scene_count_begin("alice", &delta));
	ck_assert_uint_eq(delta.visitors + delta.bytes_in + delta.bytes_out, 0);
	return scene_count_end();
}

static void
expect_counters(const char *sums)
{
	ck_assert_str_eq(redis_ask("HMGET taupe:counters:device:alice visitors "
				   "bytes_in bytes_out"),
	    sums);
}

static void
expect_refused(struct device_counters refused, uint64_t visitors,
    uint64_t bytes_in, uint64_t bytes_out)
{
	ck_assert_uint_eq(refused.visitors, visitors);
	ck_assert_uint_eq(refused.bytes_in, bytes_in);
	ck_assert_uint_eq(refused.bytes_out, bytes_out);
}

START_TEST(adds_to_the_counters_of_a_device)
{
	expect_refused(count(2, 30, 0), 0, 0, 0);
	expect_refused(count(2, 30, 4), 0, 0, 0);
	expect_counters("4 60 4");
}
END_TEST

/* A transaction that was refused added nothing. One of its keys that somebody has spoiled is
 * complained of, and what it was to get is given up: to ask again would add the rest twice. */
START_TEST(says_which_counters_were_refused)
{
	redis_ask("CONFIG SET maxmemory 1");
	expect_refused(count(2, 30, 4), 2, 30, 4);
	redis_ask("CONFIG SET maxmemory 0");
	expect_counters("(nil) (nil) (nil)");
	redis_ask("HSET taupe:counters:device:alice bytes_in many");
	expect_refused(count(2, 30, 4), 0, 0, 0);
	expect_counters("2 many 4");
}
END_TEST

/* Nobody knows whether it was added: it is not asked for again. */
START_TEST(counters_without_an_answer_count_as_added)
{
	struct device_counters delta = {2, 0, 4};

	ck_assert(scene_count_begin("alice", &delta));
	redis_server_kill();
	expect_refused(scene_count_end(), 0, 0, 0);
	delta.visitors = 2;
	ck_assert(!scene_count_begin("alice", &delta));
	ck_assert_uint_eq(delta.visitors, 2);
	redis_server_run();
}
END_TEST

/* What has happened. */

static char padding[HAPPENING_VALUE_MAX + 1];

static bool
add_event_of(const char *device, const char *kind, unsigned n)
{
	struct happening *event = happening_new((const struct log_field[]){
	    LOG_S("kind", kind), LOG_S("device", device), LOG_U("n", n),
	    LOG_S("p", padding), LOG_S("q", padding), LOG_S("r", padding),
	    LOG_S("s", padding), {.key = NULL}});

	ck_assert_ptr_nonnull(event);
	return scene.registry->ops->happened(scene.registry, event);
}

static bool
add_event(const char *kind, unsigned n)
{
	return add_event_of("alice", kind, n);
}

START_TEST(what_happens_while_redis_is_away_is_kept_up_to_a_bound)
{
	size_t n_kept = 0, from = 0;
	char count[24];

	memset(padding, 'x', sizeof(padding) - 1);
	ck_assert(add_event("connect", 0));
	wait_redis("XLEN taupe:history", "1");
	redis_server_kill();
	scene_wait_event(REGISTRY_DOWN, NULL, &from);
	while (add_event("connect", 1 + (unsigned)n_kept))
		ck_assert_uint_lt(++n_kept, 8500);
	/* 8 MB of some 1,100 bytes each */
	ck_assert_uint_gt(n_kept, 7000);
	ck_assert(!add_event("connect", 0));
	redis_server_run();
	scene_wait_event(REGISTRY_UP, NULL, &from);
	snprintf(count, sizeof(count), "%zu", n_kept);
	wait_redis("XLEN taupe:history", count);
	ck_assert(add_event("connect", 0));
	n_kept++;
	snprintf(count, sizeof(count), "%zu", n_kept);
	wait_redis("XLEN taupe:history", count);
	ck_assert_str_eq(redis_ask("EXISTS taupe:last:alice"), "0");
}
END_TEST

START_TEST(how_the_last_sessions_have_ended_is_kept)
{
	redis_ask("HSET taupe:device:alice name alice");
	for (unsigned n = 1; n <= 7; n++)
		ck_assert(add_event("disconnect", n));
	wait_redis("LRANGE taupe:last:alice 0 -1",
	    "n=7&p=&q=&r=&s= n=6&p=&q=&r=&s= n=5&p=&q=&r=&s= "
	    "n=4&p=&q=&r=&s= n=3&p=&q=&r=&s=");
	ck_assert_str_ne(redis_ask("PTTL taupe:last:alice"), "-1");
}
END_TEST

/* It ended while Redis was away, and was removed before Redis heard of that. */
START_TEST(of_a_device_that_was_removed_nothing_comes_back)
{
	size_t from = 0;

	redis_ask("HSET taupe:device:alice name alice");
	ck_assert(add_event("disconnect", 1));
	wait_redis("LLEN taupe:last:alice", "1");
	redis_server_kill();
	scene_wait_event(REGISTRY_DOWN, NULL, &from);
	ck_assert(add_event("disconnect", 2));
	redis_server_run(); /* empty */
	scene_wait_event(REGISTRY_UP, NULL, &from);
	wait_redis("XLEN taupe:history", "1");
	/* who is asked behind it */
	redis_ask("HSET taupe:device:bob name bob");
	ck_assert(add_event_of("bob", "disconnect", 3));
	wait_redis("LLEN taupe:last:bob", "1");
	wait_redis("EXISTS taupe:last:alice", "0");
}
END_TEST

/* Events that came while the link was away, and that are gone. */
START_TEST(what_was_missed_is_told_of_and_nothing_else)
{
	size_t from = 0, at;

	redis_ask("XADD taupe:events * kind device name alice");
	scene_wait_event(REGISTRY_DEVICE, "alice", &from);
	redis_ask("CLIENT KILL TYPE normal");
	redis_ask("XADD taupe:events * kind device name bob");
	at = from;
	scene_wait_event(REGISTRY_DEVICE, "bob", &from);
	for (; at < from; at++)
		ck_assert_int_ne(scene.events[at].type, REGISTRY_MISSED);
	redis_ask("XADD taupe:events * kind device name carol");
	scene_wait_event(REGISTRY_DEVICE, "carol", &from);
	redis_ask("XTRIM taupe:events MAXLEN 0");
	redis_ask("CLIENT KILL TYPE normal");
	scene_wait_event(REGISTRY_MISSED, NULL, &from);
	redis_ask("XADD taupe:events * kind device name dave");
	scene_wait_event(REGISTRY_DEVICE, "dave", &from);
}
END_TEST

static bool
is_refused(void)
{
	const char *trouble = scene.registry->ops->trouble(scene.registry);

	return trouble != NULL && strstr(trouble, "of events") != NULL;
}

/* Until it is known whether something was missed, nothing is read. */
START_TEST(whether_something_was_missed_is_asked_until_it_is_answered)
{
	size_t from = 0, at;

	redis_ask("XADD taupe:events * kind device name alice");
	scene_wait_event(REGISTRY_DEVICE, "alice", &from);
	redis_ask("ACL SETUSER default -xrange");
	redis_ask("CLIENT KILL TYPE normal");
	redis_ask("XADD taupe:events * kind device name bob");
	redis_ask("XTRIM taupe:events MAXLEN 0");
	scene_run_until(is_refused);
	redis_ask("XADD taupe:events * kind device name carol");
	redis_ask("ACL SETUSER default +xrange");
	at = from;
	scene_wait_event(REGISTRY_MISSED, NULL, &from);
	ck_assert(!is_refused());
	ck_assert(!scene_has_event(REGISTRY_DEVICE, NULL, at));
	scene_wait_event(REGISTRY_DEVICE, "carol", &from);
}
END_TEST

/* Loss. */

static bool
was_told_of_loss(void)
{
	for (size_t i = 0; i < scene.n_events; i++)
		if (scene.events[i].type == REGISTRY_UP && scene.events[i].lost)
			return true;
	announce(scene.registry, "r1", 0);
	return false;
}

static size_t
count_losses(void)
{
	size_t n = 0;

	for (size_t i = 0; i < scene.n_events; i++)
		n +=
		    scene.events[i].type == REGISTRY_UP && scene.events[i].lost;
	return n;
}

START_TEST(notices_that_the_database_was_emptied)
{
	announce(scene.registry, "r1", 0);
	wait_redis("EXISTS taupe:relay:r1", "1");
	announce(scene.registry, "r1", 0);
	scene_run_ms(20);
	ck_assert_uint_eq(count_losses(), 0);
	redis_ask("FLUSHALL");
	scene_run_until(was_told_of_loss);
	announce(scene.registry, "r1", 0);
	scene_run_ms(20);
	ck_assert_uint_eq(count_losses(), 1);
	ck_assert_str_eq(redis_ask("EXISTS taupe:relay:r1"), "1");
}
END_TEST

START_TEST(notices_that_the_database_was_set_back)
{
	announce(scene.registry, "r1", 0);
	wait_redis("EXISTS taupe:relay:r1", "1");
	announce(scene.registry, "r1", 0);
	scene_run_ms(20);
	/* as a replica that had not heard of our last announcement */
	redis_ask("HSET taupe:relay:r1 sequence 1");
	announce(scene.registry, "r1", 0);
	scene_run_until(was_told_of_loss);
	announce(scene.registry, "r1", 0);
	scene_run_ms(20);
	ck_assert_uint_eq(count_losses(), 1);
}
END_TEST

START_TEST(another_relay_under_our_id_is_no_loss)
{
	announce(scene.registry, "r1", 0);
	wait_redis("EXISTS taupe:relay:r1", "1");
	redis_ask("HSET taupe:relay:r1 sequence 1 since_ms 5");
	announce(scene.registry, "r1", 0);
	scene_run_ms(30);
	ck_assert_uint_eq(count_losses(), 0);
}
END_TEST

START_TEST(answers_unavailable_while_redis_is_away)
{
	struct claim claim = scene_claim("alice", "i1", "web:http");
	struct claim_result result = scene_do_claim(scene.registry, &claim);
	struct holding holding = scene_holding("alice", &result);
	size_t from = 0;

	announce(scene.registry, "r1", 0);
	wait_redis("EXISTS taupe:relay:r1", "1");
	scene_run_ms(20);
	redis_server_kill();
	scene_wait_event(REGISTRY_DOWN, NULL, &from);
	ck_assert(!scene.registry->ops->is_up(scene.registry));
	ck_assert_int_eq(scene_get_device("alice", NULL), REGISTRY_UNAVAILABLE);
	ck_assert_int_eq(scene_do_claim(scene.registry, &claim).status,
	    REGISTRY_UNAVAILABLE);
	ck_assert_int_eq(
	    scene_hold(scene.registry, &holding), REGISTRY_UNAVAILABLE);
	ck_assert_int_eq(
	    scene_expire(scene.registry, "alice", 1), REGISTRY_UNAVAILABLE);
	announce(scene.registry, "r1", 0);
	redis_server_run();
	ck_assert(scene_wait_event(REGISTRY_UP, NULL, &from)->lost);
	ck_assert_int_eq(scene_hold(scene.registry, &holding), REGISTRY_OK);
	ck_assert_int_eq(
	    scene_join("alice", "i2", "web:http").status, REGISTRY_HELD);
}
END_TEST

static int n_unavailable;

static void
unavailable_cb(void *ctx, const struct claim_result *result)
{
	(void)ctx;
	ck_assert_int_eq(result->status, REGISTRY_UNAVAILABLE);
	n_unavailable++;
}

static bool
all_unavailable(void)
{
	return n_unavailable == 20;
}

START_TEST(claims_under_way_are_answered_when_redis_dies)
{
	struct claim claim = scene_claim("alice", "i1", "web:http");

	redis_ask("CLIENT PAUSE 60000 ALL");
	for (int i = 0; i < 20; i++) {
		sprintf(claim.name, "device-%d", i);
		ck_assert_int_eq(scene.registry->ops->claim(scene.registry,
				     &claim, unavailable_cb, NULL),
		    0);
	}
	scene_run_ms(30);
	redis_server_kill();
	scene_run_until(all_unavailable);
}
END_TEST

START_TEST(answers_unavailable_before_it_was_ever_there)
{
	struct redis_link_config nowhere = *redis_server_config();
	struct claim claim = scene_claim("alice", "i1", "web:http");

	nowhere.host = "/nonexistent/socket";
	second = registry_redis_new(
	    scene.loop, &scene.settings, &nowhere, second_event_cb, NULL);
	ck_assert_ptr_nonnull(second);
	ck_assert_int_eq(
	    scene_do_claim(second, &claim).status, REGISTRY_UNAVAILABLE);
	ck_assert(!second->ops->is_up(second));
}
END_TEST

/* Events. */

START_TEST(no_event_is_lost_while_the_follower_is_away)
{
	size_t from = 0;

	redis_ask("CLIENT KILL TYPE normal SKIPME yes");
	redis_ask("XADD taupe:events * kind device name alice");
	scene_wait_event(REGISTRY_DEVICE, "alice", &from);
	redis_ask("XADD taupe:events * kind device name bob");
	scene_wait_event(REGISTRY_DEVICE, "bob", &from);
}
END_TEST

START_TEST(events_of_before_the_start_are_not_told)
{
	redis_ask("XADD taupe:events * kind device name alice");
	open_second();
	registry_free(&scene.registry);
	scene.n_events = 0;
	scene.registry = redis_store_open("r1", scene_event_cb, NULL);
	scene_wait_event(REGISTRY_UP, NULL, &(size_t){0});
	redis_ask("XADD taupe:events * kind device name bob");
	scene_wait_event(REGISTRY_DEVICE, "bob", &(size_t){0});
	ck_assert(!scene_has_event(REGISTRY_DEVICE, "alice", 0));
}
END_TEST

static const char *const odd_events[] = {
    "foo bar",
    "kind unheard name alice",
    "kind session",
    "kind session name /../ relay r1 epoch 1 up 1",
    "kind session name bob relay r1 epoch x up 1",
    "kind session name bob relay r1 epoch 1 up 2",
    "kind session name bob relay 0123456789012345678901234567890123456789 "
    "epoch 1 up 1",
    "kind probe name bob epoch 99999999999999999999999 relay r1",
    "kind session name bob relay r9 epoch 1 up 1 agents -1 sequence 1",
};

START_TEST(events_that_make_no_sense_are_skipped)
{
	size_t from = 0;

	redis_ask("XADD taupe:events * %s", odd_events[_i]);
	redis_ask("XADD taupe:events * kind device name alice");
	scene_wait_event(REGISTRY_DEVICE, "alice", &from);
	ck_assert(!scene_has_event(REGISTRY_SESSION, NULL, 0));
	ck_assert(!scene_has_event(REGISTRY_PROBE, NULL, 0));
}
END_TEST

START_TEST(follows_a_stream_that_began_again_with_smaller_ids)
{
	size_t from = 0;

	announce(scene.registry, "r1", 0);
	redis_ask("XADD taupe:events 99999999999999-0 kind device name alice");
	scene_wait_event(REGISTRY_DEVICE, "alice", &from);
	wait_redis("EXISTS taupe:relay:r1", "1");
	redis_ask("FLUSHALL");
	scene_run_until(was_told_of_loss);
	redis_ask("XADD taupe:events * kind device name bob");
	scene_wait_event(REGISTRY_DEVICE, "bob", &from);
}
END_TEST

START_TEST(a_stream_of_another_type_is_survived)
{
	redis_ask("SET taupe:events garbage");
	scene_run_ms(100);
	ck_assert_int_eq(
	    scene_join("alice", "i1", "web:http").status, REGISTRY_UNAVAILABLE);
	redis_ask("DEL taupe:events");
	ck_assert_int_eq(scene_get_device("alice", NULL), REGISTRY_OK);
}
END_TEST

/* What an operator, or a bug, may have written over our keys. */
static const char *const garbage[] = {
    "SET taupe:session:alice garbage",
    "SET taupe:session:alice epoch=1",
    "SET taupe:session:alice epoch=x&relay=r1",
    "SET taupe:session:alice %zz",
    "SET taupe:session:alice "
    "relay=012345678901234567890123456789012345678&epoch=1",
    "LPUSH taupe:session:alice x",
    "SET taupe:lease:alice garbage",
    "HSET taupe:lease:alice label",
    "HSET taupe:lease:alice label UPPER",
    "HSET taupe:lease:alice foo bar",
    "HSET taupe:lease:alice label abc ports ssh",
    "HSET taupe:lease:alice label abc ports ssh:0",
    "HSET taupe:lease:alice label abc ports ssh:70000",
    "HSET taupe:lease:alice label abc epoch -1",
    "SET taupe:reserved garbage",
};

START_TEST(garbage_under_our_keys_is_survived)
{
	bool is_written = redis_ask("%s", garbage[_i])[0] != '!';
	enum registry_status status;

	status = scene_join("alice", "i1", "web:http ssh:tcp").status;
	ck_assert_int_eq(
	    status, is_written ? REGISTRY_UNAVAILABLE : REGISTRY_OK);
	redis_ask("DEL taupe:session:alice taupe:lease:alice taupe:reserved");
	ck_assert_int_eq(
	    scene_join("alice", "i1", "web:http ssh:tcp").status, REGISTRY_OK);
}
END_TEST

static const char *const device_garbage[] = {
    "SET taupe:device:dave garbage",
    "HSET taupe:device:dave name dave",
    "HSET taupe:device:dave name dave secret_sha256 12",
    "HSET taupe:device:dave name other",
    "HSET taupe:device:dave label -",
    "HSET taupe:device:dave ports x",
};

START_TEST(garbage_under_a_device_is_survived)
{
	redis_ask("%s", device_garbage[_i]);
	ck_assert_int_eq(scene_get_device("dave", NULL), REGISTRY_UNREADABLE);
	ck_assert_int_eq(scene_get_device("alice", NULL), REGISTRY_OK);
}
END_TEST

START_TEST(garbage_among_the_relays_is_survived)
{
	size_t from = 0;

	redis_ask("ZADD taupe:relays 1 /../ 2 bad 3 worse 4 none");
	redis_ask("HSET taupe:relay:bad weight 0 url x");
	redis_ask("SET taupe:relay:worse x");
	announce(scene.registry, "r1", 0);
	scene_wait_event(REGISTRY_RELAYS, NULL, &from);
	ck_assert_ptr_null(find_relay("bad"));
	ck_assert_ptr_null(find_relay("worse"));
	ck_assert_ptr_nonnull(find_relay("r1"));
	wait_redis("ZSCORE taupe:relays none", "(nil)");
	redis_ask("DEL taupe:relays");
	redis_ask("SET taupe:relays x");
	announce(scene.registry, "r1", 0);
	scene_run_ms(30);
	ck_assert_int_eq(scene_get_device("alice", NULL), REGISTRY_OK);
}
END_TEST

#define ADD_TABLE(tcase, test, table)                                          \
	tcase_add_loop_test(tcase, test, 0, sizeof(table) / sizeof((table)[0]))

static TCase *
own_tests(void)
{
	TCase *tcase = tcase_create("redis");

	tcase_add_checked_fixture(tcase, scene_setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, each_changed_route_has_an_event);
	tcase_add_test(tcase, a_new_session_at_the_same_listener_is_no_change);
	tcase_add_test(tcase, routes_end_with_the_lease);
	tcase_add_test(tcase, leases_that_nobody_holds_are_swept);
	tcase_add_test(tcase, a_lease_that_was_renewed_is_not_swept);
	tcase_add_test(tcase, keys_live_as_long_as_they_should);
	tcase_add_test(tcase, relays_that_grant_at_once_never_grant_the_same);
	tcase_add_test(tcase, claims_at_once_share_their_transactions);
	tcase_add_test(tcase, claims_of_ports_at_once_share_their_transactions);
	tcase_add_test(tcase, a_claim_that_looks_at_many_ports_rides_alone);
	tcase_add_test(tcase, fields_that_are_not_known_are_kept);
	tcase_add_test(tcase, enrolments_at_once_do_not_disturb_each_other);
	tcase_add_test(tcase, wrong_keys_take_no_turn_of_their_fleet);
	tcase_add_test(
	    tcase, relays_that_enrol_at_once_fill_a_fleet_and_no_more);
	tcase_add_test(tcase,
	    routes_that_go_over_to_a_lease_that_ends_meanwhile_end_with_it);
	tcase_add_test(tcase, a_name_claimed_twice_at_once_has_one_holder);
	tcase_add_test(tcase, a_device_that_moves_is_fenced_at_its_old_relay);
	tcase_add_test(tcase, the_view_follows_the_sessions_of_others);
	tcase_add_test(tcase,
	    a_relay_whose_sessions_are_taken_over_is_not_taken_for_empty);
	tcase_add_test(tcase, a_relay_that_died_is_swept_with_its_route);
	tcase_add_test(tcase, a_relay_that_leaves_takes_everything_along);
	tcase_add_test(tcase, adds_to_the_counters_of_a_device);
	tcase_add_test(tcase, says_which_counters_were_refused);
	tcase_add_test(
	    tcase, what_happens_while_redis_is_away_is_kept_up_to_a_bound);
	tcase_add_test(tcase, how_the_last_sessions_have_ended_is_kept);
	tcase_add_test(tcase, of_a_device_that_was_removed_nothing_comes_back);
	tcase_add_test(tcase, what_was_missed_is_told_of_and_nothing_else);
	tcase_add_test(
	    tcase, whether_something_was_missed_is_asked_until_it_is_answered);
	tcase_add_test(tcase, counters_without_an_answer_count_as_added);
	tcase_add_test(tcase, notices_that_the_database_was_emptied);
	tcase_add_test(tcase, notices_that_the_database_was_set_back);
	tcase_add_test(tcase, another_relay_under_our_id_is_no_loss);
	tcase_add_test(tcase, answers_unavailable_while_redis_is_away);
	tcase_add_test(tcase, claims_under_way_are_answered_when_redis_dies);
	tcase_add_test(tcase, answers_unavailable_before_it_was_ever_there);
	tcase_add_test(tcase, no_event_is_lost_while_the_follower_is_away);
	tcase_add_test(tcase, events_of_before_the_start_are_not_told);
	ADD_TABLE(tcase, events_that_make_no_sense_are_skipped, odd_events);
	tcase_add_test(
	    tcase, follows_a_stream_that_began_again_with_smaller_ids);
	tcase_add_test(tcase, a_stream_of_another_type_is_survived);
	ADD_TABLE(tcase, garbage_under_our_keys_is_survived, garbage);
	ADD_TABLE(tcase, garbage_under_a_device_is_survived, device_garbage);
	tcase_add_test(tcase, garbage_among_the_relays_is_survived);
	return tcase;
}

int
main(void)
{
	Suite *suite = suite_create("registry_redis");

	if (!redis_server_exists())
		return SKIPPED;
	suite_add_common(suite);
	suite_add_fencing(suite);
	suite_add_tcase(suite, own_tests());
	return suite_run(suite);
}
