/* SPDX-License-Identifier: MIT */
/* What a limit may be is asked of the same table that the relay reads records by. */
#include "admin/record_json.h"
#include "admin/access_admin.h"
#include "admin/host_admin.h"

#include <string.h>

#define MONTH_MS (UINT64_C(30) * 24 * 3600 * 1000)

static const char *
text_or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

void
admin_take_heartbeats(json_t *session, uint64_t heartbeat_ms,
    uint64_t beat_bytes, uint64_t budget_bytes)
{
	if (heartbeat_ms == 0)
		return;
	json_object_set_new(
	    session, "heartbeat_ms", json_integer((json_int_t)heartbeat_ms));
	if (beat_bytes > 0 && beat_bytes <= BEAT_BYTES_MAX) {
		json_object_set_new(session, "beat_bytes",
		    json_integer((json_int_t)beat_bytes));
		json_object_set_new(session, "idle_bytes_month",
		    json_integer(
			(json_int_t)(MONTH_MS * beat_bytes / heartbeat_ms)));
	}
	if (budget_bytes > 0)
		json_object_set_new(session, "budget_bytes",
		    json_integer((json_int_t)budget_bytes));
}

void
admin_take_down(json_t *session, const char *names)
{
	struct str rest = str_of(names), name;
	json_t *list;

	if (rest.len == 0)
		return;
	list = json_array();
	while (rest.ptr != NULL) {
		struct str from = rest;

		(void)str_split(from, ',', &name, &rest);
		json_array_append_new(list, json_stringn(name.ptr, name.len));
	}
	json_object_set_new(session, "down", list);
}

json_t *
admin_record_json(const struct device_record *record)
{
	json_t *ports = json_object();

	for (size_t i = 0; i < record->n_ports; i++)
		json_object_set_new(ports, record->ports[i].service,
		    json_integer(record->ports[i].port));
	return json_pack("{s:s, s:s?, s:o, s:o, s:s?, s:s?, s:o, s:o, s:o}", "name",
	    record->name, "label", text_or_null(record->label), "ports", ports,
	    "limits", admin_limits_json(record->limits), "rotation",
	    text_or_null(record->rotation), "fleet",
	    text_or_null(record->fleet), "access",
	    admin_access_json(record->access), "shares",
	    admin_shares_json(record->access), "hosts",
	    admin_hosts_json(record->hosts));
}

json_t *
admin_fleet_json(const struct fleet_record *record)
{
	return json_pack("{s:s, s:s?, s:I, s:I, s:I, s:I}", "name",
	    record->name, "pattern", text_or_null(record->pattern), "max",
	    (json_int_t)record->max, "used", (json_int_t)record->used,
	    "expires_ms", (json_int_t)record->expires_ms, "created_ms",
	    (json_int_t)record->created_ms);
}

json_t *
admin_token_json(const struct token_record *record)
{
	return json_pack("{s:s, s:s, s:I, s:I}", "name", record->name, "role",
	    token_role_name(record->role), "expires_ms",
	    (json_int_t)record->expires_ms, "created_ms",
	    (json_int_t)record->created_ms);
}

const char *
admin_limit_unset(enum device_limit which)
{
	return which == DEVICE_QUOTA_DAY || which == DEVICE_QUOTA_MONTH
	    ? "none"
	    : "default";
}

static json_t *
limit_json(const struct device_limit_row *row, int64_t value)
{
	char text[24];
	struct writer w;

	if (row->words == NULL)
		return json_integer((json_int_t)value);
	writer_init(&w, text, sizeof(text));
	device_limit_write(&w, row, value);
	return json_stringn(text, writer_len(&w));
}

int
admin_limit_parse(enum device_limit which, const char *text,
    struct own_limit *limit, char error[OPTION_ERROR_MAX])
{
	const struct device_limit_row *allowed = &device_limit_rows[which];
	const struct option_row row = {
	    .key = allowed->key,
	    .type = allowed->words != NULL ? OPTION_CHOICE
		: allowed->is_size	   ? OPTION_SIZE
					   : OPTION_INT,
	    .min = allowed->min,
	    .max = allowed->max,
	    .choices = allowed->words,
	};
	int choice;

	*limit = (struct own_limit){0};
	if (strcmp(text, admin_limit_unset(which)) == 0)
		return 0;
	if (allowed->words != NULL) {
		if (option_value_set(&row, &choice, text, error) != 0)
			return -1;
		*limit = (struct own_limit){true, choice};
		return 0;
	}
	if (option_value_set(&row, &limit->value, text, error) != 0)
		return -1;
	limit->is_set = true;
	return 0;
}

json_t *
admin_limits_json(const struct own_limit limits[DEVICE_LIMITS])
{
	json_t *object = json_object();

	for (int i = 0; i < DEVICE_LIMITS; i++)
		if (limits[i].is_set)
			json_object_set_new(object, device_limit_rows[i].key,
			    limit_json(&device_limit_rows[i], limits[i].value));
	return object;
}

uint64_t
admin_number(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

json_t *
admin_traffic_json(
    uint64_t now_ms, const struct traffic_minute minutes[TRAFFIC_MINUTES])
{
	uint64_t begin_ms = (now_ms / TRAFFIC_MINUTE_MS - TRAFFIC_MINUTES + 1) *
	    TRAFFIC_MINUTE_MS;
	json_t *points = json_array();

	for (int i = 0; i < TRAFFIC_MINUTES; i++, begin_ms += TRAFFIC_MINUTE_MS)
		json_array_append_new(points,
		    json_pack("[I,I,I]", (json_int_t)begin_ms,
			(json_int_t)minutes[i].bytes_in,
			(json_int_t)minutes[i].bytes_out));
	return json_pack("{s:i, s:I, s:o}", "every_ms", TRAFFIC_MINUTE_MS,
	    "now_ms", (json_int_t)now_ms, "points", points);
}
