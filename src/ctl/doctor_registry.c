/* SPDX-License-Identifier: MIT */
/* What stands in Redis: relays with their limits and clocks, leases, sessions, routes. */
#include "ctl/doctor.h"

#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

#include "base/device_record.h"
#include "ctl/report.h"
#include "net/loop.h"

#define OVERDUE_MS                                                             \
	10000 /* a lease that ended so long ago should have been swept up */
#define SKEW_MAX_MS 2000
#define LEASES_PER_QUERY 500
#define ROUTES_PER_QUERY "1000"
#define FULL_PERCENT 90
#define QUEUE_MIN 1024 /* connections that come at once after a restart */

/* Relays. */

void
doctor_judge_limits(struct doctor *doctor, const char *id, uint64_t capacity,
    uint64_t files_limit, uint64_t listen_queue)
{
	char check[100];

	snprintf(check, sizeof(check), "relay %s limits", id);
	if (files_limit == 0)
		doctor_note(doctor, FINDING_SKIPPED, check,
		    "upgrade that relay", "it does not tell its limits");
	else if (files_limit < capacity)
		doctor_note(doctor, FINDING_FAIL, check,
		    "LimitNOFILE= of its service (ulimit -n), or a lower "
		    "capacity",
		    "%" PRIu64 " file descriptors, for %" PRIu64
		    " agents (capacity) and their visitors",
		    files_limit, capacity);
	else if (files_limit < 2 * capacity)
		doctor_note(doctor, FINDING_WARNING, check,
		    "LimitNOFILE= of its service (ulimit -n): each agent and "
		    "each visitor is one",
		    "%" PRIu64 " file descriptors, for %" PRIu64
		    " agents (capacity) and their visitors",
		    files_limit, capacity);
	else if (listen_queue > 0 && listen_queue < QUEUE_MIN)
		doctor_note(doctor, FINDING_WARNING, check,
		    "sysctl net.core.somaxconn=4096",
		    "only %" PRIu64 " connections can wait to be accepted: "
		    "agents that all come at once are turned away",
		    listen_queue);
	else
		doctor_note(doctor, FINDING_OK, check, NULL,
		    "%" PRIu64 " file descriptors for %" PRIu64
		    " agents, %" PRIu64 " connections may wait",
		    files_limit, capacity, listen_queue);
}

void
doctor_judge_clock(struct doctor *doctor, const char *check, const char *whose,
    int64_t skew_ms)
{
	double seconds = (double)skew_ms / 1000;

	if (skew_ms > SKEW_MAX_MS || skew_ms < -SKEW_MAX_MS)
		doctor_note(doctor, FINDING_WARNING, check,
		    "synchronise the clocks (chrony, systemd-timesyncd): "
		    "leases and epochs are times",
		    "%.1f s %s %s", seconds < 0 ? -seconds : seconds,
		    seconds < 0 ? "behind" : "ahead of", whose);
	else
		doctor_note(doctor, FINDING_OK, check, NULL,
		    "within %d ms of %s",
		    skew_ms < 0 ? (int)-skew_ms : (int)skew_ms, whose);
}

/* The clock of Redis in ms; 0: it does not tell. */
static uint64_t
redis_now_ms(struct doctor *doctor)
{
	redisReply *reply = doctor_ask(doctor, "clock", "TIME");
	uint64_t seconds = 0, micros = 0;

	if (reply == NULL)
		return 0;
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
	    reply->element[0]->str != NULL && reply->element[1]->str != NULL) {
		(void)str_to_number(
		    str_of(reply->element[0]->str), INT32_MAX, &seconds);
		(void)str_to_number(
		    str_of(reply->element[1]->str), 999999, &micros);
	} else {
		doctor_note(doctor, FINDING_SKIPPED, "clock",
		    "load redis/users.acl: the user taupectl may ask TIME",
		    "%s", reply->type == REDIS_REPLY_ERROR ? reply->str : "?");
	}
	redis_sync_reply_free(&reply);
	return seconds * 1000 + micros / 1000;
}

static void
check_own_clock(struct doctor *doctor)
{
	uint64_t before = loop_wall_ms(), redis = redis_now_ms(doctor),
		 after = loop_wall_ms();

	doctor->has_time = redis != 0;
	if (doctor->has_time)
		doctor_judge_clock(doctor, "clock of this host", "Redis",
		    (int64_t)((before + after) / 2 - redis));
}

/* It wrote clock_ms together with the key's time to live, three intervals. */
static void
check_relay_clock(struct doctor *doctor, const json_t *relay)
{
	const char *id = report_str(relay, "id");
	uint64_t clock_ms = report_number(relay, "clock_ms"),
		 announce_ms = report_number(relay, "announce_ms"), now_ms,
		 left_ms = report_number(relay, "pttl_ms");
	char check[100];

	snprintf(check, sizeof(check), "clock of relay %s", id);
	now_ms = report_number(relay, "read_ms");
	if (clock_ms == 0 || announce_ms == 0 || now_ms == 0 || left_ms == 0)
		return;
	doctor_judge_clock(doctor, check, "Redis",
	    (int64_t)(clock_ms - (now_ms - (3 * announce_ms - left_ms))));
}

static void
judge_load(struct doctor *doctor, const json_t *relay)
{
	uint64_t agents = report_number(relay, "agents"),
		 capacity = report_number(relay, "capacity");
	char check[100], age[REPORT_TEXT_MAX];

	snprintf(check, sizeof(check), "relay %s", report_str(relay, "id"));
	(void)report_age(report_number(relay, "since_ms"), age);
	if (report_number(relay, "draining") != 0)
		doctor_note(doctor, FINDING_WARNING, check,
		    "taupectl relay undrain, if it shall serve again",
		    "draining, %" PRIu64 " agents left", agents);
	else if (agents * 100 >= capacity * FULL_PERCENT)
		doctor_note(doctor, FINDING_WARNING, check,
		    "start another relay, or raise capacity",
		    "%" PRIu64 " agents of %" PRIu64, agents, capacity);
	else
		doctor_note(doctor, FINDING_OK, check, NULL,
		    "serving for %s, %" PRIu64 " agents of %" PRIu64, age,
		    agents, capacity);
}

/* HGETALL as an object of strings. */
static json_t *
hash_of(const redisReply *reply)
{
	json_t *hash = json_object();

	for (size_t i = 0; i + 1 < reply->elements; i += 2)
		if (reply->element[i]->type == REDIS_REPLY_STRING &&
		    reply->element[i + 1]->type == REDIS_REPLY_STRING)
			json_object_set_new(hash, reply->element[i]->str,
			    json_stringn(reply->element[i + 1]->str,
				reply->element[i + 1]->len));
	return hash;
}

/* One that is gone and not swept up yet is no relay. */
static void
read_relay(struct doctor *doctor, const char *id)
{
	redisReply *hash = NULL, *pttl = NULL;
	uint64_t now_ms = doctor->has_time ? redis_now_ms(doctor) : 0;
	json_t *relay;

	if (doctor->redis == NULL ||
	    redis_sync_queuef(doctor->redis, "PTTL taupe:relay:%s", id) != 0 ||
	    redis_sync_queuef(doctor->redis, "HGETALL taupe:relay:%s", id) != 0)
		return;
	pttl = doctor_fetch(doctor, "relays");
	if (pttl != NULL)
		hash = doctor_fetch(doctor, "relays");
	if (hash != NULL && hash->type == REDIS_REPLY_ARRAY &&
	    hash->elements > 0) {
		relay = hash_of(hash);
		json_object_set_new(relay, "id", json_string(id));
		json_object_set_new(
		    relay, "read_ms", json_integer((json_int_t)now_ms));
		json_object_set_new(
		    relay, "pttl_ms", json_integer((json_int_t)pttl->integer));
		json_array_append_new(doctor->relays, relay);
	}
	redis_sync_reply_free(&pttl);
	redis_sync_reply_free(&hash);
}

static void
judge_number_of_relays(struct doctor *doctor, size_t listed)
{
	size_t n = json_array_size(doctor->relays), n_serving = 0, i;
	json_t *relay;

	json_array_foreach (doctor->relays, i, relay)
		n_serving += report_number(relay, "draining") == 0;
	if (n == 0)
		doctor_note(doctor, FINDING_FAIL, "relays",
		    "start one (taupe-relay) with this Redis", "none is alive");
	else if (n_serving == 0)
		doctor_note(doctor, FINDING_FAIL, "relays",
		    "taupectl relay undrain, or start another one",
		    "all %zu are draining: no agent can connect", n);
	else if (listed > n)
		doctor_note(doctor, FINDING_WARNING, "relays",
		    "if that stays, look at their logs: relays sweep up what "
		    "others left",
		    "%zu of %zu have died without a word", listed - n, listed);
	else
		doctor_note(
		    doctor, FINDING_OK, "relays", NULL, "%zu are alive", n);
}

static void
check_relays(struct doctor *doctor)
{
	redisReply *reply =
	    doctor_ask(doctor, "relays", "ZRANGE taupe:relays 0 -1");
	json_t *relay;
	size_t i;

	if (reply == NULL)
		return;
	if (doctor_is_refused(doctor, "relays", reply)) {
		redis_sync_reply_free(&reply);
		return;
	}
	for (i = 0; i < reply->elements && doctor->redis != NULL; i++)
		if (reply->element[i]->type == REDIS_REPLY_STRING &&
		    device_name_valid(str_of(reply->element[i]->str)))
			read_relay(doctor, reply->element[i]->str);
	judge_number_of_relays(doctor, reply->elements);
	redis_sync_reply_free(&reply);
	json_array_foreach (doctor->relays, i, relay) {
		const char *domain = report_str(relay, "domain");

		judge_load(doctor, relay);
		doctor_judge_limits(doctor, report_str(relay, "id"),
		    report_number(relay, "capacity"),
		    report_number(relay, "files_limit"),
		    report_number(relay, "listen_queue"));
		check_relay_clock(doctor, relay);
		if (doctor->domain[0] == '\0' && domain != NULL &&
		    host_name_valid(str_of(domain)))
			(void)str_copy(str_of(domain), doctor->domain,
			    sizeof(doctor->domain));
	}
}

/* Leases and their sessions. */

struct survey {
	uint64_t n, n_lost, n_old;
	char lost[DEVICE_NAME_MAX + 1],
	    old[DEVICE_NAME_MAX + 1]; /* one of each */
};

static const json_t *
find_relay(const struct doctor *doctor, struct str id)
{
	json_t *relay;
	size_t i;

	json_array_foreach (doctor->relays, i, relay)
		if (str_equal(str_of(report_str(relay, "id")), id))
			return relay;
	return NULL;
}

/* The value of a key of a form-encoded text, if it is one that needs no decoding. */
static struct str
form_word(struct str text, const char *key)
{
	struct str pair, name, value;

	while (text.len > 0) {
		(void)str_split(text, '&', &pair, &text);
		if (str_split(pair, '=', &name, &value) && str_is(name, key))
			return value;
	}
	return (struct str){NULL, 0};
}

static void
judge_session(struct doctor *doctor, struct survey *survey, const char *name,
    const redisReply *reply)
{
	struct str text = {reply->str, reply->len};
	const json_t *relay;
	uint64_t since_ms;

	if (reply->type != REDIS_REPLY_STRING)
		return;
	relay = find_relay(doctor, form_word(text, "relay"));
	if (relay == NULL) {
		survey->n_lost++;
		(void)str_copy(
		    str_of(name), survey->lost, sizeof(survey->lost));
	} else if (str_to_number(
		       form_word(text, "since_ms"), INT64_MAX, &since_ms) &&
	    since_ms + SKEW_MAX_MS < report_number(relay, "since_ms")) {
		survey->n_old++;
		(void)str_copy(str_of(name), survey->old, sizeof(survey->old));
	}
}

static void
judge_sessions(
    struct doctor *doctor, struct survey *survey, const redisReply *names)
{
	size_t n = 0, i;

	for (i = 0; i < names->elements; i++, n++)
		if (names->element[i]->type != REDIS_REPLY_STRING ||
		    redis_sync_queuef(doctor->redis, "GET taupe:session:%b",
			names->element[i]->str, names->element[i]->len) != 0)
			break;
	for (i = 0; i < n; i++) {
		redisReply *session = doctor_fetch(doctor, "sessions");

		if (session == NULL)
			return;
		judge_session(doctor, survey, names->element[i]->str, session);
		redis_sync_reply_free(&session);
	}
	survey->n += n;
}

static bool
survey_leases(struct doctor *doctor, struct survey *survey)
{
	size_t n = LEASES_PER_QUERY;
	bool refused = false;

	for (size_t at = 0; n == LEASES_PER_QUERY && !refused; at += n) {
		redisReply *reply = doctor_ask(doctor, "sessions",
		    "ZRANGE taupe:leases %llu %llu", (unsigned long long)at,
		    (unsigned long long)at + LEASES_PER_QUERY - 1);

		if (reply == NULL)
			return false;
		refused = doctor_is_refused(doctor, "sessions", reply);
		n = reply->elements;
		judge_sessions(doctor, survey, reply);
		redis_sync_reply_free(&reply);
	}
	return !refused && doctor->redis != NULL;
}

static void
check_sessions(struct doctor *doctor)
{
	struct survey survey = {0};

	if (!survey_leases(doctor, &survey))
		return;
	if (survey.n_lost > 0)
		doctor_note(doctor, FINDING_WARNING, "sessions",
		    "they come back to another relay by themselves, or are "
		    "offline: taupectl device show NAME",
		    "%" PRIu64 " of %" PRIu64
		    " devices with a lease are at relays that are gone, %s "
		    "among them",
		    survey.n_lost, survey.n, survey.lost);
	else if (survey.n_old > 0)
		doctor_note(doctor, FINDING_WARNING, "sessions",
		    "they end with their time to live, if their agents do not "
		    "come back before",
		    "%" PRIu64 " of %" PRIu64
		    " sessions are older than the relay that they are at, "
		    "%s's among them",
		    survey.n_old, survey.n, survey.old);
	else
		doctor_note(doctor, FINDING_OK, "sessions", NULL,
		    "of %" PRIu64 " devices with a lease, all at living relays",
		    survey.n);
}

static void
check_leases(struct doctor *doctor)
{
	redisReply *reply =
	    doctor_ask(doctor, "leases", "ZCOUNT taupe:leases -inf %llu",
		(unsigned long long)(loop_wall_ms() - OVERDUE_MS));

	if (reply == NULL)
		return;
	if (doctor_is_refused(doctor, "leases", reply)) {
		redis_sync_reply_free(&reply);
		return;
	}
	if (reply->integer > 0)
		doctor_note(doctor, FINDING_WARNING, "leases",
		    "relays do that each second: is one alive, and are the "
		    "clocks right?",
		    "%lld are overdue and not swept up", reply->integer);
	else
		doctor_note(
		    doctor, FINDING_OK, "leases", NULL, "none is overdue");
	redis_sync_reply_free(&reply);
}

/* Routes: in steps, because there may be a million. */

static int
take_routes(struct doctor *doctor, const redisReply *pairs)
{
	for (size_t i = 0; i + 1 < pairs->elements; i += 2) {
		const redisReply *key = pairs->element[i],
				 *value = pairs->element[i + 1];
		struct str kind, name;

		if (key->type != REDIS_REPLY_STRING ||
		    value->type != REDIS_REPLY_STRING ||
		    !str_split(
			(struct str){key->str, key->len}, '/', &kind, &name))
			continue;
		if (known_routes_add(&doctor->routes, kind, name,
			(struct str){value->str, value->len}) != 0)
			return -1;
	}
	return 0;
}

static bool
take_scan(
    struct doctor *doctor, const redisReply *reply, char *cursor, size_t cap)
{
	return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
	    reply->element[0]->type == REDIS_REPLY_STRING &&
	    reply->element[1]->type == REDIS_REPLY_ARRAY &&
	    str_copy(str_of(reply->element[0]->str), cursor, cap) &&
	    take_routes(doctor, reply->element[1]) == 0;
}

static void
read_routes(struct doctor *doctor)
{
	char cursor[32] = "0";

	do {
		redisReply *reply = doctor_ask(doctor, "routes",
		    "HSCAN taupe:routes %s COUNT " ROUTES_PER_QUERY, cursor);
		bool taken = reply != NULL &&
		    take_scan(doctor, reply, cursor, sizeof(cursor));

		redis_sync_reply_free(&reply);
		if (!taken)
			return;
	} while (strcmp(cursor, "0") != 0);
	doctor->has_routes = true;
}

void
doctor_check_registry(struct doctor *doctor)
{
	if (doctor->redis == NULL) {
		doctor_note(doctor, FINDING_SKIPPED, "registry", NULL,
		    "nothing is known of clocks, relays, leases and routes "
		    "without Redis");
		return;
	}
	check_own_clock(doctor);
	check_relays(doctor);
	check_leases(doctor);
	check_sessions(doctor);
	read_routes(doctor);
}
