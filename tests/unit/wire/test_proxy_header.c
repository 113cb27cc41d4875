/* SPDX-License-Identifier: MIT */
#include "support.h"

#include "wire/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define IPV4 "\xc0\x00\x02\x01\xcb\x00\x71\x05\x30\x39\x01\xbb"
#define IPV6                                                                   \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"                          \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x30\x39\x01\xbb"
#define BYTES(literal) literal, sizeof(literal) - 1

static const struct {
	const char *in;
	size_t len;
	enum proxy_family family;
	bool tls;
} headers[] = {
    {BYTES(SIGNATURE "\x21\x11\x00\x0c" IPV4), PROXY_IPV4, false},
    {BYTES(SIGNATURE "\x21\x21\x00\x24" IPV6), PROXY_IPV6, false},
    {BYTES(SIGNATURE "\x20\x00\x00\x00"), PROXY_NONE, false},
    {BYTES(SIGNATURE "\x20\x11\x00\x0c" IPV4), PROXY_NONE, false},
    {BYTES(SIGNATURE "\x21\x00\x00\x03xyz"), PROXY_NONE, false},
    {BYTES(SIGNATURE "\x21\x31\x00\x02xy"), PROXY_NONE, false}, /* unix */
    {BYTES(SIGNATURE "\x21\x12\x00\x0c" IPV4), PROXY_NONE, false}, /* UDP */
    {BYTES(SIGNATURE "\x21\x11\x00\x10" IPV4 "\x04\x00\x01x"), PROXY_IPV4, false},
    {BYTES(SIGNATURE "\x21\x11\x00\x14" IPV4 "\x20\x00\x05\x01\0\0\0\0"),
	PROXY_IPV4, true},
    {BYTES(SIGNATURE "\x21\x11\x00\x14" IPV4 "\x20\x00\x05\x00\0\0\0\0"),
	PROXY_IPV4, false},
};

static void
require_end(const struct proxy_end *end, const char *ip, size_t len, unsigned port)
{
	static const uint8_t zeros[16];

	ck_assert_mem_eq(end->ip, ip, len);
	ck_assert_mem_eq(end->ip + len, zeros, 16 - len);
	ck_assert_uint_eq(end->port, port);
}

START_TEST(takes_a_header)
{
	size_t i = (size_t)_i, consumed = 0;
	struct proxy_header header;
	char in[128];

	memcpy(in, headers[i].in, headers[i].len);
	memcpy(in + headers[i].len, "SSH-", 4);
	ck_assert_int_eq(proxy_header_parse((uint8_t *)guard_copy(0, in,
						headers[i].len + 4),
			     headers[i].len + 4, &header, &consumed),
	    WIRE_DONE);
	ck_assert_uint_eq(consumed, headers[i].len);
	ck_assert_int_eq(header.family, headers[i].family);
	ck_assert_int_eq(header.tls, headers[i].tls);
	if (header.family == PROXY_IPV4) {
		require_end(&header.from, "\xc0\x00\x02\x01", 4, 12345);
		require_end(&header.to, "\xcb\x00\x71\x05", 4, 443);
	} else if (header.family == PROXY_IPV6) {
		require_end(&header.from, IPV6, 16, 12345);
		require_end(&header.to, IPV6 + 16, 16, 443);
	} else {
		require_end(&header.from, "", 0, 0);
	}
}
END_TEST

START_TEST(wants_more_at_every_byte)
{
	size_t i = (size_t)_i, consumed = 0;
	struct proxy_header header;

	for (size_t len = 0; len < headers[i].len; len++)
		ck_assert_int_eq(proxy_header_parse((uint8_t *)guard_copy(0,
						headers[i].in, len),
				     len, &header, &consumed),
		    WIRE_MORE);
	ck_assert_uint_eq(consumed, 0);
}
END_TEST

static const struct {
	const char *in;
	size_t len;
} bad[] = {
    {BYTES("S")},
    {BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n")},
    {BYTES("\r\n\r\n\0\r\nQUIT\r")},
    {BYTES(SIGNATURE "\x11\x11\x00\x0c" IPV4)}, /* version 1 */
    {BYTES(SIGNATURE "\x22\x11\x00\x0c" IPV4)}, /* command 2 */
    {BYTES(SIGNATURE "\x21\x11\x00\x0b" IPV4)}, /* too short for addresses */
    {BYTES(SIGNATURE "\x21\x21\x00\x0c" IPV4)},
    {BYTES(SIGNATURE "\x21\x11\x00\x0d" IPV4 "x")}, /* extension cut */
    {BYTES(SIGNATURE "\x21\x11\x00\x10" IPV4 "\x04\x00\x02x")},
    {BYTES(SIGNATURE "\x21\x11\x07\xf1")}, /* 2049 bytes in all */
};

START_TEST(refuses_what_is_none)
{
	size_t i = (size_t)_i, consumed = 0;
	struct proxy_header header;

	ck_assert_int_eq(proxy_header_parse((uint8_t *)guard_copy(0, bad[i].in,
						bad[i].len),
			     bad[i].len, &header, &consumed),
	    WIRE_BAD);
	ck_assert_ptr_nonnull(header.error);
}
END_TEST

START_TEST(reads_what_it_writes)
{
	for (int family = PROXY_NONE; family <= PROXY_IPV6; family++) {
		struct proxy_header header = {.family = (enum proxy_family)family},
				    again;
		uint8_t out[PROXY_HEADER_WRITTEN_MAX];
		size_t len, consumed = 0;

		if (family != PROXY_NONE) {
			size_t ip_len = family == PROXY_IPV4 ? 4 : 16;

			memcpy(header.from.ip, IPV6, ip_len);
			memcpy(header.to.ip, IPV6 + 16, ip_len);
			header.from.port = 50000;
			header.to.port = 22;
		}
		len = proxy_header_write(&header, out);
		ck_assert_int_eq(
		    proxy_header_parse(out, len, &again, &consumed), WIRE_DONE);
		ck_assert_uint_eq(consumed, len);
		ck_assert_mem_eq(&again, &header, sizeof(header));
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("wire/proxy_header");
	TCase *tcase = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, takes_a_header, 0, (int)COUNT(headers));
	tcase_add_loop_test(
	    tcase, wants_more_at_every_byte, 0, (int)COUNT(headers));
	tcase_add_loop_test(tcase, refuses_what_is_none, 0, (int)COUNT(bad));
	tcase_add_test(tcase, reads_what_it_writes);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
