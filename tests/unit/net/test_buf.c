/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "net/buf.h"

#define FRAME 12 /* a header of 4 and a payload of 8 */
#define HEADER 4

static void
teardown(void)
{
	buf_pool_drain();
}

/* What is to be written, in one piece. */
static size_t
flatten(const struct buf *buf, uint8_t *out)
{
	size_t len = 0;

	for (size_t i = buf->first_span; i < buf->n_spans; i++) {
		memcpy(out + len, buf->space + buf->span[i].offset,
		    buf->span[i].length);
		len += buf->span[i].length;
	}
	return len;
}

START_TEST(comes_in_two_sizes_with_headroom)
{
	static const struct {
		size_t room;
		uint32_t capacity;
	} cases[] = {
	    {0, BUF_SMALL},
	    {1, BUF_SMALL},
	    {BUF_SMALL, BUF_SMALL},
	    {BUF_SMALL + 1, BUF_LARGE},
	    {BUF_LARGE, BUF_LARGE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf *buf = buf_get(cases[i].room);

		ck_assert_ptr_nonnull(buf);
		ck_assert_uint_eq(buf->capacity, cases[i].capacity);
		ck_assert_ptr_eq(buf_data(buf), buf->space + BUF_HEADROOM);
		ck_assert_uint_eq(buf_pending(buf), 0);
		memset(buf->space, 0x5a, BUF_HEADROOM + buf->capacity);
		buf_put(&buf);
		ck_assert_ptr_null(buf);
		buf_put(&buf);
	}
}
END_TEST

START_TEST(what_was_given_back_last_is_handed_out_first)
{
	struct buf *a = buf_get(1), *b = buf_get(1),
		   *large = buf_get(BUF_LARGE);
	struct buf *first = a, *last = b, *big = large;

	buf_add_span(b, 0, 5);
	buf_put(&a);
	buf_put(&b);
	buf_put(&large);
	b = buf_get(1);
	ck_assert_ptr_eq(b, last);
	ck_assert_uint_eq(buf_pending(b), 0);
	a = buf_get(1);
	ck_assert_ptr_eq(a, first);
	large = buf_get(BUF_SMALL + 1);
	ck_assert_ptr_eq(large, big);
	buf_put(&a);
	buf_put(&b);
	buf_put(&large);
}
END_TEST

/* The pool is a cache: what exceeds it must go back, which the leak checker sees if not. */
START_TEST(a_burst_does_not_stay)
{
	enum { BURST = 300 };
	struct buf *bufs[BURST];

	for (int i = 0; i < BURST; i++)
		ck_assert_ptr_nonnull(bufs[i] = buf_get(BUF_LARGE));
	for (int i = 0; i < BURST; i++)
		buf_put(&bufs[i]);
	buf_pool_drain();
	for (int i = 0; i < BURST; i++)
		ck_assert_ptr_nonnull(bufs[i] = buf_get(BUF_LARGE));
	for (int i = 0; i < BURST; i++)
		buf_put(&bufs[i]);
}
END_TEST

START_TEST(adjoining_spans_become_one)
{
	struct buf *buf = buf_get(100);

	buf_add_span(buf, BUF_HEADROOM, 10);
	buf_add_span(buf, BUF_HEADROOM + 10, 20);
	ck_assert_uint_eq(buf->n_spans, 1);
	buf_add_span(buf, BUF_HEADROOM + 31, 5);
	ck_assert_uint_eq(buf->n_spans, 2);
	ck_assert_uint_eq(buf_pending(buf), 35);
	buf_put(&buf);
}
END_TEST

START_TEST(nothing_adds_nothing)
{
	struct buf *buf = buf_get(100);

	buf_add_span(buf, BUF_HEADROOM, 0);
	ck_assert_uint_eq(buf->n_spans, 0);
	buf_add_span(buf, BUF_HEADROOM + 20, 1);
	buf_add_span(buf, BUF_HEADROOM + BUF_SMALL, 0);
	ck_assert_uint_eq(buf->n_spans, 1);
	buf_put(&buf);
}
END_TEST

START_TEST(the_whole_room_is_usable)
{
	struct buf *buf = buf_get(BUF_LARGE);

	buf_add_span(buf, 0, BUF_HEADROOM + BUF_LARGE);
	ck_assert_uint_eq(buf_pending(buf), BUF_HEADROOM + BUF_LARGE);
	buf_put(&buf);
}
END_TEST

/* Payload between headers, as a read full of small frames gives it: byte by byte the same
 * whether it fits into the list of spans or not. */
START_TEST(more_frames_than_spans_keep_every_byte)
{
	for (size_t n = 1; n <= BUF_SMALL / FRAME; n++) {
		struct buf *buf = buf_get(BUF_SMALL);
		uint8_t expected[BUF_SMALL], flat[BUF_SMALL];
		size_t len = 0;

		for (size_t i = 0; i < n * FRAME; i++)
			buf_data(buf)[i] = (uint8_t)(i * 7 + i / 256);
		for (size_t i = 0; i < n; i++) {
			size_t at = i * FRAME + HEADER;

			memcpy(
			    expected + len, buf_data(buf) + at, FRAME - HEADER);
			len += FRAME - HEADER;
			buf_add_span(
			    buf, (uint32_t)(BUF_HEADROOM + at), FRAME - HEADER);
		}
		ck_assert_uint_le(buf->n_spans, BUF_SPANS);
		ck_assert_uint_eq(buf_pending(buf), len);
		ck_assert_uint_eq(flatten(buf, flat), len);
		ck_assert_mem_eq(flat, expected, len);
		buf_put(&buf);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("buf");
	TCase *tests = tcase_create("buf");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_test(tests, comes_in_two_sizes_with_headroom);
	tcase_add_test(tests, what_was_given_back_last_is_handed_out_first);
	tcase_add_test(tests, a_burst_does_not_stay);
	tcase_add_test(tests, adjoining_spans_become_one);
	tcase_add_test(tests, nothing_adds_nothing);
	tcase_add_test(tests, the_whole_room_is_usable);
	tcase_add_test(tests, more_frames_than_spans_keep_every_byte);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
