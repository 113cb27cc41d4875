/* SPDX-License-Identifier: MIT */
/*
 * What an idle agent costs the relay: bytes that malloc has given away, its own included, so
 * that no page and no clock is in the way. Under a sanitizer malloc is another one: skipped.
 * malloc's cache of free pieces would count as given away: the program runs without.
 */
#include "config.h"

#include <check.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../net/support.h"
#include "../registry/redis_server.h"
#include "net/descriptors.h"
#include "relay/events.h"
#include "relay/hosts.h"
#include "scene.h"

#define AGENTS 400
#define AT_ONCE 10  /* a turn of the loop in a test takes milliseconds */
#define WARM_UP 100 /* pools and tables have begun then */
#define MOST_AGENTS (WARM_UP + 2 * AGENTS)
#define HIGH_FD 5000
#define SERVICES 5
#define AGENT_BYTES 1024
#define LEASE_BYTES 96	  /* more, where the registry is in memory as well */
#define SERVICE_BYTES 160 /* its listener included */
#define HOSTS 4
#define HOST_BYTES 512 /* a further name, of which 254 bytes are room for the longest */

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) &&                    \
    (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
#define CAN_COUNT 1
static size_t
allocated(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}
#else
#define CAN_COUNT 0
static size_t
allocated(void)
{
	return 0;
}
#endif

static int agents[MOST_AGENTS];
static size_t n_agents;

/* The tables of the relay are as long as its descriptors' numbers: ours stand apart. */
static int
dial_apart(const struct address *to)
{
	int fd = dial(to), apart = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);

	ck_assert_int_ge(apart, HIGH_FD);
	close(fd);
	return apart;
}

/* With an instance of 32 digits, as libtaupe has them. */
static void
connect_agent(size_t n_services)
{
	struct address to;
	char head[700], services[200] = "";
	int len;

	for (size_t i = 0; i < n_services; i++)
		snprintf(
		    services + strlen(services), 20, "&service=s%zu:http", i);
	listener_address(&relay->agent_listeners[0], &to);
	agents[n_agents] = dial_apart(&to);
	len = snprintf(head, sizeof(head),
	    "GET /v1/control?name=device-%zu&instance=%032zx%s HTTP/1.1\r\n"
	    "Host: relay\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "Sec-WebSocket-Protocol: taupe.v1\r\n"
	    "Authorization: Bearer secret\r\n\r\n",
	    n_agents, n_agents, services);
	ck_assert_int_eq(send(agents[n_agents], head, (size_t)len, 0), len);
	n_agents++;
	if (n_agents % AT_ONCE == 0)
		RUN_UNTIL(relay->n_sessions == n_agents);
}

/* Bytes for each of so many agents more. */
static size_t
cost(size_t n, size_t n_services)
{
	size_t before = allocated();

	for (size_t i = 0; i < n; i++)
		connect_agent(n_services);
	RUN_UNTIL(relay->n_sessions == n_agents && relay->n_upgrades == 0);
	return (allocated() - before) / n;
}

/* As their records have them. */
static void
name_device(size_t i)
{
	struct device_hosts *records = NULL;
	struct device *device;
	char name[30];
	bool changed;

	for (int k = 0; k < HOSTS; k++) {
		struct device_host host = {.service = "s0",
		    .by = "root",
		    .token = "0123456789abcdef0123456789abcdef",
		    .proof = HOST_TXT,
		    .created_ms = 1,
		    .proved_ms = 2};

		snprintf(host.host, sizeof(host.host),
		    "shop-%d.customer-%zu.example.com", k, i);
		ck_assert_int_eq(device_hosts_put(&records, &host), 0);
	}
	snprintf(name, sizeof(name), "device-%zu", i);
	device = device_find(relay, str_of(name));
	ck_assert_ptr_nonnull(device);
	ck_assert_int_eq(hosts_set(device, records, &changed), 0);
	ck_assert(changed);
	device_hosts_drop(&records);
}

/* Bytes for each further name; nothing is left of those that go. */
static void
check_names(void)
{
	size_t before = allocated(), named;
	char host[60];

	for (size_t i = 0; i < n_agents; i++)
		name_device(i);
	named = allocated();
	snprintf(host, sizeof(host), "shop-%d.customer-%zu.example.com",
	    HOSTS - 1, n_agents - 1);
	ck_assert_ptr_nonnull(hosts_find(relay, str_of(host)));
	printf("a further name: %zu bytes\n",
	    (named - before) / n_agents / HOSTS);
	ck_assert_uint_le((named - before) / n_agents / HOSTS, HOST_BYTES);
	for (size_t i = 0; i < n_agents; i++) {
		snprintf(host, sizeof(host), "device-%zu", i);
		hosts_forget(device_find(relay, str_of(host)));
	}
	/* but for the table's room */
	ck_assert_uint_le(
	    allocated() - before, n_agents * HOSTS * 4 * sizeof(void *));
}

static void
check_cost(size_t most)
{
	size_t one, several;

	(void)cost(WARM_UP, 1);
	one = cost(AGENTS, 1);
	several = cost(AGENTS, SERVICES);
	printf("an idle agent: %zu bytes, each service more: %zu bytes\n", one,
	    (several - one) / (SERVICES - 1));
	ck_assert_uint_gt(one, 0);
	ck_assert_uint_le(one, most);
	ck_assert_uint_gt(several, one);
	ck_assert_uint_le((several - one) / (SERVICES - 1), SERVICE_BYTES);
	check_names();
}

static void
teardown(void)
{
	for (size_t i = 0; i < n_agents; i++)
		close(agents[i]);
	n_agents = 0;
	scene_teardown();
}

/* What has happened is kept up to a bound, whoever it was: full of what agents that come leave
 * there, it grows no more. */
static void
fill_history(void)
{
	for (int i = 0; i < 600; i++) {
		event_emit(relay, EVENT_LEASE, "device-100",
		    LOG_S("state", "granted"), LOG_S("label", "0123456789"),
		    LOG_S("ports", ""));
		event_emit(relay, EVENT_CONNECT, "device-100",
		    LOG_U("epoch", 1795745775123456),
		    LOG_S("label", "0123456789"),
		    LOG_S("instance", "00000000000000000000000000000100"),
		    LOG_S("from", "127.0.0.1:40000"));
	}
}

START_TEST(with_the_registry_in_memory)
{
	scene_begin(0, NULL);
	fill_history();
	check_cost(AGENT_BYTES + LEASE_BYTES);
}
END_TEST

START_TEST(with_the_registry_in_redis)
{
	char redis[90];
	const char *options[] = {redis, NULL};

	if (!redis_server_exists())
		return;
	redis_server_start();
	snprintf(redis, sizeof(redis), "redis=%s", redis_server_config()->host);
	scene_begin(0, options);
	RUN_UNTIL(relay->registry->ops->is_up(relay->registry));
	check_cost(AGENT_BYTES);
	redis_server_stop();
}
END_TEST

/* Begin again with that setting, which malloc reads only once. */
static void
run_without_cache(char **argv)
{
	static const char name[] = "GLIBC_TUNABLES";

	if (getenv(name) != NULL)
		return;
	setenv(name, "glibc.malloc.tcache_count=0", 1);
	execv("/proc/self/exe", argv);
}

static int
run_tests(void)
{
	Suite *suite = suite_create("idle_cost");
	TCase *tests = tcase_create("idle_cost");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_test(tests, with_the_registry_in_memory);
	tcase_add_test(tests, with_the_registry_in_redis);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

int
main(int argc, char **argv)
{
	(void)argc;
	if (!CAN_COUNT || descriptors_raise_limit() < HIGH_FD + MOST_AGENTS)
		return 77;
	run_without_cache(argv);
	return run_tests();
}
