/* SPDX-License-Identifier: MIT */
#include "support.h"
#include "wire/mux_frame.h"

/* Hand a message over in pieces of `step` bytes; returns the payload's length, and what the
 * last piece said in *result. */
static size_t
take_in_pieces(const uint8_t *message, size_t len, size_t step, uint8_t *out,
    enum mux_result *result, struct mux_reader *r)
{
	uint8_t copy[64], *payload;
	size_t at = 0, out_len = 0, payload_len;

	memcpy(copy, message, len);
	do {
		size_t piece = len - at < step ? len - at : step;

		*result = mux_reader_take(r, at == 0, at + piece == len,
		    copy + at, piece, &payload, &payload_len);
		if (*result == MUX_DATA) {
			memcpy(out + out_len, payload, payload_len);
			out_len += payload_len;
		}
		at += piece;
	} while (at < len);
	return out_len;
}

START_TEST(payload_is_found_at_every_cut)
{
	static const uint8_t message[] = "\x01\x02\xfe\xff"
					 "payload";
	uint8_t out[64];
	enum mux_result result;
	struct mux_reader r = {0};

	for (size_t step = 1; step < sizeof(message); step++) {
		size_t len = take_in_pieces(
		    message, sizeof(message) - 1, step, out, &result, &r);

		ck_assert_uint_eq(len, 7);
		ck_assert_mem_eq(out, "payload", 7);
		ck_assert_uint_eq(r.visit, 0x0102feff);
		ck_assert_int_eq(result, MUX_DATA);
	}
}
END_TEST

START_TEST(a_prefix_alone_is_the_end)
{
	uint8_t out[64];
	enum mux_result result;
	struct mux_reader r = {0};

	for (size_t step = 1; step <= 4; step++) {
		ck_assert_uint_eq(take_in_pieces((const uint8_t *)"\0\0\0\7", 4,
				      step, out, &result, &r),
		    0);
		ck_assert_int_eq(result, MUX_END);
		ck_assert_uint_eq(r.visit, 7);
	}
}
END_TEST

START_TEST(an_empty_last_fragment_behind_payload_is_no_end)
{
	uint8_t data[] = "\0\0\0\7x", *payload;
	size_t len;
	struct mux_reader r = {0};

	ck_assert_int_eq(
	    mux_reader_take(&r, true, false, data, 5, &payload, &len),
	    MUX_DATA);
	ck_assert_int_eq(
	    mux_reader_take(&r, false, true, NULL, 0, &payload, &len),
	    MUX_MORE);
}
END_TEST

START_TEST(a_message_shorter_than_its_prefix_is_bad)
{
	uint8_t out[64];
	enum mux_result result;
	struct mux_reader r = {0};

	for (size_t len = 0; len < 4; len++) {
		take_in_pieces(
		    (const uint8_t *)"\0\0\0", len, 1, out, &result, &r);
		ck_assert_int_eq(result, MUX_BAD);
	}
}
END_TEST

START_TEST(the_prefix_reads_back)
{
	static const uint32_t visits[] = {1, 255, 256, 0x01020304, UINT32_MAX};
	uint8_t prefix[MUX_PREFIX_LEN], *payload;
	size_t len;
	struct mux_reader r = {0};

	for (size_t i = 0; i < sizeof(visits) / sizeof(visits[0]); i++) {
		mux_prefix_encode(visits[i], prefix);
		ck_assert_int_eq(mux_reader_take(&r, true, true, prefix,
				     sizeof(prefix), &payload, &len),
		    MUX_END);
		ck_assert_uint_eq(r.visit, visits[i]);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    payload_is_found_at_every_cut,
	    a_prefix_alone_is_the_end,
	    an_empty_last_fragment_behind_payload_is_no_end,
	    a_message_shorter_than_its_prefix_is_bad,
	    the_prefix_reads_back,
	};

	return run_suite("mux_frame", tests, COUNT(tests));
}
