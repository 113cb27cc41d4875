/* SPDX-License-Identifier: MIT */
#include "support.h"

#include "wire/host_name.h"
#include "wire/url.h"

START_TEST(splits_urls)
{
	static const struct {
		const char *text, *scheme, *host;
		unsigned port;
		bool secure, explicit_port;
		const char *path, *query;
	} cases[] = {
	    {"ws://r1.example.com", "ws", "r1.example.com", 80, false, false,
		NULL, NULL},
	    {"wss://r1.example.com", "wss", "r1.example.com", 443, true, false,
		NULL, NULL},
	    {"http://localhost:8080/", "http", "localhost", 8080, false, true,
		"/", NULL},
	    {"https://a/b/c?d=e", "https", "a", 443, true, false, "/b/c",
		"d=e"},
	    {"ws://a?x=/y?z", "ws", "a", 80, false, false, NULL, "x=/y?z"},
	    {"ws://a/?", "ws", "a", 80, false, false, "/", ""},
	    {"ws://[2001:DB8::1]:81/x", "ws", "2001:DB8::1", 81, false, true,
		"/x", NULL},
	    {"wss://[::1]", "wss", "::1", 443, true, false, NULL, NULL},
	    {"ws://192.0.2.1:80", "ws", "192.0.2.1", 80, false, true, NULL,
		NULL},
	    {"ws://Relay.Example.COM.:65535", "ws", "Relay.Example.COM.", 65535,
		false, true, NULL, NULL},
	    {"ws://a/@:%20[!$&'()*+,;=", "ws", "a", 80, false, false,
		"/@:%20[!$&'()*+,;=", NULL},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i].text);
		struct str text = {guard_copy(0, cases[i].text, len), len};
		struct url url;

		ck_assert_msg(url_parse(text, &url), "%s", cases[i].text);
		ck_assert(slice_is(url.scheme, cases[i].scheme));
		ck_assert_msg(
		    slice_is(url.host, cases[i].host), "%s", cases[i].text);
		ck_assert_uint_eq(url.port, cases[i].port);
		ck_assert_uint_eq(url.secure, cases[i].secure);
		ck_assert_uint_eq(url.explicit_port, cases[i].explicit_port);
		ck_assert_msg(
		    slice_is(url.path, cases[i].path), "%s", cases[i].text);
		ck_assert_msg(
		    slice_is(url.query, cases[i].query), "%s", cases[i].text);
	}
}
END_TEST

START_TEST(refuses_urls)
{
	static const char *const cases[] = {"", "ws", "ws:", "ws:/", "ws://",
	    "ws:///x", "ws://?x", "WS://a", "ftp://a", "wsss://a", "tcp://a:1",
	    "//a", "a", "://a", " ws://a", "ws://a ", "ws://user@a",
	    "ws://user:pass@a", "ws://@a", "ws://a#f", "ws://a/#", "ws://a\\b",
	    "ws://a/\\", "ws://a:0", "ws://a:", "ws://a:65536", "ws://a:1:2",
	    "ws://a:x", "ws://a:+1", "ws://a..b", "ws://-a", "ws://a_b",
	    "ws://a%62", "ws://::1", "ws://[::1", "ws://[::1]x",
	    "ws://[::1]:", "ws://[::1].", "ws://[]", "ws://[a]", "ws://a/b c",
	    "ws://a/\x01", "ws://a/\x7f", "ws://a/\xc3\xa4", "ws://a/\"",
	    "ws://a/<", "ws://a/{}", "ws://a/|", "ws://a/^", "ws://a/`",
	    "ws://a&b"};

	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i]);
		struct str text = {guard_copy(0, cases[i], len), len};
		struct url url;

		ck_assert_msg(!url_parse(text, &url), "%s", cases[i]);
	}
	ck_assert(!url_parse((struct str){NULL, 0}, &(struct url){.port = 0}));
}
END_TEST

START_TEST(length_is_bounded_up_to_the_query)
{
	char text[2 * URL_MAX];
	struct url url;

	memset(text, 'a', sizeof(text));
	memcpy(text, "ws://a/", 7);
	ck_assert(url_parse((struct str){text, URL_MAX}, &url));
	ck_assert(!url_parse((struct str){text, URL_MAX + 1}, &url));
	text[20] = '?';
	ck_assert(url_parse((struct str){text, sizeof(text)}, &url));
	ck_assert_uint_eq(url.query.len, sizeof(text) - 21);
}
END_TEST

START_TEST(longest_host)
{
	char text[5 + HOST_NAME_MAX + 1] = "ws://";
	struct url url;

	for (size_t i = 5; i < sizeof(text); i++)
		text[i] = i % 2 ? 'a' : '.';
	ck_assert(url_parse((struct str){text, 5 + HOST_NAME_MAX}, &url));
	ck_assert_uint_eq(url.host.len, HOST_NAME_MAX);
	text[5 + HOST_NAME_MAX] = 'b';
	ck_assert(!url_parse((struct str){text, sizeof(text)}, &url));
}
END_TEST

START_TEST(base_urls_of_relays)
{
	static const char *const fine[] = {
	    "ws://a", "wss://r1.example.com", "ws://[::1]:8080"};
	static const char *const wrong[] = {"", "http://a", "https://a",
	    "ws://a/", "ws://a/v1", "ws://a?", "ws://a?x", "ws://a#", "tcp://a",
	    "ws://u@a"};

	for (size_t i = 0; i < COUNT(fine); i++)
		ck_assert_msg(url_relay_valid(str_of(fine[i])), "%s", fine[i]);
	for (size_t i = 0; i < COUNT(wrong); i++)
		ck_assert_msg(
		    !url_relay_valid(str_of(wrong[i])), "%s", wrong[i]);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    splits_urls,
	    refuses_urls,
	    length_is_bounded_up_to_the_query,
	    longest_host,
	    base_urls_of_relays,
	};

	return run_suite("url", tests, COUNT(tests));
}
