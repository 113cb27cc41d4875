/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "net/address.h"
#include "net/address_order.h"
#include "support.h"

static const struct {
	const char *text;
	const char *canonical; /* NULL: refused */
	const char *ip;
	unsigned port;
} with_port[] = {
    {"127.0.0.1:80", "127.0.0.1:80", "127.0.0.1", 80},
    {"0.0.0.0:0", "0.0.0.0:0", "0.0.0.0", 0},
    {"192.0.2.1:65535", "192.0.2.1:65535", "192.0.2.1", 65535},
    {"[::1]:443", "[::1]:443", "::1", 443},
    {"[2001:DB8:0::1]:1", "[2001:db8::1]:1", "2001:db8::1", 1},
    {"[::ffff:127.0.0.1]:9", "[::ffff:127.0.0.1]:9", "::ffff:127.0.0.1", 9},
    {"[::]:0", "[::]:0", "::", 0},
    {"", NULL, NULL, 0},
    {":", NULL, NULL, 0},
    {":80", NULL, NULL, 0},
    {"127.0.0.1", NULL, NULL, 0},
    {"127.0.0.1:", NULL, NULL, 0},
    {"127.0.0.1:65536", NULL, NULL, 0},
    {"127.0.0.1:-1", NULL, NULL, 0},
    {"127.0.0.1: 80", NULL, NULL, 0},
    {"127.0.0.1:80 ", NULL, NULL, 0},
    {" 127.0.0.1:80", NULL, NULL, 0},
    {"127.0.0.256:80", NULL, NULL, 0},
    {"127.1:80", NULL, NULL, 0},
    {"[127.0.0.1]:80", NULL, NULL, 0},
    {"::1:80", NULL, NULL, 0},
    {"[::1]", NULL, NULL, 0},
    {"[::1:80", NULL, NULL, 0},
    {"[]:80", NULL, NULL, 0},
    {"[::1]]:80", NULL, NULL, 0},
    {"example.com:80", NULL, NULL, 0},
    {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:80", NULL,
	NULL, 0},
};

START_TEST(parses_address_and_port)
{
	struct address address;
	char text[ADDRESS_TEXT_MAX];
	bool good = address_parse(str_of(with_port[_i].text), &address);

	ck_assert_msg(good == (with_port[_i].canonical != NULL), "%s",
	    with_port[_i].text);
	if (!good) {
		ck_assert_uint_eq(address.len, 0);
		return;
	}
	ck_assert_str_eq(address_text(&address, text), with_port[_i].canonical);
	ck_assert_str_eq(address_ip_text(&address, text), with_port[_i].ip);
	ck_assert_uint_eq(address_port(&address), with_port[_i].port);
}
END_TEST

START_TEST(parses_address_alone)
{
	struct address address;
	char text[ADDRESS_TEXT_MAX];

	ck_assert(address_parse_ip(STR("127.0.0.1"), 80, &address));
	ck_assert_str_eq(address_text(&address, text), "127.0.0.1:80");
	ck_assert(address_parse_ip(STR("::1"), 80, &address));
	ck_assert_str_eq(address_text(&address, text), "[::1]:80");
	ck_assert(address_parse_ip(STR("[::1]"), 80, &address));
	ck_assert_str_eq(address_text(&address, text), "[::1]:80");
	ck_assert(!address_parse_ip(STR(""), 80, &address));
	ck_assert(!address_parse_ip((struct str){NULL, 0}, 80, &address));
	ck_assert(!address_parse_ip(STR("[]"), 80, &address));
	ck_assert(!address_parse_ip(STR("[127.0.0.1]"), 80, &address));
	ck_assert(!address_parse_ip(STR("localhost"), 80, &address));
	ck_assert(!address_parse_ip(STR("127.0.0.1\0.x"), 80, &address));
	ck_assert(!address_parse(STR("127.0.0.1\0:80"), &address));
}
END_TEST

/* Every prefix of every text, right before an inaccessible page. */
START_TEST(reads_nothing_behind_the_text)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const char *text = with_port[_i].text;
	struct address address;

	ck_assert(map != MAP_FAILED);
	ck_assert_int_eq(mprotect(map + page, page, PROT_NONE), 0);
	for (size_t len = 0; len <= strlen(text); len++) {
		char *at = map + page - len;

		memcpy(at, text, len);
		(void)address_parse((struct str){at, len}, &address);
		(void)address_parse_ip((struct str){at, len}, 1, &address);
	}
	munmap(map, 2 * page);
}
END_TEST

START_TEST(no_address_has_a_text)
{
	struct address none = {.len = 0};
	char text[ADDRESS_TEXT_MAX];

	ck_assert_str_eq(address_text(&none, text), "-");
	ck_assert_str_eq(address_ip_text(&none, text), "-");
	ck_assert_uint_eq(address_port(&none), 0);
	ck_assert(!address_is_loopback(&none));
	address_set_port(&none, 7);
	ck_assert_uint_eq(address_port(&none), 0);
}
END_TEST

START_TEST(sets_the_port)
{
	struct address ip4 = address_from("127.0.0.1:1"),
		       ip6 = address_from("[::1]:1");

	address_set_port(&ip4, 8080);
	address_set_port(&ip6, 8080);
	ck_assert_uint_eq(address_port(&ip4), 8080);
	ck_assert_uint_eq(address_port(&ip6), 8080);
}
END_TEST

START_TEST(knows_loopback)
{
	static const struct {
		const char *text;
		bool loopback;
	} cases[] = {
	    {"127.0.0.1:1", true},
	    {"127.255.255.254:1", true},
	    {"[::1]:1", true},
	    {"[::ffff:127.0.0.5]:1", true},
	    {"128.0.0.1:1", false},
	    {"0.0.0.0:1", false},
	    {"[::]:1", false},
	    {"[::2]:1", false},
	    {"[::ffff:10.0.0.1]:1", false},
	    {"[2001:db8::1]:1", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct address address = address_from(cases[i].text);

		ck_assert_msg(
		    address_is_loopback(&address) == cases[i].loopback, "%s",
		    cases[i].text);
	}
}
END_TEST

START_TEST(tells_the_ends_of_a_socket)
{
	struct address any = address_from("127.0.0.1:0"), server, client, peer;
	int listening = socket(AF_INET, SOCK_STREAM, 0), fd;

	ck_assert_int_eq(bind(listening, &any.sa, any.len), 0);
	ck_assert_int_eq(listen(listening, 1), 0);
	address_of_socket(listening, &server);
	ck_assert_uint_ne(address_port(&server), 0);
	fd = dial(&server);
	address_of_peer(fd, &peer);
	ck_assert_uint_eq(address_port(&peer), address_port(&server));
	address_of_socket(fd, &client);
	ck_assert(address_is_loopback(&client));
	close(fd);
	close(listening);
	address_of_peer(fd, &peer);
	ck_assert_uint_eq(peer.len, 0);
}
END_TEST

START_TEST(a_unix_socket_has_no_address)
{
	struct address address;
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	address_of_socket(pair[0], &address);
	ck_assert_uint_eq(address.len, 0);
	address_of_peer(pair[0], &address);
	ck_assert_uint_eq(address.len, 0);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

START_TEST(order_puts_ip6_loopback_first)
{
	struct address list[2] = {
	    address_from("127.0.0.1:1"), address_from("[::1]:1")};
	struct address probe = address_from("[::1]:9");
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	bool has_ip6 = fd >= 0 && connect(fd, &probe.sa, probe.len) == 0;

	address_order(list, 2);
	/* Where there is no IPv6 at all, IPv4 must stay in front. */
	ck_assert_int_eq(list[0].sa.sa_family, has_ip6 ? AF_INET6 : AF_INET);
	if (fd >= 0)
		close(fd);
}
END_TEST

START_TEST(order_prefers_what_has_a_route)
{
	/* A link-local address without its link: nothing can be sent there. */
	struct address list[2] = {
	    address_from("[fe80::1]:1"), address_from("127.0.0.1:1")};
	char text[ADDRESS_TEXT_MAX];

	address_order(list, 2);
	ck_assert_str_eq(address_text(&list[0], text), "127.0.0.1:1");
}
END_TEST

START_TEST(order_is_stable)
{
	struct address list[3] = {address_from("127.0.0.3:1"),
	    address_from("127.0.0.1:1"), address_from("127.0.0.2:1")};
	char text[ADDRESS_TEXT_MAX];

	address_order(list, 3);
	ck_assert_str_eq(address_text(&list[0], text), "127.0.0.3:1");
	ck_assert_str_eq(address_text(&list[1], text), "127.0.0.1:1");
	ck_assert_str_eq(address_text(&list[2], text), "127.0.0.2:1");
	address_order(list, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("address");
	TCase *tests = tcase_create("address");
	int n = (int)(sizeof(with_port) / sizeof(with_port[0])), failed;
	SRunner *runner;

	tcase_add_loop_test(tests, parses_address_and_port, 0, n);
	tcase_add_loop_test(tests, reads_nothing_behind_the_text, 0, n);
	tcase_add_test(tests, parses_address_alone);
	tcase_add_test(tests, no_address_has_a_text);
	tcase_add_test(tests, sets_the_port);
	tcase_add_test(tests, knows_loopback);
	tcase_add_test(tests, tells_the_ends_of_a_socket);
	tcase_add_test(tests, a_unix_socket_has_no_address);
	tcase_add_test(tests, order_puts_ip6_loopback_first);
	tcase_add_test(tests, order_prefers_what_has_a_route);
	tcase_add_test(tests, order_is_stable);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
