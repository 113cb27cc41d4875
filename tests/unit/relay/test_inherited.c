/* SPDX-License-Identifier: MIT */
/* Ports of a relay that was here before, and when each is anybody's again. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "relay/device.h"
#include "relay/inherited.h"
#include "relay/service.h"
#include "scene.h"

static void
accepted_cb(void *ctx, int fd, const struct address *peer)
{
	(void)ctx;
	(void)peer;
	close(fd);
}

/* The port that a service gets which would like this one; it ends at once. */
static uint16_t
port_given(uint16_t wanted)
{
	struct listener listener;
	struct address address;

	ck_assert_int_eq(service_ports_open(relay->service_ports, &listener,
			     wanted, NULL, accepted_cb, NULL),
	    0);
	listener_address(&listener, &address);
	listener_close(&listener);
	return address_port(&address);
}

/* A port of the relay's that no test beside this one is likely to take: they begin below. */
static uint16_t
quiet_port(void)
{
	uint16_t port = 29999;

	while (port_given(port) != port)
		port--;
	return port;
}

/* The same for what a device gets. */
static void
go_where_it_is_quiet(void)
{
	while (port_given(0) < 25000)
		;
}

static void
note_value(const char *key, const char *value)
{
	struct registry_event event = {
	    .type = REGISTRY_ROUTE, .key = str_of(key), .value = str_of(value)};

	inherited_note(relay, &event);
}

static void
note(const char *key, uint16_t port)
{
	char value[40];

	snprintf(value, sizeof(value), "127.0.0.1,%u,7", (unsigned)port);
	note_value(key, value);
}

/* The time in which devices may come back is over. */
static void
end_the_time(void)
{
	ck_assert(timer_is_set(&relay->inherited_timer));
	ck_assert_uint_gt(relay->inherited_until_ms, loop_now_ms(relay->loop));
	relay->inherited_until_ms = loop_now_ms(relay->loop);
	timer_set(relay->loop, &relay->inherited_timer, 0);
}

static void
let_the_time_pass(void)
{
	end_the_time();
	RUN_UNTIL(!timer_is_set(&relay->inherited_timer));
}

/* A registry that can be in trouble. */

static unsigned n_asked;
static const char *trouble;

static const char *
trouble_cb(const struct registry *registry)
{
	(void)registry;
	n_asked++;
	return trouble;
}

static void
begin_trouble(void)
{
	static struct registry_ops ops;

	ops = *relay->registry->ops;
	ops.trouble = trouble_cb;
	relay->registry->ops = &ops;
	trouble = "the registry does not answer";
	n_asked = 0;
}

/* A relay that has not read the routes. */
static void
begin(int backend)
{
	scene_begin(backend, NULL);
	relay->inherited_complete = false;
}

START_TEST(a_port_is_its_devices)
{
	uint16_t port;

	begin(_i);
	note("http/mole.example.com", port = quiet_port());
	inherited_complete(relay);
	ck_assert_uint_ne(port_given(port), port);
	ck_assert_uint_eq(inherited_claim(relay, "http/other.example.com"), 0);
	ck_assert_uint_eq(
	    inherited_claim(relay, "http/mole.example.com"), port);
	ck_assert_uint_eq(port_given(port), port);
	ck_assert_uint_eq(inherited_claim(relay, "http/mole.example.com"), 0);
}
END_TEST

START_TEST(a_port_whose_route_has_gone_is_anybodys)
{
	uint16_t port;

	begin(_i);
	note("http/mole.example.com", port = quiet_port());
	inherited_complete(relay);
	note_value("http/mole.example.com", "");
	ck_assert(!inherited_has(relay, "http/mole.example.com"));
	ck_assert_uint_eq(port_given(port), port);
}
END_TEST

START_TEST(a_port_that_nobody_came_back_for_is_anybodys_after_the_time)
{
	uint16_t port;

	begin(_i);
	note("http/mole.example.com", port = quiet_port());
	inherited_complete(relay);
	let_the_time_pass();
	ck_assert(!inherited_has(relay, "http/mole.example.com"));
	ck_assert_uint_eq(port_given(port), port);
}
END_TEST

/* A service with a further name: both routes lead to its listener. */
START_TEST(a_port_with_two_routes_of_one_service_is_its_own)
{
	uint16_t port, other;

	begin(_i);
	note("http/mole.example.com", port = quiet_port());
	note("http/shop.customer.test", port);
	inherited_complete(relay);
	ck_assert_uint_eq(inherited_take(relay, "http/mole.example.com"), port);
	ck_assert(!inherited_free(relay, port, 1));
	ck_assert_uint_eq(inherited_take(relay, "http/shop.customer.test"), port);
	ck_assert_uint_eq(inherited_take(relay, "http/shop.customer.test"), 0);
	other = port_given(port);
	ck_assert_uint_ne(other, port);
	ck_assert(inherited_free(relay, port, 2));
	ck_assert_uint_eq(port_given(port), port);
}
END_TEST

/* One of them has come back; whoever got the port now would get the other's visitors. */
START_TEST(a_contested_port_is_nobodys_until_the_time_is_over)
{
	uint16_t port;

	begin(_i);
	note("http/mole.example.com", port = quiet_port());
	note("http/shrew.example.com", port);
	inherited_complete(relay);
	ck_assert_uint_eq(inherited_claim(relay, "http/mole.example.com"), 0);
	ck_assert_uint_ne(port_given(port), port);
	ck_assert_uint_eq(inherited_claim(relay, "http/shrew.example.com"), 0);
	ck_assert_uint_ne(port_given(port), port);
	let_the_time_pass();
	ck_assert_uint_eq(port_given(port), port);
}
END_TEST

/* Routes of leases that ended meanwhile stand until somebody has swept them. */
START_TEST(a_registry_in_trouble_has_its_time_prolonged)
{
	uint16_t port;

	begin(_i);
	note("http/mole.example.com", port = quiet_port());
	note("http/shrew.example.com", port);
	inherited_complete(relay);
	begin_trouble();
	end_the_time();
	RUN_UNTIL(n_asked == 1);
	ck_assert_uint_ne(port_given(port), port);
	/* its end is not at once the end of the time */
	trouble = NULL;
	timer_set(relay->loop, &relay->inherited_timer, 0);
	RUN_UNTIL(n_asked == 2);
	ck_assert_uint_ne(port_given(port), port);
	ck_assert(inherited_has(relay, "http/mole.example.com"));
	let_the_time_pass();
	ck_assert_uint_eq(port_given(port), port);
}
END_TEST

START_TEST(a_lease_that_nobody_can_be_told_of_goes_on)
{
	struct channel control;
	struct device *device;
	struct address address;
	uint16_t port;

	scene_begin(_i, NULL);
	go_where_it_is_quiet();
	agent_login(&control, "i1");
	device = scene_device();
	listener_address(&LIST_FIRST(&device->services)->listener, &address);
	port = address_port(&address);
	channel_send(&control, 0x88, "\x03\xe8", 2);
	RUN_UNTIL(device->session == NULL);
	begin_trouble();
	device->due_ms = loop_now_ms(relay->loop);
	device_retime(device);
	RUN_UNTIL(n_asked > 0);
	ck_assert_ptr_eq(scene_device(), device);
	ck_assert_uint_ne(port_given(port), port);
	trouble = NULL;
	device->due_ms = loop_now_ms(relay->loop);
	device_retime(device);
	RUN_UNTIL(scene_device() == NULL);
	ck_assert_uint_eq(port_given(port), port);
	peer_close(&control.peer);
}
END_TEST

/* Both routes had gone before the registry was read to its end: no route is left. */
START_TEST(a_contested_port_without_routes_ends_as_well)
{
	uint16_t port;

	begin(_i);
	note("http/mole.example.com", port = quiet_port());
	note("http/shrew.example.com", port);
	note_value("http/mole.example.com", "");
	note_value("http/shrew.example.com", "");
	inherited_complete(relay);
	let_the_time_pass();
	ck_assert_uint_eq(port_given(port), port);
}
END_TEST

/* A registry with many routes is not one that is away: nobody gets a port before they are read. */
START_TEST(the_registry_is_waited_for_while_it_tells_of_routes)
{
	begin(_i);
	relay->registry_due_ms = 0;
	note_value("http/mole.example.com", "192.0.2.1,1,7");
	ck_assert_uint_gt(relay->registry_due_ms, loop_now_ms(relay->loop));
	inherited_complete(relay);
	relay->registry_due_ms = 0;
	note_value("http/shrew.example.com", "192.0.2.1,1,7");
	ck_assert_uint_eq(relay->registry_due_ms, 0);
}
END_TEST

/* Before the routes are known any port may be another's; then each listener is opened. */
START_TEST(a_service_has_no_listener_before_the_routes_were_read)
{
	struct channel control;
	struct service *service;

	begin(_i);
	agent_login(&control, "i1");
	service = LIST_FIRST(&scene_device()->services);
	ck_assert(!service_is_open(service));
	services_listen(relay);
	ck_assert(!service_is_open(service));
	inherited_complete(relay);
	services_listen(relay);
	LIST_FOREACH (service, &scene_device()->services, link)
		ck_assert(service_is_open(service));
	peer_close(&control.peer);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("inherited");
	TCase *tests = tcase_create("inherited");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, NULL, scene_teardown);
	tcase_add_loop_test(tests, a_port_is_its_devices, 0, 2);
	tcase_add_loop_test(
	    tests, a_port_whose_route_has_gone_is_anybodys, 0, 2);
	tcase_add_loop_test(tests,
	    a_port_that_nobody_came_back_for_is_anybodys_after_the_time, 0, 2);
	tcase_add_loop_test(
	    tests, a_port_with_two_routes_of_one_service_is_its_own, 0, 2);
	tcase_add_loop_test(
	    tests, a_contested_port_is_nobodys_until_the_time_is_over, 0, 2);
	tcase_add_loop_test(
	    tests, a_registry_in_trouble_has_its_time_prolonged, 0, 2);
	tcase_add_loop_test(
	    tests, a_lease_that_nobody_can_be_told_of_goes_on, 0, 2);
	tcase_add_loop_test(
	    tests, a_contested_port_without_routes_ends_as_well, 0, 2);
	tcase_add_loop_test(
	    tests, the_registry_is_waited_for_while_it_tells_of_routes, 0, 2);
	tcase_add_loop_test(
	    tests, a_service_has_no_listener_before_the_routes_were_read, 0, 2);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
