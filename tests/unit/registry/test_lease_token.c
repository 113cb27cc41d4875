/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/crypto.h"
#include "net/loop.h"
#include "registry/lease_token.h"

static const uint8_t secret[SHA256_LEN] = "the hash of the device's secret";
static struct lease_key key;
static struct lease lease;
static char token[LEASE_TOKEN_MAX + 1];

static void
setup(void)
{
	lease_key_init(&key, "0123456789abcdef0123456789abcdef", 32);
	lease = (struct lease){.label = "k7x2m9q4tz", .n_ports = 2};
	lease.ports[0] = (struct service_port){"ssh", 20022};
	lease.ports[1] = (struct service_port){"db", 65535};
	ck_assert(lease_token_make(
	    &key, "alice", secret, &lease, token, sizeof(token)));
}

static bool
verify(const char *text, size_t len, struct lease *out)
{
	return lease_token_verify(
	    &key, (struct str){text, len}, "alice", secret, out, NULL);
}

START_TEST(says_what_was_signed)
{
	struct lease found;
	uint64_t issued_ms, now_ms = loop_wall_ms();

	ck_assert(lease_token_verify(
	    &key, str_of(token), "alice", secret, &found, &issued_ms));
	ck_assert_str_eq(found.label, "k7x2m9q4tz");
	ck_assert_uint_eq(found.n_ports, 2);
	ck_assert_str_eq(found.ports[0].service, "ssh");
	ck_assert_uint_eq(found.ports[0].port, 20022);
	ck_assert_str_eq(found.ports[1].service, "db");
	ck_assert_uint_eq(found.ports[1].port, 65535);
	ck_assert_uint_le(issued_ms, now_ms);
	ck_assert_uint_ge(issued_ms + 60000, now_ms);
}
END_TEST

START_TEST(passes_through_a_form_as_it_is)
{
	char text[2 * LEASE_TOKEN_MAX];
	struct writer w;

	writer_init(&w, text, sizeof(text) - 1);
	form_put(&w, "lease", str_of(token));
	text[writer_len(&w)] = '\0';
	ck_assert_str_eq(text + strlen("lease="), token);
}
END_TEST

START_TEST(the_largest_lease_fits)
{
	char name[DEVICE_NAME_MAX + 1];
	struct lease found;

	memset(name, 'n', DEVICE_NAME_MAX);
	name[DEVICE_NAME_MAX] = '\0';
	memset(lease.label, 'l', LABEL_MAX);
	lease.n_ports = SERVICES_MAX;
	lease.epoch = UINT64_MAX;
	for (size_t i = 0; i < SERVICES_MAX; i++) {
		memset(lease.ports[i].service, 's', SERVICE_NAME_MAX);
		lease.ports[i].service[0] = (char)('a' + i);
		lease.ports[i].port = (uint16_t)(65520 + i);
	}
	ck_assert(
	    lease_token_make(&key, name, secret, &lease, token, sizeof(token)));
	ck_assert(lease_token_verify(
	    &key, str_of(token), name, secret, &found, NULL));
	ck_assert_uint_eq(found.n_ports, SERVICES_MAX);
	ck_assert_uint_eq(found.ports[15].port, 65535);
	ck_assert(found.epoch == UINT64_MAX);
}
END_TEST

START_TEST(says_when_there_is_no_room)
{
	size_t len = strlen(token);
	char *out = malloc(len + 1);

	ck_assert_ptr_nonnull(out);
	for (size_t cap = 0; cap <= len; cap++)
		ck_assert(
		    !lease_token_make(&key, "alice", secret, &lease, out, cap));
	/* the time has as many digits as before */
	ck_assert(
	    lease_token_make(&key, "alice", secret, &lease, out, len + 1));
	free(out);
}
END_TEST

START_TEST(refuses_another_device_and_another_key)
{
	struct lease_key other;
	struct lease found;

	ck_assert(!lease_token_verify(
	    &key, str_of(token), "bob", secret, &found, NULL));
	ck_assert(!lease_token_verify(
	    &key, str_of(token), "alic", secret, &found, NULL));
	lease_key_init(&other, "0123456789abcdef0123456789abcdeF", 32);
	ck_assert(!lease_token_verify(
	    &other, str_of(token), "alice", secret, &found, NULL));
	lease_key_random(&other);
	ck_assert(!lease_token_verify(
	    &other, str_of(token), "alice", secret, &found, NULL));
}
END_TEST

START_TEST(refuses_another_secret)
{
	uint8_t other[SHA256_LEN];
	struct lease found;

	for (size_t i = 0; i < SHA256_LEN; i++) {
		memcpy(other, secret, SHA256_LEN);
		other[i] ^= 1;
		ck_assert(!lease_token_verify(
		    &key, str_of(token), "alice", other, &found, NULL));
	}
}
END_TEST

START_TEST(refuses_every_cut)
{
	size_t len = strlen(token);
	struct lease found;

	for (size_t cut = 0; cut < len; cut++) {
		char *copy =
		    malloc(cut + 1); /* the sanitizer watches its end */

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, token, cut);
		ck_assert(!verify(copy, cut, &found));
		free(copy);
	}
}
END_TEST

START_TEST(refuses_every_changed_character)
{
	size_t len = strlen(token);
	struct lease found;

	for (size_t i = 0; i < len; i++) {
		char was = token[i];

		token[i] = was == 'A' ? 'B' : 'A';
		ck_assert(!verify(token, len, &found));
		token[i] = was;
	}
	ck_assert(verify(token, len, &found));
}
END_TEST

/* What a signature covers was made by us; a payload that was not must not get through
 * even with a right signature (an older or newer relay's, say). */
static const struct {
	const char *payload;
	bool good;
} payloads[] = {
    {"name=alice&label=abc", true},
    {"name=alice&label=abc&issued_ms=5&port=ssh:1", true},
    {"name=alice&label=abc&later=thing", true},
    {"label=abc", false},
    {"name=alice", false},
    {"name=alice&label=", false},
    {"name=alice&label=A", false},
    {"name=alice&label=abc&port=ssh", false},
    {"name=alice&label=abc&port=ssh:0", false},
    {"name=alice&label=abc&port=ssh:65536", false},
    {"name=alice&label=abc&issued_ms=x", false},
    {"name=bob&label=abc", false},
    {"name=alice&label=abc&name=bob", false},
    {"name=alice&label=abc&%zz=1", false},
    {"", false},
};

static void
sign_payload(const char *payload, char *out, size_t cap)
{
	uint8_t mac[SHA256_LEN], covered[SHA256_LEN + LEASE_TOKEN_MAX];
	size_t len =
	    crypto_base64url_encode(payload, strlen(payload), out, cap);

	memcpy(covered, secret, SHA256_LEN);
	memcpy(covered + SHA256_LEN, out, len);
	crypto_hmac_sha256(
	    key.bytes, sizeof(key.bytes), covered, SHA256_LEN + len, mac);
	out[len++] = '.';
	crypto_base64url_encode(mac, sizeof(mac), out + len, cap - len);
}

START_TEST(checks_what_is_signed_too)
{
	struct lease found;

	sign_payload(payloads[_i].payload, token, sizeof(token));
	ck_assert_int_eq(
	    verify(token, strlen(token), &found), payloads[_i].good);
}
END_TEST

START_TEST(refuses_more_ports_than_services_may_have)
{
	char payload[600] = "name=alice&label=abc";
	struct lease found;

	for (int i = 0; i <= SERVICES_MAX; i++)
		sprintf(payload + strlen(payload), "&port=s%d:%d", i, 1000 + i);
	sign_payload(payload, token, sizeof(token));
	ck_assert(!verify(token, strlen(token), &found));
}
END_TEST

static const char *const garbage[] = {
    "",
    ".",
    "..",
    "a.b",
    "=.=",
    "....................",
    "\xff\xfe.\x80",
    "AAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
};

START_TEST(refuses_garbage)
{
	struct lease found;

	ck_assert(!verify(garbage[_i], strlen(garbage[_i]), &found));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lease_token");
	TCase *tests = tcase_create("lease_token");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, says_what_was_signed);
	tcase_add_test(tests, passes_through_a_form_as_it_is);
	tcase_add_test(tests, the_largest_lease_fits);
	tcase_add_test(tests, says_when_there_is_no_room);
	tcase_add_test(tests, refuses_another_device_and_another_key);
	tcase_add_test(tests, refuses_another_secret);
	tcase_add_test(tests, refuses_every_cut);
	tcase_add_test(tests, refuses_every_changed_character);
	tcase_add_loop_test(tests, checks_what_is_signed_too, 0,
	    sizeof(payloads) / sizeof(payloads[0]));
	tcase_add_test(tests, refuses_more_ports_than_services_may_have);
	tcase_add_loop_test(
	    tests, refuses_garbage, 0, sizeof(garbage) / sizeof(garbage[0]));
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
