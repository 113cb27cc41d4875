/* SPDX-License-Identifier: MIT */
/* Where the authorities of a system are looked for: files that are there, folders that are
 * read file by file, and places that have none. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/ca_places.h"

#define SEEN_MAX 16

static char folder[] = "/tmp/taupe-ca-XXXXXX";
static char seen[SEEN_MAX][512];
static size_t n_seen;

static const char *
at(const char *name)
{
	static char paths[32][512];
	static unsigned next;
	char *path = paths[next++ % 32];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static void
write_file(const char *name, const char *text)
{
	FILE *file = fopen(at(name), "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

/* A file has certificates if it says so. */
static bool
load_cb(void *ctx, const char *path)
{
	FILE *file = fopen(path, "r");
	char text[64] = "";

	ck_assert_ptr_eq(ctx, seen);
	ck_assert_uint_lt(n_seen, SEEN_MAX);
	snprintf(seen[n_seen++], sizeof(seen[0]), "%s", path);
	if (file == NULL)
		return false;
	if (fgets(text, sizeof(text), file) == NULL)
		text[0] = '\0';
	fclose(file);
	return strcmp(text, "certificate") == 0;
}

static bool
was_seen(const char *name)
{
	for (size_t i = 0; i < n_seen; i++)
		if (strcmp(seen[i], at(name)) == 0)
			return true;
	return false;
}

static const char *
load(const char *const *places)
{
	n_seen = 0;
	return ca_places_load_from(places, load_cb, seen);
}

static void
setup(void)
{
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	unsetenv("SSL_CERT_FILE");
	unsetenv("SSL_CERT_DIR");
}

static void
teardown(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(first_place_that_has_some_is_the_only_one)
{
	const char *places[] = {
	    at("missing.pem"), at("empty.pem"), at("b.pem"), at("c.pem"), NULL};

	write_file("empty.pem", "");
	write_file("b.pem", "certificate");
	write_file("c.pem", "certificate");
	ck_assert_str_eq(load(places), at("b.pem"));
	ck_assert_uint_eq(n_seen, 2);
	ck_assert(was_seen("empty.pem"));
}
END_TEST

START_TEST(each_file_of_a_folder_is_read)
{
	const char *places[] = {at("cacerts"), NULL};

	ck_assert_int_eq(mkdir(at("cacerts"), 0755), 0);
	ck_assert_int_eq(mkdir(at("cacerts/below"), 0755), 0);
	write_file("cacerts/5ed36f99.0", "certificate");
	write_file("cacerts/README", "this is none");
	write_file("cacerts/e5662767.0", "certificate");
	write_file("cacerts/.hidden", "certificate");
	write_file("cacerts/below/x.0", "certificate");
	ck_assert_int_eq(symlink("README", at("cacerts/link")), 0);
	ck_assert_int_eq(symlink("nowhere", at("cacerts/dead")), 0);
	ck_assert_str_eq(load(places), at("cacerts"));
	ck_assert_uint_eq(n_seen, 4);
	ck_assert(was_seen("cacerts/5ed36f99.0"));
	ck_assert(was_seen("cacerts/e5662767.0"));
	ck_assert(was_seen("cacerts/README"));
	ck_assert(was_seen("cacerts/link"));
}
END_TEST

START_TEST(folder_without_certificates_is_no_place)
{
	const char *places[] = {at("none"), at("some"), NULL};

	ck_assert_int_eq(mkdir(at("none"), 0755), 0);
	write_file("none/README", "this is none");
	ck_assert_int_eq(mkdir(at("some"), 0755), 0);
	write_file("some/a.0", "certificate");
	ck_assert_str_eq(load(places), at("some"));
	places[1] = NULL;
	ck_assert_ptr_null(load(places));
}
END_TEST

START_TEST(environment_is_believed_and_nothing_else_then)
{
	write_file("mine.pem", "certificate");
	setenv("SSL_CERT_FILE", at("mine.pem"), 1);
	n_seen = 0;
	ck_assert_str_eq(ca_places_load(load_cb, seen), at("mine.pem"));
	setenv("SSL_CERT_FILE", at("missing.pem"), 1);
	n_seen = 0;
	ck_assert_ptr_null(ca_places_load(load_cb, seen));
	ck_assert_uint_eq(n_seen, 0);
	ck_assert_ptr_nonnull(strstr(ca_places_error(), "SSL_CERT_FILE"));
	setenv("SSL_CERT_DIR", folder, 1);
	ck_assert_str_eq(ca_places_load(load_cb, seen), folder);
	unsetenv("SSL_CERT_FILE");
	unsetenv("SSL_CERT_DIR");
	ck_assert_ptr_nonnull(strstr(ca_places_error(), "ca_file"));
}
END_TEST

START_TEST(what_exists)
{
	write_file("file", "");
	ck_assert_int_eq(mkdir(at("folder"), 0755), 0);
	ck_assert(ca_place_exists(at("file")));
	ck_assert(!ca_place_exists(at("missing")));
	ck_assert(!ca_place_exists(at("folder")));
	ck_assert_int_eq(symlink("nowhere", at("folder/dead")), 0);
	ck_assert(!ca_place_exists(at("folder")));
	write_file("folder/file", "");
	ck_assert(ca_place_exists(at("folder")));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ca_places");
	TCase *tests = tcase_create("ca_places");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, first_place_that_has_some_is_the_only_one);
	tcase_add_test(tests, each_file_of_a_folder_is_read);
	tcase_add_test(tests, folder_without_certificates_is_no_place);
	tcase_add_test(tests, environment_is_believed_and_nothing_else_then);
	tcase_add_test(tests, what_exists);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
