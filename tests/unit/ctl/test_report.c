/* SPDX-License-Identifier: MIT */
/* What people read: numbers in words, and texts of Redis as JSON. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/store_redis.h"
#include "ctl/report.h"
#include "net/loop.h"

static const struct {
	uint64_t ms;
	const char *text;
} durations[] = {
    {0, "0s"},
    {999, "0s"},
    {59999, "59s"},
    {60000, "1m 0s"},
    {3599999, "59m 59s"},
    {3600000, "1h 0m"},
    {86399999, "23h 59m"},
    {86400000, "1d 0h"},
    {UINT64_C(1000) * 86400000 + 3600000, "1000d 1h"},
};

START_TEST(durations_in_words)
{
	char text[REPORT_TEXT_MAX];

	ck_assert_str_eq(
	    report_duration(durations[_i].ms, text), durations[_i].text);
}
END_TEST

static const struct {
	uint64_t bytes;
	const char *text;
} sizes[] = {
    {0, "0 B"},
    {1023, "1023 B"},
    {1024, "1.0 KiB"},
    {1536, "1.5 KiB"},
    {1048576, "1.0 MiB"},
    {UINT64_MAX, "16384.0 PiB"},
};

START_TEST(sizes_in_words)
{
	char text[REPORT_TEXT_MAX];

	ck_assert_str_eq(report_bytes(sizes[_i].bytes, text), sizes[_i].text);
}
END_TEST

START_TEST(ages_count_from_now)
{
	char text[REPORT_TEXT_MAX];

	ck_assert_str_eq(report_age(0, text), "-");
	ck_assert_str_eq(
	    report_age(loop_wall_ms() + 60000, text), "0s"); /* clocks differ */
	ck_assert_str_eq(report_age(loop_wall_ms() - 61500, text), "1m 1s");
}
END_TEST

static const struct {
	const char *stored, *shown;
} ports[] = {
    {"", ""},
    {"ssh:20022", "ssh:20022"},
    {"ssh:20022,db:20023", "ssh:20022,db:20023"},
    {",,ssh:20022,,", "ssh:20022"},
    {"ssh,x:y,:1,db:0,z:70000,ok:1", "ok:1"},
};

START_TEST(ports_from_redis_to_people)
{
	json_t *json = redis_ports_json(ports[_i].stored);
	char text[200];

	ck_assert_str_eq(
	    report_ports(json, text, sizeof(text)), ports[_i].shown);
	json_decref(json);
}
END_TEST

START_TEST(too_many_ports_are_cut_at_a_piece)
{
	json_t *json = redis_ports_json("aaaa:1111,bbbb:2222");
	char text[12];

	report_ports(json, text, sizeof(text));
	ck_assert_int_eq(strncmp(text, "aaaa:1111", 9), 0);
	ck_assert_uint_lt(strlen(text), sizeof(text));
	ck_assert_str_eq(report_ports(NULL, text, sizeof(text)), "");
	json_decref(json);
}
END_TEST

START_TEST(fields_of_the_wrong_type_are_nothing)
{
	json_t *json = json_pack("{s:s, s:i, s:b, s:i}", "text", "x", "number",
	    7, "yes", 1, "negative", -7);

	ck_assert_str_eq(report_str(json, "text"), "x");
	ck_assert_ptr_null(report_str(json, "number"));
	ck_assert_ptr_null(report_str(NULL, "text"));
	ck_assert_uint_eq(report_u64(json, "number"), 7);
	ck_assert_uint_eq(report_u64(json, "negative"), 0);
	ck_assert_uint_eq(report_u64(json, "text"), 0);
	ck_assert_int_eq(report_bool(json, "yes"), 1);
	ck_assert_int_eq(report_bool(json, "number"), 0);
	json_decref(json);
}
END_TEST

static const struct {
	const char *text, *key, *value; /* key NULL: it is no form at all */
} forms[] = {
    {"epoch=5&relay=r1", "relay", "r1"},
    {"from=203.0.113.7:1", "from", "203.0.113.7:1"},
    {"relay=a%20b", "relay", "a b"},
    {"relay=r1&%zz", "relay", "r1"}, /* what stands before the fault */
    {"%zz", "relay", NULL},
    {"", "relay", NULL},
};

START_TEST(forms_become_objects)
{
	json_t *json = redis_form_json(str_of(forms[_i].text));
	const char *value =
	    json_string_value(json_object_get(json, forms[_i].key));

	ck_assert(json_is_object(json));
	if (forms[_i].value != NULL)
		ck_assert_str_eq(value, forms[_i].value);
	else
		ck_assert_ptr_null(value);
	json_decref(json);
}
END_TEST

START_TEST(an_absent_or_over_long_form_is_null)
{
	char text[3000];
	json_t *json = redis_form_json((struct str){NULL, 0});

	ck_assert(json_is_null(json));
	memset(text, 'a', sizeof(text));
	json = redis_form_json((struct str){text, sizeof(text)});
	ck_assert(json_is_null(json));
}
END_TEST

static redisReply *
string_reply(const char *text, size_t len)
{
	redisReply *reply = calloc(1, sizeof(*reply));

	ck_assert_ptr_nonnull(reply);
	reply->type = REDIS_REPLY_STRING;
	reply->str = malloc(len + 1);
	ck_assert_ptr_nonnull(reply->str);
	memcpy(reply->str, text, len);
	reply->str[len] = '\0';
	reply->len = len;
	return reply;
}

static redisReply *
array_reply(const char *const *texts, size_t n)
{
	redisReply *reply = calloc(1, sizeof(*reply));

	ck_assert_ptr_nonnull(reply);
	reply->type = REDIS_REPLY_ARRAY;
	reply->elements = n;
	reply->element = calloc(n, sizeof(*reply->element));
	ck_assert_ptr_nonnull(reply->element);
	for (size_t i = 0; i < n; i++)
		reply->element[i] = string_reply(texts[i], strlen(texts[i]));
	return reply;
}

START_TEST(names_are_sorted_and_what_is_none_is_left_out)
{
	static const char *const texts[] = {
	    "bob", "/../", "alice", "bob", "a b", "", "carol"};
	redisReply *reply =
	    array_reply(texts, sizeof(texts) / sizeof(texts[0]));
	json_t *names = redis_names(reply);

	ck_assert_uint_eq(json_array_size(names), 3);
	ck_assert_str_eq(json_string_value(json_array_get(names, 0)), "alice");
	ck_assert_str_eq(json_string_value(json_array_get(names, 1)), "bob");
	ck_assert_str_eq(json_string_value(json_array_get(names, 2)), "carol");
	json_decref(names);
	names = redis_names(string_reply("x", 1));
	ck_assert_uint_eq(json_array_size(names), 0);
	json_decref(names);
}
END_TEST

START_TEST(a_hash_with_bytes_that_are_no_text_loses_only_these)
{
	static const char *const texts[] = {
	    "good", "1", "\xff", "2", "bad", "\xfe", "odd"};
	redisReply *reply =
	    array_reply(texts, sizeof(texts) / sizeof(texts[0]));
	json_t *hash = redis_hash_json(reply);

	ck_assert_uint_eq(json_object_size(hash), 1);
	ck_assert_uint_eq(redis_number(hash, "good"), 1);
	ck_assert_uint_eq(redis_number(hash, "bad"), 0);
	json_decref(hash);
	freeReplyObject(reply);
	reply = string_reply("x", 1);
	ck_assert(json_is_null(redis_hash_json(reply)));
	freeReplyObject(reply);
}
END_TEST

/* What print() has written to standard output. */
static void
capture(struct table *table, char *out, size_t cap)
{
	FILE *file = tmpfile();
	int saved = dup(STDOUT_FILENO);
	size_t len;

	ck_assert_ptr_nonnull(file);
	fflush(stdout);
	ck_assert_int_ge(dup2(fileno(file), STDOUT_FILENO), 0);
	ck_assert_int_eq(table_print(table), 0);
	fflush(stdout);
	ck_assert_int_ge(dup2(saved, STDOUT_FILENO), 0);
	close(saved);
	rewind(file);
	len = fread(out, 1, cap - 1, file);
	out[len] = '\0';
	fclose(file);
}

START_TEST(columns_are_as_wide_as_their_widest_cell)
{
	static const char *const headings[] = {"A", "LONG", "LAST", NULL};
	struct table table;
	char text[500];

	table_init(&table, headings);
	table_add(&table, "wider");
	table_add(&table, NULL);
	table_add(&table, "x");
	table_addf(&table, "%d", 7);
	table_add(&table, "");
	table_add(&table, "y");
	capture(&table, text, sizeof(text));
	ck_assert_str_eq(text,
	    "A      LONG  LAST\n"
	    "wider  -     x\n"
	    "7      -     y\n");
}
END_TEST

#define ADD_TABLE(tcase, test, table)                                          \
	tcase_add_loop_test(tcase, test, 0, sizeof(table) / sizeof((table)[0]))

int
main(void)
{
	Suite *suite = suite_create("report");
	TCase *tests = tcase_create("report");
	SRunner *runner;
	int failed;

	ADD_TABLE(tests, durations_in_words, durations);
	ADD_TABLE(tests, sizes_in_words, sizes);
	tcase_add_test(tests, ages_count_from_now);
	ADD_TABLE(tests, ports_from_redis_to_people, ports);
	tcase_add_test(tests, too_many_ports_are_cut_at_a_piece);
	tcase_add_test(tests, fields_of_the_wrong_type_are_nothing);
	ADD_TABLE(tests, forms_become_objects, forms);
	tcase_add_test(tests, an_absent_or_over_long_form_is_null);
	tcase_add_test(tests, names_are_sorted_and_what_is_none_is_left_out);
	tcase_add_test(
	    tests, a_hash_with_bytes_that_are_no_text_loses_only_these);
	tcase_add_test(tests, columns_are_as_wide_as_their_widest_cell);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
