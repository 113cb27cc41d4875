/* SPDX-License-Identifier: MIT */
#include "ctl/quota_report.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/utc_day.h"
#include "ctl/report.h"
#include "net/loop.h"

/* The bytes of the days of a list, all or of one ("2026-11-27"). */
static uint64_t
sum_of(const json_t *list, const char *day)
{
	uint64_t sum = 0;
	const json_t *row;
	size_t i;

	json_array_foreach (list, i, row)
		if (day == NULL || strcmp(report_str(row, "day"), day) == 0)
			sum += report_u64(row, "bytes_in") +
			    report_u64(row, "bytes_out");
	return sum;
}

static void
show(const json_t *limits, const char *key, const char *period, uint64_t used)
{
	char is[REPORT_TEXT_MAX], most[REPORT_TEXT_MAX],
	    text[2 * REPORT_TEXT_MAX + 80];
	uint64_t quota = report_u64(limits, key);
	const char *action = report_str(limits, "quota_action");

	if (quota == 0)
		return;
	if (action == NULL)
		action = "stop";
	report_traffic(used, is);
	report_traffic(quota, most);
	snprintf(text, sizeof(text), "%s of %s %s (%llu %%), then %s", is, most,
	    period, (unsigned long long)((double)used * 100 / (double)quota),
	    action);
	report_line("quota", text);
}

int
quota_report(struct ctl *ctl, const char *name, const json_t *limits)
{
	uint32_t today = utc_day(loop_wall_ms());
	char day[16];
	json_t *list;
	int code;

	if (report_u64(limits, "quota_day") == 0 &&
	    report_u64(limits, "quota_month") == 0)
		return EX_OK;
	snprintf(day, sizeof(day), "%04u-%02u-%02u", today / 10000,
	    today / 100 % 100, today % 100);
	list = json_array();
	code = ctl->admin.store->usage(
	    &ctl->admin, name, utc_day_first_of_month(today), today, list);
	if (code == ADMIN_IMPOSSIBLE) /* a relay that stands alone has it */
		code = EX_OK;
	else if ((code = ctl_result(ctl, code)) == EX_OK) {
		show(limits, "quota_day", "today", sum_of(list, day));
		show(limits, "quota_month", "this month", sum_of(list, NULL));
	}
	json_decref(list);
	return code;
}
