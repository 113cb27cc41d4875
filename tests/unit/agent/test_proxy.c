/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "net/proxy.h"
#include "support.h"

START_TEST(urls_are_read_strictly)
{
	static const struct {
		const char *text, *host, *credentials; /* host NULL: wrong */
		unsigned port;
	} rows[] = {
	    {"http://proxy.test:3128", "proxy.test", "", 3128},
	    {"http://proxy.test", "proxy.test", "", 80},
	    {"http://proxy.test/", "proxy.test", "", 80},
	    {"http://[fd00::1]:3128", "fd00::1", "", 3128},
	    {"http://alice:pw@10.0.0.1:8080", "10.0.0.1", "alice:pw", 8080},
	    {"http://alice@proxy.test:1", "proxy.test", "alice", 1},
	    {"http://alice:@proxy.test:1", "proxy.test", "alice:", 1},
	    {"http://a:p%40s%3as%25@proxy.test:1", "proxy.test", "a:p@s:s%", 1},
	    {"http://a:p@w@proxy.test:1", "proxy.test", "a:p@w", 1},
	    {"http://a:b:c@proxy.test:1", "proxy.test", "a:b:c", 1},
	    {"http://a%3ab:c@proxy.test:1", NULL, NULL, 0},
	    {"http://a:p%0a@proxy.test:1", NULL, NULL, 0},
	    {"http://a:p%00@proxy.test:1", NULL, NULL, 0},
	    {"http://a:p%4@proxy.test:1", NULL, NULL, 0},
	    {"http://a:p%zz@proxy.test:1", NULL, NULL, 0},
	    {"http://:p@proxy.test:1", NULL, NULL, 0},
	    {"http://@proxy.test:1", NULL, NULL, 0},
	    {"https://proxy.test:443", NULL, NULL, 0},
	    {"socks5://proxy.test:1080", NULL, NULL, 0},
	    {"proxy.test:3128", NULL, NULL, 0},
	    {"http://proxy.test:3128/path", NULL, NULL, 0},
	    {"http://proxy.test:3128?query", NULL, NULL, 0},
	    {"http://proxy.test:0", NULL, NULL, 0},
	    {"http://pro xy.test:1", NULL, NULL, 0},
	    {"http://", NULL, NULL, 0},
	    {"", NULL, NULL, 0},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct proxy proxy;
		bool right = proxy_parse(rows[i].text, &proxy);

		ck_assert_msg(
		    right == (rows[i].host != NULL), "%s", rows[i].text);
		if (!right)
			continue;
		ck_assert_str_eq(proxy.host, rows[i].host);
		ck_assert_str_eq(proxy.credentials, rows[i].credentials);
		ck_assert_uint_eq(proxy.port, rows[i].port);
	}
}
END_TEST

START_TEST(credentials_of_any_length_are_bounded)
{
	char text[2 * PROXY_CREDENTIALS_MAX];
	struct proxy proxy;

	for (size_t n = PROXY_CREDENTIALS_MAX - 20;
	     n < PROXY_CREDENTIALS_MAX + 20; n++) {
		memcpy(text, "http://", 7);
		memset(text + 7, 'a', n);
		strcpy(text + 7 + n, "@proxy.test:1");
		ck_assert(
		    proxy_parse(text, &proxy) == (n < PROXY_CREDENTIALS_MAX));
	}
}
END_TEST

START_TEST(exceptions_are_names_domains_addresses_and_networks)
{
	static const struct {
		const char *list, *host;
		bool excepted;
	} rows[] = {
	    {"*", "relay.test", true},
	    {"", "relay.test", false},
	    {" , ,", "relay.test", false},
	    {"relay.test", "relay.test", true},
	    {"RELAY.test", "relay.test.", true},
	    {"test", "relay.test", true},
	    {".test", "relay.test", true},
	    {".relay.test", "relay.test", true},
	    {"lay.test", "relay.test", false},
	    {"relay.test", "test", false},
	    {".", "relay.test", false},
	    {"one.test,relay.test", "relay.test", true},
	    {"one.test  relay.test", "relay.test", true},
	    {"relay.test:443", "relay.test", true},
	    {"relay.test:444", "relay.test", false},
	    {"10.1.2.3", "10.1.2.3", true},
	    {"10.1.2.3:443", "10.1.2.3", true},
	    {"10.1.2.3:80", "10.1.2.3", false},
	    {"2.3", "10.1.2.3", false},
	    {"10.0.0.0/8", "10.1.2.3", true},
	    {"10.0.0.0/9", "10.128.2.3", false},
	    {"10.0.0.0/9", "10.127.2.3", true},
	    {"10.0.0.0/33", "10.0.0.0", false},
	    {"10.0.0.0/", "10.0.0.0", false},
	    {"0.0.0.0/0", "10.1.2.3", true},
	    {"0.0.0.0/0", "relay.test", false},
	    {"10.1.2.3/32", "10.1.2.3", true},
	    {"10.1.2.3/32", "10.1.2.2", false},
	    {"fd00::/8", "fdab::1", true},
	    {"fd00::/8", "10.1.2.3", false},
	    {"fd00::1", "fd00::1", true},
	    {"[fd00::1]:443", "fd00::1", true},
	    {"[fd00::1]:80", "fd00::1", false},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_msg(proxy_is_excepted(rows[i].list, rows[i].host,
				  443) == rows[i].excepted,
		    "%s %s", rows[i].list, rows[i].host);
}
END_TEST

static void
clear_environment(void)
{
	static const char *const names[] = {"https_proxy", "HTTPS_PROXY",
	    "http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"};

	for (size_t i = 0; i < COUNT(names); i++)
		unsetenv(names[i]);
}

START_TEST(the_environment_counts_until_the_owner_says_something)
{
	struct proxies proxies;

	clear_environment();
	ck_assert_int_eq(proxies_load(&proxies, NULL, NULL), EX_OK);
	ck_assert_ptr_null(proxies_find(&proxies, true, "relay.test", 443));

	setenv("HTTPS_PROXY", "http://up.test:1", 1);
	setenv("HTTP_PROXY", "http://never.test:1", 1);
	setenv("NO_PROXY", "home.test", 1);
	ck_assert_int_eq(proxies_load(&proxies, NULL, NULL), EX_OK);
	ck_assert_str_eq(
	    proxies_find(&proxies, true, "relay.test", 443)->host, "up.test");
	ck_assert_ptr_null(proxies_find(&proxies, false, "relay.test", 80));
	ck_assert_ptr_null(proxies_find(&proxies, true, "home.test", 443));

	setenv("https_proxy", "low.test:2", 1);
	setenv("http_proxy", "alice@plain.test:3", 1);
	ck_assert_int_eq(proxies_load(&proxies, NULL, NULL), EX_OK);
	ck_assert_str_eq(
	    proxies_find(&proxies, true, "relay.test", 443)->host, "low.test");
	ck_assert_str_eq(
	    proxies_find(&proxies, false, "relay.test", 80)->credentials,
	    "alice:");

	ck_assert_int_eq(proxies_load(&proxies, "none", NULL), EX_OK);
	ck_assert_ptr_null(proxies_find(&proxies, true, "relay.test", 443));
	ck_assert_int_eq(
	    proxies_load(&proxies, "http://own.test:4", NULL), EX_OK);
	ck_assert_str_eq(
	    proxies_find(&proxies, false, "home.test", 80)->host, "own.test");

	setenv("https_proxy", "socks5://low.test:2", 1);
	ck_assert_int_eq(proxies_load(&proxies, NULL, NULL), EX_CONFIG);
	clear_environment();
}
END_TEST

START_TEST(password_comes_from_a_file)
{
	const char *file = test_path("password");
	struct proxies proxies;

	test_file(file, "p:w\nrest\n", 0600);
	ck_assert_int_eq(
	    proxies_load(&proxies, "http://alice@own.test:4", file), EX_OK);
	ck_assert_str_eq(
	    proxies_find(&proxies, true, "relay.test", 443)->credentials,
	    "alice:p:w");
	ck_assert_int_eq(
	    proxies_load(&proxies, "http://own.test:4", file), EX_CONFIG);
	ck_assert_int_eq(
	    proxies_load(&proxies, "http://a:b@own.test:4", file), EX_CONFIG);
	ck_assert_int_eq(proxies_load(&proxies, NULL, file), EX_CONFIG);
	ck_assert_int_eq(
	    proxies_load(&proxies, "http://a@own.test:4", "/nowhere/at/all"),
	    EX_NOINPUT);
}
END_TEST

START_TEST(passwords_on_the_command_line_are_seen)
{
	static const struct {
		const char *argument;
		bool shows;
	} rows[] = {
	    {"--proxy=http://a:b@proxy.test:1", true},
	    {"http://a:b@proxy.test:1", true},
	    {"http://a@proxy.test:1", false},
	    {"--proxy=http://proxy.test:1/a:b@c", false},
	    {"--proxy=none", false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char program[] = "taupe-agent", argument[100];
		char *argv[] = {program, argument, NULL};

		strcpy(argument, rows[i].argument);
		ck_assert_msg(proxy_password_shows(2, argv) == rows[i].shows,
		    "%s", argument);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    urls_are_read_strictly,
	    credentials_of_any_length_are_bounded,
	    exceptions_are_names_domains_addresses_and_networks,
	    the_environment_counts_until_the_owner_says_something,
	    password_comes_from_a_file,
	    passwords_on_the_command_line_are_seen,
	};

	return run_suite("proxy", tests, COUNT(tests));
}
