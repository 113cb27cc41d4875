/* SPDX-License-Identifier: MIT */
/*
 * Three relays in one loop at one Redis want the same few names and ports, let leases run
 * out, come back, take each other's place and vanish; now and then every link is cut. A
 * script looks at everything that stands in Redis at one moment, again and again: what
 * the registries promise holds at any time, not only at the end.
 */
#include <stdio.h>
#include <stdlib.h>

#include "redis_store.h"

#define SKIPPED 77 /* automake */

#define RELAYS 3
#define DEVICES 6
#define ACTORS (RELAYS * DEVICES)
#define LEASE_MS 60
#define QUARANTINE_MS 40
#define ANNOUNCE_MS 30
#define RUN_MS 4000
#define KILL_EVERY_MS 300
#define HELD_WORDS 6 /* name, epoch, two routes */

/* One device as one relay has it. */
struct actor {
	unsigned relay, device;
	char name[16];
	bool busy;
	bool granted; /* a claim was, and no end of it is known */
	bool held;    /* and it is written with its routes */
	bool connected;
	uint64_t over_epoch;
	struct claim_result claim;
	struct route routes[2];
};

const struct suite_store suite_store = {
    .start = redis_server_start,
    .stop = redis_server_stop,
    .open = redis_store_open,
    .put_device = redis_store_put_nothing,
};

static struct registry *relays[RELAYS];
static struct actor actors[ACTORS];
static bool relay_up[RELAYS];
static unsigned seed, n_granted, n_written;
static struct redis_sync *checker;

static unsigned
draw(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}

/* What must be true whenever one looks. ARGV: for each device that is written as far as
 * its relay knows, HELD_WORDS of them. */
static const char script[] =
    "local function fail(...) return table.concat({...}, ' ') end\n"
    "local owned = {}\n"
    "for _, set in ipairs(redis.call('KEYS', 'taupe:owned:*')) do\n"
    "  for _, key in ipairs(redis.call('SMEMBERS', set)) do owned[key] = set "
    "end\n"
    "end\n"
    "local routes = redis.call('HGETALL', 'taupe:routes')\n"
    "for i = 1, #routes, 2 do\n"
    "  if not owned[routes[i]] then return fail('nobody owns', routes[i]) end\n"
    "end\n"
    "for _, key in ipairs(redis.call('KEYS', 'taupe:lease:*')) do\n"
    "  local name = string.sub(key, 13)\n"
    "  local label = redis.call('HGET', key, 'label')\n"
    "  local ports = redis.call('HGET', key, 'ports')\n"
    "  if redis.call('GET', 'taupe:label:' .. label) ~= name then\n"
    "    return fail(name, 'has lost its label', label) end\n"
    "  for port in string.gmatch(ports, ':(%d+)') do\n"
    "    if redis.call('GET', 'taupe:port:' .. port) ~= name then\n"
    "      return fail(name, 'has lost its port', port) end\n"
    "  end\n"
    "  if not redis.call('ZSCORE', 'taupe:leases', name) then\n"
    "    return fail('nobody will sweep', name) end\n"
    "end\n"
    "for _, key in ipairs(redis.call('KEYS', 'taupe:session:*')) do\n"
    "  local name = string.sub(key, 15)\n"
    "  local epoch = string.match(redis.call('GET', key), 'epoch=(%d+)')\n"
    "  if redis.call('HGET', 'taupe:lease:' .. name, 'epoch') ~= epoch then\n"
    "    return fail('a session without its lease:', name) end\n"
    "end\n"
    "for i = 1, #ARGV, 6 do\n"
    "  local epoch = redis.call('HGET', 'taupe:lease:' .. ARGV[i], 'epoch')\n"
    "  for k = i + 2, i + 4, 2 do\n"
    "    local value = redis.call('HGET', 'taupe:routes', ARGV[k]) or "
    "'nothing'\n"
    "    if epoch == ARGV[i + 1] and\n"
    "        string.sub(value, 1, #ARGV[k + 1] + 1) ~= ARGV[k + 1] .. ',' "
    "then\n"
    "      return fail(ARGV[i], 'stands, but', ARGV[k], 'leads to', value,\n"
    "          'and not to', ARGV[k + 1]) end\n"
    "  end\n"
    "end\n"
    "return 'OK'\n";

/* The stream tells the whole story of the routes. */
static const char history[] =
    "local seen, n = {}, 0\n"
    "for _, entry in ipairs(redis.call('XRANGE', 'taupe:events', '-', '+')) "
    "do\n"
    "  local f = {}\n"
    "  for i = 1, #entry[2], 2 do f[entry[2][i]] = entry[2][i + 1] end\n"
    "  if f.kind == 'route' then seen[f.key] = f.value ~= '' and f.value or "
    "nil end\n"
    "end\n"
    "for _ in pairs(seen) do n = n + 1 end\n"
    "local routes = redis.call('HGETALL', 'taupe:routes')\n"
    "if 2 * n ~= #routes then return 'events tell of other routes' end\n"
    "for i = 1, #routes, 2 do\n"
    "  if seen[routes[i]] ~= routes[i + 1] then\n"
    "    return 'events tell otherwise of ' .. routes[i] end\n"
    "end\n"
    "return 'OK'\n";

static void
run_script(const char *text, int argc, const char **argv)
{
	redisReply *reply;

	argv[0] = "EVAL";
	argv[1] = text;
	argv[2] = "0";
	reply = redis_sync_command(checker, argc, argv);
	ck_assert_msg(reply != NULL, "%s", redis_sync_error(checker));
	ck_assert_msg(
	    reply->type == REDIS_REPLY_STRING && strcmp(reply->str, "OK") == 0,
	    "after %u grants: %s", n_granted, reply->str);
	redis_sync_reply_free(&reply);
}

static void
check_all(void)
{
	const char *argv[3 + ACTORS * HELD_WORDS];
	char epochs[ACTORS][24];
	int argc = 3;

	for (size_t i = 0; i < ACTORS; i++) {
		const struct actor *actor = &actors[i];

		if (!actor->held)
			continue;
		snprintf(epochs[i], sizeof(epochs[i]), "%llu",
		    (unsigned long long)actor->claim.session.epoch);
		argv[argc++] = actor->name;
		argv[argc++] = epochs[i];
		for (size_t k = 0; k < 2; k++) {
			argv[argc++] = actor->routes[k].key;
			argv[argc++] = actor->routes[k].value;
		}
	}
	run_script(script, argc, argv);
}

static void
forget_all(struct actor *actor)
{
	actor->granted = actor->held = actor->connected = false;
}

/* What the actors do. */

static void
claimed_cb(void *ctx, const struct claim_result *result)
{
	struct actor *actor = ctx;

	actor->busy = false;
	forget_all(actor);
	if (result->status == REGISTRY_HELD)
		actor->over_epoch = result->session.epoch;
	if (result->status != REGISTRY_OK)
		return;
	n_granted++;
	actor->granted = actor->connected = true;
	actor->claim = *result;
	snprintf(actor->routes[0].key, ROUTE_KEY_MAX, "http/%s.example.com",
	    result->lease.label);
	snprintf(actor->routes[1].key, ROUTE_KEY_MAX, "tcp/%u",
	    (unsigned)result->lease.ports[0].port);
	for (size_t k = 0; k < 2; k++)
		snprintf(actor->routes[k].value, ROUTE_VALUE_MAX,
		    "127.0.0.%u,%zu", actor->relay + 1,
		    30000 + 2 * actor->device + k);
}

static void
claim_name(struct actor *actor)
{
	struct claim claim = {.n_services = 2};

	strcpy(claim.name, actor->name);
	strcpy(claim.device.name, actor->name);
	snprintf(claim.instance, sizeof(claim.instance), "i%u", draw(3));
	strcpy(claim.services[0].name, "web");
	claim.services[0].kind = SERVICE_HTTP;
	strcpy(claim.services[1].name, "ssh");
	claim.services[1].kind = SERVICE_TCP;
	claim.over_epoch = draw(2) ? actor->over_epoch : 0;
	actor->busy = true;
	actor->held = false;
	ck_assert_int_eq(relays[actor->relay]->ops->claim(
			     relays[actor->relay], &claim, claimed_cb, actor),
	    0);
}

static void
held_cb(void *ctx, enum registry_status status)
{
	struct actor *actor = ctx;

	actor->busy = false;
	n_written += status == REGISTRY_OK;
	if (status == REGISTRY_OK)
		actor->held = true;
	else
		forget_all(actor);
}

static void
hold(struct actor *actor, bool connected)
{
	struct holding holding = {
	    .grant = grant_new(&actor->claim.lease, &actor->claim.session),
	    .connected = connected,
	    .remaining_ms = 1 + draw(LEASE_MS),
	    .routes = actor->routes,
	    .n_routes = 2,
	};

	ck_assert_ptr_nonnull(holding.grant);
	strcpy(holding.name, actor->name);
	actor->busy = true;
	actor->connected = connected;
	ck_assert_int_eq(relays[actor->relay]->ops->hold(
			     relays[actor->relay], &holding, held_cb, actor),
	    0);
	grant_drop(&holding.grant);
}

static void
expired_cb(void *ctx, enum registry_status status)
{
	struct actor *actor = ctx;

	(void)status;
	actor->busy = false;
	forget_all(actor);
}

static void
expire(struct actor *actor)
{
	actor->busy = true;
	actor->held = false;
	ck_assert_int_eq(
	    relays[actor->relay]->ops->expire(relays[actor->relay], actor->name,
		actor->claim.session.epoch, expired_cb, actor),
	    0);
}

static void
act(struct actor *actor)
{
	if (actor->busy)
		return;
	if (!actor->granted)
		claim_name(actor);
	else if (!actor->held || draw(2))
		hold(actor, actor->connected);
	else if (draw(3) == 0)
		claim_name(actor); /* the agent is back */
	else if (actor->connected)
		hold(actor, false);
	else if (draw(2))
		expire(actor);
	else
		forget_all(actor); /* the relay vanished */
}

static bool
is_over(void)
{
	static uint64_t until_ms, kill_ms;
	uint64_t now_ms = loop_now_ms(scene.loop);

	if (until_ms == 0) {
		until_ms = now_ms + RUN_MS;
		kill_ms = now_ms + KILL_EVERY_MS;
	}
	if (now_ms >= kill_ms) {
		redis_ask("CLIENT KILL TYPE normal SKIPME yes");
		redis_sync_free(&checker);
		checker = redis_sync_new(
		    redis_server_config(), (char[REDIS_SYNC_ERROR_MAX]){0});
		ck_assert_ptr_nonnull(checker);
		kill_ms = now_ms + KILL_EVERY_MS;
	}
	for (int i = 0; i < 4; i++)
		act(&actors[draw(ACTORS)]);
	check_all();
	return now_ms >= until_ms;
}

static bool
is_empty(void)
{
	check_all();
	for (size_t i = 0; i < ACTORS; i++)
		if (actors[i].busy)
			return false;
	/* labels rest, and what happened stays told */
	return strcmp(redis_ask("EXISTS taupe:routes taupe:leases"), "0") ==
	    0 &&
	    strcmp(redis_ask("KEYS taupe:owned:*"), "") == 0 &&
	    strcmp(redis_ask("KEYS taupe:port:*"), "") == 0;
}

/* Life. */

static void
event_cb(void *ctx, const struct registry_event *event)
{
	bool *up = ctx;

	if (event->type == REGISTRY_UP)
		*up = true;
}

static bool
all_up(void)
{
	return relay_up[0] && relay_up[1] && relay_up[2];
}

static void
setup(void)
{
	static char ids[RELAYS][4];

	scene_setup();
	registry_free(&scene.registry);
	port_set_clear(&scene.public_ports);
	ck_assert(port_set_parse(&scene.public_ports, STR("20000-20004")));
	scene.settings.lease_ms = LEASE_MS;
	scene.settings.quarantine_ms = QUARANTINE_MS;
	scene.settings.announce_ms = ANNOUNCE_MS;
	for (unsigned i = 0; i < RELAYS; i++) {
		snprintf(ids[i], sizeof(ids[i]), "r%u", i + 1);
		relays[i] = suite_store.open(ids[i], event_cb, &relay_up[i]);
		ck_assert_ptr_nonnull(relays[i]);
	}
	for (unsigned i = 0; i < ACTORS; i++) {
		actors[i] =
		    (struct actor){.relay = i % RELAYS, .device = i / RELAYS};
		snprintf(actors[i].name, sizeof(actors[i].name), "device-%u",
		    i / RELAYS);
	}
	checker = redis_sync_new(
	    redis_server_config(), (char[REDIS_SYNC_ERROR_MAX]){0});
	ck_assert_ptr_nonnull(checker);
	scene_run_until(all_up);
}

static void
teardown(void)
{
	for (unsigned i = 0; i < RELAYS; i++)
		registry_free(&relays[i]);
	redis_sync_free(&checker);
	scene_teardown();
}

START_TEST(promises_hold_whatever_comes_between)
{
	const char *given = getenv("TAUPE_STRESS_SEED");

	seed = given != NULL ? (unsigned)atoi(given) : 1;
	scene_run_until(is_over);
	ck_assert_uint_gt(n_granted, 100);
	ck_assert_uint_gt(n_written, 100);
	run_script(history, 3, (const char *[3]){0});
	scene_run_until(is_empty);
	run_script(history, 3, (const char *[3]){0});
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("registry_stress");
	TCase *tcase = tcase_create("stress");

	if (!redis_server_exists())
		return SKIPPED;
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, promises_hold_whatever_comes_between);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
