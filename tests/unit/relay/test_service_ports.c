/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../net/support.h"
#include "relay/service_ports.h"

#define RANGE 8 /* ports of the ranges that the tests open */

static struct loop *loop;
static struct listeners *all;
static struct service_ports *ports;
static struct listener listeners[3 * RANGE];
static size_t n_open;

static void
setup(void)
{
	ck_assert_ptr_nonnull(loop = loop_new());
	ck_assert_ptr_nonnull(all = listeners_new(loop));
}

static void
teardown(void)
{
	while (n_open > 0)
		listener_close(&listeners[--n_open]);
	service_ports_free(&ports);
	ck_assert_ptr_null(ports);
	listeners_free(&all);
	loop_free(&loop);
}

static void
accepted_cb(void *ctx, int fd, const struct address *peer)
{
	(void)ctx;
	(void)peer;
	close(fd);
}

static bool
is_free(const char *ip, uint16_t port)
{
	struct address address;
	struct listener listener;
	bool is;

	ck_assert(address_parse_ip(str_of(ip), port, &address));
	is = listener_open(
		 &listener, all, &address, false, accepted_cb, NULL) == 0;
	listener_close(&listener);
	return is;
}

/* RANGE ports in a row that are free at this moment, from this one on. */
static uint16_t
free_range(uint16_t from)
{
	uint16_t found = 0;

	for (uint16_t port = from; found < RANGE; port++) {
		ck_assert_uint_lt(port, 65000);
		found = is_free("127.0.0.1", port) ? found + 1 : 0;
		if (found == RANGE)
			return (uint16_t)(port - RANGE + 1);
	}
	return 0;
}

static struct listen_range
range_of(const char *ip, uint16_t low, uint16_t high)
{
	struct listen_range range = {.low = low, .high = high};

	ck_assert(address_parse_ip(str_of(ip), 0, &range.address));
	return range;
}

/* The port that was opened; 0: none. */
static uint16_t
open_one(uint16_t public_port, const struct port_set *avoid)
{
	struct listener *listener = &listeners[n_open];
	struct address address;

	if (service_ports_open(
		ports, listener, public_port, avoid, accepted_cb, NULL) != 0)
		return 0;
	n_open++;
	listener_address(listener, &address);
	return address_port(&address);
}

START_TEST(ranges_are_read)
{
	static const struct {
		const char *text, *ip; /* ip NULL: refused */
		uint16_t low, high;
	} cases[] = {
	    {"127.0.0.1:30000-30999", "127.0.0.1", 30000, 30999},
	    {"127.0.0.1:30000", "127.0.0.1", 30000, 30000},
	    {"0.0.0.0:1-65535", "0.0.0.0", 1, 65535},
	    {"[::1]:30000-30001", "::1", 30000, 30001},
	    {"[::]:65535-65535", "::", 65535, 65535},
	    {"127.0.0.1:0", NULL, 0, 0},
	    {"127.0.0.1:0-10", NULL, 0, 0},
	    {"127.0.0.1:20-10", NULL, 0, 0},
	    {"127.0.0.1:10-65536", NULL, 0, 0},
	    {"127.0.0.1:10-", NULL, 0, 0},
	    {"127.0.0.1:-10", NULL, 0, 0},
	    {"127.0.0.1:10-20-30", NULL, 0, 0},
	    {"127.0.0.1:", NULL, 0, 0},
	    {"127.0.0.1", NULL, 0, 0},
	    {":10-20", NULL, 0, 0},
	    {"localhost:10-20", NULL, 0, 0},
	    {"127.0.0.1:1o-20", NULL, 0, 0},
	    {"127.0.0.1 :10-20", NULL, 0, 0},
	    {"", NULL, 0, 0},
	    {":", NULL, 0, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct listen_range range;
		char ip[ADDRESS_TEXT_MAX];

		ck_assert_msg(listen_range_parse(str_of(cases[i].text),
				  &range) == (cases[i].ip != NULL),
		    "\"%s\"", cases[i].text);
		if (cases[i].ip == NULL)
			continue;
		ck_assert_uint_eq(range.low, cases[i].low);
		ck_assert_uint_eq(range.high, cases[i].high);
		ck_assert_str_eq(
		    address_ip_text(&range.address, ip), cases[i].ip);
	}
}
END_TEST

START_TEST(numbers_of_all_ranges)
{
	struct listen_range ranges[] = {range_of("127.0.0.1", 100, 102),
	    range_of("127.0.0.2", 102, 103), range_of("::1", 65535, 65535)};
	struct port_set set;

	ports = service_ports_new(all, ranges, 3);
	port_set_clear(&set);
	port_set_add(&set, 7);
	service_ports_numbers(ports, &set);
	ck_assert_uint_eq(set.count, 5);
	ck_assert(port_set_has(&set, 100) && port_set_has(&set, 103) &&
	    port_set_has(&set, 65535));
	ck_assert(!port_set_has(&set, 99) && !port_set_has(&set, 104) &&
	    !port_set_has(&set, 7));
}
END_TEST

START_TEST(every_port_is_found_and_then_none)
{
	uint16_t low = free_range(31000);
	struct listen_range range =
	    range_of("127.0.0.1", low, (uint16_t)(low + RANGE - 1));
	bool seen[RANGE] = {false};

	ports = service_ports_new(all, &range, 1);
	for (int i = 0; i < RANGE; i++) {
		uint16_t port = open_one(0, NULL);

		ck_assert_uint_ge(port, low);
		ck_assert_uint_lt(port, low + RANGE);
		ck_assert(!seen[port - low]);
		seen[port - low] = true;
	}
	ck_assert_uint_eq(open_one(0, NULL), 0);
	ck_assert_int_eq(errno, EADDRINUSE);
	listener_close(&listeners[n_open / 2]);
	ck_assert_uint_ne(open_one(0, NULL), 0);
}
END_TEST

START_TEST(a_port_rests_before_it_is_used_again)
{
	uint16_t low = free_range(31100), first;
	struct listen_range range =
	    range_of("127.0.0.1", low, (uint16_t)(low + RANGE - 1));

	ports = service_ports_new(all, &range, 1);
	first = open_one(0, NULL);
	listener_close(&listeners[--n_open]);
	for (int i = 1; i < RANGE; i++) {
		ck_assert_uint_ne(open_one(0, NULL), first);
		listener_close(&listeners[--n_open]);
	}
	ck_assert_uint_eq(open_one(0, NULL), first);
}
END_TEST

START_TEST(a_kept_port_is_given_to_nobody)
{
	uint16_t low = free_range(31120), kept = (uint16_t)(low + 2);
	struct listen_range range =
	    range_of("127.0.0.1", low, (uint16_t)(low + RANGE - 1));

	ports = service_ports_new(all, &range, 1);
	ck_assert(service_ports_hold(ports, str_of("127.0.0.1"), kept));
	ck_assert(service_ports_hold(ports, (struct str){0}, kept));
	ck_assert(!service_ports_hold(ports, str_of("127.0.0.2"), kept));
	ck_assert(!service_ports_hold(
	    ports, str_of("127.0.0.1"), (uint16_t)(low + RANGE)));
	service_ports_keep(ports, kept);
	ck_assert_uint_eq(open_one(kept, NULL), kept + 1);
	for (int i = 2; i < RANGE; i++)
		ck_assert_uint_ne(open_one(0, NULL), 0);
	ck_assert_uint_eq(open_one(0, NULL), 0);
	ck_assert_int_eq(errno, EADDRINUSE);
	ck_assert(service_ports_give_back(ports, kept));
	ck_assert_uint_eq(open_one(kept, NULL), kept);
	listener_close(&listeners[--n_open]);
	service_ports_keep(ports, kept);
	service_ports_keep(ports, kept);
	ck_assert(!service_ports_give_back(ports, kept));
	ck_assert_uint_eq(open_one(kept, NULL), 0);
	service_ports_give_back_all(ports);
	ck_assert_uint_eq(open_one(kept, NULL), kept);
	listener_close(&listeners[--n_open]);
	/* what was once kept for two is kept for one now */
	service_ports_keep(ports, kept);
	ck_assert(service_ports_give_back(ports, kept));
}
END_TEST

/* A relay that stands alone has every port to avoid: the search must not begin at the first
 * one each time, where all are taken. */
START_TEST(a_search_goes_on_where_the_last_one_ended_though_all_are_public)
{
	uint16_t low = free_range(31150), first;
	struct listen_range range =
	    range_of("127.0.0.1", low, (uint16_t)(low + RANGE - 1));
	struct port_set public;

	ports = service_ports_new(all, &range, 1);
	service_ports_numbers(ports, &public);
	first = open_one(0, &public);
	ck_assert_uint_ne(first, 0);
	listener_close(&listeners[n_open - 1]);
	for (int i = 1; i < RANGE; i++)
		ck_assert_uint_ne(open_one(0, &public), first);
	ck_assert_uint_eq(open_one(0, &public), first);
}
END_TEST

START_TEST(a_tcp_service_gets_its_public_port_where_the_ranges_hold_it)
{
	uint16_t low = free_range(31200), wanted = low + 5;
	struct listen_range range =
	    range_of("127.0.0.1", low, (uint16_t)(low + RANGE - 1));
	struct port_set avoid;

	port_set_clear(&avoid);
	port_set_add(&avoid, wanted);
	ports = service_ports_new(all, &range, 1);
	ck_assert_uint_eq(open_one(wanted, &avoid), wanted);
	/* taken: any other */
	ck_assert_uint_ne(open_one(wanted, &avoid), wanted);
	/* not in the ranges: any */
	ck_assert_uint_ge(open_one(1, &avoid), low);
}
END_TEST

START_TEST(public_ports_are_avoided_as_long_as_others_are_free)
{
	uint16_t low = free_range(31300);
	struct listen_range range =
	    range_of("127.0.0.1", low, (uint16_t)(low + RANGE - 1));
	struct port_set avoid;

	port_set_clear(&avoid);
	for (uint16_t i = 0; i < RANGE; i += 2)
		port_set_add(&avoid, (uint16_t)(low + i));
	ports = service_ports_new(all, &range, 1);
	for (int i = 0; i < RANGE / 2; i++)
		ck_assert(!port_set_has(&avoid, open_one(0, &avoid)));
	for (int i = 0; i < RANGE / 2; i++)
		ck_assert(port_set_has(&avoid, open_one(0, &avoid)));
	ck_assert_uint_eq(open_one(0, &avoid), 0);
}
END_TEST

START_TEST(ranges_take_turns_and_stand_in_for_each_other)
{
	uint16_t low = free_range(31400);
	struct listen_range ranges[] = {
	    range_of("127.0.0.1", low, (uint16_t)(low + 1)),
	    range_of("127.0.0.1", (uint16_t)(low + 2), (uint16_t)(low + 5))};
	int in_first = 0;

	ports = service_ports_new(all, ranges, 2);
	for (int i = 0; i < 4; i++)
		in_first += open_one(0, NULL) <= low + 1;
	ck_assert_int_eq(in_first, 2);
	ck_assert_uint_ne(open_one(0, NULL), 0);
	ck_assert_uint_ne(open_one(0, NULL), 0);
	ck_assert_uint_eq(open_one(0, NULL), 0);
}
END_TEST

START_TEST(the_last_port_number_wraps)
{
	struct listen_range range = range_of("127.0.0.1", 65534, 65535);
	size_t free_ones =
	    is_free("127.0.0.1", 65534) + is_free("127.0.0.1", 65535);

	ports = service_ports_new(all, &range, 1);
	for (size_t i = 0; i < free_ones; i++)
		ck_assert_uint_ge(open_one(0, NULL), 65534);
	ck_assert_uint_eq(open_one(0, NULL), 0);
}
END_TEST

START_TEST(without_ranges_there_is_no_port)
{
	ports = service_ports_new(all, NULL, 0);
	errno = 0;
	ck_assert_uint_eq(open_one(0, NULL), 0);
	ck_assert_uint_eq(open_one(4242, NULL), 0);
	ck_assert_int_eq(errno, EADDRNOTAVAIL);
}
END_TEST

/* An address of another machine, or no descriptors: trying every port would not help. */
START_TEST(other_failures_are_reported)
{
	struct listen_range range = range_of("192.0.2.1", 42500, 42999);
	struct rlimit limit, none;

	ports = service_ports_new(all, &range, 1);
	ck_assert_uint_eq(open_one(0, NULL), 0);
	ck_assert_int_eq(errno, EADDRNOTAVAIL);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_uint_eq(open_one(0, NULL), 0);
	ck_assert_int_eq(errno, EMFILE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("service_ports");
	TCase *tests = tcase_create("service_ports");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, ranges_are_read);
	tcase_add_test(tests, numbers_of_all_ranges);
	tcase_add_test(tests, every_port_is_found_and_then_none);
	tcase_add_test(tests, a_port_rests_before_it_is_used_again);
	tcase_add_test(tests, a_kept_port_is_given_to_nobody);
	tcase_add_test(tests,
	    a_search_goes_on_where_the_last_one_ended_though_all_are_public);
	tcase_add_test(
	    tests, a_tcp_service_gets_its_public_port_where_the_ranges_hold_it);
	tcase_add_test(
	    tests, public_ports_are_avoided_as_long_as_others_are_free);
	tcase_add_test(tests, ranges_take_turns_and_stand_in_for_each_other);
	tcase_add_test(tests, the_last_port_number_wraps);
	tcase_add_test(tests, without_ranges_there_is_no_port);
	tcase_add_test(tests, other_failures_are_reported);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
