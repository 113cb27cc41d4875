/* SPDX-License-Identifier: MIT */
/* How things stand in Redis: counts, and what is wrong with it, in words; and what the
 * operator wants of a relay. */
#include <stdio.h>
#include <string.h>

#include "admin/store_redis.h"
#include "net/loop.h"
#include "net/redis_info.h"

#define SESSIONS_PER_QUERY 500
#define OVERDUE_MS                                                             \
	10000 /* a lease that ended so long ago should have been swept up */
#define FULL_PERCENT 90

struct survey {
	struct admin *admin;
	json_t *status, *relays, *problems;
	uint64_t n_sessions, n_lost_sessions;
};

static void add_problem(struct survey *survey, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
add_problem(struct survey *survey, const char *format, ...)
{
	char text[300];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_array_append_new(survey->problems, json_string(text));
}

/* The number that a command answers, under this name. */
static int
add_count(struct survey *survey, const char *name, const char *command)
{
	int code;
	redisReply *reply = store_ask(survey->admin, &code, command);

	if (reply == NULL)
		return code;
	json_object_set_new(
	    survey->status, name, json_integer((json_int_t)reply->integer));
	redis_sync_reply_free(&reply);
	return ADMIN_OK;
}

/* Redis itself. */

static void
judge_redis(struct survey *survey, struct str info)
{
	struct str policy = redis_info_value(info, "maxmemory_policy");

	if (policy.ptr != NULL && !str_equal(policy, STR("noeviction")))
		add_problem(survey,
		    "Redis may throw keys away (maxmemory-policy %.*s): set it "
		    "to noeviction",
		    STR_ARG(policy));
	if (str_equal(redis_info_value(info, "aof_enabled"), STR("0")))
		add_problem(survey,
		    "Redis keeps no append-only file: devices added since its "
		    "last snapshot are "
		    "lost when it restarts (appendonly yes)");
	if (str_equal(
		redis_info_value(info, "aof_last_write_status"), STR("err")))
		add_problem(survey, "Redis cannot write its append-only file");
	if (str_equal(redis_info_value(info, "role"), STR("slave")))
		add_problem(
		    survey, "this Redis is a replica: it takes no writes");
}

static int
survey_redis(struct survey *survey)
{
	int code;
	redisReply *reply = store_ask(survey->admin, &code, "INFO");
	struct str info, version;

	if (reply == NULL)
		return code;
	info = redis_text(reply);
	version = redis_info_value(info, "redis_version");
	json_object_set_new(survey->status, "redis",
	    json_pack("{s:s, s:s%, s:I, s:I, s:I}", "address",
		survey->admin->redis_where, "version",
		version.ptr != NULL ? version.ptr : "", version.len, "uptime_s",
		(json_int_t)redis_info_number(info, "uptime_in_seconds"),
		"used_memory_bytes",
		(json_int_t)redis_info_number(info, "used_memory"),
		"connected_clients",
		(json_int_t)redis_info_number(info, "connected_clients")));
	judge_redis(survey, info);
	redis_sync_reply_free(&reply);
	return ADMIN_OK;
}

/* Relays. */

static bool
is_alive(const struct survey *survey, struct str id)
{
	json_t *relay;
	size_t i;

	json_array_foreach (survey->relays, i, relay)
		if (str_equal(
			str_of(json_string_value(json_object_get(relay, "id"))),
			id))
			return true;
	return false;
}

static void
judge_relay(struct survey *survey, const json_t *relay)
{
	const char *id = json_string_value(json_object_get(relay, "id"));
	json_int_t agents =
		       json_integer_value(json_object_get(relay, "agents")),
		   capacity =
		       json_integer_value(json_object_get(relay, "capacity"));

	if (capacity > 0 && agents * 100 >= capacity * FULL_PERCENT)
		add_problem(survey,
		    "relay %s is nearly full: %lld agents of %lld", id,
		    (long long)agents, (long long)capacity);
}

static int
survey_relays(struct survey *survey)
{
	json_int_t agents = 0, visitors = 0;
	json_t *relay;
	bool serving = false;
	size_t i;
	int code = redis_relays(survey->admin, survey->relays);

	json_array_foreach (survey->relays, i, relay) {
		agents += json_integer_value(json_object_get(relay, "agents"));
		visitors +=
		    json_integer_value(json_object_get(relay, "visitors"));
		serving = serving ||
		    !json_is_true(json_object_get(relay, "draining"));
		judge_relay(survey, relay);
	}
	if (code == ADMIN_OK && json_array_size(survey->relays) == 0)
		add_problem(survey,
		    "no relay is alive: start one (taupe-relay) with this "
		    "Redis");
	else if (code == ADMIN_OK && !serving)
		add_problem(
		    survey, "all relays are draining: no agent can connect");
	json_object_set_new(survey->status, "serving", json_boolean(serving));
	json_object_set_new(survey->status, "agents", json_integer(agents));
	json_object_set_new(survey->status, "visitors", json_integer(visitors));
	return code;
}

/* Sessions: those of the names that have a lease. */

static void
judge_session(struct survey *survey, const redisReply *reply)
{
	json_t *form = redis_form_json(redis_text(reply));
	const char *relay = json_string_value(json_object_get(form, "relay"));

	if (relay != NULL) {
		survey->n_sessions++;
		if (!is_alive(survey, str_of(relay)))
			survey->n_lost_sessions++;
	}
	json_decref(form);
}

static int
judge_sessions(struct survey *survey, const redisReply *names)
{
	struct redis_sync *redis = survey->admin->redis;
	int code = ADMIN_OK;
	size_t n = 0;

	for (size_t i = 0; i < names->elements; i++)
		if (device_name_valid(redis_text(names->element[i]))) {
			if (redis_sync_queuef(redis, "GET taupe:session:%s",
				names->element[i]->str) != 0)
				return admin_fail_memory(survey->admin);
			n++;
		}
	while (code == ADMIN_OK && n-- > 0) {
		redisReply *reply = store_next(survey->admin, &code);

		if (reply != NULL)
			judge_session(survey, reply);
		redis_sync_reply_free(&reply);
	}
	return code;
}

static int
survey_sessions(struct survey *survey)
{
	int code = ADMIN_OK;
	size_t n = SESSIONS_PER_QUERY;

	for (size_t at = 0; code == ADMIN_OK && n == SESSIONS_PER_QUERY;
	     at += n) {
		redisReply *reply = store_ask(survey->admin, &code,
		    "ZRANGE taupe:leases %llu %llu", (unsigned long long)at,
		    (unsigned long long)at + SESSIONS_PER_QUERY - 1);

		if (reply == NULL)
			return code;
		n = reply->elements;
		code = judge_sessions(survey, reply);
		redis_sync_reply_free(&reply);
	}
	json_object_set_new(survey->status, "sessions",
	    json_integer((json_int_t)survey->n_sessions));
	if (survey->n_lost_sessions > 0)
		add_problem(survey,
		    "%llu sessions are at relays that are gone: their devices "
		    "come back by "
		    "themselves, or are offline",
		    (unsigned long long)survey->n_lost_sessions);
	return code;
}

/* What nobody has swept up. */

static int
survey_leftovers(struct survey *survey)
{
	int code;
	redisReply *reply =
	    store_ask(survey->admin, &code, "ZCOUNT taupe:leases -inf %llu",
		(unsigned long long)(loop_wall_ms() - OVERDUE_MS));

	if (reply == NULL)
		return code;
	if (reply->integer > 0)
		add_problem(survey,
		    "%lld leases are overdue and not swept up: relays do that, "
		    "is one alive?",
		    reply->integer);
	redis_sync_reply_free(&reply);
	reply = store_ask(survey->admin, &code, "ZCARD taupe:relays");
	if (reply == NULL)
		return code;
	if (reply->integer > (long long)json_array_size(survey->relays))
		add_problem(survey,
		    "%lld relays have died without a word and are not swept up",
		    reply->integer -
			(long long)json_array_size(survey->relays));
	redis_sync_reply_free(&reply);
	return ADMIN_OK;
}

/* Of [what, device, …], from there on, as many as are asked about at once. */
static int
count_gone(struct survey *survey, const redisReply *reserved, size_t from,
    uint64_t *n)
{
	size_t end = from + 2 * REDIS_BATCH, asked = 0;
	int code = ADMIN_OK;

	for (size_t i = from; i + 1 < reserved->elements && i < end;
	     i += 2, asked++)
		if (redis_sync_queuef(survey->admin->redis,
			"SISMEMBER taupe:devices %b",
			reserved->element[i + 1]->str,
			reserved->element[i + 1]->len) != 0)
			return admin_fail_memory(survey->admin);
	while (code == ADMIN_OK && asked-- > 0) {
		redisReply *member = store_next(survey->admin, &code);

		*n += member != NULL && member->integer == 0;
		redis_sync_reply_free(&member);
	}
	return code;
}

static int
survey_reservations(struct survey *survey)
{
	int code;
	redisReply *reply =
	    store_ask(survey->admin, &code, "HGETALL taupe:reserved");
	uint64_t n = 0;

	if (reply == NULL)
		return code;
	for (size_t i = 0; code == ADMIN_OK && i < reply->elements;
	     i += 2 * REDIS_BATCH)
		code = count_gone(survey, reply, i, &n);
	if (n > 0)
		add_problem(survey,
		    "%llu labels, ports or further names are reserved for "
		    "devices that are gone",
		    (unsigned long long)n);
	redis_sync_reply_free(&reply);
	return code;
}

int
redis_status(struct admin *admin, json_t **status)
{
	struct survey survey = {
	    admin, json_object(), json_array(), json_array(), 0, 0};
	int code = survey_redis(&survey);

	json_object_set_new(survey.status, "registry", json_string("redis"));
	if (code == ADMIN_OK)
		code = survey_relays(&survey);
	if (code == ADMIN_OK)
		code = survey_sessions(&survey);
	if (code == ADMIN_OK)
		code = add_count(&survey, "devices", "SCARD taupe:devices");
	if (code == ADMIN_OK)
		code = add_count(&survey, "leases", "ZCARD taupe:leases");
	if (code == ADMIN_OK)
		code = add_count(&survey, "routes", "HLEN taupe:routes");
	if (code == ADMIN_OK)
		code = survey_leftovers(&survey);
	if (code == ADMIN_OK)
		code = survey_reservations(&survey);
	json_object_set_new(survey.status, "relays", survey.relays);
	json_object_set_new(survey.status, "problems", survey.problems);
	if (code == ADMIN_OK)
		*status = survey.status;
	else
		json_decref(survey.status);
	return code;
}

int
redis_relay_drain(struct admin *admin, const char *id, bool drain)
{
	int code;
	redisReply *reply =
	    store_ask(admin, &code, "EXISTS taupe:relay:%s", id);
	bool exists = reply != NULL && reply->integer == 1;

	if (reply == NULL)
		return code;
	redis_sync_reply_free(&reply);
	if (!exists)
		return admin_fail(admin, ADMIN_NO_RELAY,
		    "no relay %s is alive: taupectl relay ls shows those that "
		    "are",
		    id);
	reply = drain ? store_ask(admin, &code, "HSET taupe:drain %s %llu", id,
			    (unsigned long long)loop_wall_ms())
		      : store_ask(admin, &code, "HDEL taupe:drain %s", id);
	redis_sync_reply_free(&reply);
	return code;
}
