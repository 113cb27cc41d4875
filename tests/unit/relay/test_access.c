/* SPDX-License-Identifier: MIT */
/* Rules as proxies get them, and as we ask them ourselves: an address is on a list for both, or for
 * neither. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "relay/access.h"

static struct relay relay;
static struct device *device;
static struct service *service;

static void
setup(void)
{
	static char here[] = "192.0.2.9";

	relay.options.advertise_address = here;
	device = calloc(1, sizeof(*device) + sizeof("alice"));
	strcpy(device->name, "alice");
	device->relay = &relay;
	device->access_known = true;
	LIST_INIT(&device->services);
	service = calloc(1, sizeof(*service) + sizeof("web"));
	strcpy(service->name, "web");
	service->kind = SERVICE_TCP;
	service->public_port = 20022;
	service->device = device;
	service->listener.fd = socket(AF_INET, SOCK_STREAM, 0);
	LIST_INSERT_HEAD(&device->services, service, link);
}

static void
teardown(void)
{
	close(service->listener.fd);
	access_drop(&device->access);
	free(service);
	free(device);
}

static void
set_list(const char *const *nets, size_t n)
{
	struct access_rule rule = {.mode = ACCESS_ALLOW, .service = "web"};
	struct access *access = NULL;
	char error[ACCESS_ERROR_MAX];

	for (rule.n_nets = 0; rule.n_nets < n; rule.n_nets++)
		ck_assert_int_eq(access_net_parse(str_of(nets[rule.n_nets]),
				     &rule.nets[rule.n_nets], error),
		    0);
	ck_assert_int_eq(access_put_rule(&access, &rule), 0);
	ck_assert(device_access_set(device, access));
	ck_assert(!device_access_set(device, access));
	access_drop(&access);
}

/* As HAProxy has it: "LIST/4/C0000201". */
static void
write_entry(const struct address *from, const char *list, char out[128])
{
	const uint8_t *ip = from->sa.sa_family == AF_INET
	    ? (const uint8_t *)&from->in.sin_addr
	    : (const uint8_t *)&from->in6.sin6_addr;
	size_t len = from->sa.sa_family == AF_INET ? 4 : 16;
	int at = sprintf(out, "allow/%s/%d/", list, len == 4 ? 4 : 6);

	for (size_t i = 0; i < len; i++)
		at += sprintf(out + at, "%02X", ip[i]);
}

static unsigned
entries_that_begin(const struct route *routes, size_t n, const char *entry)
{
	unsigned found = 0;

	for (size_t i = 0; i < n; i++)
		found += strncmp(routes[i].key, "allow/", 6) == 0 &&
		    strncmp(routes[i].key, entry, strlen(routes[i].key)) == 0;
	return found;
}

static void
check_addresses(const char *const *addresses, size_t n)
{
	char list[ROUTE_LIST_LEN + 1], entry[128];
	struct route *routes;
	size_t n_routes;

	ck_assert_int_eq(device_routes(device, 0, &routes, &n_routes), 0);
	ck_assert_str_eq(routes[n_routes - 1].key, "tcp/20022");
	ck_assert(route_access_valid(str_of(routes[n_routes - 1].access)));
	strcpy(list, strrchr(routes[n_routes - 1].access, ',') + 1);
	for (size_t i = 0; i + 1 < n_routes; i++) {
		enum route_kind kind;
		struct str key;

		ck_assert(
		    route_key_parse(str_of(routes[i].key), &kind, &key));
		ck_assert_int_eq(kind, ROUTE_ALLOW);
	}
	for (size_t i = 0; i < n; i++) {
		struct address from;

		ck_assert(address_parse_ip(str_of(addresses[i]), 0, &from));
		write_entry(&from, list, entry);
		/* one at most: no overlay hides one and leaves another */
		ck_assert_msg(entries_that_begin(routes, n_routes, entry) ==
			(access_check_address(service, &from) ==
			    ACCESS_GRANTED),
		    "%s", addresses[i]);
	}
	free(routes);
}

static const char *const addresses[] = {"0.0.0.0", "10.0.0.1", "10.63.255.255",
    "10.64.0.0", "10.127.255.255", "10.128.0.0", "11.0.0.0", "127.0.0.1",
    "128.0.0.0", "192.0.2.0", "192.0.2.127", "192.0.2.128", "192.0.2.255",
    "192.0.3.0", "255.255.255.255", "::", "::1", "2001:db8::1",
    "2001:db9::", "2001:dbf::1", "7fff::", "8000::", "a00::",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};
#define N_ADDRESSES (sizeof(addresses) / sizeof(addresses[0]))

START_TEST(each_length_of_a_network_is_the_same_for_proxies)
{
	char text[32];
	const char *nets[] = {text};

	for (int bits = 0; bits <= 32; bits++) {
		uint32_t ip = bits == 0
		    ? 0
		    : UINT32_C(0xc0000280) & ~(uint32_t)0 << (32 - bits);

		snprintf(text, sizeof(text), "%u.%u.%u.%u/%d", ip >> 24,
		    ip >> 16 & 255, ip >> 8 & 255, ip & 255, bits);
		set_list(nets, 1);
		check_addresses(addresses, N_ADDRESSES);
	}
}
END_TEST

START_TEST(families_and_nested_networks_are_told_apart)
{
	static const char *const lists[][4] = {
	    {"0.0.0.0/0", NULL},
	    {"::/0", NULL},
	    {"10.64.0.0/10", "10.64.0.0/16", "10.0.0.0/8", "10.0.0.1"},
	    {"10.0.0.0/8", "10.0.0.0/8", NULL},
	    {"2001:db8::/29", "2001:db8::/32", "192.0.2.128/25", NULL},
	    {"a00::/8", "8000::/1", NULL},
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		size_t n = 0;

		while (n < 4 && lists[i][n] != NULL)
			n++;
		set_list(lists[i], n);
		check_addresses(addresses, N_ADDRESSES);
	}
}
END_TEST

START_TEST(another_list_has_another_name)
{
	static const char *const one[] = {"10.0.0.0/8"},
				 *const other[] = {"11.0.0.0/8"};
	char first[ROUTE_ACCESS_TEXT_MAX], second[ROUTE_ACCESS_TEXT_MAX];

	set_list(one, 1);
	access_route_write(service, first);
	set_list(other, 1);
	access_route_write(service, second);
	ck_assert_str_ne(first, second);
}
END_TEST

START_TEST(an_address_in_ipv6_clothes_is_ipv4)
{
	static const char *const list[] = {"192.0.2.0/24"};
	struct address from;

	set_list(list, 1);
	ck_assert(address_parse_ip(STR("::ffff:192.0.2.7"), 0, &from));
	ck_assert_int_eq(access_check_address(service, &from), ACCESS_GRANTED);
	ck_assert(address_parse_ip(STR("::ffff:192.0.3.7"), 0, &from));
	ck_assert_int_eq(
	    access_check_address(service, &from), ACCESS_NOT_FROM_HERE);
}
END_TEST

START_TEST(without_a_record_nothing_is_public)
{
	struct address from;
	struct route *routes;
	size_t n;

	device->access_known = false;
	ck_assert(address_parse_ip(STR("127.0.0.1"), 0, &from));
	ck_assert(!access_is_public(service));
	ck_assert_int_eq(
	    access_check_address(service, &from), ACCESS_NOT_KNOWN);
	ck_assert_int_eq(device_routes(device, 0, &routes, &n), 0);
	ck_assert_uint_eq(n, 0);
	free(routes);
	ck_assert(device_access_set(device, NULL));
	ck_assert(access_is_public(service));
}
END_TEST

START_TEST(revoked_links_are_told_until_their_time_is_over)
{
	struct access_rule rule = {.mode = ACCESS_PRIVATE, .service = "web"};
	struct access_share share = {.id = "0011223344556677",
	    .service = "web",
	    .expires_ms = 1000,
	    .revoked = true};
	struct access *access = NULL;
	struct route *routes;
	size_t n;

	ck_assert_int_eq(access_put_rule(&access, &rule), 0);
	ck_assert_int_eq(access_put_share(&access, &share), 0);
	(void)device_access_set(device, access);
	access_drop(&access);
	ck_assert_int_eq(device_routes(device, 999, &routes, &n), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(routes[0].key, "revoked/0011223344556677");
	free(routes);
	ck_assert_int_eq(device_routes(device, 1000, &routes, &n), 0);
	ck_assert_uint_eq(n, 1);
	free(routes);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("access");
	TCase *tcase = tcase_create("access");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(
	    tcase, each_length_of_a_network_is_the_same_for_proxies);
	tcase_add_test(tcase, families_and_nested_networks_are_told_apart);
	tcase_add_test(tcase, another_list_has_another_name);
	tcase_add_test(tcase, an_address_in_ipv6_clothes_is_ipv4);
	tcase_add_test(tcase, without_a_record_nothing_is_public);
	tcase_add_test(tcase, revoked_links_are_told_until_their_time_is_over);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
