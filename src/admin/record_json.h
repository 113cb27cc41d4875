/* SPDX-License-Identifier: MIT */
/* Records as the JSON of answers; and a device's limits from text. */
#ifndef TAUPE_ADMIN_RECORD_JSON_H
#define TAUPE_ADMIN_RECORD_JSON_H

#include <jansson.h>

#include "base/fleet_record.h"
#include "base/option_value.h"
#include "base/token_record.h"
#include "base/traffic.h"

/* A record's name, reserved label (or null), ports and limits, for a store's answer. */
json_t *admin_record_json(const struct device_record *record);
/* Add what a session's agent says of its heartbeats: heartbeat_ms, beat_bytes and budget_bytes, each
 * only if it does; and idle_bytes_month, what they cost in 30 days, which is worked out here. */
void admin_take_heartbeats(json_t *session, uint64_t heartbeat_ms,
    uint64_t beat_bytes, uint64_t budget_bytes);
/* Add down, an array of the services that are, if there are any; names: "web,ssh", or NULL. */
void admin_take_down(json_t *session, const char *names);
/* The same of a fleet: name, pattern (or null), max, used, expires_ms, created_ms. */
json_t *admin_fleet_json(const struct fleet_record *record);

/* Of a token: name, role, expires_ms, created_ms. */
json_t *admin_token_json(const struct token_record *record);

/* What takes it away, in place of a value: "default", or "none" where no option takes its place. */
const char *admin_limit_unset(enum device_limit which);
/* A limit from that or a value; -1 with error filled: what is allowed. */
int admin_limit_parse(enum device_limit which, const char *text,
    struct own_limit *limit, char error[OPTION_ERROR_MAX]);
/* Those limits that are set, as an object. */
json_t *admin_limits_json(const struct own_limit limits[DEVICE_LIMITS]);

/* A member as a number; 0 when it is none. */
uint64_t admin_number(const json_t *object, const char *key);
/* The hour that ends now: {"every_ms": 60000, "now_ms": …, "points": [[begin_ms, in, out], …]}. */
json_t *admin_traffic_json(
    uint64_t now_ms, const struct traffic_minute minutes[TRAFFIC_MINUTES]);

#endif
