/* SPDX-License-Identifier: MIT */
/* What a device has used, day by day, for billing: from Redis, in the worker. */
#include "config.h"

#include "base/utc_day.h"
#include "net/loop.h"
#include "relay/api/api_call.h"

#define DAY_MS 86400000
#define DAYS_MAX 3660 /* in one answer; more are kept of nobody */

static bool
bad_days(struct api_call *call, const char *what)
{
	api_fail(call, 400, "bad_request",
	    "such as ?from=2026-11-01&to=2026-11-30", "%s", what);
	return false;
}

static bool
take_day(struct api_call *call, const struct form_pair *pair)
{
	uint32_t *day = str_equal(pair->key, STR("from")) ? &call->from_day
	    : str_equal(pair->key, STR("to"))		  ? &call->to_day
							  : NULL;
	char text[16];

	if (day == NULL)
		return bad_days(call, "there are from and to, and nothing else");
	return (str_copy(pair->value, text, sizeof(text)) &&
		   utc_day_parse(text, day)) ||
	    bad_days(call, "from and to must be days, such as 2026-11-27");
}

/* From the beginning of this month until today, where nothing else is said. */
bool
api_take_days(struct api_call *call, const struct http_request *request)
{
	uint64_t from_ms, to_ms;

	call->to_day = utc_day(loop_wall_ms());
	call->from_day = utc_day_first_of_month(call->to_day);
	if (!api_take_query(call, request, take_day))
		return false;
	from_ms = utc_day_begin_ms(call->from_day);
	to_ms = utc_day_begin_ms(call->to_day);
	if (from_ms > to_ms)
		return bad_days(call, "from is a later day than to");
	return (to_ms - from_ms) / DAY_MS < DAYS_MAX ||
	    bad_days(call, "that is more than 3660 days");
}

void
api_ask_usage(struct api_call *call, struct admin *admin)
{
	json_t *list = json_array();

	if (api_went_well(call, admin,
		admin->store->usage(admin, call->name, call->from_day,
		    call->to_day, list)))
		api_answer(call, 200, json_pack("{s:O}", "usage", list));
	json_decref(list);
}
