/* SPDX-License-Identifier: MIT */
#include "config.h" /* memmem */

#include "support.h"

#include <stdlib.h>

#include "wire/tls_hello.h"

struct bytes {
	uint8_t at[20000];
	size_t len;
};

static void
add(struct bytes *b, const void *data, size_t len)
{
	ck_assert_uint_le(b->len + len, sizeof(b->at));
	if (len > 0)
		memcpy(b->at + b->len, data, len);
	b->len += len;
}

static void
add_number(struct bytes *b, size_t value, size_t size)
{
	for (; size > 0; size--)
		add(b, &(uint8_t){(uint8_t)(value >> (8 * (size - 1)))}, 1);
}

static void
add_extension(struct bytes *b, unsigned type, const struct bytes *content)
{
	add_number(b, type, 2);
	add_number(b, content->len, 2);
	add(b, content->at, content->len);
}

/* A server_name extension's content with one name. */
static struct bytes
server_name(const char *name, unsigned name_type)
{
	struct bytes b = {.len = 0};
	size_t len = strlen(name);

	add_number(&b, len + 3, 2);
	add_number(&b, name_type, 1);
	add_number(&b, len, 2);
	add(&b, name, len);
	return b;
}

/* A ClientHello as browsers write it, as a handshake message; extensions may be NULL. */
static struct bytes
hello_message(const struct bytes *extensions)
{
	static const uint8_t zeros[32];
	static struct bytes body;
	struct bytes b = {.len = 0};

	body.len = 0;
	add_number(&body, 0x0303, 2);
	add(&body, zeros, 32);
	add_number(&body, 32, 1);
	add(&body, zeros, 32);
	add_number(&body, 4, 2);
	add_number(&body, 0x13011302, 4);
	add_number(&body, 1, 1);
	add_number(&body, 0, 1);
	if (extensions != NULL) {
		add_number(&body, extensions->len, 2);
		add(&body, extensions->at, extensions->len);
	}
	add_number(&b, 1, 1);
	add_number(&b, body.len, 3);
	add(&b, body.at, body.len);
	return b;
}

static struct bytes
records(const struct bytes *message, size_t first, size_t others)
{
	struct bytes b = {.len = 0};

	for (size_t at = 0, size = first; at < message->len;
	     at += size, size = others) {
		if (size > message->len - at)
			size = message->len - at;
		add_number(&b, 0x160301, 3);
		add_number(&b, size, 2);
		add(&b, message->at + at, size);
	}
	return b;
}

static struct bytes
usual_extensions(const char *name)
{
	static const uint8_t key_share[1200];
	struct bytes all = {.len = 0}, one = {.len = 0},
		     names = server_name(name, 0);

	add_extension(&all, 0x0a0a, &one);
	add(&one, key_share, sizeof(key_share));
	add_extension(&all, 51, &one);
	add_extension(&all, 0, &names);
	one.len = 5;
	add_extension(&all, 43, &one);
	return all;
}

static enum wire_result
find(const struct bytes *b, size_t len, struct str *name)
{
	const uint8_t *in = (void *)guard_copy(0, b->at, len);
	enum wire_result result = tls_hello_server_name(in, len, name);

	if (name->ptr != NULL) {
		size_t at = (size_t)(name->ptr - (const char *)in);

		ck_assert_int_eq(result, WIRE_DONE);
		ck_assert_uint_le(at, len);
		ck_assert_uint_le(name->len, len - at);
	}
	return result;
}

START_TEST(finds_the_name_at_every_cut)
{
	struct bytes extensions = usual_extensions("k7x2.example.com");
	struct bytes message = hello_message(&extensions);
	struct bytes hello = records(&message, message.len, 1);
	enum wire_result result = WIRE_MORE;
	struct str name;

	for (size_t len = 0; len <= hello.len; len++) {
		enum wire_result now = find(&hello, len, &name);

		ck_assert(now != WIRE_BAD);
		ck_assert(result == WIRE_MORE || now == WIRE_DONE);
		result = now;
	}
	ck_assert_int_eq(result, WIRE_DONE);
	ck_assert(slice_is(name, "k7x2.example.com"));
}
END_TEST

START_TEST(finds_the_name_across_records)
{
	struct bytes extensions = usual_extensions("a.example");
	struct bytes message = hello_message(&extensions), hello;
	size_t name_at = 0;
	struct str name;

	while (memcmp(message.at + name_at, "a.example", 9) != 0)
		name_at++;
	for (size_t first = 1; first < message.len; first++) {
		bool cuts_name = first > name_at && first < name_at + 9;

		hello = records(&message, first, message.len);
		ck_assert_int_eq(find(&hello, hello.len, &name),
		    cuts_name ? WIRE_BAD : WIRE_DONE);
		ck_assert(slice_is(name, cuts_name ? NULL : "a.example"));
	}
}
END_TEST

START_TEST(hello_without_a_name)
{
	struct bytes none = {.len = 0}, other = server_name("x", 7),
		     extensions = {.len = 0};
	struct bytes message, hello;
	struct str name;

	message = hello_message(NULL);
	hello = records(&message, message.len, 1);
	ck_assert_int_eq(find(&hello, hello.len, &name), WIRE_DONE);
	ck_assert(slice_is(name, NULL));
	ck_assert_int_eq(find(&hello, hello.len - 1, &name), WIRE_MORE);

	message = hello_message(&none);
	hello = records(&message, 7, 7);
	ck_assert_int_eq(find(&hello, hello.len, &name), WIRE_DONE);
	ck_assert(slice_is(name, NULL));

	add_extension(&extensions, 0, &other);
	add_extension(&extensions, 16, &none);
	message = hello_message(&extensions);
	hello = records(&message, message.len, 1);
	for (size_t len = 0; len <= hello.len; len++)
		ck_assert_int_eq(find(&hello, len, &name),
		    len < hello.len ? WIRE_MORE : WIRE_DONE);
	ck_assert(slice_is(name, NULL));
}
END_TEST

START_TEST(name_behind_one_of_another_type)
{
	struct bytes names = server_name("x", 7),
		     second = server_name("b.example", 0);
	struct bytes extensions = {.len = 0}, message, hello;
	struct str name;

	names.at[1] = (uint8_t)(names.len - 2 + second.len - 2);
	add(&names, second.at + 2, second.len - 2);
	add_extension(&extensions, 0, &names);
	message = hello_message(&extensions);
	hello = records(&message, message.len, 1);
	ck_assert_int_eq(find(&hello, hello.len, &name), WIRE_DONE);
	ck_assert(slice_is(name, "b.example"));
}
END_TEST

START_TEST(empty_name_of_another_type_is_skipped)
{
	struct bytes names = server_name("", 7), extensions = {.len = 0};
	struct bytes message, hello;
	struct str name;

	add_extension(&extensions, 0, &names);
	message = hello_message(&extensions);
	hello = records(&message, message.len, 1);
	ck_assert_int_eq(find(&hello, hello.len, &name), WIRE_DONE);
	ck_assert(slice_is(name, NULL));
}
END_TEST

START_TEST(refuses_what_is_no_hello)
{
	static const struct {
		const char *why, *bytes;
		size_t len;
	} cases[] = {
	    {"HTTP", "GET / HTTP/1.1\r\n", 16},
	    {"an alert", "\x15\x03\x01\x00\x02\x01\x00", 7},
	    {"SSL 2", "\x16\x02\x00", 3},
	    {"an empty record", "\x16\x03\x01\x00\x00", 5},
	    {"a record too long", "\x16\x03\x01\x40\x01", 5},
	    {"a ServerHello", "\x16\x03\x01\x00\x04\x02\x00\x00\x26", 9},
	    {"a hello too long", "\x16\x03\x01\x00\x04\x01\x01\x00\x00", 9},
	    {"a hello without random",
		"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03", 11},
	    {"an alert inside", "\x16\x03\x01\x00\x01\x01\x15\x03", 8},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct bytes b = {.len = 0};
		struct str name;

		add(&b, cases[i].bytes, cases[i].len);
		ck_assert_msg(
		    find(&b, b.len, &name) == WIRE_BAD, "%s", cases[i].why);
	}
}
END_TEST

/* Each of these lengths, made wrong by one or by much, must be noticed or harmless. */
START_TEST(wrong_lengths_never_lead_outside)
{
	struct bytes names = server_name("a.example", 0),
		     extensions = {.len = 0}, message, hello;
	struct str name;
	unsigned refused = 0;

	add_extension(&extensions, 0, &names);
	message = hello_message(&extensions);
	hello = records(&message, message.len, 1);
	for (size_t at = 0; at < hello.len; at++) {
		uint8_t was = hello.at[at];

		for (unsigned value = 0; value < 256; value++) {
			hello.at[at] = (uint8_t)value;
			refused += find(&hello, hello.len, &name) == WIRE_BAD;
		}
		hello.at[at] = was;
	}
	ck_assert_uint_gt(refused, 2000);
}
END_TEST

START_TEST(refuses_wrong_server_name_lists)
{
	static const struct {
		const char *why, *content;
		size_t len;
	} cases[] = {
	    {"no list", "", 0},
	    {"half a length", "\0", 1},
	    {"an empty list", "\0\0", 2},
	    {"a list longer than its extension", "\0\5\0\0\1", 5},
	    {"a list too short for a name", "\0\2\0\0", 4},
	    {"a name longer than its list", "\0\4\0\0\2ab", 7},
	    {"an empty name", "\0\3\0\0\0", 5},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct bytes content = {.len = 0}, extensions = {.len = 0},
			     message, hello;
		struct str name;

		add(&content, cases[i].content, cases[i].len);
		add_extension(&extensions, 0, &content);
		content.len = 0;
		add_extension(&extensions, 16, &content);
		message = hello_message(&extensions);
		hello = records(&message, message.len, 1);
		ck_assert_msg(find(&hello, hello.len, &name) == WIRE_BAD, "%s",
		    cases[i].why);
	}
}
END_TEST

START_TEST(size_is_bounded)
{
	static struct bytes b;
	struct str name;

	/* a hello that is announced and whose padding never ends */
	b.len = TLS_HELLO_MAX;
	memcpy(b.at, "\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03", 11);
	memcpy(b.at + 43,
	    "\x00\x00\x02\x13\x01\x01\x00\x3f\xd1\x00\x15\x3f\xcd", 13);
	ck_assert_int_eq(find(&b, TLS_HELLO_MAX - 1, &name), WIRE_MORE);
	ck_assert_int_eq(find(&b, TLS_HELLO_MAX, &name), WIRE_BAD);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    finds_the_name_at_every_cut,
	    finds_the_name_across_records,
	    hello_without_a_name,
	    name_behind_one_of_another_type,
	    empty_name_of_another_type_is_skipped,
	    refuses_what_is_no_hello,
	    wrong_lengths_never_lead_outside,
	    refuses_wrong_server_name_lists,
	    size_is_bounded,
	};

	return run_suite("tls_hello", tests, COUNT(tests));
}
