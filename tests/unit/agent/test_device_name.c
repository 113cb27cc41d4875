/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/device_name.h"
#include "support.h"

#define ID "0123456789abcdef0123456789abcdef"
#define ID_NAME "d-2292f9d5ad2b"  /* printf taupe%s ID | sha256sum */
#define MAC_NAME "d-6e953b91abc8" /* the same of 52:54:00:12:34:56 */

/* A card in the folder of cards: files are folder/card/attribute. */
static void
make_card(const char *cards, const char *card, const char *type,
    const char *assigned, const char *address)
{
	char folder[600], path[700];
	const char *const files[][2] = {{"type", type},
	    {"addr_assign_type", assigned}, {"address", address}};

	snprintf(folder, sizeof(folder), "%s/%s", cards, card);
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	for (size_t i = 0; i < COUNT(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i][0]);
		test_file(path, files[i][1], 0600);
	}
}

static void
remove_card(const char *cards, const char *card)
{
	static const char *const files[] = {
	    "/type", "/addr_assign_type", "/address", ""};
	char path[700];

	for (size_t i = 0; i < COUNT(files); i++) {
		snprintf(path, sizeof(path), "%s/%s%s", cards, card, files[i]);
		ck_assert_int_eq(remove(path), 0);
	}
}

START_TEST(name_follows_from_the_machine_id)
{
	char name[DERIVED_NAME_LEN + 1], again[DERIVED_NAME_LEN + 1];
	const char *path = test_path("id");

	test_file(path, ID "\n", 0600);
	ck_assert(device_name_derive(path, "/nowhere", name));
	ck_assert_str_eq(name, ID_NAME);
	ck_assert(device_name_derive(path, "/nowhere", again));
	ck_assert_str_eq(again, name);
	/* another machine, another name */
	test_file(path, "1123456789abcdef0123456789abcdef\n", 0600);
	ck_assert(device_name_derive(path, "/nowhere", again));
	ck_assert_str_ne(again, name);
}
END_TEST

START_TEST(what_is_no_machine_id_is_not_taken)
{
	static const char *const contents[] = {"", "uninitialized\n", ID "0\n",
	    "0123456789ABCDEF0123456789ABCDEF\n", "0123\n"};
	char name[DERIVED_NAME_LEN + 1];
	const char *path = test_path("id");

	for (size_t i = 0; i < COUNT(contents); i++) {
		test_file(path, contents[i], 0600);
		ck_assert_msg(!device_name_derive(path, "/nowhere", name), "%s",
		    contents[i]);
	}
	ck_assert(!device_name_derive("/nowhere", "/nowhere", name));
}
END_TEST

START_TEST(else_it_follows_from_the_first_card_with_an_address_of_its_own)
{
	static const char *const made[] = {
	    "lo", "dummy0", "can0", "a", "wlan0", "eth1"};
	const char *cards = test_path("cards");
	char name[DERIVED_NAME_LEN + 1];

	ck_assert_int_eq(mkdir(cards, 0700), 0);
	ck_assert(!device_name_derive("/nowhere", cards, name));
	make_card(cards, "lo", "772\n", "0\n", "00:00:00:00:00:00\n");
	make_card(cards, "dummy0", "1\n", "1\n", "aa:bb:cc:dd:ee:01\n");
	make_card(cards, "can0", "280\n", "0\n", "\n");
	make_card(cards, "a", "1\n", "0\n", "00:00:00:00:00:00\n");
	ck_assert(!device_name_derive("/nowhere", cards, name));
	make_card(cards, "wlan0", "1\n", "0\n", "52:54:00:ff:ff:ff\n");
	make_card(cards, "eth1", "1\n", "0\n", "52:54:00:12:34:56\n");
	ck_assert(device_name_derive("/nowhere", cards, name));
	ck_assert_str_eq(name, MAC_NAME);
	/* the machine's id goes before */
	test_file(test_path("id"), ID "\n", 0600);
	ck_assert(device_name_derive(test_path("id"), cards, name));
	ck_assert_str_eq(name, ID_NAME);
	for (size_t i = 0; i < COUNT(made); i++)
		remove_card(cards, made[i]);
	ck_assert_int_eq(rmdir(cards), 0);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    name_follows_from_the_machine_id,
	    what_is_no_machine_id_is_not_taken,
	    else_it_follows_from_the_first_card_with_an_address_of_its_own,
	};

	return run_suite("device_name", tests, COUNT(tests));
}
