/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <stdlib.h>

#include "wire/cursor.h"
#include "wire/sha1.h"

static void
check_digest(const void *data, size_t len, const char *expected)
{
	uint8_t digest[SHA1_LEN];
	char hex[2 * SHA1_LEN];
	struct writer w;

	sha1_digest(data, len, digest);
	writer_init(&w, hex, sizeof(hex));
	writer_hex(&w, digest, sizeof(digest));
	ck_assert_msg(
	    slice_is((struct str){hex, sizeof(hex)}, expected), "%.40s", hex);
}

/* The examples that NIST publishes with FIPS 180-4. */
START_TEST(fips_examples)
{
	static const char *const cases[][2] = {
	    {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
	    {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
	    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		"84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
	    {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
	     "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
		"a49b2446a02c645bf419f995b67091253a04a259"},
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		check_digest(cases[i][0], strlen(cases[i][0]), cases[i][1]);
}
END_TEST

START_TEST(a_million_times_a)
{
	const size_t len = 1000000;
	char *data = malloc(len);

	ck_assert_ptr_nonnull(data);
	memset(data, 'a', len);
	check_digest(data, len, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
	free(data);
}
END_TEST

/* The digest of the digests of 0 to 200 times 'a', reckoned with another program: every
 * length of padding occurs in it. */
START_TEST(every_length_of_padding)
{
	uint8_t digests[201][SHA1_LEN];
	char data[200];

	memset(data, 'a', sizeof(data));
	for (size_t len = 0; len <= sizeof(data); len++)
		sha1_digest(guard_copy(0, data, len), len, digests[len]);
	check_digest(digests, sizeof(digests),
	    "f6f332e8f89c35ee3df74d34ef8fda777d9647b9");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    fips_examples,
	    a_million_times_a,
	    every_length_of_padding,
	};

	return run_suite("sha1", tests, COUNT(tests));
}
