/* SPDX-License-Identifier: MIT */
/* Redis: does it answer, does it keep what it is told, has it room, do its replicas follow? */
#include "ctl/doctor.h"

#include <stdarg.h>
#include <stdio.h>

#include "ctl/report.h"
#include "net/redis_info.h"

#define VERSION_MIN 6
#define MEMORY_PERCENT 90
#define LAG_MAX_S 10
#define EVENTS_KEPT 100000 /* MAXLEN ~ of the writers */

static redisReply *
take(struct doctor *doctor, const char *check, redisReply *reply)
{
	if (reply == NULL) {
		doctor_note(doctor, FINDING_FAIL, check,
		    "see whether Redis still runs, and its log", "%s",
		    redis_sync_error(doctor->redis));
		redis_sync_free(&doctor->redis);
	}
	return reply;
}

redisReply *
doctor_ask(struct doctor *doctor, const char *check, const char *format, ...)
{
	redisReply *reply;
	va_list args;

	if (doctor->redis == NULL)
		return NULL;
	va_start(args, format);
	reply = redis_sync_vcommandf(doctor->redis, format, args);
	va_end(args);
	return take(doctor, check, reply);
}

redisReply *
doctor_fetch(struct doctor *doctor, const char *check)
{
	return doctor->redis == NULL
	    ? NULL
	    : take(doctor, check, redis_sync_fetch(doctor->redis));
}

bool
doctor_is_refused(
    struct doctor *doctor, const char *check, const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ERROR)
		return false;
	doctor_note(doctor, FINDING_SKIPPED, check,
	    "load redis/users.acl: the user taupectl may ask that", "%s",
	    reply->str);
	return true;
}

static void
open_redis(struct doctor *doctor)
{
	const struct redis_options *options = &doctor->options->registry;
	char error[REDIS_ACCESS_ERROR_MAX], where[REDIS_WHERE_MAX];

	doctor->redis = redis_access_dial(options, "taupectl", 0, where, error);
	if (doctor->redis != NULL)
		doctor_note(
		    doctor, FINDING_OK, "redis", NULL, "%s answers", where);
	else
		doctor_note(doctor, FINDING_FAIL, "redis",
		    where[0] != '\0' ? "start it, or mend redis, redis_user "
				       "and redis_password_file"
				     : "mend that option or file",
		    "%s", error);
}

static void
judge_version(struct doctor *doctor, struct str info)
{
	struct str version = redis_info_value(info, "redis_version"), major,
		   rest;
	uint64_t number = 0;

	(void)str_split(version, '.', &major, &rest);
	(void)str_to_number(major, 1000, &number);
	doctor->redis_major = (unsigned)number;
	if (number < VERSION_MIN)
		doctor_note(doctor, FINDING_FAIL, "redis version",
		    "upgrade to Redis 6 or later, or Valkey", "%.*s",
		    STR_ARG(version));
	else
		doctor_note(doctor, FINDING_OK, "redis version", NULL, "%.*s",
		    STR_ARG(version));
}

static void
judge_persistence(struct doctor *doctor, struct str info)
{
	static const char check[] = "redis persistence";

	if (str_is(redis_info_value(info, "aof_last_write_status"), "err") ||
	    str_is(redis_info_value(info, "aof_last_bgrewrite_status"), "err"))
		doctor_note(doctor, FINDING_FAIL, check,
		    "is its disk full? Redis' log says",
		    "the append-only file cannot be written");
	else if (str_is(
		     redis_info_value(info, "rdb_last_bgsave_status"), "err"))
		doctor_note(doctor, FINDING_FAIL, check,
		    "is its disk full? Redis' log says",
		    "the last snapshot failed");
	else if (!str_is(redis_info_value(info, "aof_enabled"), "1"))
		doctor_note(doctor, FINDING_WARNING, check,
		    "appendonly yes in redis.conf, and CONFIG SET appendonly "
		    "yes",
		    "no append-only file: devices added since the last "
		    "snapshot are lost when Redis restarts");
	else
		doctor_note(doctor, FINDING_OK, check, NULL,
		    "an append-only file, written without errors");
}

static void
judge_memory(struct doctor *doctor, struct str info)
{
	static const char check[] = "redis memory";
	struct str policy = redis_info_value(info, "maxmemory_policy");
	uint64_t used = redis_info_number(info, "used_memory"),
		 max = redis_info_number(info, "maxmemory");
	char used_text[REPORT_TEXT_MAX], max_text[REPORT_TEXT_MAX];

	(void)report_bytes(used, used_text);
	(void)report_bytes(max, max_text);
	if (!str_is(policy, "noeviction"))
		doctor_note(doctor, FINDING_FAIL, check,
		    "maxmemory-policy noeviction in redis.conf, and CONFIG "
		    "SET maxmemory-policy noeviction",
		    "%s used; when it is full it throws devices and leases "
		    "away (maxmemory-policy %.*s)",
		    used_text, STR_ARG(policy));
	else if (max > 0 && used > max / 100 * MEMORY_PERCENT)
		doctor_note(doctor, used < max ? FINDING_WARNING : FINDING_FAIL,
		    check, "raise maxmemory: a full Redis refuses writes",
		    "%s used of %s", used_text, max_text);
	else
		doctor_note(doctor, FINDING_OK, check, NULL, "%s used of %s",
		    used_text, max > 0 ? max_text : "any");
}

/* "ip=10.0.0.2,port=6379,state=online,offset=4711,lag=1" */
static struct str
field_of(struct str list, const char *key)
{
	struct str one, name, value;

	while (list.len > 0) {
		(void)str_split(list, ',', &one, &list);
		if (str_split(one, '=', &name, &value) && str_is(name, key))
			return value;
	}
	return (struct str){NULL, 0};
}

static void
judge_replica(struct doctor *doctor, unsigned i, struct str replica)
{
	struct str ip = field_of(replica, "ip"),
		   state = field_of(replica, "state");
	char check[40];
	uint64_t lag = 0;

	snprintf(check, sizeof(check), "redis replica %u", i);
	(void)str_to_number(field_of(replica, "lag"), INT64_MAX, &lag);
	if (!str_is(state, "online") || lag > LAG_MAX_S)
		doctor_note(doctor, FINDING_WARNING, check,
		    "look at its log and at the network between the two",
		    "%.*s: %.*s, %llu s behind", STR_ARG(ip), STR_ARG(state),
		    (unsigned long long)lag);
	else
		doctor_note(doctor, FINDING_OK, check, NULL,
		    "%.*s: online, %llu s behind", STR_ARG(ip),
		    (unsigned long long)lag);
}

static void
judge_replication(struct doctor *doctor, struct str info)
{
	uint64_t n = redis_info_number(info, "connected_slaves");
	char key[24];

	if (str_is(redis_info_value(info, "role"), "slave"))
		doctor_note(doctor, FINDING_FAIL, "redis role",
		    "give the primary's address, or redis_sentinel",
		    "a replica: it takes no writes");
	else
		doctor_note(doctor, FINDING_OK, "redis role", NULL,
		    "primary, with %llu replicas", (unsigned long long)n);
	for (unsigned i = 0; i < n && i < 16; i++) {
		struct str replica;

		snprintf(key, sizeof(key), "slave%u", i);
		replica = redis_info_value(info, key);
		if (replica.ptr != NULL)
			judge_replica(doctor, i, replica);
	}
}

static void
check_info(struct doctor *doctor)
{
	redisReply *reply = doctor_ask(doctor, "redis", "INFO");
	struct str info;

	if (reply == NULL)
		return;
	if (!doctor_is_refused(doctor, "redis itself", reply)) {
		info = (struct str){reply->str, reply->len};
		judge_version(doctor, info);
		judge_replication(doctor, info);
		judge_persistence(doctor, info);
		judge_memory(doctor, info);
	}
	redis_sync_reply_free(&reply);
}

static void
check_events(struct doctor *doctor)
{
	redisReply *reply =
	    doctor_ask(doctor, "redis events", "XLEN taupe:events");

	if (reply == NULL)
		return;
	if (doctor_is_refused(doctor, "redis events", reply)) {
		redis_sync_reply_free(&reply);
		return;
	}
	if (reply->integer > 2 * EVENTS_KEPT)
		doctor_note(doctor, FINDING_WARNING, "redis events",
		    "something else writes to taupe:events: XTRIM "
		    "taupe:events MAXLEN 100000",
		    "%lld entries in the stream", reply->integer);
	else
		doctor_note(doctor, FINDING_OK, "redis events", NULL,
		    "%lld entries in the stream", reply->integer);
	redis_sync_reply_free(&reply);
}

void
doctor_check_redis(struct doctor *doctor)
{
	open_redis(doctor);
	check_info(doctor);
	check_events(doctor);
}
