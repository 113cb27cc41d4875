/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "base/sip_hash.h"

/* The key of the authors' test vectors: the bytes 0 to 15. */
static const uint64_t key[2] = {
    UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};

START_TEST(agrees_with_the_vector_of_its_authors)
{
	const uint64_t words[2] = {key[0], key[1]};

	/* vectors.h of the reference implementation, 16 bytes of input */
	ck_assert_uint_eq(sip_hash(key, words), UINT64_C(0x3f2acc7f57c29bdb));
}
END_TEST

START_TEST(another_key_gives_other_buckets)
{
	const uint64_t other[2] = {key[0] + 1, key[1]};
	unsigned same = 0;

	for (uint64_t i = 0; i < 4096; i++) {
		const uint64_t words[2] = {i, 0};

		same += sip_hash(key, words) % 4096 ==
		    sip_hash(other, words) % 4096;
	}
	ck_assert_uint_lt(same, 16); /* one is expected */
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sip_hash");
	TCase *tcase = tcase_create("sip_hash");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, agrees_with_the_vector_of_its_authors);
	tcase_add_test(tcase, another_key_gives_other_buckets);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
