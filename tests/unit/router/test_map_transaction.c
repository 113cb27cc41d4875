/* SPDX-License-Identifier: MIT */
#include "../wire/support.h"

#include <stdio.h>

#include "router/map_transaction.h"

static struct map_transaction tx;
static char out[4096];
static unsigned n_source, next_source;
static char source_key[64];
static const char *why;

static bool
source_cb(void *ctx, struct str *key, char value[ROUTE_VALUE_TEXT_MAX])
{
	(void)ctx;
	if (next_source == n_source)
		return false;
	snprintf(source_key, sizeof(source_key), "host-%03u.example.com",
	    next_source);
	snprintf(
	    value, ROUTE_VALUE_TEXT_MAX, "127.0.0.1,%u", 1000 + next_source);
	next_source++;
	*key = str_of(source_key);
	return true;
}

static void
begin(unsigned n)
{
	n_source = n;
	next_source = 0;
	map_transaction_begin(&tx, "/m/http.map", source_cb, NULL);
}

/* The next command, as text. */
static const char *
command(size_t cap)
{
	size_t len = map_transaction_command(&tx, out, cap);

	ck_assert_uint_le(len, cap);
	out[len] = '\0';
	return out;
}

static enum map_transaction_result
answer(const char *text)
{
	return map_transaction_reply(&tx,
	    (struct str){guard_copy(0, text, strlen(text)), strlen(text)},
	    &why);
}

static enum map_transaction_result
answer_count(unsigned entries)
{
	char text[200];

	snprintf(text, sizeof(text),
	    "# id (file) description\n0 (/m/other.map) x entry_cnt=9\n"
	    "1 (/m/http.map) pattern curr_ver=1 next_ver=2 entry_cnt=%u",
	    entries);
	return answer(text);
}

static void
prepare(void)
{
	ck_assert_str_eq(command(MAP_COMMAND_MIN), "show map\n");
	ck_assert_int_eq(answer_count(5), MAP_TRANSACTION_MORE);
	ck_assert_str_eq(command(MAP_COMMAND_MIN), "prepare map /m/http.map\n");
	ck_assert_int_eq(
	    answer("New version created: 7"), MAP_TRANSACTION_MORE);
}

/* The reply to "get map" of the sample that was asked for. */
static enum map_transaction_result
answer_sample(unsigned shift)
{
	unsigned number;
	char text[200];

	ck_assert_int_eq(
	    sscanf(out, "get map /m/http.map host-%u", &number), 1);
	snprintf(text, sizeof(text),
	    "type=str, case=sensitive, found=yes, idx=tree, "
	    "key=\"x\", value=\"127.0.0.1,%u\", type=\"str\"",
	    1000 + number + shift);
	return answer(text);
}

START_TEST(an_empty_map_is_prepared_counted_and_committed)
{
	begin(0);
	prepare();
	ck_assert_str_eq(command(MAP_COMMAND_MIN), "show map\n");
	ck_assert_int_eq(answer_count(5), MAP_TRANSACTION_MORE);
	ck_assert_str_eq(
	    command(MAP_COMMAND_MIN), "commit map @7 /m/http.map\n");
	ck_assert_int_eq(answer(""), MAP_TRANSACTION_DONE);
	ck_assert_uint_eq(tx.added, 0);
}
END_TEST

START_TEST(every_entry_goes_out_once_in_pieces_that_fit)
{
	unsigned seen = 0, pieces = 0, samples = 0;
	enum map_transaction_result result = MAP_TRANSACTION_MORE;

	begin(200);
	prepare();
	while (seen < 200) {
		const char *line = strchr(command(MAP_COMMAND_MIN), '\n') + 1;

		ck_assert_int_eq(
		    strncmp(out, "add map @7 /m/http.map <<\n", 26), 0);
		ck_assert_str_eq(out + strlen(out) - 2, "\n\n");
		for (; *line != '\n'; line = strchr(line, '\n') + 1) {
			char expected[80];
			int n = snprintf(expected, sizeof(expected),
			    "host-%03u.example.com 127.0.0.1,%u\n", seen,
			    1000 + seen);

			ck_assert_int_eq(strncmp(line, expected, (size_t)n), 0);
			seen++;
		}
		pieces++;
		ck_assert_int_eq(answer(""), MAP_TRANSACTION_MORE);
	}
	ck_assert_uint_gt(pieces, 5);
	ck_assert_str_eq(command(MAP_COMMAND_MIN), "show map\n");
	ck_assert_int_eq(answer_count(205), MAP_TRANSACTION_MORE);
	command(MAP_COMMAND_MIN);
	ck_assert_int_eq(answer(""), MAP_TRANSACTION_MORE);
	while (result == MAP_TRANSACTION_MORE) {
		command(MAP_COMMAND_MIN);
		result = answer_sample(0);
		samples++;
	}
	ck_assert_int_eq(result, MAP_TRANSACTION_DONE);
	ck_assert_uint_eq(samples, MAP_SAMPLES);
}
END_TEST

START_TEST(a_piece_that_was_dropped_silently_is_noticed)
{
	begin(10);
	prepare();
	command(sizeof(out) - 1);
	ck_assert_int_eq(answer(""), MAP_TRANSACTION_MORE);
	command(sizeof(out) - 1);
	ck_assert_int_eq(answer_count(5), MAP_TRANSACTION_FAILED);
	ck_assert_ptr_nonnull(strstr(why, "dropped"));
}
END_TEST

START_TEST(a_sample_that_reads_otherwise_is_noticed)
{
	begin(1);
	prepare();
	command(sizeof(out) - 1);
	ck_assert_int_eq(answer(""), MAP_TRANSACTION_MORE);
	command(sizeof(out) - 1);
	ck_assert_int_eq(answer_count(6), MAP_TRANSACTION_MORE);
	command(sizeof(out) - 1);
	ck_assert_int_eq(answer(""), MAP_TRANSACTION_MORE);
	command(sizeof(out) - 1);
	ck_assert_int_eq(answer_sample(1), MAP_TRANSACTION_FAILED);
}
END_TEST

START_TEST(any_strange_reply_ends_it)
{
	static const char *const strange[] = {
	    "Permission denied", "Unknown command", "x"};

	for (unsigned step = 0; step < 5; step++)
		for (size_t i = 0; i < COUNT(strange); i++) {
			begin(1);
			if (step > 0)
				prepare();
			for (unsigned done = 1; done < step; done++) {
				command(sizeof(out) - 1);
				if (tx.step == MAP_STEP_COUNT)
					ck_assert_int_eq(answer_count(6),
					    MAP_TRANSACTION_MORE);
				else
					ck_assert_int_eq(
					    answer(""), MAP_TRANSACTION_MORE);
			}
			command(sizeof(out) - 1);
			ck_assert_int_eq(
			    answer(strange[i]), MAP_TRANSACTION_FAILED);
		}
}
END_TEST

START_TEST(the_longest_line_fits_into_the_smallest_command)
{
	static char name[MAP_NAME_MAX + 1];

	memset(name, 'm', MAP_NAME_MAX);
	n_source = 1;
	next_source = 0;
	map_transaction_begin(&tx, name, source_cb, NULL);
	tx.step = MAP_STEP_ADD;
	tx.has_held = true;
	memset(tx.held.key, 'k', ROUTE_KEY_TEXT_MAX);
	memset(tx.held.value, 'v', ROUTE_VALUE_TEXT_MAX - 1);
	ck_assert_ptr_nonnull(strstr(command(MAP_COMMAND_MIN), "k v"));
	ck_assert_uint_eq(tx.added, 2);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    an_empty_map_is_prepared_counted_and_committed,
	    every_entry_goes_out_once_in_pieces_that_fit,
	    a_piece_that_was_dropped_silently_is_noticed,
	    a_sample_that_reads_otherwise_is_noticed, any_strange_reply_ends_it,
	    the_longest_line_fits_into_the_smallest_command};

	return run_suite("map_transaction", tests, COUNT(tests));
}
