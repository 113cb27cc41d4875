/* SPDX-License-Identifier: MIT */
/* A device's record, key by key: what is taken and what is refused. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fleet_record.h"

#define HASH "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff"

static const struct {
	const char *key, *value;
	bool ok;
} pairs[] = {
    {"name", "alice", true},
    {"name", "Pump-7.west_2", true},
    {"name", "", false},
    {"name", "-alice", false},
    {"name", "a b", false},
    {"name", "0123456789012345678901234567890123456789012345678901234567890123",
	false},
    {"secret_sha256", HASH, true},
    {"secret_sha256", "", false},
    {"secret_sha256", "00", false},
    {"secret_sha256", HASH "0", false},
    {"secret_sha256",
	"g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	false},
    {"secret_sha256",
	"FF0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	false},
    {"label", "alice-cam", true},
    {"label", "", true},
    {"label", "al--ice", false},
    {"label", "Alice", false},
    {"label", "a.b", false},
    {"port", "ssh:20022", true},
    {"port", "ssh:0", false},
    {"port", "ssh:65536", false},
    {"port", "ssh:", false},
    {"port", ":20022", false},
    {"port", "ssh", false},
    {"port", "SSH:22", false},
    {"port", "ssh:22:23", false},
    {"port", "ssh:+22", false},
    {"ports", "", true},
    {"ports", "ssh:20022,db:20023", true},
    {"ports", "ssh:20022,,db:20023", false},
    {"ports", "ssh:20022,ssh:20023", false},
    {"max_visitors", "1", true},
    {"max_visitors", "1000000", true},
    {"max_visitors", "0", false},
    {"max_visitors", "1000001", false},
    {"max_visitors", "", true},
    {"visitor_rate", "0", true},
    {"visitor_rate", "-1", false},
    {"visitor_burst", "ten", false},
    {"device_rate", "1000000000000", true},
    {"device_rate", "1000000000001", false},
    {"device_rate", "64k", false},
    {"colour", "any\x01thing", true},
};

START_TEST(value_is_taken_or_refused)
{
	struct device_record record = {0};

	ck_assert_msg(device_record_set(&record, str_of(pairs[_i].key),
			  str_of(pairs[_i].value)) == pairs[_i].ok,
	    "%s=%s", pairs[_i].key, pairs[_i].value);
}
END_TEST

START_TEST(limit_is_set_changed_and_taken_away)
{
	struct device_record record = {0};
	struct limit_change changes[DEVICE_LIMITS] = {
	    [DEVICE_MAX_VISITORS] = {true, {true, 7}},
	    [DEVICE_VISITOR_RATE] = {true, {false, 0}},
	};

	ck_assert(device_record_set(&record, STR("visitor_rate"), STR("5")));
	ck_assert(device_record_set(&record, STR("device_rate"), STR("0")));
	ck_assert(record.limits[DEVICE_RATE].is_set);
	ck_assert_int_eq(record.limits[DEVICE_VISITOR_RATE].value, 5);
	ck_assert(!record.limits[DEVICE_MAX_VISITORS].is_set);
	device_limits_change(record.limits, changes);
	ck_assert(record.limits[DEVICE_RATE].is_set);
	ck_assert_int_eq(record.limits[DEVICE_RATE].value, 0);
	ck_assert(!record.limits[DEVICE_VISITOR_RATE].is_set);
	ck_assert_int_eq(record.limits[DEVICE_MAX_VISITORS].value, 7);
	ck_assert(device_record_set(&record, STR("max_visitors"), STR("")));
	ck_assert(!record.limits[DEVICE_MAX_VISITORS].is_set);
}
END_TEST

START_TEST(keys_fill_the_record)
{
	struct device_record record = {0};

	ck_assert(device_record_set(&record, STR("name"), STR("alice")));
	ck_assert(device_record_set(&record, STR("secret_sha256"), STR(HASH)));
	ck_assert(device_record_set(&record, STR("label"), STR("cam")));
	ck_assert(device_record_set(&record, STR("port"), STR("ssh:20022")));
	ck_assert(device_record_set(&record, STR("port"), STR("db:20023")));
	ck_assert_str_eq(record.name, "alice");
	ck_assert_uint_eq(record.secret_sha256[1], 1);
	ck_assert_uint_eq(record.secret_sha256[31], 0xff);
	ck_assert_str_eq(record.label, "cam");
	ck_assert_uint_eq(record.n_ports, 2);
	ck_assert_uint_eq(service_port_find(record.ports, 2, STR("db")), 20023);
	ck_assert_uint_eq(service_port_find(record.ports, 2, STR("web")), 0);
	ck_assert(!device_record_set(&record, STR("port"), STR("ssh:20024")));
	ck_assert_uint_eq(record.n_ports, 2);
}
END_TEST

START_TEST(no_more_ports_than_a_device_has_services)
{
	struct device_record record = {0};
	char text[32];

	for (unsigned i = 0; i <= SERVICES_MAX; i++) {
		snprintf(text, sizeof(text), "s%u:%u", i, 1000 + i);
		ck_assert(device_record_set(&record, STR("port"),
			      str_of(text)) == (i < SERVICES_MAX));
	}
	ck_assert_uint_eq(record.n_ports, SERVICES_MAX);
}
END_TEST

START_TEST(port_is_written_as_it_was_read)
{
	struct service_port port;
	char text[SERVICE_NAME_MAX + 8];
	struct writer w;

	ck_assert(service_port_parse(STR("my-service:65535"), &port));
	writer_init(&w, text, sizeof(text));
	service_port_write(&w, &port);
	ck_assert(!w.full);
	ck_assert(str_equal(
	    (struct str){text, writer_len(&w)}, STR("my-service:65535")));
}
END_TEST

static const struct {
	const char *pattern, *name;
	bool fits;
} patterns[] = {
    {"", "anything", true},
    {"*", "a", true},
    {"alice", "alice", true},
    {"alice", "alice2", false},
    {"alice", "alic", false},
    {"probe-*", "probe-", true},
    {"probe-*", "probe-17", true},
    {"probe-*", "Probe-17", false},
    {"p?", "p1", true},
    {"p?", "p", false},
    {"*-west", "pump-7-west", true},
    {"*-west", "pump-west-7", false},
    {"*a*b*", "xxayyb", true},
    {"*a*b*", "xxbyya", false},
    {"a*b*c", "abbbcbc", true},
    {"**", "a", true},
    {"*aaaaaaaaaaaaaaaaaaaaab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	false},
};

START_TEST(a_fleets_pattern_says_which_names_fit)
{
	ck_assert_int_eq(
	    fleet_pattern_fits(patterns[_i].pattern, patterns[_i].name),
	    patterns[_i].fits);
}
END_TEST

#define KEY "access/web"
#define KEY64 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

START_TEST(a_record_has_rules_and_shares_that_copies_share)
{
	struct device_record record = {0}, copy = {0};

	ck_assert(device_record_knows(STR("access/web")));
	ck_assert(device_record_knows(STR("share/0011223344556677")));
	ck_assert(device_record_set(
	    &record, STR(KEY), STR("mode=private&key=" KEY64)));
	ck_assert(device_record_set(&record, STR("share/0011223344556677"),
	    STR("service=web&created_ms=1&expires_ms=2")));
	device_record_copy(&copy, &record);
	ck_assert_ptr_eq(copy.access, record.access);
	device_record_drop(&record);
	ck_assert_int_eq(access_rule_of(copy.access, STR("web"))->mode,
	    ACCESS_PRIVATE);
	/* twice, no service, no id, no rule */
	ck_assert(!device_record_set(
	    &copy, STR(KEY), STR("mode=private&key=" KEY64)));
	ck_assert(!device_record_set(
	    &copy, STR("access/WEB"), STR("mode=private&key=" KEY64)));
	ck_assert(!device_record_set(&copy, STR("share/00112233445566"),
	    STR("service=web&created_ms=1&expires_ms=2")));
	ck_assert(!device_record_set(&copy, STR("access/ssh"), STR("")));
	device_record_drop(&copy);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("device_record");
	TCase *tcase = tcase_create("device_record");
	SRunner *runner;
	int failed;

	tcase_add_test(
	    tcase, a_record_has_rules_and_shares_that_copies_share);
	tcase_add_loop_test(tcase, a_fleets_pattern_says_which_names_fit, 0,
	    sizeof(patterns) / sizeof(patterns[0]));
	tcase_add_loop_test(tcase, value_is_taken_or_refused, 0,
	    sizeof(pairs) / sizeof(pairs[0]));
	tcase_add_test(tcase, limit_is_set_changed_and_taken_away);
	tcase_add_test(tcase, keys_fill_the_record);
	tcase_add_test(tcase, no_more_ports_than_a_device_has_services);
	tcase_add_test(tcase, port_is_written_as_it_was_read);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
