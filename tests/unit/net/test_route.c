/* SPDX-License-Identifier: MIT */
#include "../wire/support.h"

#include "net/route.h"

static struct str
guarded(const char *text)
{
	return (struct str){guard_copy(0, text, strlen(text)), strlen(text)};
}

START_TEST(splits_keys_by_kind)
{
	static const struct {
		const char *text, *key;
		enum route_kind kind;
	} cases[] = {
	    {"http/alice.example.com", "alice.example.com", ROUTE_HTTP},
	    {"sni/a", "a", ROUTE_SNI},
	    {"tcp/1", "1", ROUTE_TCP},
	    {"tcp/65535", "65535", ROUTE_TCP},
	    {"relay/127.0.0.1", "127.0.0.1", ROUTE_RELAY},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		enum route_kind kind;
		struct str key;

		ck_assert(route_key_parse(guarded(cases[i].text), &kind, &key));
		ck_assert_int_eq(kind, cases[i].kind);
		ck_assert(str_is(key, cases[i].key));
	}
}
END_TEST

START_TEST(refuses_keys_that_could_end_a_command)
{
	static const char *const cases[] = {"", "/", "http", "http/", "HTTP/a",
	    "ftp/a", "http/A", "http/a b", "http/a\nshow info", "http/a;quit",
	    "http/a/b", "http/a.", "http/..", "tcp/", "tcp/0", "tcp/01",
	    "tcp/65536", "tcp/-1", "tcp/22 ", "tcp/ssh", "relay/any/3", "sni/*",
	    "http/\xc3\xa4", "allow/", "allow/0123456789abcdef0123",
	    "allow/0123456789abcdef0123/5/AA", "allow/0123456789abcdef0123/4/aa",
	    "allow/0123456789abcdef0123/4/0123456789", "allow/0123/4/AA",
	    "revoked/", "revoked/0A", "revoked/01 02"};

	for (size_t i = 0; i < COUNT(cases); i++) {
		enum route_kind kind;
		struct str key;

		ck_assert_msg(!route_key_parse(guarded(cases[i]), &kind, &key),
		    "%s", cases[i]);
	}
}
END_TEST

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define SALT "AAECAwQFBgcICQoLDA0ODw=="

START_TEST(reads_values_and_writes_what_haproxy_gets)
{
	static const struct {
		const char *text, *out;
		uint64_t epoch;
	} cases[] = {
	    {"127.0.0.1,30000,7", "127.0.0.1,30000", 7},
	    {"192.0.2.255,1,18446744073709551615", "192.0.2.255,1", UINT64_MAX},
	    {"2001:DB8::1,65535,0", "2001:db8::1,65535", 0},
	    {"::ffff:10.0.0.1,80,1", "::ffff:10.0.0.1,80", 1},
	    {"10.0.0.1,80,1,private," KEY, "10.0.0.1,80,private," KEY, 1},
	    {"10.0.0.1,80,1,allow," KEY ",0123456789abcdef0123",
		"10.0.0.1,80,allow," KEY ",0123456789abcdef0123", 1},
	    {"10.0.0.1,80,1,password," KEY "," SALT "," KEY,
		"10.0.0.1,80,password," KEY "," SALT "," KEY, 1},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[ROUTE_VALUE_TEXT_MAX];
		struct route_target target, again;
		uint64_t epoch;

		ck_assert(
		    route_value_parse(guarded(cases[i].text), &target, &epoch));
		ck_assert_uint_eq(epoch, cases[i].epoch);
		ck_assert_str_eq(
		    route_target_text(&target, text), cases[i].out);
		ck_assert(route_target_parse(str_of(text), &again));
		ck_assert(route_target_equal(&target, &again));
	}
}
END_TEST

START_TEST(refuses_values_that_are_not_address_port_epoch)
{
	static const char *const cases[] = {"", ",", ",,", "127.0.0.1",
	    "127.0.0.1,80", "127.0.0.1,80,", "127.0.0.1,,1", ",80,1",
	    "127.0.0.1,0,1", "127.0.0.1,65536,1", "127.0.0.1,80,1,2",
	    "127.0.0.1,80,x", "127.0.0.1,80,-1", "127.0.0.1 ,80,1",
	    "127.0.0.1,80\n,1", "localhost,80,1", "127.1,80,1", "[::1],80,1",
	    "::1%lo,80,1", "127.0.0.1,80,18446744073709551616", "any",
	    "10.0.0.1,80,1,", "10.0.0.1,80,1,public", "10.0.0.1,80,1,private",
	    "10.0.0.1,80,1,private,", "10.0.0.1,80,1,private,AA==",
	    "10.0.0.1,80,1,private," KEY ",", "10.0.0.1,80,1,open," KEY,
	    "10.0.0.1,80,1,private," KEY "\n", "10.0.0.1,80,1,allow," KEY,
	    "10.0.0.1,80,1,allow," KEY ",0123456789ABCDEF0123",
	    "10.0.0.1,80,1,allow," KEY ",0123456789abcdef012;",
	    "10.0.0.1,80,1,password," KEY "," SALT,
	    "10.0.0.1,80,1,password," KEY "," KEY "," KEY,
	    "10.0.0.1,80,1,password," KEY "," SALT "," KEY ",x"};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct route_target target;
		uint64_t epoch;

		ck_assert_msg(
		    !route_value_parse(guarded(cases[i]), &target, &epoch),
		    "%s", cases[i]);
	}
}
END_TEST

START_TEST(refuses_an_address_with_a_nul_in_it)
{
	struct route_target target;

	ck_assert(!route_target_parse(STR("127.0.0.1\0x,80"), &target));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {splits_keys_by_kind,
	    refuses_keys_that_could_end_a_command,
	    reads_values_and_writes_what_haproxy_gets,
	    refuses_values_that_are_not_address_port_epoch,
	    refuses_an_address_with_a_nul_in_it};

	return run_suite("route", tests, COUNT(tests));
}
