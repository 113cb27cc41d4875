/* SPDX-License-Identifier: MIT */
#include "support.h"

#include "wire/cursor.h"

static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};

START_TEST(reads_big_endian_numbers)
{
	struct reader r;

	reader_init(&r, guard_copy(0, bytes, sizeof(bytes)), sizeof(bytes));
	ck_assert_uint_eq(reader_left(&r), 14);
	ck_assert_uint_eq(reader_u8(&r), 1);
	ck_assert_uint_eq(reader_u16(&r), 0x0203);
	ck_assert_uint_eq(reader_u24(&r), 0x040506);
	ck_assert_uint_eq(reader_u64(&r), UINT64_C(0x0708090a0b0c0d0e));
	ck_assert_uint_eq(reader_left(&r), 0);
	ck_assert(!r.bad);
}
END_TEST

START_TEST(read_past_the_end_sticks)
{
	struct reader r;

	reader_init(&r, guard_copy(0, bytes, 3), 3);
	ck_assert_uint_eq(reader_u64(&r), 0);
	ck_assert(r.bad);
	ck_assert_uint_eq(reader_u8(&r), 0);
	ck_assert_ptr_null(reader_bytes(&r, 0));
	ck_assert_uint_eq(reader_left(&r), 0);
}
END_TEST

START_TEST(huge_length_does_not_wrap)
{
	struct reader r;

	reader_init(&r, bytes, sizeof(bytes));
	ck_assert_ptr_null(reader_bytes(&r, SIZE_MAX));
	ck_assert(r.bad);
}
END_TEST

START_TEST(sub_reader_ends_where_its_length_says)
{
	struct reader r, sub;

	reader_init(&r, bytes, sizeof(bytes));
	sub = reader_sub(&r, 2);
	ck_assert_uint_eq(reader_u16(&sub), 0x0102);
	ck_assert_uint_eq(reader_u8(&sub), 0);
	ck_assert(sub.bad);
	ck_assert(!r.bad);
	ck_assert_uint_eq(reader_u8(&r), 3);
	sub = reader_sub(&r, 12);
	ck_assert(sub.bad);
	ck_assert(r.bad);
}
END_TEST

START_TEST(empty_reader_needs_no_memory)
{
	struct reader r;

	reader_init(&r, NULL, 0);
	ck_assert_uint_eq(reader_left(&r), 0);
	ck_assert_uint_eq(reader_u8(&r), 0);
	ck_assert(r.bad);
}
END_TEST

START_TEST(writes_text_numbers_and_hex)
{
	char out[64];
	struct writer w;

	writer_init(&w, out, sizeof(out));
	writer_cstr(&w, "a=");
	writer_u64(&w, 0);
	writer_char(&w, '&');
	writer_u64(&w, UINT64_MAX);
	writer_str(&w, (struct str){NULL, 0});
	writer_hex(&w, "\x00\x9f\xff", 3);
	ck_assert(!w.full);
	ck_assert(slice_is((struct str){out, writer_len(&w)},
	    "a=0&18446744073709551615009fff"));
}
END_TEST

START_TEST(write_without_room_changes_nothing_and_sticks)
{
	char *out = guard_copy(0, "....", 4);
	struct writer w;

	writer_init(&w, out, 4);
	writer_cstr(&w, "abc");
	writer_cstr(&w, "de");
	ck_assert(w.full);
	writer_char(&w, 'f');
	ck_assert_uint_eq(writer_len(&w), 3);
	ck_assert_mem_eq(out, "abc.", 4);
	writer_init(&w, out, 4);
	writer_hex(&w, "\1\2\3", 3);
	ck_assert(w.full);
	ck_assert_uint_eq(writer_len(&w), 0);
	writer_init(&w, NULL, 0);
	writer_cstr(&w, "");
	ck_assert(!w.full);
	writer_char(&w, 'x');
	ck_assert(w.full);
}
END_TEST

START_TEST(write_that_fills_the_room_is_not_full)
{
	char out[6];
	struct writer w;

	writer_init(&w, out, sizeof(out));
	writer_hex(&w, "\xab\xcd\xef", 3);
	ck_assert(!w.full);
	ck_assert_mem_eq(out, "abcdef", 6);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    reads_big_endian_numbers,
	    read_past_the_end_sticks,
	    huge_length_does_not_wrap,
	    sub_reader_ends_where_its_length_says,
	    empty_reader_needs_no_memory,
	    writes_text_numbers_and_hex,
	    write_without_room_changes_nothing_and_sticks,
	    write_that_fills_the_room_is_not_full,
	};

	return run_suite("cursor", tests, COUNT(tests));
}
