/* SPDX-License-Identifier: MIT */
/*
 * The device file: what it holds comes back, a bad line spoils nothing, and neither a
 * second writer nor a reader in between ever sees half of it.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/device_file.h"
#include "base/device_lines.h"
#include "support.h"

#define HASH "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define DEVICE(name) "name=" name "&secret_sha256=" HASH

/* What was done to the disk: F and D, the sync of a file and of a folder, R a new name. */
static char steps[16];

static void
step(char what)
{
	size_t n = strlen(steps);

	if (n < sizeof(steps) - 1)
		steps[n] = what;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

/* A disk that gives nothing back. */
static bool is_broken;

ssize_t __real_read(int fd, void *out, size_t size);
ssize_t __wrap_read(int fd, void *out, size_t size);

ssize_t
__wrap_read(int fd, void *out, size_t size)
{
	if (!is_broken)
		return __real_read(fd, out, size);
	errno = EIO;
	return -1;
}

int
__wrap_fsync(int fd)
{
	struct stat status;

	ck_assert_int_eq(fstat(fd, &status), 0);
	step(S_ISDIR(status.st_mode) ? 'D' : 'F');
	return __real_fsync(fd);
}

int
__wrap_rename(const char *from, const char *to)
{
	step('R');
	return __real_rename(from, to);
}

/* The names that were read, joined by blanks. */
static char names[4096];
static size_t n_devices;

static int
note_cb(void *ctx, const struct device_record *record)
{
	const char *stop_at = ctx;

	n_devices++;
	snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s ",
	    record->name);
	return stop_at != NULL && strcmp(record->name, stop_at) == 0 ? 7 : 0;
}

static int
read_names(const char *stop_at, struct device_file_error *error)
{
	names[0] = '\0';
	n_devices = 0;
	return device_file_read(
	    "devices", note_cb, NULL, (void *)(uintptr_t)stop_at, error);
}

static struct device_record
record_of(const char *name, const char *label, const char *port)
{
	struct device_record record = {0};

	ck_assert(device_record_set(&record, STR("name"), str_of(name)));
	ck_assert(device_record_set(&record, STR("secret_sha256"), STR(HASH)));
	if (label != NULL)
		ck_assert(
		    device_record_set(&record, STR("label"), str_of(label)));
	if (port != NULL)
		ck_assert(
		    device_record_set(&record, STR("port"), str_of(port)));
	return record;
}

START_TEST(missing_file_is_an_empty_one)
{
	struct device_file_error error;

	ck_assert_int_eq(read_names(NULL, &error), 0);
	ck_assert_uint_eq(n_devices, 0);
	file_write("devices", "");
	ck_assert_int_eq(read_names(NULL, &error), 0);
	ck_assert_uint_eq(n_devices, 0);
}
END_TEST

START_TEST(devices_come_in_the_order_of_the_file)
{
	struct device_file_error error;

	file_write("devices",
	    "# ours\n\n" DEVICE("zoe") "\n" DEVICE("bob") "&label=bob\n" DEVICE(
		"alice") "&port=ssh:20022&new_key=1");
	ck_assert_int_eq(read_names(NULL, &error), 0);
	ck_assert_str_eq(names, "zoe bob alice ");
	ck_assert_int_eq(read_names("bob", &error), 7);
	ck_assert_str_eq(names, "zoe bob ");
	ck_assert_str_eq(error.text, "");
}
END_TEST

static const struct {
	const char *text;
	unsigned line;
	const char *error;
} bad_files[] = {
    {DEVICE("a") "\nname=b\n", 2, "a device needs name= and secret_sha256="},
    {"secret_sha256=" HASH, 1, "a device needs name= and secret_sha256="},
    {DEVICE("a") "\n\nname=%zz", 3, "no list of key=value joined by &"},
    {DEVICE("a") "\r\n", 1, "no list of key=value joined by &"},
    {"=x", 1, "no list of key=value joined by &"},
    {"name=-a", 1, "the value of name is malformed, or given twice"},
    {DEVICE("a") "&name=b", 1,
	"the value of name is malformed, or given twice"},
    {DEVICE("a") "&secret_sha256=" HASH, 1,
	"the value of secret_sha256 is malformed, or given twice"},
    {DEVICE("a") "&label=A", 1,
	"the value of label is malformed, or given twice"},
    {DEVICE("a") "&port=ssh", 1,
	"the value of port is malformed, or given twice"},
    {DEVICE("a") "\n#\n" DEVICE("a"), 3,
	"the name a stands in line 1 already (device a)"},
    {DEVICE("b") "&label=cam\n" DEVICE("a") "&label=cam", 2,
	"the label cam stands in line 1 already (device b)"},
    {DEVICE("a") "&port=ssh:22\n" DEVICE("b") "&port=web:22", 2,
	"the port 22 stands in line 1 already (device a)"},
    {DEVICE("a") "&port=ssh:22&port=web:22", 1,
	"the port 22 stands in line 1 already (device a)"},
};

START_TEST(bad_line_is_named_and_no_device_is_given)
{
	struct device_file_error error;

	file_write("devices", bad_files[_i].text);
	ck_assert_int_eq(read_names(NULL, &error), -1);
	ck_assert_uint_eq(n_devices, 0);
	ck_assert_uint_eq(error.line, bad_files[_i].line);
	ck_assert_str_eq(error.text, bad_files[_i].error);
}
END_TEST

START_TEST(over_long_line_is_refused)
{
	static char text[DEVICE_LINE_MAX + 2];
	struct device_file_error error;

	memset(text, 'x', DEVICE_LINE_MAX + 1);
	memcpy(text, DEVICE("a") "&x=", strlen(DEVICE("a") "&x="));
	file_write("devices", text);
	ck_assert_int_eq(read_names(NULL, &error), -1);
	ck_assert_str_eq(error.text, "longer than 98304 characters");
	text[DEVICE_LINE_MAX] = '\0';
	file_write("devices", text);
	ck_assert_int_eq(read_names(NULL, &error), 0);
}
END_TEST

START_TEST(folder_and_fifo_are_no_device_file)
{
	struct device_file_error error;

	ck_assert_int_eq(mkdir("devices", 0700), 0);
	ck_assert_int_eq(read_names(NULL, &error), -1);
	ck_assert_uint_eq(error.line, 0);
	ck_assert_int_eq(rmdir("devices"), 0);
	ck_assert_int_eq(mkfifo("devices", 0600), 0);
	ck_assert_int_eq(read_names(NULL, &error), -1);
}
END_TEST

/* A parser that is given any beginning of a text neither reads behind it nor crashes. */
START_TEST(every_prefix_of_a_file_is_safe)
{
	const char *whole =
	    "# c\n" DEVICE("a") "&label=a%2Db\n\n" DEVICE("b") "&port=ssh:22\n";
	struct device_file_error error;
	struct device_lines lines;

	for (size_t len = 0; len <= strlen(whole); len++) {
		char *exact = malloc(len ? len : 1);

		ck_assert_ptr_nonnull(exact);
		memcpy(exact, whole, len);
		if (device_lines_parse(
			&lines, (struct str){exact, len}, &error) == 0)
			device_lines_fini(&lines);
		else
			ck_assert_uint_gt(strlen(error.text), 0);
		free(exact);
	}
}
END_TEST

START_TEST(put_adds_and_replaces_and_keeps_the_rest)
{
	struct device_record zoe = record_of("zoe", NULL, NULL);
	struct device_record bob = record_of("bob", "bob-cam", "ssh:20022");
	struct device_file_error error;

	file_write("devices", "# ours\n\n" DEVICE("bob") "\n# end");
	ck_assert_int_eq(device_file_put("devices", &zoe, NULL, &error), 0);
	ck_assert_str_eq(file_read("devices"),
	    "# ours\n\n" DEVICE("bob") "\n# end\n" DEVICE("zoe") "\n");
	ck_assert_int_eq(device_file_put("devices", &bob, NULL, &error), 0);
	ck_assert_str_eq(file_read("devices"),
	    "# ours\n\n" DEVICE("bob") "&label=bob-cam&port=ssh:20022\n# "
				       "end\n" DEVICE("zoe") "\n");
	ck_assert_int_eq(device_file_put("devices", &bob, NULL, &error), 0);
	ck_assert_int_eq(read_names(NULL, &error), 0);
	ck_assert_str_eq(names, "bob zoe ");
}
END_TEST

START_TEST(put_is_on_the_disk_when_it_is_done)
{
	struct device_record record = record_of("alice", NULL, NULL);
	struct device_file_error error;

	memset(steps, 0, sizeof(steps));
	ck_assert_int_eq(device_file_put("devices", &record, NULL, &error), 0);
	ck_assert_str_eq(steps, "FRD");
}
END_TEST

START_TEST(put_makes_the_file_for_its_owner_alone)
{
	struct device_record record = record_of("alice", NULL, NULL);
	struct device_file_error error;
	struct stat st;

	umask(0);
	ck_assert_int_eq(device_file_put("devices", &record, NULL, &error), 0);
	ck_assert_int_eq(stat("devices", &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(chmod("devices", 0644), 0);
	ck_assert_int_eq(device_file_put("devices", &record, NULL, &error), 0);
	ck_assert_int_eq(stat("devices", &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(owner_of_the_file_and_of_its_folder_are_kept)
{
	struct device_record record = record_of("alice", NULL, NULL);
	struct device_file_error error;
	struct stat st;

	if (geteuid() != 0)
		return; /* nobody else can give files away */
	ck_assert_int_eq(chown(".", 1234, 1235), 0);
	ck_assert_int_eq(device_file_put("devices", &record, NULL, &error), 0);
	ck_assert_int_eq(stat("devices", &st), 0);
	ck_assert_uint_eq(st.st_uid, 1234);
	ck_assert_int_eq(chown("devices", 2345, 2346), 0);
	ck_assert_int_eq(device_file_put("devices", &record, NULL, &error), 0);
	ck_assert_int_eq(stat("devices", &st), 0);
	ck_assert_uint_eq(st.st_uid, 2345);
	ck_assert_uint_eq(st.st_gid, 2346);
}
END_TEST

START_TEST(label_and_port_of_another_device_are_refused)
{
	struct device_record first = record_of("alice", "cam", "ssh:20022");
	struct device_record label = record_of("bob", "cam", NULL);
	struct device_record port = record_of("bob", NULL, "web:20022");
	struct device_file_error error;
	char before[1000];

	ck_assert_int_eq(device_file_put("devices", &first, NULL, &error), 0);
	snprintf(before, sizeof(before), "%s", file_read("devices"));
	ck_assert_int_eq(device_file_put("devices", &label, NULL, &error), -1);
	ck_assert_str_eq(error.text,
	    "the label cam stands in line 1 already (device alice)");
	ck_assert_int_eq(device_file_put("devices", &port, NULL, &error), -1);
	ck_assert_str_eq(error.text,
	    "the port 20022 stands in line 1 already (device alice)");
	ck_assert_str_eq(file_read("devices"), before);
}
END_TEST

START_TEST(damaged_file_is_not_changed)
{
	struct device_record record = record_of("alice", NULL, NULL);
	struct device_file_error error;
	bool found;

	file_write("devices", DEVICE("bob") "\ngarbage\n");
	ck_assert_int_eq(device_file_put("devices", &record, NULL, &error), -1);
	ck_assert_uint_eq(error.line, 2);
	ck_assert_int_eq(
	    device_file_remove("devices", STR("bob"), &found, &error), -1);
	ck_assert_str_eq(file_read("devices"), DEVICE("bob") "\ngarbage\n");
}
END_TEST

START_TEST(remove_takes_one_device_out)
{
	struct device_file_error error;
	bool found = true;

	ck_assert_int_eq(
	    device_file_remove("devices", STR("bob"), &found, &error), 0);
	ck_assert(!found);
	ck_assert_int_ne(access("devices", F_OK), 0);
	file_write("devices",
	    DEVICE("alice") "\n# bob's\n" DEVICE("bob") "\n" DEVICE("zoe"));
	ck_assert_int_eq(
	    device_file_remove("devices", STR("bo"), &found, &error), 0);
	ck_assert(!found);
	ck_assert_int_eq(
	    device_file_remove("devices", STR("bob"), &found, &error), 0);
	ck_assert(found);
	ck_assert_str_eq(file_read("devices"),
	    DEVICE("alice") "\n# bob's\n" DEVICE("zoe") "\n");
}
END_TEST

static bool
set_secret_cb(void *ctx, struct device_record *record)
{
	memset(record->secret_sha256, 0xab, SECRET_HASH_LEN);
	return ctx == NULL;
}

START_TEST(another_secret_changes_nothing_else)
{
	char dont;
	struct device_file_error error;
	bool found = true;

	file_write("devices",
	    DEVICE("alice") "&label=shop&port=ssh:20022\n# bob's\n" DEVICE(
		"bob") "\n");
	ck_assert_int_eq(device_file_change("devices", STR("carol"),
			     set_secret_cb, NULL, true, &found, &error),
	    0);
	ck_assert(!found);
	ck_assert_int_eq(device_file_change("devices", STR("bob"),
			     set_secret_cb, &dont, true, &found, &error),
	    0);
	ck_assert(found);
	ck_assert_int_eq(device_file_change("devices", STR("alice"),
			     set_secret_cb, NULL, true, &found, &error),
	    0);
	ck_assert(found);
	ck_assert_str_eq(file_read("devices"),
	    "name=alice&secret_sha256="
	    "abababababababababababababababab"
	    "abababababababababababababababab"
	    "&label=shop&port=ssh:20022\n# bob's\n" DEVICE("bob") "\n");
}
END_TEST

#define FLEET(name) "fleet=" name "&key_sha256=" HASH
#define COUNTED(name, used)                                                    \
	FLEET(name) "&max=0&used=" used "&expires_ms=0&created_ms=0"

static int
note_fleet_cb(void *ctx, const struct fleet_record *record)
{
	(void)ctx;
	snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s:%s ",
	    record->name, record->pattern);
	return 0;
}

START_TEST(fleets_stand_among_the_devices)
{
	struct device_file_error error;
	struct fleet_record fleet = {.name = "new", .pattern = "p-*"};
	bool found;

	file_write("devices",
	    FLEET("probes") "&max=3&pattern=p-*\n" DEVICE(
		"alice") "&fleet=probes\n" FLEET("x") "\n");
	names[0] = '\0';
	ck_assert_msg(device_file_read(
			  "devices", note_cb, note_fleet_cb, NULL, &error) == 0,
	    "%u: %s", error.line, error.text);
	ck_assert_str_eq(names, "alice probes:p-* x: ");
	ck_assert_int_eq(
	    device_file_remove_fleet("devices", STR("y"), &found, &error), 0);
	ck_assert(!found);
	ck_assert_int_eq(
	    device_file_remove_fleet("devices", STR("probes"), &found, &error),
	    0);
	ck_assert(found);
	ck_assert_int_eq(
	    device_file_put_fleet("devices", &fleet, NULL, &error), 0);
	names[0] = '\0';
	ck_assert_int_eq(
	    device_file_read("devices", note_cb, note_fleet_cb, NULL, &error),
	    0);
	ck_assert_str_eq(names, "alice x: new:p-* ");
}
END_TEST

static char tokens_seen[100];

static int
note_token_cb(void *ctx, const struct token_record *record)
{
	(void)ctx;
	strcat(tokens_seen, record->name);
	strcat(tokens_seen, " ");
	strcat(tokens_seen, token_role_name(record->role));
	strcat(tokens_seen, ",");
	return 0;
}

static const char *
see_tokens(void)
{
	struct device_file_error error;

	tokens_seen[0] = '\0';
	ck_assert_msg(device_file_read_tokens(
			  "devices", note_token_cb, NULL, &error) == 0,
	    "%s", error.text);
	return tokens_seen;
}

#define TOKEN(name, role) "token=" name "&sha256=" HASH "&role=" role

START_TEST(tokens_stand_among_the_devices)
{
	struct token_record token = {.name = "new", .role = TOKEN_ADMIN};
	struct device_file_error error;
	bool found;

	file_write("devices",
	    TOKEN("x", "read") "\n" DEVICE("alice") "\n" TOKEN(
		"y", "operate") "&later=1\n");
	ck_assert_str_eq(see_tokens(), "x read,y operate,");
	ck_assert_int_eq(
	    device_file_put_token("devices", &token, &found, &error), 0);
	ck_assert(!found);
	ck_assert_int_eq(
	    device_file_put_token("devices", &token, &found, &error), 0);
	ck_assert(found);
	ck_assert_int_eq(
	    device_file_remove_token("devices", STR("x"), &found, &error), 0);
	ck_assert(found);
	ck_assert_int_eq(
	    device_file_remove_token("devices", STR("x"), &found, &error), 0);
	ck_assert(!found);
	ck_assert_str_eq(see_tokens(), "y operate,new admin,");
	ck_assert_int_eq(
	    device_file_read("devices", note_cb, NULL, NULL, &error), 0);
}
END_TEST

START_TEST(a_wrong_token_is_named)
{
	static const char *const bad[] = {"token=x\n", TOKEN("x", "root") "\n",
	    TOKEN("", "read") "\n", "token=x&sha256=00&role=read\n",
	    TOKEN("x", "read") "&expires_ms=never\n",
	    TOKEN("x", "read") "&role=admin\n"};
	struct device_file_error error;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		file_write("devices", bad[i]);
		ck_assert_int_eq(device_file_read_tokens(
				     "devices", note_token_cb, NULL, &error),
		    -1);
		ck_assert_uint_eq(error.line, 1);
	}
	file_write("devices", TOKEN("x", "read") "\n" TOKEN("x", "read") "\n");
	ck_assert_int_eq(
	    device_file_read_tokens("devices", note_token_cb, NULL, &error),
	    -1);
	ck_assert_uint_eq(error.line, 2);
}
END_TEST

START_TEST(a_wrong_fleet_is_named)
{
	static const struct {
		const char *text;
		unsigned line;
	} wrong[] = {
	    {"fleet=x\n", 1},
	    {FLEET("x") "\n" FLEET("x") "\n", 2},
	    {FLEET("-") "\n", 1},
	    {FLEET("x") "&max=-1\n", 1},
	    {FLEET("x") "&max=1&max=2\n", 1},
	    {FLEET("x") "&pattern=a%20b\n", 1},
	    {FLEET("x") "&expires_ms=99999999999999999999\n", 1},
	    {"fleet=x&key_sha256=00\n", 1},
	};
	struct device_file_error error;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		file_write("devices", wrong[i].text);
		ck_assert_int_eq(device_file_read("devices", NULL,
				     note_fleet_cb, NULL, &error),
		    -1);
		ck_assert_uint_eq(error.line, wrong[i].line);
		ck_assert(error.text[0] != '\0');
	}
}
END_TEST

static bool
judge_cb(void *ctx, const struct fleet_record *fleet,
    const struct device_record *device, struct device_record *record)
{
	char *seen = ctx;

	sprintf(seen, "%s %s", fleet != NULL ? fleet->name : "-",
	    device != NULL ? device->name : "-");
	if (fleet == NULL || device != NULL)
		return false;
	*record = record_of("p-1", NULL, NULL);
	return str_copy(STR("probes"), record->fleet, sizeof(record->fleet));
}

START_TEST(enrolling_changes_both_lines_at_once)
{
	struct device_file_error error;
	char seen[80];

	file_write("devices", "# ours\n" FLEET("probes") "\n");
	ck_assert_int_eq(device_file_enrol("devices", STR("other"), STR("p-1"),
			     judge_cb, seen, &error),
	    0);
	ck_assert_str_eq(seen, "- -");
	ck_assert_str_eq(file_read("devices"), "# ours\n" FLEET("probes") "\n");
	ck_assert_int_eq(device_file_enrol("devices", STR("probes"), STR("p-1"),
			     judge_cb, seen, &error),
	    0);
	ck_assert_str_eq(seen, "probes -");
	ck_assert_str_eq(file_read("devices"),
	    "# ours\n" COUNTED("probes", "1") "\n" DEVICE(
		"p-1") "&fleet=probes\n");
	ck_assert_int_eq(device_file_enrol("devices", STR("probes"), STR("p-1"),
			     judge_cb, seen, &error),
	    0);
	ck_assert_str_eq(seen, "probes p-1");
}
END_TEST

static bool
set_limits_cb(void *ctx, struct device_record *record)
{
	const struct limit_change changes[DEVICE_LIMITS] = {
	    [DEVICE_MAX_VISITORS] = {true, {true, 7}},
	    [DEVICE_VISITOR_RATE] = {true, {false, 0}},
	};

	(void)ctx;
	device_limits_change(record->limits, changes);
	return true;
}

START_TEST(other_limits_change_nothing_else)
{
	struct device_file_error error;
	bool found = true;

	file_write("devices",
	    DEVICE("alice") "&label=shop&visitor_rate=5&device_rate=0\n");
	ck_assert_int_eq(device_file_change("devices", STR("carol"),
			     set_limits_cb, NULL, true, &found, &error),
	    0);
	ck_assert(!found);
	ck_assert_int_eq(device_file_change("devices", STR("alice"),
			     set_limits_cb, NULL, true, &found, &error),
	    0);
	ck_assert(found);
	ck_assert_str_eq(file_read("devices"),
	    DEVICE("alice") "&label=shop&max_visitors=7&device_rate=0\n");
}
END_TEST

/* An older version that writes a line takes nothing away that a newer one has put there. */
START_TEST(keys_that_are_not_known_are_kept)
{
	static const char *const after =
	    DEVICE("alice") "&max_visitors=7&device_rate=0&zone=a%20b&paused&"
			    "%7aone=2\n" COUNTED(
				"probes", "1") "&zone=x&name=y&zone="
					       "z\n" DEVICE("p-1") "&fleet="
								   "probes\n";
	struct device_file_error error;
	bool found;

	file_write("devices",
	    "zone=a%20b&" DEVICE("alice") "&device_rate=0&&paused&%7aone=2\n"
					  "fleet=probes&zone=x&key_sha256=" HASH
					  "&name=y&%6dax=0&zone=z\n");
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(device_file_change("devices", STR("alice"),
				     set_limits_cb, NULL, true, &found, &error),
		    0);
		ck_assert(found);
	}
	ck_assert_int_eq(device_file_enrol("devices", STR("probes"), STR("p-1"),
			     judge_cb, (char[80]){0}, &error),
	    0);
	ck_assert_str_eq(file_read("devices"), after);
}
END_TEST

START_TEST(keys_that_are_not_known_may_be_all_that_a_line_can_hold)
{
	struct device_record record = record_of("alice", NULL, NULL);
	char text[DEVICE_LINE_MAX + 80] = "# one line is before it\n", *line;
	struct device_file_error error;
	bool found;
	size_t len;

	line = text + strlen(text);
	for (size_t one_more = 0; one_more < 2; one_more++) {
		/* max_visitors=7 is to have room, or not quite */
		len = DEVICE_LINE_MAX - strlen("&max_visitors=7") + one_more;
		memset(line, 'x', len);
		memcpy(line, DEVICE("alice") "&", strlen(DEVICE("alice") "&"));
		strcpy(line + len, "\n");
		file_write("devices", text);
		ck_assert_int_eq(device_file_change("devices", STR("alice"),
				     set_limits_cb, NULL, true, &found, &error),
		    one_more == 0 ? 0 : -1);
		ck_assert_uint_eq(strlen(file_read("devices")),
		    one_more == 0 ? (size_t)(line - text) + DEVICE_LINE_MAX + 1
				  : strlen(text));
	}
	ck_assert_str_eq(file_read("devices"), text);
	ck_assert_uint_eq(error.line, 2);
	ck_assert_ptr_nonnull(
	    strstr(error.text, "longer than 98304 characters: shorten"));
	/* and what is only kept is no reason to refuse it */
	ck_assert_int_eq(device_file_put("devices", &record, NULL, &error), 0);
	ck_assert_str_eq(file_read("devices"), text);
}
END_TEST

/* A write that cannot be finished leaves the old file and no litter. */
START_TEST(failed_write_leaves_the_old_file)
{
	struct device_record record = record_of("alice", NULL, NULL);
	struct device_file_error error;
	char path[1100];

	ck_assert_int_eq(mkdir("devices", 0700), 0);
	ck_assert_int_eq(device_file_put("devices", &record, NULL, &error), -1);
	ck_assert_int_eq(rmdir("devices"), 0);
	ck_assert_int_eq(
	    device_file_put("no/folder/devices", &record, NULL, &error), -1);
	ck_assert_uint_eq(error.line, 0);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	ck_assert_int_eq(device_file_put(path, &record, NULL, &error), -1);
}
END_TEST

START_TEST(writer_waits_for_the_lock)
{
	struct device_record record = record_of("alice", NULL, NULL);
	struct device_file_error error;
	int fd = open("devices.lock", O_RDWR | O_CREAT, 0600), status, pipes[2];
	pid_t child;
	char byte;

	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(pipe(pipes), 0);
	if ((child = fork()) == 0) {
		close(
		    fd); /* the lock belongs to the open file, which is shared */
		ck_assert_int_eq(write(pipes[1], "s", 1), 1);
		_exit(device_file_put("devices", &record, NULL, &error) != 0);
	}
	ck_assert_int_eq(read(pipes[0], &byte, 1), 1);
	/* it runs and cannot have written: were it not to wait, it would race with this */
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(waitpid(child, &status, WNOHANG), 0);
		ck_assert_int_ne(access("devices", F_OK), 0);
	}
	close(fd);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(read_names(NULL, &error), 0);
	ck_assert_str_eq(names, "alice ");
}
END_TEST

/* A relay's loop would stand still as long. */
START_TEST(writer_does_not_wait_for_ever)
{
	struct device_record record = record_of("alice", NULL, NULL);
	struct device_file_error error;
	int fd = open("devices.lock", O_RDWR | O_CREAT, 0600);

	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(device_file_put("devices", &record, NULL, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "another program"));
	ck_assert_int_ne(access("devices", F_OK), 0);
	close(fd);
	ck_assert_int_eq(device_file_put("devices", &record, NULL, &error), 0);
}
END_TEST

START_TEST(what_cannot_be_read_is_left_as_it_is)
{
	struct device_record record = record_of("alice", NULL, NULL);
	struct device_file_error error;

	file_write("devices", DEVICE("bob") "\n");
	is_broken = true;
	ck_assert_int_eq(read_names(NULL, &error), -1);
	ck_assert_int_eq(device_file_put("devices", &record, NULL, &error), -1);
	is_broken = false;
	ck_assert_ptr_nonnull(strstr(error.text, "cannot be read"));
	ck_assert_int_eq(read_names(NULL, &error), 0);
	ck_assert_str_eq(names, "bob ");
}
END_TEST

/* Who was faster stays: the look and the write are under one lock. */
START_TEST(one_that_is_only_added_replaces_nobody)
{
	struct device_record record = record_of("alice", "shop", NULL);
	struct fleet_record fleet = {.name = "x", .pattern = "p-*"};
	struct device_file_error error;
	bool found = true;

	file_write("devices", DEVICE("alice") "\n" FLEET("x") "\n");
	ck_assert_int_eq(
	    device_file_put("devices", &record, &found, &error), 0);
	ck_assert(found);
	found = false;
	ck_assert_int_eq(
	    device_file_put_fleet("devices", &fleet, &found, &error), 0);
	ck_assert(found);
	ck_assert_str_eq(
	    file_read("devices"), DEVICE("alice") "\n" FLEET("x") "\n");
	file_write("devices", "");
	ck_assert_int_eq(
	    device_file_put("devices", &record, &found, &error), 0);
	ck_assert(!found);
	ck_assert_str_eq(file_read("devices"), DEVICE("alice") "&label=shop\n");
}
END_TEST

/* A relay has tunnels to serve. */
START_TEST(who_has_a_loop_does_not_wait_for_a_writer)
{
	int fd = open("devices.lock", O_RDWR | O_CREAT, 0600);
	struct device_file_error error;
	struct timespec begin, end;
	char seen[80];
	bool found;

	file_write("devices", FLEET("probes") "\n" DEVICE("alice") "\n");
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	ck_assert_int_eq(device_file_enrol("devices", STR("probes"), STR("p-1"),
			     judge_cb, seen, &error),
	    -1);
	ck_assert_int_eq(device_file_change("devices", STR("alice"),
			     set_secret_cb, NULL, false, &found, &error),
	    -1);
	clock_gettime(CLOCK_MONOTONIC, &end);
	ck_assert_int_le(end.tv_sec - begin.tv_sec, 2);
	ck_assert_str_eq(error.text,
	    "another program has it locked: end that, and try again");
	close(fd);
}
END_TEST

#define WRITERS 4
#define PUTS 25

static void
put_many(int writer)
{
	struct device_file_error error;
	char name[32];

	for (int i = 0; i < PUTS; i++) {
		struct device_record record;

		snprintf(name, sizeof(name), "w%d-%d", writer, i);
		record = record_of(name, NULL, NULL);
		if (device_file_put("devices", &record, NULL, &error) != 0)
			_exit(1);
	}
	_exit(0);
}

/* Each file that the reader finds is whole, and no device of any writer is lost. */
START_TEST(writers_and_a_reader_do_not_disturb_each_other)
{
	struct device_file_error error;
	int status, running = WRITERS;

	for (int i = 0; i < WRITERS; i++) {
		if (fork() == 0)
			put_many(i);
	}
	while (running > 0) {
		size_t before = n_devices;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid > 0) {
			ck_assert_int_eq(status, 0);
			running--;
		}
		ck_assert_msg(read_names(NULL, &error) == 0, "%u: %s",
		    error.line, error.text);
		ck_assert_uint_ge(n_devices, before);
	}
	ck_assert_uint_eq(n_devices, WRITERS * PUTS);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("device_file");
	TCase *tcase = tcase_create("device_file");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, scratch_setup, scratch_teardown);
	tcase_add_test(tcase, missing_file_is_an_empty_one);
	tcase_add_test(tcase, devices_come_in_the_order_of_the_file);
	tcase_add_loop_test(tcase, bad_line_is_named_and_no_device_is_given, 0,
	    sizeof(bad_files) / sizeof(bad_files[0]));
	tcase_add_test(tcase, over_long_line_is_refused);
	tcase_add_test(tcase, folder_and_fifo_are_no_device_file);
	tcase_add_test(tcase, every_prefix_of_a_file_is_safe);
	tcase_add_test(tcase, put_adds_and_replaces_and_keeps_the_rest);
	tcase_add_test(tcase, put_is_on_the_disk_when_it_is_done);
	tcase_add_test(tcase, put_makes_the_file_for_its_owner_alone);
	tcase_add_test(tcase, owner_of_the_file_and_of_its_folder_are_kept);
	tcase_add_test(tcase, label_and_port_of_another_device_are_refused);
	tcase_add_test(tcase, damaged_file_is_not_changed);
	tcase_add_test(tcase, remove_takes_one_device_out);
	tcase_add_test(tcase, another_secret_changes_nothing_else);
	tcase_add_test(tcase, fleets_stand_among_the_devices);
	tcase_add_test(tcase, tokens_stand_among_the_devices);
	tcase_add_test(tcase, a_wrong_token_is_named);
	tcase_add_test(tcase, a_wrong_fleet_is_named);
	tcase_add_test(tcase, enrolling_changes_both_lines_at_once);
	tcase_add_test(tcase, other_limits_change_nothing_else);
	tcase_add_test(tcase, keys_that_are_not_known_are_kept);
	tcase_add_test(
	    tcase, keys_that_are_not_known_may_be_all_that_a_line_can_hold);
	tcase_add_test(tcase, failed_write_leaves_the_old_file);
	tcase_add_test(tcase, one_that_is_only_added_replaces_nobody);
	tcase_add_test(tcase, who_has_a_loop_does_not_wait_for_a_writer);
	tcase_add_test(tcase, writer_waits_for_the_lock);
	tcase_add_test(tcase, writer_does_not_wait_for_ever);
	tcase_add_test(tcase, what_cannot_be_read_is_left_as_it_is);
	tcase_add_test(tcase, writers_and_a_reader_do_not_disturb_each_other);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
