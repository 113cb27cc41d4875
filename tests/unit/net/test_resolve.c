/* SPDX-License-Identifier: MIT */
/* Look-ups against a name server that lives on the same loop. */
#include <check.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/resolve.h"
#include "support.h"

static struct loop *loop;
static struct resolver *resolver;
static int n_answers, n_queries;
static size_t n_addresses;
static struct address addresses[RESOLVE_MAX];
static char error_text[512];
static bool inside_start;

static struct {
	struct event *event;
	int fd;
	struct address address;
	bool silent;
	uint8_t code; /* RFC 1035 section 4.1.1: 0 no error, 3 no such name */
	int n_a, n_aaaa;
} server;

static struct name_servers servers;

static uint8_t *
put_answer(uint8_t *at, uint8_t type, uint8_t last)
{
	static const uint8_t head[] = {0xc0, 12, 0, 0, 0, 1, 0, 0, 0, 60, 0, 0};
	size_t len = type == 28 ? 16 : 4;

	memcpy(at, head, sizeof(head));
	at[3] = type;
	at[11] = (uint8_t)len;
	at += sizeof(head);
	memset(at, 0, len);
	if (type == 1)
		at[0] = 127;
	at[len - 1] = last;
	return at + len;
}

static void
query_cb(evutil_socket_t fd, short what, void *ctx)
{
	uint8_t data[2048], *at;
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t got =
	    recvfrom(fd, data, 512, 0, (struct sockaddr *)&from, &from_len);
	size_t name;
	uint8_t type;
	int n;

	(void)what;
	(void)ctx;
	n_queries++;
	if (got < 17 || server.silent)
		return;
	name = 12 + strnlen((char *)data + 12, (size_t)got - 12);
	type = data[name + 2];
	n = server.code != 0 ? 0 : type == 28 ? server.n_aaaa : server.n_a;
	data[2] |= 0x80;
	data[3] = 0x80 | server.code;
	data[7] = (uint8_t)n;
	memset(data + 8, 0, 4);
	at = data + name + 5;
	for (int i = 1; i <= n; i++)
		at = put_answer(at, type, (uint8_t)i);
	ck_assert_int_gt(sendto(fd, data, (size_t)(at - data), 0,
			     (struct sockaddr *)&from, from_len),
	    0);
}

static void
resolved_cb(void *ctx, const struct address *list, size_t n, const char *error)
{
	ck_assert_ptr_eq(ctx, &server);
	ck_assert(!inside_start);
	ck_assert((n > 0) == (error == NULL));
	ck_assert_uint_le(n, RESOLVE_MAX);
	n_addresses = n;
	for (size_t i = 0; i < n; i++)
		addresses[i] = list[i];
	strncpy(error_text, error != NULL ? error : "", sizeof(error_text) - 1);
	n_answers++;
}

static struct resolve_request *
start(const char *host)
{
	struct resolve_request *request;

	inside_start = true;
	request = resolve_start(resolver, host, 8080, resolved_cb, &server);
	inside_start = false;
	ck_assert_ptr_nonnull(request);
	return request;
}

static void
look_up(const char *host)
{
	int before = n_answers;

	(void)start(host);
	run_until(loop, &n_answers, before + 1);
}

static bool
found(const char *text)
{
	char found_text[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < n_addresses; i++)
		if (strcmp(address_text(&addresses[i], found_text), text) == 0)
			return true;
	return false;
}

static void
setup(void)
{
	char text[ADDRESS_TEXT_MAX];

	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	memset(&server, 0, sizeof(server));
	server.n_a = server.n_aaaa = 1;
	server.address = address_from("127.0.0.1:0");
	server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(
	    bind(server.fd, &server.address.sa, server.address.len), 0);
	address_of_socket(server.fd, &server.address);
	server.event = event_new(
	    loop_base(loop), server.fd, EV_READ | EV_PERSIST, query_cb, NULL);
	ck_assert_int_eq(event_add(server.event, NULL), 0);
	servers.n = 0;
	ck_assert(name_servers_add(
	    &servers, str_of(address_text(&server.address, text))));
	resolver = resolver_new(loop, &servers);
	ck_assert_ptr_nonnull(resolver);
}

static void
teardown(void)
{
	resolver_free(&resolver);
	event_free(server.event);
	close(server.fd);
	/* what evdns has put off to the end of the last turn would be lost with the loop */
	ck_assert_int_ge(event_base_loop(loop_base(loop), EVLOOP_NONBLOCK), 0);
	loop_free(&loop);
}

START_TEST(a_numeric_address_needs_no_server)
{
	look_up("192.0.2.7");
	ck_assert_uint_eq(n_addresses, 1);
	ck_assert(found("192.0.2.7:8080"));
	look_up("2001:db8::7");
	ck_assert(found("[2001:db8::7]:8080"));
	look_up("[2001:db8::8]");
	ck_assert(found("[2001:db8::8]:8080"));
	ck_assert_int_eq(n_queries, 0);
}
END_TEST

START_TEST(localhost_needs_no_server)
{
	static const char *const names[] = {"localhost", "LocalHost",
	    "localhost.", "alice.localhost", "a.b.localhost."};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		look_up(names[i]);
		ck_assert_uint_eq(n_addresses, 2);
		ck_assert(found("127.0.0.1:8080"));
		ck_assert(found("[::1]:8080"));
	}
	ck_assert_int_eq(n_queries, 0);
}
END_TEST

START_TEST(names_that_only_end_like_localhost_are_asked_for)
{
	look_up("notlocalhost.test");
	look_up("xlocalhost.");
	ck_assert_int_ge(n_queries, 2);
}
END_TEST

START_TEST(asks_the_given_server_for_both_families)
{
	look_up("relay.test");
	ck_assert_int_eq(n_queries, 2);
	ck_assert_uint_eq(n_addresses, 2);
	ck_assert(found("127.0.0.1:8080"));
	ck_assert(found("[::1]:8080"));
}
END_TEST

START_TEST(one_family_is_enough)
{
	server.n_aaaa = 0;
	look_up("relay.test");
	ck_assert_uint_eq(n_addresses, 1);
	ck_assert(found("127.0.0.1:8080"));
	server.n_aaaa = 1;
	server.n_a = 0;
	look_up("other.test");
	ck_assert_uint_eq(n_addresses, 1);
	ck_assert(found("[::1]:8080"));
}
END_TEST

START_TEST(more_addresses_than_wanted_are_left_out)
{
	server.n_a = 14;
	server.n_aaaa = 0;
	look_up("relay.test");
	ck_assert_uint_eq(n_addresses, RESOLVE_MAX);
}
END_TEST

START_TEST(an_unknown_name_is_an_error_that_names_it)
{
	server.code = 3;
	look_up("nowhere.test");
	ck_assert_uint_eq(n_addresses, 0);
	ck_assert_str_eq(
	    error_text, "cannot resolve nowhere.test: no such host name");
}
END_TEST

START_TEST(a_name_without_addresses_is_an_error)
{
	server.n_a = server.n_aaaa = 0;
	look_up("empty.test");
	ck_assert_uint_eq(n_addresses, 0);
	ck_assert_ptr_nonnull(strstr(error_text, "empty.test"));
}
END_TEST

START_TEST(a_malformed_name_is_an_error)
{
	char label[70], host[400];

	memset(label, 'a', sizeof(label));
	label[sizeof(label) - 1] = '\0';
	memset(host, 'a', sizeof(host));
	host[sizeof(host) - 1] = '\0';
	look_up("");
	ck_assert_uint_eq(n_addresses, 0);
	look_up(label);
	ck_assert_uint_eq(n_addresses, 0);
	look_up(host);
	ck_assert_uint_eq(n_addresses, 0);
	look_up("..");
	ck_assert_uint_eq(n_addresses, 0);
	look_up("a..b");
	ck_assert_uint_eq(n_addresses, 0);
}
END_TEST

START_TEST(a_silent_server_is_an_error_in_the_end)
{
	server.silent = true;
	(void)start("relay.test");
	run_until(loop, &n_answers, 1);
	ck_assert_uint_eq(n_addresses, 0);
	ck_assert_str_eq(error_text,
	    "cannot resolve relay.test: the name server gave no answer");
}
END_TEST

START_TEST(cancelled_requests_make_no_callback)
{
	struct resolve_request *numeric = start("127.0.0.1"),
			       *named = start("relay.test");

	resolve_cancel(&numeric);
	resolve_cancel(&named);
	ck_assert_ptr_null(numeric);
	ck_assert_ptr_null(named);
	resolve_cancel(&named);
	/* Another answer proves that theirs would have come. */
	look_up("other.test");
	ck_assert_int_eq(n_answers, 1);
	ck_assert_int_eq(n_queries, 4);
}
END_TEST

START_TEST(may_be_freed_with_requests_under_way)
{
	struct resolver *second = resolver;

	(void)start("relay.test");
	(void)start("127.0.0.1");
	resolver_free(&resolver);
	ck_assert_ptr_ne(second, resolver);
	run_until(loop, &n_queries, 2);
	run_for_ms(loop, 30);
	ck_assert_int_eq(n_answers, 0);
}
END_TEST

static void
free_resolver_cb(
    void *ctx, const struct address *list, size_t n, const char *error)
{
	resolved_cb(ctx, list, n, error);
	resolver_free(&resolver);
}

START_TEST(may_be_freed_from_its_callback)
{
	(void)resolve_start(
	    resolver, "relay.test", 1, free_resolver_cb, &server);
	run_until(loop, &n_answers, 1);
	run_for_ms(loop, 30);
	ck_assert_ptr_null(resolver);
}
END_TEST

/* Sockets that read nothing: silent servers. */
static int
silent_server(const char *at)
{
	struct address address = address_from(at);
	int fd = socket(address.sa.sa_family, SOCK_DGRAM, 0);

	ck_assert_int_eq(bind(fd, &address.sa, address.len), 0);
	address_of_socket(fd, &servers.list[servers.n++]);
	return fd;
}

START_TEST(other_servers_answer_for_a_silent_one)
{
	struct resolver *second;
	int silent[2];

	silent[0] = silent_server("127.0.0.1:0");
	silent[1] = silent_server("[::1]:0");
	ck_assert_uint_eq(servers.n, 3);
	second = resolver;
	resolver = resolver_new(loop, &servers);
	look_up("relay.test");
	ck_assert_str_eq(error_text, "");
	ck_assert(found("127.0.0.1:8080"));
	ck_assert(found("[::1]:8080"));
	resolver_free(&second);
	close(silent[0]);
	close(silent[1]);
}
END_TEST

/* That the host has no address of the one family is no reason to give up the other. */
START_TEST(answer_without_addresses_does_not_cut_the_other_off)
{
	struct resolver *second = resolver;
	int silent[3];

	server.n_aaaa = 0;
	for (size_t i = 0; i < 3; i++)
		silent[i] = silent_server("127.0.0.1:0");
	for (int i = 0; i < 3; i++) {
		struct address first = servers.list[0];

		resolver = resolver_new(loop, &servers);
		look_up("relay.test");
		ck_assert_str_eq(error_text, "");
		ck_assert(found("127.0.0.1:8080"));
		resolver_free(&resolver);
		memmove(servers.list, servers.list + 1,
		    3 * sizeof(servers.list[0]));
		servers.list[3] = first;
	}
	resolver = second;
	for (size_t i = 0; i < 3; i++)
		close(silent[i]);
}
END_TEST

START_TEST(other_servers_answer_for_one_that_is_not_there)
{
	struct resolver *second = resolver;
	int gone = silent_server("127.0.0.1:0");

	close(gone);
	resolver = resolver_new(loop, &servers);
	look_up("relay.test");
	ck_assert(found("127.0.0.1:8080"));
	resolver_free(&second);
}
END_TEST

START_TEST(server_that_is_named_twice_counts_once)
{
	struct resolver *second = resolver;

	servers.list[servers.n++] = servers.list[0];
	resolver = resolver_new(loop, &servers);
	look_up("relay.test");
	ck_assert(found("127.0.0.1:8080"));
	ck_assert_int_eq(n_queries, 2);
	resolver_free(&second);
}
END_TEST

START_TEST(servers_may_change_between_requests)
{
	struct name_servers good = servers;
	int silent;

	look_up("relay.test");
	servers.n = 0;
	silent = silent_server("127.0.0.1:0");
	resolver_set_servers(resolver, &servers);
	look_up("other.test");
	ck_assert_uint_eq(n_addresses, 0);
	ck_assert_int_eq(n_queries, 2);
	resolver_set_servers(resolver, &good);
	look_up("other.test");
	ck_assert(found("127.0.0.1:8080"));
	ck_assert_int_eq(n_queries, 4);
	close(silent);
}
END_TEST

/* Who waits for a server that is silent does not wait for it when there is another. */
START_TEST(servers_may_change_under_a_request)
{
	struct name_servers good = servers;
	struct resolver *second = resolver;
	uint64_t began_ms;
	int silent;

	servers.n = 0;
	silent = silent_server("127.0.0.1:0");
	resolver = resolver_new(loop, &servers);
	(void)start("relay.test");
	run_for_ms(loop, 50);
	ck_assert_int_eq(n_answers, 0);
	began_ms = loop_now_ms(loop);
	resolver_set_servers(resolver, &good);
	run_until(loop, &n_answers, 1);
	ck_assert(found("127.0.0.1:8080"));
	ck_assert_uint_lt(loop_now_ms(loop) - began_ms, 1500);
	resolver_free(&second);
	close(silent);
}
END_TEST

START_TEST(servers_may_change_to_those_of_the_system_under_a_request)
{
	static const struct name_servers none;

	server.silent = true;
	(void)start("relay.test");
	run_until(loop, &n_queries, 2);
	resolver_set_servers(resolver, &none);
	/* what comes then depends on the machine */
	resolver_free(&resolver);
	run_for_ms(loop, 30);
	ck_assert_int_eq(n_answers, 0);
}
END_TEST

/* evdns would let them wait until there is one. */
START_TEST(servers_that_cannot_be_asked_end_the_request)
{
	const struct name_servers unusable = {.n = 1}; /* of no family */

	server.silent = true;
	(void)start("relay.test");
	run_until(loop, &n_queries, 2);
	resolver_set_servers(resolver, &unusable);
	run_until(loop, &n_answers, 1);
}
END_TEST

START_TEST(the_system_settings_can_be_read_or_be_missing)
{
	struct resolver *system = resolver_new(loop, NULL);
	struct resolve_request *request;

	ck_assert_ptr_nonnull(system);
	/* It is only started: what it finds depends on the machine. */
	request =
	    resolve_start(system, "name.invalid", 1, resolved_cb, &server);
	ck_assert_ptr_nonnull(request);
	resolver_free(&system);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("resolve");
	TCase *tests = tcase_create("resolve");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_numeric_address_needs_no_server);
	tcase_add_test(tests, localhost_needs_no_server);
	tcase_add_test(tests, names_that_only_end_like_localhost_are_asked_for);
	tcase_add_test(tests, asks_the_given_server_for_both_families);
	tcase_add_test(tests, one_family_is_enough);
	tcase_add_test(tests, more_addresses_than_wanted_are_left_out);
	tcase_add_test(tests, an_unknown_name_is_an_error_that_names_it);
	tcase_add_test(tests, a_name_without_addresses_is_an_error);
	tcase_add_test(tests, a_malformed_name_is_an_error);
	tcase_add_test(tests, a_silent_server_is_an_error_in_the_end);
	tcase_add_test(tests, cancelled_requests_make_no_callback);
	tcase_add_test(tests, may_be_freed_with_requests_under_way);
	tcase_add_test(tests, may_be_freed_from_its_callback);
	tcase_add_test(tests, other_servers_answer_for_a_silent_one);
	tcase_add_test(
	    tests, answer_without_addresses_does_not_cut_the_other_off);
	tcase_add_test(tests, other_servers_answer_for_one_that_is_not_there);
	tcase_add_test(tests, server_that_is_named_twice_counts_once);
	tcase_add_test(tests, servers_may_change_between_requests);
	tcase_add_test(tests, servers_may_change_under_a_request);
	tcase_add_test(
	    tests, servers_may_change_to_those_of_the_system_under_a_request);
	tcase_add_test(tests, servers_that_cannot_be_asked_end_the_request);
	tcase_add_test(tests, the_system_settings_can_be_read_or_be_missing);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
