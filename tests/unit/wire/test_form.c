/* SPDX-License-Identifier: MIT */
#include "support.h"

#include "wire/form.h"

START_TEST(decodes_pairs_in_order)
{
	static const struct {
		const char *text;
		const char *pairs[8];
	} cases[] = {
	    {"", {NULL}},
	    {"&", {NULL}},
	    {"&&&", {NULL}},
	    {"a=b", {"a", "b"}},
	    {"a", {"a", ""}},
	    {"a=", {"a", ""}},
	    {"a&b", {"a", "", "b", ""}},
	    {"&a=1&&b=2&", {"a", "1", "b", "2"}},
	    {"a=b=c==", {"a", "b=c=="}},
	    {"s=1&s=2&s=1", {"s", "1", "s", "2", "s", "1"}},
	    {"a=x+y%20z%2B", {"a", "x y z+"}},
	    {"%61%3D=%26%3d", {"a=", "&="}},
	    {"+=+", {" ", " "}},
	    {"a=%7e~%25", {"a", "~~%"}},
	    {"a=-._~:/,@[]$!*()';#?", {"a", "-._~:/,@[]$!*()';#?"}},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i].text), n = 0;
		struct form_reader r;
		struct form_pair pair;

		form_reader_init(&r, guard_copy(0, cases[i].text, len), len);
		for (; cases[i].pairs[n] != NULL; n += 2) {
			ck_assert_int_eq(form_next(&r, &pair), WIRE_DONE);
			ck_assert_msg(slice_is(pair.key, cases[i].pairs[n]),
			    "%s", cases[i].text);
			ck_assert_msg(
			    slice_is(pair.value, cases[i].pairs[n + 1]), "%s",
			    cases[i].text);
		}
		ck_assert_int_eq(form_next(&r, &pair), WIRE_MORE);
		ck_assert_int_eq(form_next(&r, &pair), WIRE_MORE);
	}
}
END_TEST

START_TEST(refuses_malformed_pairs)
{
	static const char *const cases[] = {"=", "=b", "a%", "a=%", "a=%4",
	    "a=%4&b=1", "a=%g1", "a=%4g", "a=%g4", "a=%1g", "a=%-1", "a=% 1",
	    "a=%00", "a=%1f", "a=%7f", "a=%80", "a=%ff", "%00=a", "a\n", "a=\t",
	    "a=\x7f", "a=\x80", "\xc3\xa4=1", "a=%C3%A4"};

	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i]);
		struct form_reader r;
		struct form_pair pair;

		form_reader_init(&r, guard_copy(0, cases[i], len), len);
		ck_assert_msg(form_next(&r, &pair) == WIRE_BAD, "%s", cases[i]);
	}
}
END_TEST

START_TEST(no_text_is_an_empty_list)
{
	struct form_reader r;
	struct form_pair pair;

	form_reader_init(&r, NULL, 0);
	ck_assert_int_eq(form_next(&r, &pair), WIRE_MORE);
}
END_TEST

START_TEST(escapes_what_must_be_and_no_more)
{
	char out[128];
	struct writer w;

	writer_init(&w, out, sizeof(out));
	form_put(&w, "a", STR("azAZ09-._~:/,@[]$!*()'"));
	form_put(&w, "b", STR(" +%&=#\"\\?;"));
	form_put(&w, "c", (struct str){NULL, 0});
	form_put_number(&w, "d", UINT64_MAX);
	form_put(&w, "e", STR("x"));
	form_put_more(&w, STR(":& "));
	ck_assert(!w.full);
	ck_assert(slice_is((struct str){out, writer_len(&w)},
	    "a=azAZ09-._~:/,@[]$!*()'&b=%20%2B%25%26%3D%23%22%5C%3F%3B&c="
	    "&d=18446744073709551615&e=x:%26%20"));
}
END_TEST

START_TEST(every_character_comes_back)
{
	char value[0x7f - 0x20], out[3 * sizeof(value) + 2];
	struct form_reader r;
	struct form_pair pair;
	struct writer w;

	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (char)(0x20 + i);
	writer_init(&w, out, sizeof(out));
	form_put(&w, "k", (struct str){value, sizeof(value)});
	ck_assert(!w.full);
	form_reader_init(&r, out, writer_len(&w));
	ck_assert_int_eq(form_next(&r, &pair), WIRE_DONE);
	ck_assert(str_equal(pair.value, (struct str){value, sizeof(value)}));
	ck_assert_int_eq(form_next(&r, &pair), WIRE_MORE);
}
END_TEST

START_TEST(every_too_small_room_is_full)
{
	static const char expected[] = "a=%20b&c=7";

	for (size_t cap = 0; cap <= sizeof(expected) - 1; cap++) {
		char *out = guard_copy(0, "..........", cap);
		struct writer w;

		writer_init(&w, out, cap);
		form_put(&w, "a", STR(" b"));
		form_put_number(&w, "c", 7);
		ck_assert_uint_eq(w.full, cap < sizeof(expected) - 1);
		ck_assert_mem_eq(out, expected, writer_len(&w));
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    decodes_pairs_in_order,
	    refuses_malformed_pairs,
	    no_text_is_an_empty_list,
	    escapes_what_must_be_and_no_more,
	    every_character_comes_back,
	    every_too_small_room_is_full,
	};

	return run_suite("form", tests, COUNT(tests));
}
