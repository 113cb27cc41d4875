/* SPDX-License-Identifier: MIT */
/* What a relay says of its busiest devices, and how a view is shown. */
#include <check.h>
#include <stdlib.h>

#include "ctl/top.h"

static const struct {
	const char *list, *names; /* of those that can be read */
	uint64_t last[3];
} lists[] = {
    {"", "", {0, 0, 0}},
    {"alice:3:1200:99000", "alice ", {3, 1200, 99000}},
    {"alice:3:1:2,bob:0:0:18446744073709551615", "alice bob ",
	{0, 0, UINT64_MAX}},
    {"alice:3:1,bob:1:2:3", "bob ", {1, 2, 3}},
    {"a b:1:2:3,:1:2:3,../x:1:2:3", "", {0, 0, 0}},
    {"alice:-1:2:3,bob:1:2:18446744073709551616", "", {0, 0, 0}},
    {",,,alice:1:2:3,,", "alice ", {1, 2, 3}},
    {"alice", "", {0, 0, 0}},
};

START_TEST(reads_what_relays_say)
{
	struct str list = str_of(lists[_i].list), name;
	uint64_t numbers[3];
	char names[200] = "";

	while (top_next_busy(&list, &name, numbers)) {
		strncat(names, name.ptr, name.len);
		strcat(names, " ");
		if (list.len == 0)
			ck_assert_mem_eq(
			    numbers, lists[_i].last, sizeof(numbers));
	}
	ck_assert_str_eq(names, lists[_i].names);
}
END_TEST

START_TEST(every_cut_of_a_list_is_read_within_its_bounds)
{
	const char *whole = "alice:3:1200:99000,bob:1:2:3";
	uint64_t numbers[3];

	for (size_t len = 0; len <= strlen(whole); len++) {
		char *copy = malloc(len + 1); /* sanitizers watch its end */
		struct str list = {copy, len}, name;
		unsigned n = 0;

		memcpy(copy, whole, len);
		while (top_next_busy(&list, &name, numbers))
			n++;
		ck_assert_uint_le(n, 2);
		free(copy);
	}
}
END_TEST

static char *
text_of(const struct top_view *view, size_t rows, size_t columns)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	top_write(view, rows, columns, "status", out);
	fclose(out);
	return text;
}

START_TEST(never_writes_more_than_fits)
{
	struct top_relay relays[3] = {
	    {.id = "r1", .agents = UINT64_MAX, .bits_in = 1e300}};
	struct top_device devices[3] = {
	    {.name = "alice", .byte_out = 1e18}, {.name = "bob"}};
	const struct top_view view = {3, 3, relays, devices};

	for (size_t rows = 1; rows < 20; rows++)
		for (size_t columns = 1; columns < 120; columns += 29) {
			char *text = text_of(&view, rows, columns);
			size_t n_rows = 1, width = 0, widest = 0;

			for (const char *at = text; *at != '\0'; at++) {
				width = *at == '\n' ? 0 : width + 1;
				widest = width > widest ? width : widest;
				n_rows += *at == '\n';
			}
			ck_assert_uint_le(widest, columns);
			ck_assert_uint_le(n_rows, rows > 1 ? rows : 2);
			free(text);
		}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("top");
	TCase *tests = tcase_create("top");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(
	    tests, reads_what_relays_say, 0, sizeof(lists) / sizeof(lists[0]));
	tcase_add_test(tests, every_cut_of_a_list_is_read_within_its_bounds);
	tcase_add_test(tests, never_writes_more_than_fits);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
