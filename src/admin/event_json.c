/* SPDX-License-Identifier: MIT */
#include "admin/event_json.h"

static bool
is_number(struct str key)
{
	static const char *const keys[] = {"at_ms", "epoch", "seconds",
	    "visits", "bytes_in", "bytes_out", "times"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (str_equal(key, str_of(keys[i])))
			return true;
	return false;
}

void
event_json_add(json_t *event, struct str key, struct str value)
{
	char name[64];
	uint64_t number;

	if (!str_copy(key, name, sizeof(name)) || str_is(key, "place"))
		return; /* where it stands is not the event's to say */
	if (is_number(key) && str_to_number(value, INT64_MAX, &number))
		json_object_set_new(
		    event, name, json_integer((json_int_t)number));
	else
		json_object_set_new(
		    event, name, json_stringn(value.ptr, value.len));
}

static bool
parse(const char *place, uint64_t *ms, uint64_t *number)
{
	struct str head, tail;

	*number = 0;
	if (!str_split(str_of(place), '-', &head, &tail))
		return str_to_number(head, UINT64_MAX, ms);
	return str_to_number(head, UINT64_MAX, ms) &&
	    str_to_number(tail, UINT64_MAX, number);
}

bool
event_place_before(const char *a, const char *b)
{
	uint64_t a_ms, a_number, b_ms, b_number;

	return parse(a, &a_ms, &a_number) && parse(b, &b_ms, &b_number) &&
	    (a_ms < b_ms || (a_ms == b_ms && a_number < b_number));
}

bool
event_place_valid(const char *place)
{
	uint64_t ms, number;

	return strlen(place) < EVENT_PLACE_MAX && parse(place, &ms, &number);
}
