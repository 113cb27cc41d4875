/* SPDX-License-Identifier: MIT */
#include "support.h"

START_TEST(equality_without_case_is_ascii_only)
{
	ck_assert(str_equal_nocase(STR("Upgrade"), STR("uPGRADE")));
	ck_assert(str_equal_nocase(STR("AZaz"), STR("azAZ")));
	ck_assert(str_equal_nocase(STR(""), (struct str){NULL, 0}));
	ck_assert(!str_equal_nocase(STR("abc"), STR("abcd")));
	/* these differ by the bit that tells cases apart */
	ck_assert(!str_equal_nocase(STR("["), STR("{")));
	ck_assert(!str_equal_nocase(STR("\xc4"), STR("\xe4")));
}
END_TEST

START_TEST(list_has_only_whole_members)
{
	static const struct {
		struct str list;
		bool has;
	} cases[] = {
	    {{"upgrade", 7}, true},
	    {{"keep-alive, Upgrade", 19}, true},
	    {{" \tupgrade\t ,x", 13}, true},
	    {{",,upgrade,", 10}, true},
	    {{"upgraded", 8}, false},
	    {{"up grade", 8}, false},
	    {{"keep-alive", 10}, false},
	    {{"", 0}, false},
	    {{NULL, 0}, false},
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		ck_assert_msg(
		    str_list_has(cases[i].list, STR("upgrade")) == cases[i].has,
		    "case %zu", i);
	ck_assert(!str_list_has(STR(",,"), STR("")));
}
END_TEST

/* At each place of what is looked at eight bytes at a time, and beside each other. */
START_TEST(a_line_has_no_control_character_anywhere)
{
	char text[24];

	for (size_t len = 0; len <= sizeof(text); len++) {
		for (size_t at = 0; at < len; at++) {
			for (int c = 0; c < 256; c++) {
				bool good = (c >= 0x20 && c != 0x7f) || c == '\t';

				memset(text, at % 2 == 0 ? ' ' : '\xff', len);
				text[at] = (char)c;
				if (str_is_line((struct str){text, len}) != good)
					ck_abort_msg("%zu: %d at %zu", len, c, at);
			}
		}
		memset(text, '~', len);
		ck_assert(str_is_line((struct str){text, len}));
	}
	ck_assert(str_is_line(STR("a\tb and more of it\t, and 0x80: \x80\x9f\x7e")));
}
END_TEST

START_TEST(split_at_the_first_separator)
{
	struct str head, tail;

	ck_assert(str_split(STR("a=b=c"), '=', &head, &tail));
	ck_assert(slice_is(head, "a"));
	ck_assert(slice_is(tail, "b=c"));
	ck_assert(str_split(STR("="), '=', &head, &tail));
	ck_assert(slice_is(head, ""));
	ck_assert(slice_is(tail, ""));
	ck_assert(!str_split(STR("abc"), '=', &head, &tail));
	ck_assert(slice_is(head, "abc"));
	ck_assert(slice_is(tail, NULL));
	ck_assert(!str_split((struct str){NULL, 0}, '=', &head, &tail));
	ck_assert(slice_is(head, NULL));
}
END_TEST

START_TEST(split_into_its_own_input)
{
	struct str rest = STR("a,b"), head;

	ck_assert(str_split(rest, ',', &head, &rest));
	ck_assert(slice_is(rest, "b"));
	ck_assert(!str_split(rest, ',', &rest, &head));
	ck_assert(slice_is(rest, "b"));
}
END_TEST

START_TEST(number_up_to_its_bound)
{
	static const struct {
		const char *text;
		uint64_t max;
		bool fine;
		uint64_t number;
	} cases[] = {
	    {"0", 0, true, 0},
	    {"007", 7, true, 7},
	    {"65535", 65535, true, 65535},
	    {"65536", 65535, false, 0},
	    {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
	    {"18446744073709551616", UINT64_MAX, false, 0},
	    {"28446744073709551615", UINT64_MAX, false, 0},
	    {"99999999999999999999", UINT64_MAX, false, 0},
	    {"000000000000000000001", UINT64_MAX, false, 0},
	    {"", 9, false, 0},
	    {"-1", 9, false, 0},
	    {"+1", 9, false, 0},
	    {" 1", 9, false, 0},
	    {"1 ", 9, false, 0},
	    {"0x1", 9, false, 0},
	    {"1/", 99, false, 0},
	    {"1:", 99, false, 0},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i].text);
		struct str text = {guard_copy(0, cases[i].text, len), len};
		uint64_t number = 0;

		ck_assert_msg(
		    str_to_number(text, cases[i].max, &number) == cases[i].fine,
		    "%s", cases[i].text);
		ck_assert_uint_eq(number, cases[i].number);
	}
}
END_TEST

START_TEST(copy_is_whole_or_empty)
{
	char out[4] = "xyz";

	ck_assert(str_copy(STR("abc"), out, sizeof(out)));
	ck_assert_str_eq(out, "abc");
	ck_assert(!str_copy(STR("abcd"), out, sizeof(out)));
	ck_assert_str_eq(out, "");
	ck_assert(str_copy((struct str){NULL, 0}, out, 1));
	ck_assert_str_eq(out, "");
	out[0] = 'x';
	ck_assert(!str_copy(STR(""), out, 0));
	ck_assert_int_eq(out[0], 'x');
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    equality_without_case_is_ascii_only,
	    list_has_only_whole_members,
	    a_line_has_no_control_character_anywhere,
	    split_at_the_first_separator,
	    split_into_its_own_input,
	    number_up_to_its_bound,
	    copy_is_whole_or_empty,
	};

	return run_suite("str", tests, COUNT(tests));
}
