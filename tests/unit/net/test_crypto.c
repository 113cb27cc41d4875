/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "net/crypto.h"

static void
to_hex(const uint8_t digest[SHA256_LEN], char hex[2 * SHA256_LEN + 1])
{
	for (size_t i = 0; i < SHA256_LEN; i++) {
		hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
	}
	hex[2 * SHA256_LEN] = '\0';
}

/* FIPS 180-4 */
START_TEST(sha256_of_known_texts)
{
	uint8_t digest[SHA256_LEN];
	char hex[2 * SHA256_LEN + 1];

	crypto_sha256("abc", 3, digest);
	to_hex(digest, hex);
	ck_assert_str_eq(hex,
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	crypto_sha256(NULL, 0, digest);
	to_hex(digest, hex);
	ck_assert_str_eq(hex,
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
END_TEST

/* RFC 4231 sections 4.2, 4.3 and 4.7 */
START_TEST(hmac_of_known_texts)
{
	uint8_t mac[SHA256_LEN], key[131];
	char hex[2 * SHA256_LEN + 1];

	memset(key, 0x0b, 20);
	crypto_hmac_sha256(key, 20, "Hi There", 8, mac);
	to_hex(mac, hex);
	ck_assert_str_eq(hex,
	    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	crypto_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, mac);
	to_hex(mac, hex);
	ck_assert_str_eq(hex,
	    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, 131);
	crypto_hmac_sha256(key, 131,
	    "Test Using Larger Than Block-Size Key - Hash Key First", 54, mac);
	to_hex(mac, hex);
	ck_assert_str_eq(hex,
	    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	crypto_hmac_sha256(NULL, 0, NULL, 0, mac);
	to_hex(mac, hex);
	ck_assert_str_eq(hex,
	    "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}
END_TEST

START_TEST(equal_looks_at_every_byte)
{
	uint8_t a[32] = {0}, b[32] = {0};

	ck_assert(crypto_equal(a, b, 32));
	ck_assert(crypto_equal(NULL, NULL, 0));
	for (size_t i = 0; i < 32; i++) {
		b[i] = 0x80;
		ck_assert(!crypto_equal(a, b, 32));
		b[i] = 0;
	}
}
END_TEST

START_TEST(wipe_overwrites)
{
	char secret[] = "secret";

	crypto_wipe(secret, sizeof(secret));
	for (size_t i = 0; i < sizeof(secret); i++)
		ck_assert_int_eq(secret[i], 0);
	crypto_wipe(NULL, 0);
}
END_TEST

START_TEST(random_fills_all_and_repeats_nothing)
{
	uint8_t a[64], b[64];
	bool seen[64] = {false};

	for (int round = 0; round < 64; round++) {
		memset(a, 0, sizeof(a));
		crypto_random(a, sizeof(a));
		crypto_random(b, sizeof(b));
		ck_assert(memcmp(a, b, sizeof(a)) != 0);
		for (size_t i = 0; i < sizeof(a); i++)
			seen[i] |= a[i] != 0;
	}
	for (size_t i = 0; i < sizeof(a); i++)
		ck_assert(seen[i]);
	crypto_random(NULL, 0);
}
END_TEST

START_TEST(below_stays_below_and_reaches_all)
{
	unsigned counts[10] = {0};

	for (int i = 0; i < 100000; i++) {
		uint32_t drawn = crypto_below(10);

		ck_assert_uint_lt(drawn, 10);
		counts[drawn]++;
	}
	for (size_t i = 0; i < 10; i++) {
		ck_assert_uint_gt(counts[i], 9000);
		ck_assert_uint_lt(counts[i], 11000);
	}
	ck_assert_uint_eq(crypto_below(1), 0);
}
END_TEST

START_TEST(labels_are_crockford_base32)
{
	char label[33];
	bool seen[256] = {false};
	size_t n = 0;

	for (int i = 0; i < 200; i++) {
		memset(label, '?', sizeof(label));
		crypto_base32_label(label, 32);
		ck_assert_uint_eq(strlen(label), 32);
		ck_assert_uint_eq(
		    strspn(label, "0123456789abcdefghjkmnpqrstvwxyz"), 32);
		for (size_t k = 0; k < 32; k++)
			seen[(uint8_t)label[k]] = true;
	}
	for (size_t c = 0; c < 256; c++)
		n += seen[c];
	ck_assert_uint_eq(n, 32);
	crypto_base32_label(label, 0);
	ck_assert_str_eq(label, "");
}
END_TEST

static const struct {
	const char *data;
	size_t len;
	const char *text;
} base64url[] = {
    /* RFC 4648 section 10 */
    {"", 0, ""},
    {"f", 1, "Zg"},
    {"fo", 2, "Zm8"},
    {"foo", 3, "Zm9v"},
    {"foob", 4, "Zm9vYg"},
    {"fooba", 5, "Zm9vYmE"},
    {"foobar", 6, "Zm9vYmFy"},
    {"\xfb\xff\xbf", 3, "-_-_"},
    {"\0\0", 2, "AAA"},
};

START_TEST(base64url_there_and_back)
{
	char text[16];
	uint8_t data[16];
	size_t len = strlen(base64url[_i].text);

	ck_assert_uint_eq(crypto_base64url_encode(base64url[_i].data,
			      base64url[_i].len, text, sizeof(text)),
	    len);
	ck_assert_str_eq(text, base64url[_i].text);
	ck_assert_int_eq(crypto_base64url_decode(text, len, data, sizeof(data)),
	    (long)base64url[_i].len);
	ck_assert_mem_eq(data, base64url[_i].data, base64url[_i].len);
	/* Exactly enough room, and a byte less. */
	ck_assert_uint_eq(crypto_base64url_encode(base64url[_i].data,
			      base64url[_i].len, text, len + 1),
	    len);
	ck_assert_uint_eq(crypto_base64url_encode(
			      base64url[_i].data, base64url[_i].len, text, len),
	    0);
	ck_assert_int_eq(crypto_base64url_decode(
			     base64url[_i].text, len, data, base64url[_i].len),
	    (long)base64url[_i].len);
	if (len > 0)
		ck_assert_int_eq(crypto_base64url_decode(base64url[_i].text,
				     len, data, base64url[_i].len - 1),
		    -1);
}
END_TEST

START_TEST(base64url_refuses_what_is_malformed)
{
	static const char *const bad[] = {"A", "AAAAA", "Zg==", "Zm9v=", "Zm+v",
	    "Zm/v", "Z g", "Zm9v\n", "Zh", "Zm9_A", "Zm-", "\xc3\xa4zz"};
	uint8_t data[16];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(crypto_base64url_decode(bad[i], strlen(bad[i]),
				  data, sizeof(data)) == -1,
		    "%s", bad[i]);
	ck_assert_int_eq(
	    crypto_base64url_decode("AA\0A", 4, data, sizeof(data)), -1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("crypto");
	TCase *tests = tcase_create("crypto");
	int n = (int)(sizeof(base64url) / sizeof(base64url[0])), failed;
	SRunner *runner;

	tcase_add_test(tests, sha256_of_known_texts);
	tcase_add_test(tests, hmac_of_known_texts);
	tcase_add_test(tests, equal_looks_at_every_byte);
	tcase_add_test(tests, wipe_overwrites);
	tcase_add_test(tests, random_fills_all_and_repeats_nothing);
	tcase_add_test(tests, below_stays_below_and_reaches_all);
	tcase_add_test(tests, labels_are_crockford_base32);
	tcase_add_loop_test(tests, base64url_there_and_back, 0, n);
	tcase_add_test(tests, base64url_refuses_what_is_malformed);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
