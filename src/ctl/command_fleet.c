/* SPDX-License-Identifier: MIT */
/* fleet add, ls, show and rm. */
#include <stdio.h>
#include <sysexits.h>

#include "admin/record_json.h"
#include "admin/secret.h"
#include "ctl/ctl.h"
#include "ctl/report.h"

#include "net/crypto.h"
#include "net/loop.h"

#define KEY_MAX (DEVICE_NAME_MAX + 1 + SECRET_TEXT_LEN)

int
command_fleet_add(struct ctl *ctl, const char *name)
{
	const struct ctl_options *options = &ctl->options;
	struct fleet_record record = {
	    .max = (uint64_t)options->devices, .created_ms = loop_wall_ms()};
	char secret[SECRET_TEXT_LEN + 1], key[KEY_MAX + 1];
	int code;

	(void)str_copy(str_of(name), record.name, sizeof(record.name));
	if (options->expires_ms > 0)
		record.expires_ms =
		    record.created_ms + (uint64_t)options->expires_ms;
	if (options->pattern != NULL)
		(void)str_copy(str_of(options->pattern), record.pattern,
		    sizeof(record.pattern));
	secret_draw_text(secret);
	snprintf(key, sizeof(key), "%s.%s", name, secret);
	crypto_sha256(key, strlen(key), record.key_sha256);
	code = ctl_changed(ctl, "fleet add", name,
	    ctl->admin.store->fleet_add(&ctl->admin, &record));
	if (code == EX_OK)
		code = ctl_show_secret(ctl, admin_fleet_json(&record), "key",
		    key,
		    "The fleet's enrolment key is shown this once; put it into "
		    "the file that the agents' enrolment_key_file names:");
	crypto_wipe(secret, sizeof(secret));
	crypto_wipe(key, sizeof(key));
	return code;
}

int
command_fleet_remove(struct ctl *ctl, const char *name)
{
	int code = ctl_changed(ctl, "fleet rm", name,
	    ctl->admin.store->fleet_remove(&ctl->admin, name));

	if (code == EX_OK && ctl->options.json)
		return report_json(json_pack("{s:s}", "removed", name));
	return code;
}

/* "3", or "3 of 40". */
static const char *
devices_of(const json_t *fleet, char text[REPORT_TEXT_MAX])
{
	uint64_t max = report_u64(fleet, "max");
	int len = snprintf(text, REPORT_TEXT_MAX, "%llu",
	    (unsigned long long)report_u64(fleet, "used"));

	if (max > 0)
		snprintf(text + len, REPORT_TEXT_MAX - (size_t)len, " of %llu",
		    (unsigned long long)max);
	return text;
}

static void
add_row(struct table *table, const json_t *fleet)
{
	char devices[REPORT_TEXT_MAX], expiry[REPORT_TEXT_MAX];

	table_add(table, report_str(fleet, "name"));
	table_add(table, devices_of(fleet, devices));
	table_add(table, report_str(fleet, "pattern"));
	table_add(
	    table, report_expiry(report_u64(fleet, "expires_ms"), expiry));
}

static const char *const headings[] = {
    "NAME", "DEVICES", "PATTERN", "EXPIRES IN", NULL};
static const struct list_view view = {"fleets", headings, add_row};

int
command_fleet_list(struct ctl *ctl, const char *name)
{
	json_t *list = json_array();

	(void)name;
	return ctl_show_list(
	    ctl, ctl->admin.store->fleets(&ctl->admin, list), list, &view);
}

static void
show_fleet(const json_t *fleet)
{
	char text[REPORT_TEXT_MAX];

	report_line("name", report_str(fleet, "name"));
	report_line("devices", devices_of(fleet, text));
	report_line("pattern", report_str(fleet, "pattern"));
	report_line(
	    "expires in", report_expiry(report_u64(fleet, "expires_ms"), text));
}

int
command_fleet_show(struct ctl *ctl, const char *name)
{
	json_t *list = json_array(), *fleet, *found = NULL;
	int code = ctl_result(ctl, ctl->admin.store->fleets(&ctl->admin, list));
	size_t i;

	json_array_foreach (list, i, fleet)
		if (strcmp(report_str(fleet, "name"), name) == 0)
			found = json_incref(fleet);
	json_decref(list);
	if (code == EX_OK && found == NULL)
		return ctl_fail(EX_NOUSER, "there is no fleet %s", name);
	if (code == EX_OK && ctl->options.json)
		return report_json(found);
	if (code == EX_OK)
		show_fleet(found);
	json_decref(found);
	return code;
}
