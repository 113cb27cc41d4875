/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "net/name_servers.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

START_TEST(servers_of_a_configuration)
{
	static const struct {
		const char *text;
		size_t n; /* 0: malformed */
		const char *servers[NAME_SERVERS_MAX];
	} rows[] = {
	    {"9.9.9.9", 1, {"9.9.9.9:53"}},
	    {"127.0.0.1:5353", 1, {"127.0.0.1:5353"}},
	    {"2620:fe::fe", 1, {"[2620:fe::fe]:53"}},
	    {"[2620:fe::fe]", 1, {"[2620:fe::fe]:53"}},
	    {"9.9.9.9, [2620:fe::fe]:53", 2,
		{"9.9.9.9:53", "[2620:fe::fe]:53"}},
	    {"192.0.2.1,192.0.2.2 ,  192.0.2.3:1,::1", 4,
		{"192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:1", "[::1]:53"}},
	    {"", 0, {NULL}},
	    {" ", 0, {NULL}},
	    {",", 0, {NULL}},
	    {"9.9.9.9,", 0, {NULL}},
	    {",9.9.9.9", 0, {NULL}},
	    {"9.9.9.9,,1.1.1.1", 0, {NULL}},
	    {"9.9.9.9 1.1.1.1", 0, {NULL}},
	    {"dns.example.com", 0, {NULL}},
	    {"9.9.9", 0, {NULL}},
	    {"9.9.9.9:0", 0, {NULL}},
	    {"9.9.9.9:", 0, {NULL}},
	    {"9.9.9.9:65536", 0, {NULL}},
	    {"[9.9.9.9]:53", 0, {NULL}},
	    {"[2620:fe::fe", 0, {NULL}},
	    {"fe80::1%eth0", 0, {NULL}},
	    {"0.0.0.0", 0, {NULL}},
	    {"::", 0, {NULL}},
	    {"192.0.2.1,192.0.2.2,192.0.2.3,192.0.2.4,192.0.2.5", 0, {NULL}},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct name_servers servers = {.n = 0};
		char text[ADDRESS_TEXT_MAX];

		ck_assert_msg(name_servers_add(&servers,
				  str_of(rows[i].text)) == (rows[i].n > 0),
		    "%s", rows[i].text);
		if (rows[i].n == 0)
			continue;
		ck_assert_uint_eq(servers.n, rows[i].n);
		for (size_t j = 0; j < servers.n; j++)
			ck_assert_str_eq(address_text(&servers.list[j], text),
			    rows[i].servers[j]);
	}
}
END_TEST

START_TEST(servers_are_added_up_to_the_most)
{
	struct name_servers servers = {.n = 0};

	ck_assert(name_servers_add(&servers, STR("192.0.2.1,192.0.2.2")));
	ck_assert(name_servers_add(&servers, STR("192.0.2.3,192.0.2.4")));
	ck_assert_uint_eq(servers.n, NAME_SERVERS_MAX);
	ck_assert(!name_servers_add(&servers, STR("192.0.2.5")));
	ck_assert_uint_eq(servers.n, NAME_SERVERS_MAX);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("name_servers");
	TCase *tests = tcase_create("name_servers");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, servers_of_a_configuration);
	tcase_add_test(tests, servers_are_added_up_to_the_most);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
