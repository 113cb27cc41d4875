/* SPDX-License-Identifier: MIT */
/* usage: what devices have used, for people, for a spreadsheet, or for a program that bills. */
#include <stdio.h>
#include <sysexits.h>

#include "base/utc_day.h"
#include "ctl/ctl.h"
#include "ctl/quota_report.h"
#include "ctl/report.h"
#include "net/loop.h"

/* From the beginning of this month until today, where nothing else is said. */
static int
take_days(const struct ctl_options *options, uint32_t *from, uint32_t *to)
{
	*to = utc_day(loop_wall_ms());
	if (options->to != NULL)
		(void)utc_day_parse(options->to, to); /* the table has */
	*from = utc_day_first_of_month(*to);
	if (options->from != NULL)
		(void)utc_day_parse(options->from, from);
	if (*from > *to)
		return ctl_fail(EX_USAGE,
		    "from is a later day (%u) than to (%u)", *from, *to);
	return EX_OK;
}

static int
show_csv(const json_t *list)
{
	const json_t *row;
	size_t i;

	printf("device,day,visitors,bytes_in,bytes_out\n");
	json_array_foreach (list, i, row)
		printf("%s,%s,%llu,%llu,%llu\n", report_str(row, "device"),
		    report_str(row, "day"),
		    (unsigned long long)report_u64(row, "visitors"),
		    (unsigned long long)report_u64(row, "bytes_in"),
		    (unsigned long long)report_u64(row, "bytes_out"));
	return EX_OK;
}

static void
add_bytes(struct table *table, uint64_t bytes)
{
	char text[REPORT_TEXT_MAX];

	table_add(table, report_traffic(bytes, text));
}

static int
show_table(const json_t *list)
{
	static const char *const headings[] = {
	    "DEVICE", "DAY", "VISITS", "IN", "OUT", "SUM", NULL};
	uint64_t visitors = 0, in = 0, out = 0;
	struct table table;
	const json_t *row;
	size_t i;

	table_init(&table, headings);
	json_array_foreach (list, i, row) {
		uint64_t row_in = report_u64(row, "bytes_in"),
			 row_out = report_u64(row, "bytes_out");

		table_add(&table, report_str(row, "device"));
		table_add(&table, report_str(row, "day"));
		table_addf(&table, "%llu",
		    (unsigned long long)report_u64(row, "visitors"));
		add_bytes(&table, row_in);
		add_bytes(&table, row_out);
		add_bytes(&table, row_in + row_out);
		visitors += report_u64(row, "visitors");
		in += row_in;
		out += row_out;
	}
	table_add(&table, "all");
	table_add(&table, NULL);
	table_addf(&table, "%llu", (unsigned long long)visitors);
	add_bytes(&table, in);
	add_bytes(&table, out);
	add_bytes(&table, in + out);
	return table_print(&table);
}

/* One that was removed has none. */
static int
show_quota(struct ctl *ctl, const char *name)
{
	json_t *device = NULL;
	int code = ctl->admin.store->device(&ctl->admin, name, &device);

	if (code == ADMIN_UNKNOWN)
		return EX_OK;
	if ((code = ctl_result(ctl, code)) == EX_OK)
		code =
		    quota_report(ctl, name, json_object_get(device, "limits"));
	json_decref(device);
	return code;
}

int
command_usage(struct ctl *ctl, const char *name)
{
	json_t *list;
	uint32_t from, to;
	int code = take_days(&ctl->options, &from, &to);

	if (code != EX_OK)
		return code;
	if (ctl->options.csv && ctl->options.json)
		return ctl_fail(
		    EX_USAGE, "csv and json are two forms: give one");
	list = json_array();
	code = ctl_result(
	    ctl, ctl->admin.store->usage(&ctl->admin, name, from, to, list));
	if (code == EX_OK && ctl->options.json)
		return report_json(json_pack("{s:o}", "usage", list));
	if (code == EX_OK)
		code = ctl->options.csv ? show_csv(list) : show_table(list);
	if (code == EX_OK && name != NULL && !ctl->options.csv)
		code = show_quota(ctl, name);
	json_decref(list);
	return code;
}
