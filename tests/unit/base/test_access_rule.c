/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>

#include "base/access_rule.h"

#define KEY64 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define SALT32 "000102030405060708090a0b0c0d0e0f"

static const struct {
	const char *text, *again; /* again NULL: as text */
} good_rules[] = {
    {"mode=public", NULL},
    {"mode=private&key=" KEY64, NULL},
    {"mode=allow&net=192.0.2.0/24&net=2001:db8::/32&key=" KEY64, NULL},
    {"key=" KEY64 "&mode=allow&net=192.0.2.1",
	"mode=allow&net=192.0.2.1/32&key=" KEY64},
    {"mode=allow&net=2001:DB8:0:0::/32&key=" KEY64,
	"mode=allow&net=2001:db8::/32&key=" KEY64},
    {"mode=allow&net=0.0.0.0/0&net=::/0&key=" KEY64, NULL},
    {"mode=password&user=tech&salt=" SALT32 "&hash=" KEY64 "&key=" KEY64, NULL},
    {"mode=private&later=yes&key=" KEY64, "mode=private&key=" KEY64},
};

static const char *const bad_rules[] = {
    "",
    "mode=open",
    "mode=private",			 /* no key */
    "mode=public&key=" KEY64,		 /* a key of another mode */
    "mode=private&net=10.0.0.0/8&key=" KEY64,
    "mode=private&key=" KEY64 "&key=" KEY64,
    "mode=private&mode=public&key=" KEY64,
    "mode=private&key=00",
    "mode=allow&key=" KEY64,		 /* nobody */
    "mode=allow&net=10.0.0.1/8&key=" KEY64, /* host bits */
    "mode=allow&net=10.0.0.0/33&key=" KEY64,
    "mode=allow&net=10.0.0.0/08&key=" KEY64,
    "mode=allow&net=10.0.0.0/&key=" KEY64,
    "mode=allow&net=10.0.0/8&key=" KEY64,
    "mode=allow&net=::/129&key=" KEY64,
    "mode=allow&net=&key=" KEY64,
    "mode=password&user=a:b&salt=" SALT32 "&hash=" KEY64 "&key=" KEY64,
    "mode=password&user=&salt=" SALT32 "&hash=" KEY64 "&key=" KEY64,
    "mode=password&user=tech&hash=" KEY64 "&key=" KEY64,
    "mode=password&user=tech&salt=" SALT32 "&hash=" KEY64,
};

START_TEST(rules_are_read_and_written_the_same)
{
	struct access_rule rule = {.service = "web"}, same = {.service = "web"};
	const char *text = good_rules[_i].text,
		   *again = good_rules[_i].again;
	char room[ACCESS_TEXT_MAX];
	struct writer w;

	ck_assert(access_rule_parse(&rule, str_of(text)));
	ck_assert_str_eq(rule.service, "web");
	writer_init(&w, room, sizeof(room) - 1);
	access_rule_write(&w, &rule);
	*w.at = '\0';
	ck_assert_str_eq(room, again != NULL ? again : text);
	ck_assert(access_rule_parse(&same, str_of(room)));
	ck_assert_mem_eq(&same, &rule, sizeof(rule));
}
END_TEST

START_TEST(refuses_what_is_no_rule)
{
	struct access_rule rule = {.service = "web"};

	ck_assert_msg(!access_rule_parse(&rule, str_of(bad_rules[_i])),
	    "%s", bad_rules[_i]);
}
END_TEST

START_TEST(seventeen_networks_are_too_many)
{
	char text[ACCESS_TEXT_MAX] = "mode=allow&key=" KEY64;
	struct access_rule rule = {0};

	for (int i = 0; i < ACCESS_NETS_MAX; i++)
		strcat(text, "&net=10.0.0.0/8");
	ck_assert(access_rule_parse(&rule, str_of(text)));
	strcat(text, "&net=10.0.0.0/8");
	ck_assert(!access_rule_parse(&rule, str_of(text)));
}
END_TEST

START_TEST(the_longest_rule_and_share_have_room)
{
	struct access_rule rule = {.service = "web", .mode = ACCESS_ALLOW};
	struct access_share share = {.id = "0011223344556677"};
	char room[ACCESS_TEXT_MAX];
	struct writer w;

	for (int i = 0; i < ACCESS_NETS_MAX; i++) {
		rule.nets[i].ip_len = 16;
		rule.nets[i].bits = 128;
		memset(rule.nets[i].ip, 0xff, 16);
	}
	rule.n_nets = ACCESS_NETS_MAX;
	writer_init(&w, room, sizeof(room));
	access_rule_write(&w, &rule);
	ck_assert(!w.full);
	memset(share.service, 's', SERVICE_NAME_MAX);
	memset(share.by, '%', SHARE_NOTE_MAX);
	memset(share.note, '%', SHARE_NOTE_MAX);
	share.created_ms = share.expires_ms = INT64_MAX;
	share.revoked = true;
	writer_init(&w, room, sizeof(room));
	access_share_write(&w, &share);
	ck_assert(!w.full);
}
END_TEST

START_TEST(host_bits_are_told_what_was_meant)
{
	char error[ACCESS_ERROR_MAX];
	struct access_net net;

	ck_assert_int_eq(access_net_parse(STR("192.0.2.77/24"), &net, error), -1);
	ck_assert_ptr_nonnull(strstr(error, "192.0.2.0/24"));
	ck_assert_ptr_nonnull(strstr(error, "192.0.2.77/32"));
	ck_assert_int_eq(access_net_parse(STR("10.0.0.0/40"), &net, error), -1);
	ck_assert_ptr_nonnull(strstr(error, "0 to 32"));
	ck_assert_int_eq(access_net_parse(STR("office"), &net, error), -1);
	ck_assert_ptr_nonnull(strstr(error, "office"));
	ck_assert_int_eq(
	    access_net_parse(STR("::ffff:192.0.2.0/120"), &net, error), -1);
	ck_assert_ptr_nonnull(strstr(error, "like 192.0.2.0/24"));
}
END_TEST

START_TEST(a_network_has_its_addresses_and_no_others)
{
	static const struct {
		const char *net;
		uint8_t ip[4];
		bool has;
	} cases[] = {
	    {"192.0.2.0/24", {192, 0, 2, 255}, true},
	    {"192.0.2.0/24", {192, 0, 3, 0}, false},
	    {"192.0.2.128/25", {192, 0, 2, 127}, false},
	    {"192.0.2.128/25", {192, 0, 2, 128}, true},
	    {"10.64.0.0/10", {10, 127, 255, 255}, true},
	    {"10.64.0.0/10", {10, 128, 0, 0}, false},
	    {"0.0.0.0/0", {1, 2, 3, 4}, true},
	    {"::/0", {1, 2, 3, 4}, false},
	    {"2001::/16", {0x20, 1, 0, 0}, false},
	};
	char error[ACCESS_ERROR_MAX];
	struct access_net net;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(
		    access_net_parse(str_of(cases[i].net), &net, error), 0);
		ck_assert_msg(access_net_has(&net, cases[i].ip, 4) ==
			cases[i].has,
		    "%s, case %zu", cases[i].net, i);
	}
}
END_TEST

static struct access_share
share_of(const char *id, const char *service, uint64_t expires_ms)
{
	struct access_share share = {.expires_ms = expires_ms};

	strcpy(share.id, id);
	strcpy(share.service, service);
	return share;
}

START_TEST(a_change_leaves_other_keepers_as_they_were)
{
	struct access *access = NULL, *other;
	struct access_rule rule = {.service = "web", .mode = ACCESS_PRIVATE};
	struct access_share share = share_of("0011223344556677", "web", 500);

	ck_assert_int_eq(access_put_rule(&access, &rule), 0);
	ck_assert_int_eq(access_put_share(&access, &share), 0);
	other = access_keep(access);
	share.revoked = true;
	ck_assert_int_eq(access_put_share(&access, &share), 0);
	ck_assert(!access_equal(access, other));
	ck_assert(!access_share_of(other, str_of(share.id))->revoked);
	ck_assert(access_share_of(access, str_of(share.id))->revoked);
	access_drop(&other);

	ck_assert_int_eq(access_forget_expired(&access, 500), 0);
	ck_assert_ptr_null(access_share_of(access, str_of(share.id)));
	ck_assert_ptr_nonnull(access_rule_of(access, STR("web")));
	ck_assert_ptr_null(access_rule_of(access, STR("ssh")));
	ck_assert_int_eq(access_put_share(&access, &share), 0);
	rule.mode = ACCESS_PUBLIC;
	ck_assert_int_eq(access_put_rule(&access, &rule), 0);
	ck_assert_ptr_null(access); /* the share has gone with its service's rule */
	ck_assert(access_equal(access, NULL));
}
END_TEST

START_TEST(a_device_has_so_many_shares_and_no_more)
{
	struct access *access = NULL;
	struct access_share share = share_of("0000000000000000", "web", 500);

	for (int i = 0; i < SHARES_MAX; i++) {
		snprintf(share.id, sizeof(share.id), "%016x", (unsigned)i);
		ck_assert_int_eq(access_put_share(&access, &share), 0);
	}
	strcpy(share.id, "ffffffffffffffff");
	ck_assert_int_eq(access_put_share(&access, &share), -1);
	ck_assert_uint_eq(access->n_shares, SHARES_MAX);
	access_drop(&access);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("access_rule");
	TCase *tcase = tcase_create("access_rule");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, rules_are_read_and_written_the_same, 0,
	    sizeof(good_rules) / sizeof(good_rules[0]));
	tcase_add_loop_test(tcase, refuses_what_is_no_rule, 0,
	    sizeof(bad_rules) / sizeof(bad_rules[0]));
	tcase_add_test(tcase, seventeen_networks_are_too_many);
	tcase_add_test(tcase, the_longest_rule_and_share_have_room);
	tcase_add_test(tcase, host_bits_are_told_what_was_meant);
	tcase_add_test(tcase, a_network_has_its_addresses_and_no_others);
	tcase_add_test(tcase, a_change_leaves_other_keepers_as_they_were);
	tcase_add_test(tcase, a_device_has_so_many_shares_and_no_more);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
