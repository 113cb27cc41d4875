/* SPDX-License-Identifier: MIT */
/* Where taupectl connect goes, and where it lets itself be led. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "ctl/connect.h"

START_TEST(place_needs_a_relay)
{
	struct connect_to to;

	ck_assert_int_eq(
	    connect_to_parse(&to, "alice/ssh", "wss://r1.example.com"), EX_OK);
	ck_assert_str_eq(to.name, "alice");
	ck_assert_str_eq(to.service, "ssh");
	ck_assert_str_eq(to.relay, "wss://r1.example.com");
	ck_assert_str_eq(to.token, "");
	ck_assert_int_eq(connect_to_parse(&to, "alice/ssh", NULL), EX_USAGE);
	ck_assert_int_eq(
	    connect_to_parse(&to, "alice", "wss://r1.example.com"), EX_DATAERR);
	ck_assert_int_eq(
	    connect_to_parse(&to, "alice/", "wss://r1.example.com"),
	    EX_DATAERR);
	ck_assert_int_eq(
	    connect_to_parse(&to, "alice/ssh", "https://r1.example.com"),
	    EX_DATAERR);
}
END_TEST

START_TEST(link_has_it_all)
{
	static const uint8_t key[ACCESS_KEY_LEN] = {7};
	const struct share_token token = {
	    SHARE_LINK, 1764567890, "0123456789abcdef", "alice/ssh"};
	char text[SHARE_TOKEN_MAX], url[SHARE_TOKEN_MAX + 80];
	struct connect_to to;

	share_token_make(key, &token, text);
	snprintf(url, sizeof(url),
	    "https://relay.example.com:8443/.taupe/share/%s", text);
	ck_assert_int_eq(connect_to_parse(&to, url, NULL), EX_OK);
	ck_assert_str_eq(to.name, "alice");
	ck_assert_str_eq(to.service, "ssh");
	ck_assert_str_eq(to.relay, "wss://relay.example.com:8443");
	ck_assert_str_eq(to.token, text);
	/* plain HTTP is told from HTTPS, and cut links from whole ones */
	snprintf(url, sizeof(url), "http://localhost/.taupe/share/%s", text);
	ck_assert_int_eq(connect_to_parse(&to, url, NULL), EX_OK);
	ck_assert_str_eq(to.relay, "ws://localhost");
	for (size_t len = strlen(url) - 1; len > 0; len--) {
		url[len] = '\0';
		ck_assert_int_ne(connect_to_parse(&to, url, NULL), EX_OK);
	}
}
END_TEST

static const struct {
	const char *from, *to;
	bool allowed;
} redirects[] = {
    {"wss://r1.example.com", "wss://r1.example.com:8443/v1/connect", true},
    {"wss://r1.example.com", "wss://r2.example.com/v1/connect", true},
    {"wss://r1.example.com", "wss://R2.Example.com/v1/connect", true},
    {"wss://r1.example.com", "ws://r1.example.com/v1/connect", false},
    {"ws://r1.example.com", "wss://r1.example.com/v1/connect", true},
    {"wss://r1.example.com", "wss://example.net/v1/connect", false},
    {"wss://r1.example.com", "wss://r1.notexample.com/v1/connect", false},
    {"wss://r1.example.com", "https://r1.example.com/v1/connect", false},
    /* a domain right below the top has no neighbours of its own */
    {"wss://example.com", "wss://r1.example.com/v1/connect", true},
    {"wss://example.com", "wss://other.com/v1/connect", false},
    {"wss://192.0.2.1", "wss://192.0.2.1:444/v1/connect", true},
    {"wss://192.0.2.1", "wss://198.51.2.1/v1/connect", false},
    {"wss://localhost", "wss://evil.localhost/v1/connect", false},
};

START_TEST(redirects_stay_in_the_domain)
{
	struct connect_to to;
	struct url from, url;

	ck_assert_int_eq(
	    connect_to_parse(&to, "alice/ssh", redirects[_i].from), EX_OK);
	ck_assert(url_parse(str_of(redirects[_i].from), &from));
	ck_assert(url_parse(str_of(redirects[_i].to), &url));
	ck_assert_int_eq(connect_redirect_refusal(&to, &from, &url) == NULL,
	    redirects[_i].allowed);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("connect_to");
	TCase *tcase = tcase_create("connect_to");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, place_needs_a_relay);
	tcase_add_test(tcase, link_has_it_all);
	tcase_add_loop_test(tcase, redirects_stay_in_the_domain, 0,
	    sizeof(redirects) / sizeof(redirects[0]));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
