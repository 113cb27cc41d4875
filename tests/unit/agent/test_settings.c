/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "agent/settings.h"
#include "support.h"

START_TEST(services_and_their_targets)
{
	static const struct {
		const char *text, *name, *host; /* name NULL: wrong */
		enum taupe_service_kind kind;
		unsigned port;
	} rows[] = {
	    {"web:http:127.0.0.1:8080", "web", "127.0.0.1", TAUPE_HTTP, 8080},
	    {"ssh:tcp:[fd00::5]:22", "ssh", "fd00::5", TAUPE_TCP, 22},
	    {"cam:http:camera.lan:80", "cam", "camera.lan", TAUPE_HTTP, 80},
	    {"own:tls:localhost:443", "own", "localhost", TAUPE_TLS, 443},
	    {"web:http:CAMERA:65535", "web", "CAMERA", TAUPE_HTTP, 65535},
	    {"ssh:tcp:proxy-v2:22", "ssh", "proxy-v2", TAUPE_TCP, 22},
	    {"ssh:tcp:127.0.0.1:22:proxy-v1", NULL, NULL, TAUPE_HTTP, 0},
	    {"ssh:tcp:127.0.0.1:22:proxy-v2:proxy-v2", NULL, NULL, TAUPE_HTTP,
		0},
	    {"ssh:tcp:127.0.0.1:proxy-v2", NULL, NULL, TAUPE_HTTP, 0},
	    {"ssh:tcp::proxy-v2", NULL, NULL, TAUPE_HTTP, 0},
	    {"web", NULL, NULL, TAUPE_HTTP, 0},
	    {"web:http", NULL, NULL, TAUPE_HTTP, 0},
	    {"web:http:8080", NULL, NULL, TAUPE_HTTP, 0},
	    {"web:http::8080", NULL, NULL, TAUPE_HTTP, 0},
	    {"web:http:127.0.0.1", NULL, NULL, TAUPE_HTTP, 0},
	    {"web:http:127.0.0.1:", NULL, NULL, TAUPE_HTTP, 0},
	    {"web:http:127.0.0.1:0", NULL, NULL, TAUPE_HTTP, 0},
	    {"web:http:127.0.0.1:65536", NULL, NULL, TAUPE_HTTP, 0},
	    {"web:http:127.0.0.1:80x", NULL, NULL, TAUPE_HTTP, 0},
	    {"web:http:fd00::5:22", NULL, NULL, TAUPE_HTTP, 0},
	    {"web:http:[fd00::5:22", NULL, NULL, TAUPE_HTTP, 0},
	    {"web:http:ca mera:80", NULL, NULL, TAUPE_HTTP, 0},
	    {"web:gopher:127.0.0.1:70", NULL, NULL, TAUPE_HTTP, 0},
	    {"Web:http:127.0.0.1:80", NULL, NULL, TAUPE_HTTP, 0},
	    {"w--b:http:127.0.0.1:80", NULL, NULL, TAUPE_HTTP, 0},
	    {":http:127.0.0.1:80", NULL, NULL, TAUPE_HTTP, 0},
	    {"", NULL, NULL, TAUPE_HTTP, 0},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		enum taupe_service_kind kind;
		struct target target;
		bool right = target_parse(str_of(rows[i].text), &target, &kind);

		ck_assert_msg(
		    right == (rows[i].name != NULL), "%s", rows[i].text);
		if (!right)
			continue;
		ck_assert_str_eq(target.name, rows[i].name);
		ck_assert_str_eq(target.host, rows[i].host);
		ck_assert_uint_eq(target.port, rows[i].port);
		ck_assert(!target.introduces);
		ck_assert_int_eq(kind, rows[i].kind);
	}
}
END_TEST

START_TEST(service_that_wants_a_proxy_header)
{
	enum taupe_service_kind kind;
	struct target target;

	ck_assert(target_parse(
	    STR("ssh:tcp:[fd00::5]:22:proxy-v2"), &target, &kind));
	ck_assert(target.introduces);
	ck_assert_str_eq(target.host, "fd00::5");
	ck_assert_uint_eq(target.port, 22);
	ck_assert(target_parse(
	    STR("own:tls:localhost:443:proxy-v2"), &target, &kind));
	ck_assert(target.introduces);
}
END_TEST

/* Load a file with this text; the exit code. */
static int
load(const char *text, struct settings **settings)
{
	char program[] = "taupe-agent", option[] = "--config", path[512];
	char *argv[] = {program, option, path, NULL};

	snprintf(path, sizeof(path), "%s", test_path("agent.ini"));
	test_file(path, text, 0600);
	return settings_load(3, argv, settings);
}

#define KEY "probes.u7oYJ2xq-3bVd_0aKf5sT8wZrE1nPgQhL6mCiXjD4yM"
#define MINIMUM                                                                \
	"[agent]\nname = alice\nrelay = ws://127.0.0.1:8000\nservice = "       \
	"web:http:127.0.0.1:80\n"

START_TEST(minimum_is_enough_and_has_the_documented_defaults)
{
	struct settings *settings;
	struct taupe_config config = {.name = NULL};

	ck_assert_int_eq(load(MINIMUM, &settings), EX_OK);
	settings_apply(settings, &config);
	ck_assert_str_eq(config.name, "alice");
	ck_assert_str_eq(settings->secret, "");
	ck_assert_ptr_null(config.enrolment_key);
	ck_assert(!settings_want_enrolment(settings));
	ck_assert_uint_eq(config.n_services, 1);
	ck_assert_str_eq(config.services[0].name, "web");
	ck_assert_uint_eq(config.n_relays, 1);
	ck_assert_str_eq(config.relays[0], "ws://127.0.0.1:8000");
	ck_assert_uint_eq(config.n_domains, 0);
	ck_assert_uint_eq(config.reconnect_min_ms, 1000);
	ck_assert_uint_eq(config.reconnect_max_ms, 60000);
	ck_assert_uint_eq(config.reconnect_reset_ms, 30000);
	ck_assert_uint_eq(config.handshake_timeout_ms, 10000);
	ck_assert_uint_eq(config.warm_channels, 1);
	ck_assert_uint_eq(config.mux_visits, 256);
	ck_assert_uint_eq(config.mux_window, 0);
	/* nobody needs TLS: the system's authorities were not read */
	ck_assert_ptr_null(settings->tls);
	settings_free(&settings);
	ck_assert_ptr_null(settings);
}
END_TEST

START_TEST(metered_link_has_no_warm_channels)
{
	struct taupe_config config = {.warm_channels = 9};
	struct settings *settings;

	ck_assert_int_eq(
	    load(MINIMUM "metered = yes\nwarm_channels = 3\n", &settings),
	    EX_OK);
	settings_apply(settings, &config);
	ck_assert_uint_eq(config.warm_channels, 0);
	settings_free(&settings);
}
END_TEST

START_TEST(data_budget_makes_the_link_metered)
{
	struct taupe_config config = {.warm_channels = 9};
	struct settings *settings;

	ck_assert_int_eq(
	    load(MINIMUM "data_budget = 5MB/month\nheartbeat_min = 20s\n"
			 "heartbeat_max = 20s\n",
		&settings),
	    EX_OK);
	settings_apply(settings, &config);
	ck_assert_uint_eq(config.warm_channels, 0);
	ck_assert_uint_eq(settings->data_budget, 5000000);
	ck_assert(settings_is_thrifty(settings));
	settings_free(&settings);
}
END_TEST

START_TEST(budgets_and_intervals_that_make_no_sense_are_refused)
{
	static const char *const texts[] = {"data_budget = 5MB",
	    "data_budget = 5/month", "data_budget = MB/month",
	    "data_budget = 5MB/day", "data_budget = 5mb/month",
	    "data_budget = 1.5MB/month", "data_budget = -5MB/month",
	    "data_budget = 199kB/month", "data_budget = 0MB/month",
	    "data_budget = 1001GB/month", "data_budget = 5MB/month/month",
	    "heartbeat_min = 2m\nheartbeat_max = 1m", "heartbeat_max = 25h",
	    "heartbeat_min = -1s"};
	char text[400];

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct settings *settings;

		snprintf(text, sizeof(text), MINIMUM "%s\n", texts[i]);
		ck_assert_msg(
		    load(text, &settings) == EX_CONFIG, "%s", texts[i]);
		ck_assert_ptr_null(settings);
	}
}
END_TEST

START_TEST(shared_channels_are_as_large_as_the_owner_says_or_none)
{
	static const struct {
		const char *text;
		uint32_t visits;
	} rows[] = {
	    {MINIMUM "shared_visits = 65535\n", 65535},
	    {MINIMUM "mux = no\nshared_visits = 7\n", 0},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct taupe_config config = {.mux_visits = 9};
		struct settings *settings;

		ck_assert_int_eq(load(rows[i].text, &settings), EX_OK);
		settings_apply(settings, &config);
		ck_assert_uint_eq(config.mux_visits, rows[i].visits);
		settings_free(&settings);
	}
}
END_TEST

START_TEST(secret_is_the_first_line_of_its_file)
{
	struct settings *settings;
	char text[1024];

	test_file(
	    test_path("secret"), "q3vJ0mB7yZkR1sT5uXnEwA\r\nmore\n", 0600);
	snprintf(text, sizeof(text), MINIMUM "secret_file = %s\n",
	    test_path("secret"));
	ck_assert_int_eq(load(text, &settings), EX_OK);
	ck_assert_str_eq(settings->secret, "q3vJ0mB7yZkR1sT5uXnEwA");
	settings_free(&settings);
}
END_TEST

START_TEST(what_cannot_be_used_is_refused_with_an_exit_code)
{
	static const struct {
		const char *text;
		int code;
	} rows[] = {
	    {"[agent]\nrelay = ws://r\nservice = web:http:h:1\n", EX_CONFIG},
	    {"[agent]\nname = alice\nservice = web:http:h:1\n", EX_CONFIG},
	    {"[agent]\nname = alice\nrelay = ws://r\n", EX_CONFIG},
	    {MINIMUM "service = web:tcp:127.0.0.1:22\n", EX_CONFIG},
	    {MINIMUM "service = two:http:127.0.0.1:80:proxy-v2\n", EX_CONFIG},
	    {MINIMUM "secret = a\nsecret_file = /nowhere\n", EX_CONFIG},
	    {MINIMUM "secret = no blanks\n", EX_CONFIG},
	    {MINIMUM "secret_file = /nowhere/at/all\n", EX_NOINPUT},
	    {MINIMUM "enrolment_key = probes\n", EX_CONFIG},
	    {MINIMUM "secret = a\nenrolment_key = " KEY "\n", EX_CONFIG},
	    {MINIMUM "secret_file = a\nenrolment_key_file = b\n", EX_CONFIG},
	    {MINIMUM "enrolment_key_file = a\nenrolment_key = " KEY "\n",
		EX_CONFIG},
	    {MINIMUM "ca_file = /nowhere/at/all\n", EX_NOINPUT},
	    {MINIMUM "relay = https://r1.example.com\n", EX_CONFIG},
	    {MINIMUM "relay = ws://r1.example.com/path\n", EX_CONFIG},
	    {MINIMUM "domain = .example.com\n", EX_CONFIG},
	    {MINIMUM "max_transfers = 0\n", EX_CONFIG},
	    {MINIMUM "warm_channels = 65\n", EX_CONFIG},
	    {MINIMUM "shared_visits = 0\n", EX_CONFIG},
	    {MINIMUM "shared_visits = 65536\n", EX_CONFIG},
	    {MINIMUM "one_connection = yes\nmux = no\n", EX_CONFIG},
	    {MINIMUM "one_connection = perhaps\n", EX_CONFIG},
	    {MINIMUM "dns = resolver.example.com\n", EX_CONFIG},
	    {MINIMUM "dns = 192.0.2.1,\n", EX_CONFIG},
	    {MINIMUM "dns = 192.0.2.1:0\n", EX_CONFIG},
	    {MINIMUM "dns = 192.0.2.1, 192.0.2.2, 192.0.2.3\n"
		     "dns = 192.0.2.4, 192.0.2.5\n",
		EX_CONFIG},
	    {MINIMUM "unknown = 1\n", EX_CONFIG},
	};
	struct settings *settings;

	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_msg(load(rows[i].text, &settings) == rows[i].code,
		    "%s", rows[i].text);
		ck_assert_ptr_null(settings);
	}
}
END_TEST

START_TEST(name_servers_come_from_one_line_or_from_more)
{
	struct settings *settings;
	char text[ADDRESS_TEXT_MAX];

	ck_assert_int_eq(
	    load(MINIMUM "dns = 9.9.9.9, [2620:fe::fe]:53\ndns = ::1\n",
		&settings),
	    EX_OK);
	ck_assert_uint_eq(settings->dns.n, 3);
	ck_assert_str_eq(
	    address_text(&settings->dns.list[1], text), "[2620:fe::fe]:53");
	settings_free(&settings);
	ck_assert_int_eq(load(MINIMUM "dns =\n", &settings), EX_OK);
	ck_assert_uint_eq(settings->dns.n, 0);
	settings_free(&settings);
}
END_TEST

START_TEST(empty_or_strange_secret_file_is_refused)
{
	static const char *const contents[] = {
	    "", "\n", "two words\n", "\xc3\xa9\n"};
	struct settings *settings;
	char text[1024];

	for (size_t i = 0; i < COUNT(contents); i++) {
		test_file(test_path("secret"), contents[i], 0600);
		snprintf(text, sizeof(text), MINIMUM "secret_file = %s\n",
		    test_path("secret"));
		ck_assert_int_eq(load(text, &settings), EX_CONFIG);
	}
}
END_TEST

START_TEST(enrolment_key_comes_from_the_file_or_from_its_file)
{
	struct taupe_config config = {.name = NULL};
	struct settings *settings;
	char text[1024];

	ck_assert_int_eq(
	    load(MINIMUM "enrolment_key = " KEY "\n", &settings), EX_OK);
	settings_apply(settings, &config);
	ck_assert_str_eq(config.enrolment_key, KEY);
	ck_assert(settings_want_enrolment(settings));
	settings_free(&settings);
	test_file(test_path("key"), KEY "\n", 0600);
	snprintf(text, sizeof(text), MINIMUM "enrolment_key_file = %s\n",
	    test_path("key"));
	ck_assert_int_eq(load(text, &settings), EX_OK);
	ck_assert_str_eq(settings->enrolment_key, KEY);
	settings_free(&settings);
	test_file(test_path("key"), "probes\n", 0600);
	ck_assert_int_eq(load(text, &settings), EX_CONFIG);
}
END_TEST

/* Whether that is an error depends on whether the device has a secret of its own. */
START_TEST(enrolment_key_file_that_is_not_there_is_no_key)
{
	struct taupe_config config = {.enrolment_key = "stale"};
	struct settings *settings;

	ck_assert_int_eq(
	    load(MINIMUM "enrolment_key_file = /nowhere/at/all\n", &settings),
	    EX_OK);
	settings_apply(settings, &config);
	ck_assert_ptr_null(config.enrolment_key);
	ck_assert(settings_want_enrolment(settings));
	settings_free(&settings);
}
END_TEST

START_TEST(name_may_be_left_out_for_an_enrolment)
{
	struct settings *settings;

	if (access("/etc/machine-id", R_OK) != 0)
		return;
	ck_assert_int_eq(load("[agent]\nrelay = ws://r\nservice = "
			      "web:http:h:1\nenrolment_key = " KEY "\n",
			     &settings),
	    EX_OK);
	ck_assert_uint_eq(strlen(settings->name), 14);
	ck_assert_int_eq(strncmp(settings->name, "d-", 2), 0);
	settings_free(&settings);
}
END_TEST

START_TEST(help_is_answered_and_ends_the_program)
{
	char program[] = "taupe-agent", option[] = "--help";
	char *argv[] = {program, option, NULL};
	struct settings *settings;

	ck_assert_int_eq(settings_load(2, argv, &settings), -1);
	ck_assert_ptr_null(settings);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    services_and_their_targets, service_that_wants_a_proxy_header,
	    minimum_is_enough_and_has_the_documented_defaults,
	    metered_link_has_no_warm_channels,
	    data_budget_makes_the_link_metered,
	    budgets_and_intervals_that_make_no_sense_are_refused,
	    shared_channels_are_as_large_as_the_owner_says_or_none,
	    secret_is_the_first_line_of_its_file,
	    what_cannot_be_used_is_refused_with_an_exit_code,
	    name_servers_come_from_one_line_or_from_more,
	    empty_or_strange_secret_file_is_refused,
	    enrolment_key_comes_from_the_file_or_from_its_file,
	    enrolment_key_file_that_is_not_there_is_no_key,
	    name_may_be_left_out_for_an_enrolment,
	    help_is_answered_and_ends_the_program,
	};

	return run_suite("settings", tests, COUNT(tests));
}
