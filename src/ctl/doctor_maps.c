/* SPDX-License-Identifier: MIT */
/*
 * HAProxy's maps against the registry's routes. Both change while they are read: what differs is
 * looked at once more, a moment later and with the route as it is then.
 */
#include "ctl/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "net/hap_query.h"
#include "net/hap_reply.h"
#include "net/route.h"

#define SHOWN_MAX 3    /* differences that are named */
#define AGAIN_MAX 1000 /* differences that are looked at once more */
#define PAUSE_MS 500   /* a router needs milliseconds */
#define MAP_NAME_MAX 4096
#define LEVELS 3

/* The last one that has a key counts in HAProxy: it is read first here. */
static const char *const level_names[LEVELS] = {
    ".again.map", ".new.map", ".map"};

struct reading {
	struct hash_map entries;
	struct str kind; /* of the map at hand */
	bool failed;
	/* by kind and level; "": HAProxy has none */
	char files[ROUTE_KINDS][LEVELS][MAP_NAME_MAX];
	char error[HAP_QUERY_ERROR_MAX];
};

struct difference {
	enum { ROUTE_MISSING, ROUTE_EXTRA, ROUTE_DIFFERENT } what;
	char key[ROUTE_KEY_TEXT_MAX + 8];
};

struct comparison {
	struct doctor *doctor;
	struct reading *reading;
	uint64_t n_compared, counts[3];
	size_t n;
	struct difference list[AGAIN_MAX];
};

/* Reading the maps. */

static bool
ends_with(struct str text, const char *end)
{
	size_t len = strlen(end);

	return text.len >= len &&
	    memcmp(text.ptr + text.len - len, end, len) == 0;
}

static void
take_file_cb(void *ctx, struct str line)
{
	struct reading *reading = ctx;
	struct hap_map_line map;
	char end[32];

	if (!hap_map_line_next(&line, &map))
		return;
	for (unsigned kind = 0; kind < ROUTE_KINDS; kind++)
		for (unsigned level = 0; level < LEVELS; level++) {
			snprintf(end, sizeof(end), "/%s%s",
			    route_kind_name((enum route_kind)kind),
			    level_names[level]);
			if (ends_with(map.file, end))
				(void)str_copy(map.file,
				    reading->files[kind][level], MAP_NAME_MAX);
		}
}

/* "0x55d0c2a4b8f0 alice.example.com 127.0.0.1,20001" */
static void
take_entry_cb(void *ctx, struct str line)
{
	struct reading *reading = ctx;
	struct str pointer, key, value;

	if (!str_split(line, ' ', &pointer, &value) ||
	    !str_split(value, ' ', &key, &value) || pointer.len < 2 ||
	    memcmp(pointer.ptr, "0x", 2) != 0)
		return;
	if (known_routes_add(&reading->entries, reading->kind, key, value) != 0)
		reading->failed = true;
}

static int
read_maps(struct doctor *doctor, const char *socket, struct reading *reading)
{
	char command[MAP_NAME_MAX + 16];

	if (hap_query(socket, "show map\n", doctor->timeout_ms, take_file_cb,
		reading, reading->error) != 0)
		return -1;
	for (unsigned kind = 0; kind < ROUTE_KINDS; kind++)
		for (unsigned level = 0; level < LEVELS; level++) {
			const char *file = reading->files[kind][level];

			if (file[0] == '\0')
				continue;
			reading->kind =
			    str_of(route_kind_name((enum route_kind)kind));
			snprintf(
			    command, sizeof(command), "show map %s\n", file);
			if (hap_query(socket, command, doctor->timeout_ms,
				take_entry_cb, reading, reading->error) != 0)
				return -1;
		}
	return reading->failed ? -1 : 0;
}

static struct reading *
reading_new(struct doctor *doctor, const char *socket)
{
	struct reading *reading = calloc(1, sizeof(*reading));

	if (reading == NULL)
		return NULL;
	known_routes_init(&reading->entries);
	snprintf(reading->error, sizeof(reading->error), "out of memory");
	if (read_maps(doctor, socket, reading) != 0)
		reading->failed = true;
	return reading;
}

static void
reading_free(struct reading **readingp)
{
	if (*readingp == NULL)
		return;
	known_routes_fini(&(*readingp)->entries);
	free(*readingp);
	*readingp = NULL;
}

/* Comparing. */

/* Does this entry say that there is no route? */
static bool
is_gone(const struct known_route *entry)
{
	return entry == NULL || strcmp(entry->value, ROUTE_TOMBSTONE) == 0;
}

/* Is it the router's own, of the relays' common host name? */
static bool
is_common_host(const struct known_route *entry)
{
	return strcmp(entry->value, ROUTE_ANY) == 0 ||
	    strncmp(entry->key, "relay/any/", 10) == 0;
}

/* Is the map's entry what the router makes of the registry's value? */
static bool
is_same(const char *value, const struct known_route *entry)
{
	char wanted[ROUTE_VALUE_TEXT_MAX];
	struct route_target target;
	uint64_t epoch;

	return route_value_parse(str_of(value), &target, &epoch) &&
	    strcmp(route_target_text(&target, wanted), entry->value) == 0;
}

static void
note(struct comparison *comparison, int what, const char *key)
{
	struct difference *difference;

	comparison->counts[what]++;
	if (comparison->n == AGAIN_MAX)
		return;
	difference = &comparison->list[comparison->n++];
	difference->what = what;
	snprintf(difference->key, sizeof(difference->key), "%s", key);
}

static void
compare_route_cb(void *ctx, struct hash_node *node)
{
	const struct known_route *route =
	    HASH_ENTRY(node, struct known_route, node);
	struct comparison *comparison = ctx;
	const struct known_route *entry =
	    known_routes_find(&comparison->reading->entries, route->key);
	enum route_kind kind;
	struct str key;

	if (!route_key_parse(str_of(route->key), &kind, &key))
		return;
	comparison->n_compared++;
	if (is_gone(entry))
		note(comparison, ROUTE_MISSING, route->key);
	else if (!is_same(route->value, entry))
		note(comparison, ROUTE_DIFFERENT, route->key);
}

static void
compare_entry_cb(void *ctx, struct hash_node *node)
{
	const struct known_route *entry =
	    HASH_ENTRY(node, struct known_route, node);
	struct comparison *comparison = ctx;

	if (!is_gone(entry) && !is_common_host(entry) &&
	    known_routes_find(&comparison->doctor->routes, entry->key) == NULL)
		note(comparison, ROUTE_EXTRA, entry->key);
}

/* Once more, with the registry as it is now. */
static void
look_again(struct comparison *comparison, struct reading *reading)
{
	size_t n = comparison->n;

	memset(comparison->counts, 0, sizeof(comparison->counts));
	comparison->n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct difference old = comparison->list[i];
		const struct known_route *entry =
		    known_routes_find(&reading->entries, old.key);
		redisReply *reply = doctor_ask(comparison->doctor, "maps",
		    "HGET taupe:routes %s", old.key);

		if (reply == NULL)
			return;
		if (reply->type != REDIS_REPLY_STRING) {
			/* an error cannot be: it let the whole hash be read */
			if (!is_gone(entry))
				note(comparison, ROUTE_EXTRA, old.key);
		} else if (is_gone(entry)) {
			note(comparison, ROUTE_MISSING, old.key);
		} else if (!is_same(reply->str, entry)) {
			note(comparison, ROUTE_DIFFERENT, old.key);
		}
		redis_sync_reply_free(&reply);
	}
}

static void
say_differences(struct comparison *comparison)
{
	static const char *const words[] = {"missing", "too many", "different"};
	char shown[SHOWN_MAX * (ROUTE_KEY_TEXT_MAX + 24)] = "";
	size_t len = 0;

	for (size_t i = 0; i < comparison->n && i < SHOWN_MAX; i++)
		len += (size_t)snprintf(shown + len, sizeof(shown) - len,
		    "%s%s is %s", i > 0 ? ", " : "", comparison->list[i].key,
		    words[comparison->list[i].what]);
	doctor_note(comparison->doctor, FINDING_FAIL, "maps",
	    "does taupe-router run with this socket? Its log says more; it "
	    "puts the maps right when it starts",
	    "%s%llu missing, %llu too many, %llu different: %s%s",
	    comparison->n == AGAIN_MAX ? "at least " : "",
	    (unsigned long long)comparison->counts[ROUTE_MISSING],
	    (unsigned long long)comparison->counts[ROUTE_EXTRA],
	    (unsigned long long)comparison->counts[ROUTE_DIFFERENT], shown,
	    comparison->n > SHOWN_MAX ? ", ..." : "");
}

static void
compare(struct comparison *comparison, const char *socket)
{
	const struct timespec pause = {0, PAUSE_MS * 1000000L};
	struct doctor *doctor = comparison->doctor;
	struct reading *again;

	hash_map_each(&doctor->routes, compare_route_cb, comparison);
	hash_map_each(
	    &comparison->reading->entries, compare_entry_cb, comparison);
	if (comparison->n > 0) {
		(void)nanosleep(&pause, NULL);
		again = reading_new(doctor, socket);
		if (again != NULL && !again->failed)
			look_again(comparison, again);
		reading_free(&again);
	}
	if (comparison->n > 0)
		say_differences(comparison);
	else
		doctor_note(doctor, FINDING_OK, "maps", NULL,
		    "they have all %llu routes of the registry, and no others",
		    (unsigned long long)comparison->n_compared);
}

static bool
has_maps(const struct reading *reading)
{
	for (unsigned kind = 0; kind < ROUTE_KINDS; kind++)
		if (reading->files[kind][LEVELS - 1][0] == '\0')
			return false;
	return true;
}

void
doctor_check_maps(struct doctor *doctor, const char *socket)
{
	struct comparison *comparison;
	struct reading *reading;

	if (!doctor->has_routes) {
		doctor_note(doctor, FINDING_SKIPPED, "maps", NULL,
		    "the registry's routes are not known");
		return;
	}
	reading = reading_new(doctor, socket);
	comparison = calloc(1, sizeof(*comparison));
	if (reading == NULL || comparison == NULL || reading->failed) {
		doctor_note(doctor, FINDING_FAIL, "maps",
		    "give the runtime socket level admin", "%s",
		    reading != NULL ? reading->error : "out of memory");
	} else if (!has_maps(reading)) {
		doctor_note(doctor, FINDING_FAIL, "maps",
		    "HAProxy's configuration must name http.map, sni.map, "
		    "tcp.map, relay.map, allow.map and revoked.map, as "
		    "haproxy/haproxy.cfg of this version does",
		    "HAProxy has not got all of them: services that are not "
		    "public are not served without the last two");
	} else {
		comparison->doctor = doctor;
		comparison->reading = reading;
		compare(comparison, socket);
	}
	free(comparison);
	reading_free(&reading);
}
