/* SPDX-License-Identifier: MIT */
/* Consent on a loop of the test's: given, over, taken back. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "agent/consent.h"
#include "agent/settings_options.h"
#include "support.h"

static struct loop *loop;
static struct consent consent;
static char ended[4 * (SERVICE_NAME_MAX + 2)];

static void
ended_cb(void *ctx, const char *service)
{
	ck_assert_ptr_eq(ctx, &consent);
	strcat(ended, service);
	strcat(ended, " ");
	loop_stop(loop);
}

static void
begin(void)
{
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	ended[0] = '\0';
	consent_init(&consent, loop, ended_cb, &consent);
}

static void
end(void)
{
	consent_fini(&consent);
	loop_free(&loop);
}

static bool
allows(const char *service)
{
	struct target target = {.on_request = true};

	strcpy(target.name, service);
	return consent_allows(&consent, &target);
}

START_TEST(nothing_is_allowed_at_first)
{
	const struct target open = {.name = "web"};

	begin();
	ck_assert(!allows("web"));
	ck_assert(consent_allows(&consent, &open));
	end();
}
END_TEST

START_TEST(consent_is_to_one_service_and_for_its_time)
{
	uint64_t began_ms;

	begin();
	began_ms = loop_boot_ms();
	consent_give(&consent, "web", 60000);
	consent_give(&consent, "ssh", 50);
	ck_assert(allows("web") && allows("ssh") && !allows("raw"));
	ck_assert_uint_le(consent_left_ms(&consent, "web"), 60000);
	ck_assert_uint_gt(consent_left_ms(&consent, "web"), 59000);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_str_eq(ended, "ssh ");
	ck_assert_uint_ge(loop_boot_ms() - began_ms, 50);
	ck_assert(allows("web") && !allows("ssh"));
	end();
}
END_TEST

START_TEST(giving_it_again_counts_from_then)
{
	begin();
	consent_give(&consent, "web", 20);
	consent_give(&consent, "web", 60000);
	consent_give(&consent, "ssh", 60);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_str_eq(ended, "ssh ");
	consent_give(&consent, "web", 30); /* and may be shorter */
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_str_eq(ended, "ssh web ");
	end();
}
END_TEST

START_TEST(taking_it_back_ends_it_at_once)
{
	begin();
	consent_give(&consent, "web", 60000);
	consent_take(&consent, "web");
	ck_assert(!allows("web"));
	consent_take(&consent, "ssh"); /* what runs may be older than the wish */
	ck_assert_str_eq(ended, "web ssh ");
	end();
}
END_TEST

START_TEST(services_that_went_leave_room_and_the_others_stay)
{
	struct target targets[TAUPE_SERVICES_MAX] = {{.name = "web"}};

	begin();
	consent_give(&consent, "web", 60000);
	for (int turn = 0; turn < 3; turn++) {
		for (size_t i = 1; i < TAUPE_SERVICES_MAX; i++) {
			snprintf(targets[i].name, sizeof(targets[i].name),
			    "s-%d-%d", turn, (int)i);
			consent_give(&consent, targets[i].name, 50000);
			ck_assert(allows(targets[i].name));
		}
		consent_settle(&consent, targets, TAUPE_SERVICES_MAX);
		ck_assert(allows(targets[1].name));
		consent_settle(&consent, targets, 1);
		ck_assert(allows("web"));
		ck_assert(!allows(targets[1].name));
	}
	ck_assert_str_eq(ended, "");
	end();
}
END_TEST

START_TEST(shapes_of_access)
{
	static const struct {
		const char *text, *name; /* name NULL: it is wrong */
	} rows[] = {
	    {"on-request", ""},
	    {"ssh:on-request", "ssh"},
	    {"a234567890123456789b:on-request", "a234567890123456789b"},
	    {"a234567890123456789bc:on-request", NULL},
	    {":on-request", NULL},
	    {"ssh:", NULL},
	    {"ssh", NULL},
	    {"ssh:public", NULL},
	    {"SSH:on-request", NULL},
	    {"ssh:on-request ", NULL},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char name[SERVICE_NAME_MAX + 1] = "?";
		bool right = settings_access_parse(rows[i].text, name);

		ck_assert_msg(right == (rows[i].name != NULL), "%s",
		    rows[i].text);
		if (right)
			ck_assert_str_eq(name, rows[i].name);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    nothing_is_allowed_at_first,
	    consent_is_to_one_service_and_for_its_time,
	    giving_it_again_counts_from_then,
	    taking_it_back_ends_it_at_once,
	    services_that_went_leave_room_and_the_others_stay,
	    shapes_of_access,
	};

	return run_suite("consent", tests, COUNT(tests));
}
