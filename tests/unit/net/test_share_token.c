/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "net/crypto.h"
#include "net/share_token.h"

static const uint8_t key[ACCESS_KEY_LEN] = {1, 2, 3};
static const uint8_t other_key[ACCESS_KEY_LEN] = {1, 2, 4};
static const struct share_token link_token = {
    SHARE_LINK, 1700000000, "0011223344556677", "alice/web"};

START_TEST(reads_what_it_made)
{
	struct share_token token = link_token, read;
	char text[SHARE_TOKEN_MAX];

	share_token_make(key, &token, text);
	ck_assert(share_token_read(key, str_of(text), &read));
	ck_assert_int_eq(read.use, SHARE_LINK);
	ck_assert_uint_eq(read.expires_s, 1700000000);
	ck_assert_str_eq(read.id, "0011223344556677");
	ck_assert_str_eq(read.subject, "alice/web");
	token.use = SHARE_VISIT;
	share_token_make(key, &token, text);
	ck_assert(share_token_read(key, str_of(text), &read));
	ck_assert_int_eq(read.use, SHARE_VISIT);
}
END_TEST

/* Others' libraries read it: RFC 7519 section 3.1 has no blanks to be sure of. */
START_TEST(is_a_jwt)
{
	char text[SHARE_TOKEN_MAX], payload[200];
	struct str header, rest, body, mac;
	long len;

	share_token_make(key, &link_token, text);
	ck_assert(str_split(str_of(text), '.', &header, &rest));
	ck_assert(str_split(rest, '.', &body, &mac));
	ck_assert(
	    str_equal(header, STR("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9")));
	len = crypto_base64url_decode(
	    body.ptr, body.len, payload, sizeof(payload));
	ck_assert(str_equal((struct str){payload, (size_t)len},
	    STR("{\"aud\":\"link\",\"exp\":1700000000,\"jti\":"
		"\"0011223344556677\",\"sub\":\"alice/web\"}")));
}
END_TEST

START_TEST(refuses_each_changed_byte)
{
	char text[SHARE_TOKEN_MAX];
	struct share_token read;
	size_t len;

	share_token_make(key, &link_token, text);
	len = strlen(text);
	ck_assert(!share_token_read(other_key, str_of(text), &read));
	for (size_t i = 0; i < len; i++) {
		char was = text[i];

		text[i] = was == 'A' ? 'B' : 'A';
		ck_assert(!share_token_read(key, str_of(text), &read));
		text[i] = was;
		ck_assert(!share_token_read(key, (struct str){text, i}, &read));
	}
	text[len] = '.';
	ck_assert(!share_token_read(key, (struct str){text, len + 1}, &read));
}
END_TEST

/* What stands in the middle is signed, and is read all the same as if it was not ours. */
static bool
read_signed(const char *head, const char *payload)
{
	char text[SHARE_TOKEN_MAX], part[SHARE_TOKEN_MAX];
	struct share_token read;
	uint8_t mac[SHA256_LEN];
	size_t len;

	crypto_base64url_encode(head, strlen(head), text, sizeof(text));
	crypto_base64url_encode(payload, strlen(payload), part, sizeof(part));
	strcat(strcat(text, "."), part);
	crypto_hmac_sha256(key, sizeof(key), text, strlen(text), mac);
	len = crypto_base64url_encode(mac, sizeof(mac), part, sizeof(part));
	ck_assert_uint_eq(len, 43);
	strcat(strcat(text, "."), part);
	return share_token_read(key, str_of(text), &read);
}

START_TEST(refuses_what_it_would_not_have_written)
{
#define HEAD "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define ID "\"0011223344556677\""
	ck_assert(read_signed(HEAD,
	    "{\"aud\":\"link\",\"exp\":1,\"jti\":" ID ",\"sub\":\"a/w\"}"));
	ck_assert(!read_signed("{\"alg\":\"none\"}",
	    "{\"aud\":\"link\",\"exp\":1,\"jti\":" ID ",\"sub\":\"a/w\"}"));
	ck_assert(!read_signed(HEAD, ""));
	ck_assert(!read_signed(HEAD, "{}"));
	ck_assert(!read_signed(HEAD,
	    "{\"aud\":\"door\",\"exp\":1,\"jti\":" ID ",\"sub\":\"a/w\"}"));
	ck_assert(!read_signed(HEAD,
	    "{\"aud\":\"link\",\"exp\":-1,\"jti\":" ID ",\"sub\":\"a/w\"}"));
	ck_assert(!read_signed(HEAD,
	    "{\"aud\":\"link\",\"exp\":1,\"jti\":\"short\",\"sub\":\"a/w\"}"));
	ck_assert(!read_signed(HEAD,
	    "{\"aud\":\"link\",\"exp\":1,\"jti\":" ID ",\"sub\":\"alice\"}"));
	ck_assert(!read_signed(HEAD,
	    "{\"aud\":\"link\",\"exp\":1,\"jti\":" ID ",\"sub\":\"a/w\"} "));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("share_token");
	TCase *tcase = tcase_create("share_token");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, reads_what_it_made);
	tcase_add_test(tcase, is_a_jwt);
	tcase_add_test(tcase, refuses_each_changed_byte);
	tcase_add_test(tcase, refuses_what_it_would_not_have_written);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
