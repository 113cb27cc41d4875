/* SPDX-License-Identifier: MIT */
/* When a service counts as down, and what a line of the configuration says about it. */
#include "config.h"

#include <string.h>

#include "agent/health.h"
#include "agent/settings_options.h"
#include "support.h"

/* What a text of looks, '.' for a good one and 'x' for one that has failed, leaves behind. */
static bool
after(const char *looks)
{
	unsigned failed = 0;
	bool down = false;

	for (; *looks != '\0'; looks++) {
		failed = (failed << 1 | (*looks == 'x')) & 0x1f;
		down = health_verdict(down, failed);
	}
	return down;
}

START_TEST(one_look_says_little)
{
	ck_assert(!after(""));
	ck_assert(!after("x"));
	ck_assert(!after("xx"));
	ck_assert(after("xxx"));
	ck_assert(!after(".....x...x..."));
	ck_assert(after("x.x.x"));
	ck_assert(!after("x..x..x..x..x"));
}
END_TEST

START_TEST(what_is_down_stays_so_until_it_was_right_three_times)
{
	ck_assert(after("xxx.."));
	ck_assert(!after("xxx..."));
	ck_assert(after("xxx..x.."));
	ck_assert(after("x.x.x.x.x.x."));
	ck_assert(!after("x.x.x.x.x..."));
	ck_assert(!after("xxx...x"));
	ck_assert(after("xxx...xxx"));
}
END_TEST

START_TEST(shapes_of_health)
{
	static const struct {
		const char *text, *name, *path; /* name NULL: it is wrong */
		uint64_t interval_ms;
	} rows[] = {
	    {"ssh:tcp:30s", "ssh", "", 30000},
	    {"web:http:/:1h", "web", "/", 3600000},
	    {"web:http:/healthz?a=b:c:5m", "web", "/healthz?a=b:c", 300000},
	    {"web:http:/:90", "web", "/", 90000},
	    {"web:tcp:500ms", NULL, NULL, 0},
	    {"web:tcp:2h", NULL, NULL, 0},
	    {"web:tcp", NULL, NULL, 0},
	    {"web:tcp:", NULL, NULL, 0},
	    {"web:http:/", NULL, NULL, 0},
	    {"web:http:30s", NULL, NULL, 0},
	    {"web:http::30s", NULL, NULL, 0},
	    {"web:http:healthz:30s", NULL, NULL, 0},
	    {"web:http:/a b:30s", NULL, NULL, 0},
	    {"web:http:/a\r\nX: y:30s", NULL, NULL, 0},
	    {"web:udp:30s", NULL, NULL, 0},
	    {"WEB:tcp:30s", NULL, NULL, 0},
	    {":tcp:30s", NULL, NULL, 0},
	    {"web", NULL, NULL, 0},
	    {"", NULL, NULL, 0},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char name[SERVICE_NAME_MAX + 1];
		struct health_check check;
		bool right = settings_health_parse(rows[i].text, name, &check);

		ck_assert_msg(right == (rows[i].name != NULL), "%s",
		    rows[i].text);
		if (!right)
			continue;
		ck_assert_str_eq(name, rows[i].name);
		ck_assert_str_eq(check.path, rows[i].path);
		ck_assert_uint_eq(check.interval_ms, rows[i].interval_ms);
	}
}
END_TEST

START_TEST(path_has_a_bound)
{
	char text[HEALTH_PATH_MAX + 32], name[SERVICE_NAME_MAX + 1];
	struct health_check check;
	size_t start = strlen("web:http:/");

	memset(text, 'x', sizeof(text));
	memcpy(text, "web:http:/", start);
	strcpy(text + start + HEALTH_PATH_MAX - 1, ":30s");
	ck_assert(settings_health_parse(text, name, &check));
	ck_assert_uint_eq(strlen(check.path), HEALTH_PATH_MAX);
	strcpy(text + start + HEALTH_PATH_MAX - 1, "x:30s");
	ck_assert(!settings_health_parse(text, name, &check));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    one_look_says_little,
	    what_is_down_stays_so_until_it_was_right_three_times,
	    shapes_of_health,
	    path_has_a_bound,
	};

	return run_suite("health", tests, COUNT(tests));
}
