/* SPDX-License-Identifier: MIT */
#include "support.h"

#include "wire/host_name.h"

#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN

typedef bool (*valid_cb)(struct str name);

static void
check_names(
    valid_cb valid, const char *const *names, size_t n_names, bool expected)
{
	for (size_t i = 0; i < n_names; i++) {
		size_t len = strlen(names[i]);
		struct str name = {guard_copy(0, names[i], len), len};

		ck_assert_msg(valid(name) == expected, "\"%s\"", names[i]);
	}
}

START_TEST(device_names)
{
	static const char *const fine[] = {
	    "a", "9", "Alice", "pump-7.site_3", SIXTY "abc", "a-", "a..b"};
	static const char *const wrong[] = {"", "-a", ".a", "_a", "a b", "a/b",
	    "a:b", "a\n", "\xc3\xa4", SIXTY "abcd", "a%62"};

	check_names(device_name_valid, fine, COUNT(fine), true);
	check_names(device_name_valid, wrong, COUNT(wrong), false);
	ck_assert(!device_name_valid((struct str){NULL, 0}));
	ck_assert(!device_name_valid(STR("a\0b")));
}
END_TEST

START_TEST(service_names)
{
	static const char *const fine[] = {"a", "9", "web", "a-b-c", TEN TEN};
	static const char *const wrong[] = {
	    "", "-", "-a", "a-", "a--b", "Web", "a_b", "a.b", TEN TEN "x"};

	check_names(service_name_valid, fine, COUNT(fine), true);
	check_names(service_name_valid, wrong, COUNT(wrong), false);
}
END_TEST

START_TEST(labels)
{
	static const char *const fine[] = {
	    "abc", "k7x2m9q4tz", "a-b", TEN TEN TEN TEN};
	static const char *const wrong[] = {"", "ab", "-ab", "ab-", "xn--a",
	    "a--b", "ABC", "a.b", TEN TEN TEN TEN "x"};

	check_names(label_valid, fine, COUNT(fine), true);
	check_names(label_valid, wrong, COUNT(wrong), false);
}
END_TEST

START_TEST(host_names)
{
	static const char *const fine[] = {"localhost", "a.b", "r1.example.com",
	    "192.0.2.1", "xn--mnchen-3ya.de", SIXTY "abc.x"};
	static const char *const wrong[] = {"", ".", "a.", ".a", "a..b", "A.b",
	    "a_b", "-a.b", "a-.b", "a b", "a:1", "[::1]", SIXTY "abcd.x"};
	char longest[HOST_NAME_MAX + 2];

	check_names(host_name_valid, fine, COUNT(fine), true);
	check_names(host_name_valid, wrong, COUNT(wrong), false);
	for (size_t i = 0; i < sizeof(longest); i++)
		longest[i] = i % 2 ? '.' : 'a';
	ck_assert(host_name_valid((struct str){longest, HOST_NAME_MAX}));
	longest[HOST_NAME_MAX] = 'b';
	ck_assert(!host_name_valid((struct str){longest, HOST_NAME_MAX + 1}));
	ck_assert(!host_name_valid((struct str){NULL, 0}));
}
END_TEST

START_TEST(normalises_host_fields)
{
	static const char *const cases[][2] = {
	    {"example.com", "example.com"},
	    {"K7X2.Example.COM", "k7x2.example.com"},
	    {"example.com:8080", "example.com"},
	    {"example.com.", "example.com"},
	    {"example.com.:443", "example.com"},
	    {"localhost:65535", "localhost"},
	    {"192.0.2.1:80", "192.0.2.1"},
	    {"[2001:DB8::1]", "[2001:db8::1]"},
	    {"[::1]:8080", "[::1]"},
	    {"[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i][0]);
		struct str raw = {guard_copy(0, cases[i][0], len), len};
		char out[HOST_NAME_MAX + 1];

		ck_assert_msg(host_name_normalise(raw, out, sizeof(out)), "%s",
		    cases[i][0]);
		ck_assert_str_eq(out, cases[i][1]);
	}
}
END_TEST

START_TEST(refuses_what_is_no_host)
{
	static const char *const cases[] = {"", ".", "..", "a..", ":80", ".:80",
	    "a:", "a:0", "a:65536", "a:080808", "a:x", "a:1:2", "a:-1", "a b",
	    "a/b", "a@b", "a_b", "a%41", "::1", "[]", "[", "]", "[:", "[::1",
	    "[::1]x", "[::1]x:80", "[::1].", "[::1]:", "[::1]:0", "[::g]",
	    "[fe80::1%25eth0]", "[1.2.3.4]", "\xc3\xa4.de", "a\x7f", "a.-b"};

	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i]);
		struct str raw = {guard_copy(0, cases[i], len), len};
		char out[HOST_NAME_MAX + 1] = "x";

		ck_assert_msg(!host_name_normalise(raw, out, sizeof(out)), "%s",
		    cases[i]);
		ck_assert_str_eq(out, "");
	}
}
END_TEST

START_TEST(refuses_a_zero_byte_in_a_server_name)
{
	char out[64];

	ck_assert(
	    !host_name_normalise(STR("good.example\0.evil"), out, sizeof(out)));
	ck_assert(
	    !host_name_normalise(STR("good.example\0"), out, sizeof(out)));
}
END_TEST

START_TEST(longest_host_and_smallest_room)
{
	char raw[HOST_NAME_MAX + 2], out[HOST_NAME_MAX + 1], small[4];

	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = i % 2 ? '.' : 'a';
	ck_assert(host_name_normalise(
	    (struct str){raw, HOST_NAME_MAX}, out, sizeof(out)));
	ck_assert(host_name_normalise(
	    (struct str){raw, HOST_NAME_MAX + 1}, out, sizeof(out)));
	raw[HOST_NAME_MAX] = 'b';
	ck_assert(!host_name_normalise(
	    (struct str){raw, HOST_NAME_MAX + 1}, out, sizeof(out)));
	ck_assert(host_name_normalise(STR("abc:80"), small, sizeof(small)));
	ck_assert(!host_name_normalise(STR("abcd"), small, sizeof(small)));
	ck_assert(!host_name_normalise(STR("a"), small, 0));
}
END_TEST

START_TEST(host_name_of_a_service)
{
	char out[64];
	struct writer w;

	writer_init(&w, out, sizeof(out));
	host_name_write(&w, STR("k7x2"), STR("web"), true, STR("example.com"));
	ck_assert(
	    slice_is((struct str){out, writer_len(&w)}, "k7x2.example.com"));
	writer_init(&w, out, sizeof(out));
	host_name_write(&w, STR("k7x2"), STR("ssh"), false, STR("example.com"));
	ck_assert(slice_is(
	    (struct str){out, writer_len(&w)}, "k7x2--ssh.example.com"));
}
END_TEST

START_TEST(longest_service_host_is_a_dns_label)
{
	char out[128];
	struct writer w;

	writer_init(&w, out, sizeof(out));
	host_name_write(
	    &w, STR(TEN TEN TEN TEN), STR(TEN TEN), false, STR("localhost"));
	ck_assert(!w.full);
	ck_assert(host_name_valid((struct str){out, writer_len(&w)}));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    device_names,
	    service_names,
	    labels,
	    host_names,
	    normalises_host_fields,
	    refuses_what_is_no_host,
	    refuses_a_zero_byte_in_a_server_name,
	    longest_host_and_smallest_room,
	    host_name_of_a_service,
	    longest_service_host_is_a_dns_label,
	};

	return run_suite("host_name", tests, COUNT(tests));
}
