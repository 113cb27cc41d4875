/* SPDX-License-Identifier: MIT */
#include "support.h"

#include "wire/ws_frame.h"

struct example {
	const char *bytes;
	size_t len;
	struct ws_header header;
};

/* The headers of RFC 6455 section 5.7, and the borders of each form of length. */
static const struct example examples[] = {
    {"\x81\x05", 2, {5, WS_OP_TEXT, true, false, {0}}},
    {"\x81\x85\x37\xfa\x21\x3d", 6,
	{5, WS_OP_TEXT, true, true, {0x37, 0xfa, 0x21, 0x3d}}},
    {"\x01\x03", 2, {3, WS_OP_TEXT, false, false, {0}}},
    {"\x80\x02", 2, {2, WS_OP_CONTINUATION, true, false, {0}}},
    {"\x89\x05", 2, {5, WS_OP_PING, true, false, {0}}},
    {"\x8a\x85\x37\xfa\x21\x3d", 6,
	{5, WS_OP_PONG, true, true, {0x37, 0xfa, 0x21, 0x3d}}},
    {"\x82\x7e\x01\x00", 4, {256, WS_OP_BINARY, true, false, {0}}},
    {"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10,
	{65536, WS_OP_BINARY, true, false, {0}}},
    {"\x82\x00", 2, {0, WS_OP_BINARY, true, false, {0}}},
    {"\x88\x7d", 2, {125, WS_OP_CLOSE, true, false, {0}}},
    {"\x82\x7e\x00\x7e", 4, {126, WS_OP_BINARY, true, false, {0}}},
    {"\x82\x7e\xff\xff", 4, {65535, WS_OP_BINARY, true, false, {0}}},
    {"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10,
	{INT64_MAX, WS_OP_BINARY, true, false, {0}}},
    {"\x02\xff\x00\x00\x00\x01\x02\x03\x04\x05\x0a\x0b\x0c\x0d", 14,
	{0x102030405, WS_OP_BINARY, false, true, {10, 11, 12, 13}}},
};

static void
check_header(const struct ws_header *header, const struct ws_header *expected)
{
	ck_assert_uint_eq(header->length, expected->length);
	ck_assert_uint_eq(header->opcode, expected->opcode);
	ck_assert_uint_eq(header->fin, expected->fin);
	ck_assert_uint_eq(header->masked, expected->masked);
	if (expected->masked)
		ck_assert_mem_eq(
		    header->mask, expected->mask, sizeof(header->mask));
}

START_TEST(decodes_headers)
{
	for (size_t i = 0; i < COUNT(examples); i++) {
		const uint8_t *in =
		    (void *)guard_copy(0, examples[i].bytes, examples[i].len);
		struct ws_header header;
		size_t consumed = 99;

		ck_assert_int_eq(
		    ws_header_decode(in, examples[i].len, &header, &consumed),
		    WIRE_DONE);
		ck_assert_uint_eq(consumed, examples[i].len);
		check_header(&header, &examples[i].header);
	}
}
END_TEST

START_TEST(looks_at_no_payload)
{
	struct ws_header header;
	size_t consumed;

	ck_assert_int_eq(ws_header_decode((const uint8_t *)"\x81\x05Hello", 7,
			     &header, &consumed),
	    WIRE_DONE);
	ck_assert_uint_eq(consumed, 2);
}
END_TEST

START_TEST(header_cut_at_every_byte_wants_more)
{
	for (size_t i = 0; i < COUNT(examples); i++) {
		for (size_t len = 0; len < examples[i].len; len++) {
			const uint8_t *in =
			    (void *)guard_copy(0, examples[i].bytes, len);
			struct ws_header header;
			size_t consumed = 99;

			ck_assert_int_eq(
			    ws_header_decode(in, len, &header, &consumed),
			    WIRE_MORE);
			ck_assert_uint_eq(consumed, 99);
		}
	}
}
END_TEST

START_TEST(encodes_headers)
{
	for (size_t i = 0; i < COUNT(examples); i++) {
		uint8_t out[WS_HEADER_MAX];

		ck_assert_uint_eq(ws_header_encode(&examples[i].header, out),
		    examples[i].len);
		ck_assert_mem_eq(out, examples[i].bytes, examples[i].len);
	}
}
END_TEST

START_TEST(refuses_malformed_headers)
{
	static const struct {
		const char *why, *bytes;
		size_t len;
	} cases[] = {
	    {"RSV1", "\xc2\x00", 2},
	    {"RSV2", "\xa2\x00", 2},
	    {"RSV3", "\x92\x00", 2},
	    {"opcode 3", "\x83\x00", 2},
	    {"opcode 7", "\x87\x00", 2},
	    {"opcode 11", "\x8b\x00", 2},
	    {"opcode 15", "\x8f\x00", 2},
	    {"fragmented ping", "\x09\x00", 2},
	    {"fragmented close", "\x08\x00", 2},
	    {"ping of 126", "\x89\x7e\x00\x7e", 4},
	    {"ping of 65536", "\x89\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10},
	    {"125 in two bytes", "\x82\x7e\x00\x7d", 4},
	    {"0 in two bytes, masked", "\x82\xfe\x00\x00\x01\x02\x03\x04", 8},
	    {"65535 in eight bytes", "\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff",
		10},
	    {"2^63", "\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", 10},
	    {"2^64-1", "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		enum wire_result result = WIRE_MORE;

		/* once it is bad, it stays bad */
		for (size_t len = 0; len <= cases[i].len; len++) {
			const uint8_t *in =
			    (void *)guard_copy(0, cases[i].bytes, len);
			struct ws_header header;
			size_t consumed = 99;
			enum wire_result now =
			    ws_header_decode(in, len, &header, &consumed);

			ck_assert_msg(now != WIRE_DONE, "%s", cases[i].why);
			ck_assert_msg(now >= result, "%s", cases[i].why);
			ck_assert_uint_eq(consumed, 99);
			result = now;
		}
		ck_assert_msg(result == WIRE_BAD, "%s", cases[i].why);
	}
}
END_TEST

/* RFC 6455 section 5.7: "Hello" with the mask 37 fa 21 3d */
START_TEST(masks_the_rfc_example)
{
	static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
	uint8_t data[] = {'H', 'e', 'l', 'l', 'o'};

	ws_mask(data, sizeof(data), key, 0);
	ck_assert_mem_eq(data, "\x7f\x9f\x4d\x51\x58", 5);
	ws_mask(data, sizeof(data), key, 0);
	ck_assert_mem_eq(data, "Hello", 5);
}
END_TEST

START_TEST(mask_equals_a_byte_loop_at_every_alignment_phase_and_length)
{
	static const uint8_t key[4] = {0x11, 0x22, 0x44, 0x88};
	_Alignas(16) uint8_t area[16 + 300 + 16], expected[sizeof(area)];

	for (size_t offset = 0; offset < 16; offset++) {
		for (size_t phase = 0; phase < 8; phase++) {
			for (size_t len = 0; len <= 300; len++) {
				for (size_t i = 0; i < sizeof(area); i++)
					area[i] = expected[i] =
					    (uint8_t)(i * 7);
				for (size_t i = 0; i < len; i++)
					expected[offset + i] ^=
					    key[(phase + i) % 4];
				ws_mask(area + offset, len, key, phase);
				if (memcmp(area, expected, sizeof(area)) != 0)
					ck_abort_msg(
					    "offset %zu phase %zu len %zu",
					    offset, phase, len);
			}
		}
	}
}
END_TEST

START_TEST(mask_touches_nothing_behind_its_data)
{
	static const uint8_t key[4] = {1, 2, 3, 4};
	uint8_t zeros[200] = {0};

	for (size_t len = 0; len <= sizeof(zeros); len++) {
		uint8_t *data = (void *)guard_copy(0, zeros, len);

		ws_mask(data, len, key, SIZE_MAX); /* SIZE_MAX mod 4 is 3 */
		for (size_t i = 0; i < len; i++)
			ck_assert_uint_eq(data[i], key[(i + 3) % 4]);
	}
}
END_TEST

START_TEST(mask_in_pieces_equals_mask_in_one)
{
	static const uint8_t key[4] = {0xde, 0xad, 0xbe, 0xef};
	uint8_t whole[150], pieces[150];

	for (size_t cut = 0; cut <= sizeof(whole); cut++) {
		memset(whole, 0x5a, sizeof(whole));
		memset(pieces, 0x5a, sizeof(pieces));
		ws_mask(whole, sizeof(whole), key, 0);
		ws_mask(pieces, cut, key, 0);
		ws_mask(pieces + cut, sizeof(pieces) - cut, key, cut);
		ck_assert_mem_eq(pieces, whole, sizeof(whole));
	}
}
END_TEST

START_TEST(close_codes_that_may_be_sent)
{
	static const unsigned fine[] = {1000, 1001, 1002, 1003, 1007, 1008,
	    1009, 1010, 1011, 1013, 3000, 3999, 4000, 4999};
	static const unsigned wrong[] = {
	    0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535};

	for (size_t i = 0; i < COUNT(fine); i++)
		ck_assert_msg(ws_close_code_valid(fine[i]), "%u", fine[i]);
	for (size_t i = 0; i < COUNT(wrong); i++)
		ck_assert_msg(!ws_close_code_valid(wrong[i]), "%u", wrong[i]);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    decodes_headers,
	    looks_at_no_payload,
	    header_cut_at_every_byte_wants_more,
	    encodes_headers,
	    refuses_malformed_headers,
	    masks_the_rfc_example,
	    mask_equals_a_byte_loop_at_every_alignment_phase_and_length,
	    mask_touches_nothing_behind_its_data,
	    mask_in_pieces_equals_mask_in_one,
	    close_codes_that_may_be_sent,
	};

	return run_suite("ws_frame", tests, COUNT(tests));
}
