/* SPDX-License-Identifier: MIT */
/*
 * The configuration table: every type, every source, and every way to get one wrong,
 * with the message that a person then reads.
 */
#include <check.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/options.h"
#include "support.h"

struct conf {
	bool front, checks;
	int64_t workers, buffer, hold;
	char *domain, *token_secret;
	int log_level;
	struct option_list listen, arguments;
};

static const char *
check_domain(const char *value)
{
	return strchr(value, ' ') == NULL ? NULL
					  : "a domain name without blanks";
}

static const struct option_row rows[] = {
    {.key = "front",
	.type = OPTION_BOOL,
	.offset = offsetof(struct conf, front),
	.help = "Take visitors without HAProxy."},
    {.key = "workers",
	.type = OPTION_INT,
	.offset = offsetof(struct conf, workers),
	.def = "4",
	.min = -2,
	.max = 64,
	.argument = "NUMBER",
	.help = "How many."},
    {.key = "buffer_size",
	.type = OPTION_SIZE,
	.offset = offsetof(struct conf, buffer),
	.def = "64k",
	.min = 4096,
	.max = 1 << 30,
	.argument = "BYTES",
	.help = "Room for one direction. A second sentence."},
    {.key = "hold",
	.type = OPTION_DURATION,
	.offset = offsetof(struct conf, hold),
	.def = "5s",
	.min = 0,
	.max = 60000,
	.argument = "TIME",
	.help = "Wait so long."},
    {.key = "domain",
	.type = OPTION_STRING,
	.offset = offsetof(struct conf, domain),
	.def = "localhost",
	.min = 1,
	.max = 20,
	.check = check_domain,
	.argument = "NAME",
	.help = "Parent of all names."},
    {.key = "token_secret",
	.type = OPTION_STRING,
	.offset = offsetof(struct conf, token_secret),
	.min = 16,
	.max = 64,
	.argument = "TEXT",
	.help = "The key."},
    {.key = "log_level",
	.type = OPTION_CHOICE,
	.offset = offsetof(struct conf, log_level),
	.def = "info",
	.choices = "error|warn|info|debug",
	.argument = "LEVEL",
	.help = "From which level on."},
    {.key = "listen",
	.type = OPTION_LIST,
	.offset = offsetof(struct conf, listen),
	.def = "127.0.0.1:8000",
	.max = 40,
	.check = check_domain,
	.argument = "ADDRESS:PORT",
	.help = "Take agents here."},
    {0},
};

static struct option_table table = {
    .program = "taupe-test",
    .synopsis = "Test a table.",
    .section = "test",
    .default_file = "default.ini",
    .rows = rows,
    .struct_size = sizeof(struct conf),
};

#define ARGS_MAX 8

/* Load with these words, NULL ends them; stderr stands in "captured". */
static enum options_result
load(struct conf *conf, const char *const words[])
{
	const char *argv[ARGS_MAX + 2] = {"taupe-test"};
	enum options_result result;
	int argc = 1;

	while (words[argc - 1] != NULL) {
		ck_assert_int_le(argc, ARGS_MAX);
		argv[argc] = words[argc - 1];
		argc++;
	}
	capture_begin(STDERR_FILENO);
	result = options_load(&table, argc, (char **)argv, conf);
	capture_end();
	return result;
}

#define LOAD(conf, ...)                                                        \
	load(conf, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* Load a file that holds this text in [test]. */
static enum options_result
load_text(struct conf *conf, const char *text)
{
	char all[1000];

	snprintf(all, sizeof(all), "[test]\n%s\n", text);
	file_write("a.ini", all);
	return LOAD(conf, "--config", "a.ini");
}

START_TEST(defaults_fill_the_struct)
{
	struct conf conf;

	memset(&conf, 0xff, sizeof(conf));
	ck_assert_int_eq(LOAD(&conf), OPTIONS_OK);
	ck_assert(!conf.front);
	ck_assert_int_eq(conf.workers, 4);
	ck_assert_int_eq(conf.buffer, 65536);
	ck_assert_int_eq(conf.hold, 5000);
	ck_assert_str_eq(conf.domain, "localhost");
	ck_assert_ptr_null(conf.token_secret);
	ck_assert_int_eq(conf.log_level, 2);
	ck_assert_uint_eq(conf.listen.count, 1);
	ck_assert_str_eq(conf.listen.items[0], "127.0.0.1:8000");
	options_free(&table, &conf);
	ck_assert_ptr_null(conf.domain);
	ck_assert_uint_eq(conf.listen.count, 0);
}
END_TEST

START_TEST(default_file_is_read_if_it_exists)
{
	struct conf conf;

	file_write(
	    "default.ini", "# comment\n; another\n\n[test]\r\nworkers = 7\r\n");
	ck_assert_int_eq(LOAD(&conf), OPTIONS_OK);
	ck_assert_int_eq(conf.workers, 7);
	options_free(&table, &conf);
	file_write("other.ini", "[test]\nworkers=8 ; why eight\n  front=on");
	ck_assert_int_eq(LOAD(&conf, "-c", "other.ini"), OPTIONS_OK);
	ck_assert_int_eq(conf.workers, 8);
	ck_assert(conf.front);
	options_free(&table, &conf);
}
END_TEST

START_TEST(command_line_wins_over_the_file)
{
	struct conf conf;

	file_write("a.ini",
	    "[test]\nworkers=7\nfront=yes\nlisten=a:1\nlisten=b:2\nhold=1s\n");
	ck_assert_int_eq(
	    LOAD(&conf, "--workers", "9", "--config=a.ini", "--no-front"),
	    OPTIONS_OK);
	ck_assert_int_eq(conf.workers, 9);
	ck_assert(!conf.front);
	ck_assert_int_eq(conf.hold, 1000);
	ck_assert_uint_eq(conf.listen.count, 2);
	ck_assert_str_eq(conf.listen.items[0], "a:1");
	ck_assert_str_eq(conf.listen.items[1], "b:2");
	options_free(&table, &conf);
	ck_assert_int_eq(
	    LOAD(&conf, "--config=a.ini", "--listen=c:3", "--listen", "d:4",
		"--listen=e:5", "--hold=1m", "--hold=2s"),
	    OPTIONS_OK);
	ck_assert_uint_eq(conf.listen.count, 3);
	ck_assert_str_eq(conf.listen.items[0], "c:3");
	ck_assert_int_eq(conf.hold, 2000);
	options_free(&table, &conf);
}
END_TEST

START_TEST(empty_value_unsets_a_string_and_empties_a_list)
{
	struct conf conf;

	ck_assert_int_eq(load_text(&conf, "domain =\nlisten ="), OPTIONS_OK);
	ck_assert_ptr_null(conf.domain);
	ck_assert_uint_eq(conf.listen.count, 0);
	options_free(&table, &conf);
	ck_assert_int_eq(
	    load_text(&conf, "listen=a:1\nlisten=\nlisten=b:2"), OPTIONS_OK);
	ck_assert_uint_eq(conf.listen.count, 1);
	ck_assert_str_eq(conf.listen.items[0], "b:2");
	options_free(&table, &conf);
}
END_TEST

START_TEST(arguments_go_to_their_list)
{
	struct conf conf;

	table.arguments = "COMMAND [NAME]...";
	table.arguments_offset = offsetof(struct conf, arguments);
	ck_assert_int_eq(LOAD(&conf, "device", "--workers", "3", "add", "--",
			     "--front", "-"),
	    OPTIONS_OK);
	ck_assert_uint_eq(conf.arguments.count, 4);
	ck_assert_str_eq(conf.arguments.items[1], "add");
	ck_assert_str_eq(conf.arguments.items[2], "--front");
	ck_assert(!conf.front);
	options_free(&table, &conf);
	ck_assert_uint_eq(conf.arguments.count, 0);
	ck_assert_int_eq(
	    LOAD(&conf, "device", "--workers", "many"), OPTIONS_ERROR);
}
END_TEST

static const struct {
	const char *text;
	int64_t value;
} numbers[] = {
    {"workers=-2", -2},
    {"workers=64", 64},
    {"workers=0", 0},
    {"buffer_size=4096", 4096},
    {"buffer_size=4k", 4096},
    {"buffer_size=4K", 4096},
    {"buffer_size=16M", 16777216},
    {"buffer_size=1G", 1073741824},
    {"buffer_size=1g", 1073741824},
    {"hold=0", 0},
    {"hold=1", 1000},
    {"hold=250ms", 250},
    {"hold=60s", 60000},
    {"hold=1m", 60000},
    {"front=yes", 1},
    {"front=No", 0},
    {"front=TRUE", 1},
    {"front=false", 0},
    {"front=on", 1},
    {"front=off", 0},
    {"front=1", 1},
    {"front=0", 0},
    {"log_level=error", 0},
    {"log_level=debug", 3},
};

START_TEST(value_is_taken)
{
	const char *text = numbers[_i].text;
	struct conf conf;
	int64_t got;

	ck_assert_int_eq(load_text(&conf, text), OPTIONS_OK);
	if (text[0] == 'w')
		got = conf.workers;
	else if (text[0] == 'b')
		got = conf.buffer;
	else if (text[0] == 'h')
		got = conf.hold;
	else if (text[0] == 'f')
		got = conf.front;
	else
		got = conf.log_level;
	ck_assert_int_eq(got, numbers[_i].value);
	options_free(&table, &conf);
}
END_TEST

#define HOLD "allowed: a duration, 0s to 1m (250ms, 30s, 5m, 12h, 7d)"
#define WORKERS "allowed: a whole number, -2 to 64"
#define SIZE "allowed: a number of bytes, 4k to 1G (65536, 64k, 16M, 1G)"

static const struct {
	const char *text, *error;
} bad_lines[] = {
    {"workers = 65", "a.ini:2: workers = 65: " WORKERS},
    {"workers = -3", "a.ini:2: workers = -3: " WORKERS},
    {"workers = --2", "a.ini:2: workers = --2: " WORKERS},
    {"workers = +2", "a.ini:2: workers = +2: " WORKERS},
    {"workers = 2x", "a.ini:2: workers = 2x: " WORKERS},
    {"workers = 0x10", "a.ini:2: workers = 0x10: " WORKERS},
    {"workers =", "a.ini:2: workers = : " WORKERS},
    {"workers = 99999999999999999999",
	"a.ini:2: workers = 99999999999999999999: " WORKERS},
    {"buffer_size = 4095", "a.ini:2: buffer_size = 4095: " SIZE},
    {"buffer_size = 2G", "a.ini:2: buffer_size = 2G: " SIZE},
    {"buffer_size = 64kB", "a.ini:2: buffer_size = 64kB: " SIZE},
    {"buffer_size = -1", "a.ini:2: buffer_size = -1: " SIZE},
    {"buffer_size = k", "a.ini:2: buffer_size = k: " SIZE},
    {"buffer_size = 9223372036854775807G",
	"a.ini:2: buffer_size = 9223372036854775807G: " SIZE},
    {"hold = 61", "a.ini:2: hold = 61: " HOLD},
    {"hold = 5 s", "a.ini:2: hold = 5 s: " HOLD},
    {"hold = 1.5s", "a.ini:2: hold = 1.5s: " HOLD},
    {"hold = soon", "a.ini:2: hold = soon: " HOLD},
    {"hold = 9223372036854775807d",
	"a.ini:2: hold = 9223372036854775807d: " HOLD},
    {"front = maybe", "a.ini:2: front = maybe: allowed: yes or no"},
    {"log_level = all",
	"a.ini:2: log_level = all: allowed: error, warn, info or debug"},
    {"log_level = inf",
	"a.ini:2: log_level = inf: allowed: error, warn, info or debug"},
    {"domain = abcdefghijklmnopqrstu",
	"a.ini:2: domain = abcdefghijklmnopqrstu: allowed: 1 to 20 characters"},
    {"domain = a b",
	"a.ini:2: domain = a b: allowed: a domain name without blanks"},
    {"listen = a:1\nlisten = b b",
	"a.ini:3: listen = b b: allowed: a domain name without blanks"},
    {"token_secret = swordfish",
	"a.ini:2: token_secret: allowed: 16 to 64 characters"},
    {"workes = 3", "a.ini:2: workes: no such key; the closest one is workers"},
    {"log-level = info",
	"a.ini:2: log-level: no such key; the closest one is log_level"},
    {"Workers = 3",
	"a.ini:2: Workers: no such key; the closest one is workers"},
    {"= 3", "a.ini:2: : no such key (see --help)"},
    {"zzzzzzzz = 3", "a.ini:2: zzzzzzzz: no such key (see --help)"},
    {"workers = 3\n\nworkers = 3",
	"a.ini:4: workers: stands in line 2 already; allowed: once"},
    {"workers", "a.ini:2: neither a [section] nor key = value nor a # comment"},
    {"[test", "a.ini:2: neither a [section] nor key = value nor a # comment"},
    {"[relay]\nhold = 3", "a.ini:3: [relay]: no such section; allowed: [test]"},
    {"workers = 3\a", "a.ini:2: a control character; allowed: plain text"},
    {"workers = 65\nhold = soon\nnonsense", "a.ini:2: workers = 65: " WORKERS},
    {"nonsense\nworkers = 65",
	"a.ini:2: neither a [section] nor key = value nor a # comment"},
};

/* inih goes on after a line that it cannot read, and tells of it at the end only. */
START_TEST(bad_line_is_named_with_what_is_allowed)
{
	char expected[400];
	struct conf conf;

	ck_assert_int_eq(load_text(&conf, bad_lines[_i].text), OPTIONS_ERROR);
	snprintf(expected, sizeof(expected), "taupe-test: %s\n",
	    bad_lines[_i].error);
	ck_assert_str_eq(file_read("captured"), expected);
}
END_TEST

START_TEST(key_before_any_section_is_refused)
{
	struct conf conf;

	file_write("a.ini", "\nhold = 3\n[test]\n");
	ck_assert_int_eq(LOAD(&conf, "-c", "a.ini"), OPTIONS_ERROR);
	ck_assert_str_eq(file_read("captured"),
	    "taupe-test: a.ini:2: hold: stands before the section [test]\n");
}
END_TEST

/* The limit is inih's: some thousand characters, or 200 with an inih as upstream has it. */
START_TEST(over_long_line_is_an_error_not_two_lines)
{
	static char text[20000];
	struct conf conf;

	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "[test]\ndomain = ", 16);
	file_write("a.ini", text);
	ck_assert_int_eq(LOAD(&conf, "-c", "a.ini"), OPTIONS_ERROR);
	ck_assert_ptr_nonnull(
	    strstr(file_read("captured"), "a.ini:2: the line is too long"));
	text[7 + 180] = '\0';
	file_write("a.ini", text);
	ck_assert_int_eq(LOAD(&conf, "-c", "a.ini"), OPTIONS_ERROR);
	ck_assert_ptr_nonnull(
	    strstr(file_read("captured"), "allowed: 1 to 20 characters"));
}
END_TEST

START_TEST(named_file_must_be_readable)
{
	struct conf conf;

	ck_assert_int_eq(LOAD(&conf, "--config=none.ini"), OPTIONS_ERROR);
	ck_assert_str_eq(file_read("captured"),
	    "taupe-test: none.ini: cannot be opened: No such file or "
	    "directory\n");
	ck_assert_int_eq(mkdir("default.ini", 0700), 0);
	ck_assert_int_eq(LOAD(&conf), OPTIONS_ERROR);
	ck_assert_str_eq(file_read("captured"),
	    "taupe-test: default.ini: is a folder; allowed: an INI file\n");
}
END_TEST

static const struct {
	const char *words[4];
	const char *error;
} bad_commands[] = {
    {{"--workers"}, "--workers: needs a value"},
    {{"--config"}, "--config: needs a value"},
    {{"--workers=65"}, "--workers=65: " WORKERS},
    {{"--buffer-size", "1"}, "--buffer-size=1: " SIZE},
    {{"--buffer_size=64k"},
	"--buffer_size: no such option; the closest one is --buffer-size"},
    {{"--worker=3"}, "--worker: no such option; the closest one is --workers"},
    {{"--xyzzyxyzzy"}, "--xyzzyxyzzy: no such option (see --help)"},
    {{"-x"}, "-x: no such option (see --help)"},
    {{"--front=perhaps"}, "--front=perhaps: allowed: yes or no"},
    {{"--no-front=yes"}, "--no-front: takes no value"},
    {{"--no-workers"},
	"--no-workers: no such option; the closest one is --workers"},
    {{"--help=yes"}, "--help: takes no value"},
    {{"stray"}, "stray: only options are expected (see --help)"},
    {{"--token-secret", "swordfish"},
	"--token-secret: everybody on this machine can read a command line: "
	"write token_secret = ... into the configuration file, and take "
	"another one, since this one was seen"},
    {{"--token-secret=swordfish-swordfish"},
	"--token-secret: everybody on this machine can read a command line: "
	"write token_secret = ... into the configuration file, and take "
	"another one, since this one was seen"},
};

START_TEST(bad_command_line_is_named_with_what_is_allowed)
{
	char expected[300];
	struct conf conf;

	ck_assert_int_eq(load(&conf, bad_commands[_i].words), OPTIONS_ERROR);
	snprintf(expected, sizeof(expected), "taupe-test: %s\n",
	    bad_commands[_i].error);
	ck_assert_str_eq(file_read("captured"), expected);
}
END_TEST

/* stdout of --help and its like. */
static const char *
answer_of(const char *option)
{
	const char *argv[] = {"taupe-test", option, NULL};
	struct conf conf;

	capture_begin(STDOUT_FILENO);
	ck_assert_int_eq(
	    options_load(&table, 2, (char **)argv, &conf), OPTIONS_EXIT);
	return capture_end();
}

START_TEST(help_shows_every_key_with_its_facts)
{
	const char *help = answer_of("--help");

	ck_assert_ptr_nonnull(
	    strstr(help, "Usage: taupe-test [OPTION]...\nTest a table.\n"));
	ck_assert_ptr_nonnull(strstr(help, "  -c, --config FILE\n"));
	ck_assert_ptr_nonnull(strstr(help,
	    "  --hold TIME\n          Wait so long.\n"
	    "          Allowed: 0s to 1m. Default: 5s.\n"));
	for (const struct option_row *row = rows; row->key != NULL; row++)
		ck_assert_ptr_nonnull(strstr(help, row->help));
	for (const char *line = help; *line != '\0';
	     line = strchr(line, '\n') + 1)
		ck_assert_uint_lt(strcspn(line, "\n"), 80);
	ck_assert_str_eq(answer_of("-h"), file_read("captured"));
}
END_TEST

START_TEST(version_and_man_are_answered)
{
	const char *man;

	ck_assert_ptr_nonnull(strstr(answer_of("--version"), "taupe-test "));
	ck_assert_ptr_nonnull(strstr(answer_of("-V"), "taupe-test "));
	man = answer_of("--help-man");
	ck_assert_ptr_nonnull(
	    strstr(man, ".Bl -tag -width Ds\n.It Fl c , Fl \\-config Ar "));
	ck_assert_ptr_nonnull(strstr(man,
	    ".It Fl \\-buffer\\-size Ar \"BYTES\"\n"
	    "Room for one direction.\nA second sentence.\n"
	    "Allowed: 4k to 1G.\n"
	    "Default: 64k.\n"));
	ck_assert_str_eq(man + strlen(man) - 4, ".El\n");
	man = answer_of("--help-man-keys");
	ck_assert_ptr_nonnull(strstr(man,
	    ".It Cm buffer_size No = Ar \"BYTES\"\n"
	    "Room for one direction.\nA second sentence.\n"
	    "Allowed: 4k to 1G.\n"));
	ck_assert_ptr_null(strstr(man, ".It Cm config"));
}
END_TEST

static const struct option_command two_commands[] = {
    {"mole", "dig", "NAME", "Dig. As deep as it goes."},
    {"rest", NULL, NULL, "Do not."},
};

static const struct option_command *
command_at(size_t place)
{
	return place < 2 ? &two_commands[place] : NULL;
}

START_TEST(commands_are_told_in_short_and_at_length)
{
	ck_assert_str_eq(answer_of("--help-man-commands"), "");
	table.command_at = command_at; /* of this test's process */
	ck_assert_ptr_nonnull(strstr(answer_of("--help"),
	    "  mole dig NAME\n          Dig.\n"
	    "  rest\n          Do not.\n\n"));
	ck_assert_str_eq(answer_of("--help-man-commands"),
	    ".Bl -tag -width Ds\n.It Cm \"mole dig\" Ar \"NAME\"\n"
	    "Dig.\nAs deep as it goes.\n.It Cm \"rest\"\nDo not.\n.El\n");
	table.command_at = NULL;
}
END_TEST

START_TEST(check_reads_everything_and_says_so)
{
	struct conf conf;

	ck_assert_str_eq(
	    answer_of("--check"), "taupe-test: the configuration is right\n");
	ck_assert_str_eq(answer_of("--check-config"),
	    "taupe-test: the configuration is right\n");
	file_write("default.ini", "[test]\nhold = never\n");
	ck_assert_int_eq(LOAD(&conf, "--check"), OPTIONS_ERROR);
	ck_assert_str_eq(file_read("captured"),
	    "taupe-test: default.ini:2: hold = never: " HOLD "\n");
}
END_TEST

static bool
hold_is_not_a_minute(void *conf)
{
	return ((const struct conf *)conf)->hold != 60000;
}

START_TEST(check_goes_on_where_there_is_more_to_look_at)
{
	struct conf conf;

	table.check_more = "Look at the rest, too.";
	table.check_offset = offsetof(struct conf, checks);
	ck_assert_int_eq(LOAD(&conf, "--check", "--hold", "7s"), OPTIONS_OK);
	ck_assert(conf.checks);
	ck_assert_int_eq(conf.hold, 7000);
	options_free(&table, &conf);
	ck_assert_int_eq(LOAD(&conf, "--hold", "7s"), OPTIONS_OK);
	ck_assert(!conf.checks);
	options_free(&table, &conf);
	ck_assert_int_eq(LOAD(&conf, "--check-config"), OPTIONS_EXIT);
	ck_assert_ptr_nonnull(
	    strstr(answer_of("--help"), "Look at the rest, too."));
	table.check_more = NULL;
}
END_TEST

START_TEST(check_asks_for_what_the_rows_cannot_tell_alone)
{
	struct conf conf;

	table.check_all = hold_is_not_a_minute;
	ck_assert_int_eq(
	    LOAD(&conf, "--check", "--hold", "60s"), OPTIONS_ERROR);
	ck_assert_int_eq(LOAD(&conf, "--check", "--hold", "59s"), OPTIONS_EXIT);
	table.check_all = NULL;
}
END_TEST

START_TEST(reload_reads_again_and_leaves_alone_on_error)
{
	const char *argv[] = {"taupe-test", "--workers=3", NULL};
	struct conf conf, fresh;

	file_write("default.ini", "[test]\nhold = 1s\nworkers = 5\n");
	ck_assert_int_eq(LOAD(&conf, "--workers=3"), OPTIONS_OK);
	file_write("default.ini", "[test]\nhold = 2s\nworkers = 5\n");
	ck_assert_int_eq(options_reload(&table, 2, (char **)argv, &fresh), 0);
	ck_assert_int_eq(fresh.hold, 2000);
	ck_assert_int_eq(fresh.workers, 3);
	options_free(&table, &fresh);
	memset(&fresh, 0x55, sizeof(fresh));
	file_write("default.ini", "[test]\nhold = never\n");
	capture_begin(STDERR_FILENO);
	ck_assert_int_eq(options_reload(&table, 2, (char **)argv, &fresh), -1);
	ck_assert_ptr_nonnull(strstr(capture_end(), "level=error"));
	ck_assert_ptr_nonnull(
	    strstr(file_read("captured"), "default.ini:2: hold = never"));
	ck_assert_int_eq(fresh.hold, 0x5555555555555555);
	options_free(&table, &conf);
}
END_TEST

#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

int
main(void)
{
	Suite *suite = suite_create("options");
	TCase *tcase = tcase_create("options");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, scratch_setup, scratch_teardown);
	tcase_add_test(tcase, defaults_fill_the_struct);
	tcase_add_test(tcase, default_file_is_read_if_it_exists);
	tcase_add_test(tcase, command_line_wins_over_the_file);
	tcase_add_test(tcase, empty_value_unsets_a_string_and_empties_a_list);
	tcase_add_test(tcase, arguments_go_to_their_list);
	tcase_add_loop_test(tcase, value_is_taken, 0, COUNT(numbers));
	tcase_add_loop_test(
	    tcase, bad_line_is_named_with_what_is_allowed, 0, COUNT(bad_lines));
	tcase_add_test(tcase, key_before_any_section_is_refused);
	tcase_add_test(tcase, over_long_line_is_an_error_not_two_lines);
	tcase_add_test(tcase, named_file_must_be_readable);
	tcase_add_loop_test(tcase,
	    bad_command_line_is_named_with_what_is_allowed, 0,
	    COUNT(bad_commands));
	tcase_add_test(tcase, help_shows_every_key_with_its_facts);
	tcase_add_test(tcase, version_and_man_are_answered);
	tcase_add_test(tcase, commands_are_told_in_short_and_at_length);
	tcase_add_test(tcase, check_reads_everything_and_says_so);
	tcase_add_test(tcase, check_goes_on_where_there_is_more_to_look_at);
	tcase_add_test(tcase, check_asks_for_what_the_rows_cannot_tell_alone);
	tcase_add_test(tcase, reload_reads_again_and_leaves_alone_on_error);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
