/* SPDX-License-Identifier: MIT */
/* Further names: what may be one, that its text comes back, and that copies of a record share them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/device_lines.h"

#define TOKEN "00112233445566778899aabbccddeeff"
#define HASH "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

START_TEST(a_name_of_two_labels_that_is_no_address)
{
	static const struct {
		const char *host;
		bool valid;
	} rows[] = {
	    {"shop.example", true},
	    {"a.b", true},
	    {"xn--bcher-kva.example", true},
	    {"1.example", true},
	    {"1.2.3.4a", true},
	    {"", false},
	    {"shop", false},
	    {"1.2.3.4", false},
	    {"shop.1", false},
	    {"Shop.example", false},
	    {"shop.example.", false},
	    {".example", false},
	    {"shop..example", false},
	    {"*.example", false},
	    {"my_shop.example", false},
	    {"-a.example", false},
	    {"a-.example", false},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_msg(
		    device_host_valid(str_of(rows[i].host)) == rows[i].valid,
		    "%s", rows[i].host);
}
END_TEST

static const struct {
	const char *text;
	bool valid;
} texts[] = {
    {"service=web&proof=pending&token=" TOKEN "&created_ms=5", true},
    {"service=web&proof=pending&token=" TOKEN "&by=An%20Operator&created_ms=5",
	true},
    {"service=web&proof=txt&token=" TOKEN "&created_ms=5&proved_ms=6", true},
    {"service=web&proof=word&token=" TOKEN "&created_ms=5&proved_ms=5", true},
    {"service=web&proof=alias&created_ms=5&proved_ms=5", true},
    {"service=web&proof=pending&token=" TOKEN "&created_ms=5&later=1", true},
    {"", false},
    {"proof=alias&created_ms=5&proved_ms=5", false},
    {"service=web&created_ms=5&proved_ms=5", false},
    {"service=Web&proof=alias&created_ms=5&proved_ms=5", false},
    {"service=web&proof=perhaps&created_ms=5&proved_ms=5", false},
    {"service=web&proof=alias&token=" TOKEN "&proved_ms=5", false},
    {"service=web&proof=pending&created_ms=5", false},
    {"service=web&proof=pending&token=short&created_ms=5", false},
    {"service=web&proof=pending&token=" TOKEN "&proved_ms=5", false},
    {"service=web&proof=txt&token=" TOKEN "&created_ms=5", false},
    {"service=web&proof=alias&created_ms=x&proved_ms=5", false},
    {"service=web&proof=alias&created_ms=5&proved_ms=5&by=%01", false},
    {"service=web&proof", false},
};

START_TEST(a_text_is_taken_whole_or_not_at_all)
{
	struct device_host host = {.host = "shop.example"}, again = host;
	char room[HOST_TEXT_MAX];
	struct writer w;

	ck_assert_msg(device_host_parse(&host, str_of(texts[_i].text)) ==
		texts[_i].valid,
	    "%s", texts[_i].text);
	ck_assert_str_eq(host.host, "shop.example");
	if (!texts[_i].valid) {
		ck_assert_str_eq(host.service, "");
		return;
	}
	writer_init(&w, room, sizeof(room));
	device_host_write(&w, &host);
	ck_assert(device_host_parse(
	    &again, (struct str){room, writer_len(&w)}));
	ck_assert_mem_eq(&again, &host, sizeof(host));
}
END_TEST

START_TEST(the_longest_text_has_room)
{
	struct device_host host = {.proof = HOST_TXT,
	    .created_ms = INT64_MAX,
	    .proved_ms = INT64_MAX};
	char room[HOST_TEXT_MAX];
	struct writer w;

	memset(host.service, 'a', SERVICE_NAME_MAX);
	memset(host.by, '&', HOST_BY_MAX);
	memset(host.token, 'f', HOST_TOKEN_LEN);
	writer_init(&w, room, sizeof(room));
	device_host_write(&w, &host);
	ck_assert(!w.full);
	ck_assert(
	    device_host_parse(&host, (struct str){room, writer_len(&w)}));
}
END_TEST

START_TEST(only_an_alias_takes_its_label)
{
	struct device_host host = {.host = "alarm.example.com"};

	ck_assert_ptr_null(device_host_label(&host).ptr);
	host.proof = HOST_ALIAS;
	ck_assert(str_is(device_host_label(&host), "alarm"));
}
END_TEST

static void
put(struct device_hosts **hosts, unsigned number, int wanted)
{
	struct device_host host = {.service = "web"};

	snprintf(host.host, sizeof(host.host), "n%u.example", number);
	ck_assert_int_eq(device_hosts_put(hosts, &host), wanted);
}

START_TEST(a_device_has_so_many_and_no_more)
{
	struct device_hosts *hosts = NULL, *kept;

	for (unsigned i = 0; i < HOSTS_MAX; i++)
		put(&hosts, i, 0);
	put(&hosts, HOSTS_MAX, -1);
	put(&hosts, 7, 0); /* it is there already */
	kept = device_hosts_keep(hosts);
	ck_assert_int_eq(device_hosts_remove(&hosts, STR("n7.example")), 0);
	ck_assert_ptr_null(device_hosts_find(hosts, STR("n7.example")));
	ck_assert_ptr_nonnull(device_hosts_find(kept, STR("n7.example")));
	ck_assert(!device_hosts_equal(hosts, kept));
	put(&hosts, 7, 0);
	ck_assert(device_hosts_equal(hosts, kept));
	device_hosts_drop(&kept);
	for (unsigned i = 0; i < HOSTS_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u.example", i);
		ck_assert_int_eq(device_hosts_remove(&hosts, str_of(name)), 0);
	}
	ck_assert_ptr_null(hosts);
	ck_assert(device_hosts_equal(NULL, NULL));
}
END_TEST

START_TEST(a_record_has_them_and_copies_share_them)
{
	struct device_record record = {0}, copy = {0};

	ck_assert(device_record_knows(STR("host/shop.example")));
	ck_assert(device_record_set(
	    &record, STR("host/shop.example"), str_of(texts[0].text)));
	ck_assert(!device_record_set(
	    &record, STR("host/shop.example"), str_of(texts[0].text)));
	ck_assert(!device_record_set(
	    &record, STR("host/Shop.example"), str_of(texts[0].text)));
	ck_assert(!device_record_set(
	    &record, STR("host/1.2.3.4"), str_of(texts[0].text)));
	device_record_copy(&copy, &record);
	ck_assert_ptr_eq(copy.hosts, record.hosts);
	device_record_drop(&record);
	ck_assert_ptr_null(record.hosts);
	ck_assert_str_eq(copy.hosts->items[0].host, "shop.example");
	device_record_drop(&copy);
}
END_TEST

#define DEVICE(name) "name=" name "&secret_sha256=" HASH
#define ALIAS(host) "&host/" host "=service%3Dweb%26proof%3Dalias%26proved_ms%3D1"
#define OTHER(host)                                                            \
	"&host/" host "=service%3Dweb%26proof%3Dpending%26token%3D" TOKEN

START_TEST(no_two_lines_have_the_same)
{
	static const struct {
		const char *text, *error; /* NULL: they may be together */
		unsigned line;
	} rows[] = {
	    {DEVICE("a") OTHER("x.test") ALIAS("abc.example") "\n" DEVICE(
		 "b") OTHER("y.test") "&label=abd\n",
		NULL, 0},
	    {DEVICE("a") OTHER("x.test") "\n" DEVICE("b") OTHER("x.test"),
		"the host x.test stands in line 1 already (device a)", 2},
	    {DEVICE("a") ALIAS("abc.example") "\n" DEVICE("b") "&label=abc",
		"the label abc stands in line 1 already (device a)", 2},
	    {DEVICE("a") ALIAS("abc.example") "\n" DEVICE("b") ALIAS(
		 "abc.example.com"),
		"the label abc stands in line 1 already (device a)", 2},
	    /* a domain takes no label */
	    {DEVICE("a") OTHER("abc.test") "\n" DEVICE("b") "&label=abc", NULL,
		0},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct device_file_error error = {0};
		struct device_lines lines;
		int result =
		    device_lines_parse(&lines, str_of(rows[i].text), &error);

		if (rows[i].error != NULL) {
			ck_assert_int_eq(result, -1);
			ck_assert_str_eq(error.text, rows[i].error);
			ck_assert_uint_eq(error.line, rows[i].line);
			continue;
		}
		ck_assert_msg(result == 0, "%s", error.text);
		device_lines_fini(&lines);
	}
}
END_TEST

/* All that a record may hold fits into a line. */
START_TEST(the_longest_line_has_room)
{
	static char room[DEVICE_LINE_MAX];
	struct device_record record = {0};
	struct device_lines lines;
	struct device_file_error error;
	struct writer w;

	strcpy(record.name, "a");
	for (unsigned i = 0; i < HOSTS_MAX; i++) {
		struct device_host host = {.proof = HOST_TXT,
		    .created_ms = INT64_MAX,
		    .proved_ms = INT64_MAX};

		memset(host.host, 'a', HOST_NAME_MAX);
		for (int k = 50; k < HOST_NAME_MAX - 10; k += 50)
			host.host[k] = '.';
		host.host[0] = (char)('a' + i % 26);
		host.host[1] = (char)('a' + i / 26);
		memset(host.service, 'a', SERVICE_NAME_MAX);
		memset(host.by, '%', HOST_BY_MAX);
		memset(host.token, 'f', HOST_TOKEN_LEN);
		ck_assert(device_host_valid(str_of(host.host)));
		ck_assert_int_eq(device_hosts_put(&record.hosts, &host), 0);
	}
	writer_init(&w, room, sizeof(room));
	device_line_write(&w, &record, STR(""));
	ck_assert(!w.full);
	/* the rules and shares of before had 48 KB */
	ck_assert_uint_lt(writer_len(&w), DEVICE_LINE_MAX - 49152);
	ck_assert_int_eq(device_lines_parse(&lines,
			     (struct str){room, writer_len(&w)}, &error),
	    0);
	ck_assert(device_hosts_equal(lines.items[0].record.hosts, record.hosts));
	device_lines_fini(&lines);
	device_record_drop(&record);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("device_hosts");
	TCase *tcase = tcase_create("device_hosts");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_name_of_two_labels_that_is_no_address);
	tcase_add_loop_test(tcase, a_text_is_taken_whole_or_not_at_all, 0,
	    (int)COUNT(texts));
	tcase_add_test(tcase, the_longest_text_has_room);
	tcase_add_test(tcase, only_an_alias_takes_its_label);
	tcase_add_test(tcase, a_device_has_so_many_and_no_more);
	tcase_add_test(tcase, a_record_has_them_and_copies_share_them);
	tcase_add_test(tcase, no_two_lines_have_the_same);
	tcase_add_test(tcase, the_longest_line_has_room);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
