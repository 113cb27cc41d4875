/* SPDX-License-Identifier: MIT */
/* What the system knows of a connection, over loopback. */
#include "config.h"

#include <check.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/address.h"
#include "net/way.h"

static int ends[2];

static void
setup(void)
{
	struct address address;
	int listening = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert(address_parse(STR("127.0.0.1:0"), &address));
	ck_assert_int_eq(bind(listening, &address.sa, address.len), 0);
	ck_assert_int_eq(listen(listening, 1), 0);
	address_of_socket(listening, &address);
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(ends[0], &address.sa, address.len), 0);
	ends[1] = accept(listening, NULL, NULL);
	ck_assert_int_ge(ends[1], 0);
	close(listening);
}

static void
teardown(void)
{
	close(ends[0]);
	close(ends[1]);
}

/* Loopback's acknowledgements come at once, but from another turn of the kernel. */
static void
wait_acked(void)
{
	for (int i = 0; i < 5000 && way_is_acked(ends[0]) == 0; i++)
		usleep(1000);
	ck_assert_int_eq(way_is_acked(ends[0]), 1);
}

/* Linux fills what it is given; an emulator of another processor may know it by name only. */
static bool
kernel_counts(int fd)
{
	char info[200];
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0 &&
	    len == sizeof(info);
}

START_TEST(bytes_are_counted_with_their_headers)
{
	uint64_t before, after;
	char data[100] = "";

	if (!kernel_counts(ends[0]))
		return;
	ck_assert(!way_is_ipv6(ends[0]));
	ck_assert(way_bytes(ends[0], false, &before));
	ck_assert_int_eq(send(ends[0], data, sizeof(data), 0), sizeof(data));
	wait_acked();
	ck_assert(way_bytes(ends[0], false, &after));
	/* a packet and its acknowledgement: Ethernet, IPv4, TCP with timestamps or without */
	ck_assert_uint_ge(after - before, sizeof(data) + 2 * (14 + 20 + 20));
	ck_assert_uint_le(after - before, sizeof(data) + 2 * (14 + 20 + 32));
}
END_TEST

START_TEST(what_is_no_connection_is_not_known)
{
	uint64_t bytes;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert(!way_bytes(fds[0], false, &bytes));
	ck_assert(!way_bytes(-1, false, &bytes));
	ck_assert_int_eq(way_is_acked(-1), -1);
	(void)way_network(fds[0], STR("relay.example.com"));
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(network_has_one_number_and_each_relay_another)
{
	uint32_t number = way_network(ends[0], STR("r1.example.com"));

	ck_assert_uint_eq(number, way_network(ends[0], STR("r1.example.com")));
	ck_assert_uint_eq(number, way_network(ends[1], STR("r1.example.com")));
	ck_assert_uint_ne(number, way_network(ends[0], STR("r2.example.com")));
	/* it is more than the name */
	ck_assert_uint_ne(number, way_network(-1, STR("r1.example.com")));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("way");
	TCase *tests = tcase_create("way");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, bytes_are_counted_with_their_headers);
	tcase_add_test(tests, what_is_no_connection_is_not_known);
	tcase_add_test(tests, network_has_one_number_and_each_relay_another);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
