/* SPDX-License-Identifier: MIT */
/* The order of the checks, and how their findings are shown. */
#include "ctl/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/printable.h"
#include "ctl/report.h"

#define SEEN_MAX 1200

static const char *const words[FINDINGS] = {
    [FINDING_OK] = "ok",
    [FINDING_SKIPPED] = "skipped",
    [FINDING_WARNING] = "warning",
    [FINDING_FAIL] = "FAIL",
};

/* At once: who waits for a dead host shall see what is known. */
static void
show(enum finding finding, const char *check, const char *seen,
    const char *advice)
{
	printf("%-8s %-22s %s%s%s\n", words[finding], check, seen,
	    advice != NULL ? ": " : "", advice != NULL ? advice : "");
	fflush(stdout);
}

void
doctor_note(struct doctor *doctor, enum finding finding, const char *check,
    const char *advice, const char *format, ...)
{
	char seen[SEEN_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(seen, sizeof(seen), format, args);
	va_end(args);
	make_printable(seen);
	doctor->counts[finding]++;
	json_array_append_new(doctor->findings,
	    json_pack("{s:s, s:s, s:s, s:s?}", "check", check, "result",
		words[finding], "seen", seen, "advice", advice));
	if (!doctor->options->json)
		show(finding, check, seen, advice);
}

/* Routes. */

static struct str
route_key_cb(const struct hash_node *node)
{
	return str_of(HASH_ENTRY(node, const struct known_route, node)->key);
}

void
known_routes_init(struct hash_map *map)
{
	hash_map_init(map, route_key_cb);
}

struct known_route *
known_routes_find(const struct hash_map *map, const char *key)
{
	struct hash_node *node = hash_map_find(map, str_of(key));

	return node != NULL ? HASH_ENTRY(node, struct known_route, node) : NULL;
}

static void
free_route(struct known_route *route)
{
	if (route != NULL)
		free(route->value);
	free(route);
}

int
known_routes_add(
    struct hash_map *map, struct str kind, struct str key, struct str value)
{
	size_t size = kind.len + 1 + key.len + 1;
	struct known_route *route = calloc(1, sizeof(*route) + size);

	if (route == NULL)
		return -1;
	snprintf(route->key, size, "%.*s/%.*s", STR_ARG(kind), STR_ARG(key));
	if (known_routes_find(map, route->key) != NULL) {
		free_route(route);
		return 0;
	}
	route->value = strndup(value.ptr, value.len);
	if (route->value == NULL || hash_map_insert(map, &route->node) != 0) {
		free_route(route);
		return -1;
	}
	return 0;
}

static void
remove_route_cb(void *ctx, struct hash_node *node)
{
	hash_map_remove(ctx, node);
	free_route(HASH_ENTRY(node, struct known_route, node));
}

void
known_routes_fini(struct hash_map *map)
{
	hash_map_each(map, remove_route_cb, map);
	hash_map_fini(map);
}

/* The command. */

static int
conclude(struct doctor *doctor)
{
	unsigned long long fails = doctor->counts[FINDING_FAIL],
			   warnings = doctor->counts[FINDING_WARNING],
			   skipped = doctor->counts[FINDING_SKIPPED];
	int code = fails > 0 ? EX_UNAVAILABLE : EX_OK, shown = EX_OK;

	if (doctor->options->json)
		shown = report_json(json_pack("{s:b, s:O}", "healthy",
		    fails == 0, "checks", doctor->findings));
	else
		printf("\n%llu failed, %llu warnings, %llu skipped, %llu ok.\n",
		    fails, warnings, skipped,
		    (unsigned long long)doctor->counts[FINDING_OK]);
	return code != EX_OK ? code : shown;
}

int
command_doctor(struct ctl *ctl, const char *name)
{
	struct doctor doctor = {
	    .options = &ctl->options,
	    .admin = &ctl->admin,
	    .timeout_ms = (uint64_t)ctl->options.registry.redis_timeout_ms,
	    .findings = json_array(),
	    .relays = json_array(),
	};
	int code;

	(void)name;
	known_routes_init(&doctor.routes);
	if (ctl->options.domain != NULL)
		(void)str_copy(str_of(ctl->options.domain), doctor.domain,
		    sizeof(doctor.domain));
	if (redis_options_given(&ctl->options.registry)) {
		doctor_check_redis(&doctor);
		doctor_check_acl(&doctor);
		doctor_check_registry(&doctor);
	} else {
		doctor_check_alone(&doctor);
	}
	doctor_check_names(&doctor);
	doctor_check_doors(&doctor);
	/* where that does not answer nothing is known */
	if (doctor.redis != NULL ||
	    !redis_options_given(&ctl->options.registry))
		doctor_check_domains(&doctor, &ctl->admin);
	doctor_check_haproxy(&doctor);
	code = conclude(&doctor);
	redis_sync_free(&doctor.redis);
	known_routes_fini(&doctor.routes);
	json_decref(doctor.relays);
	json_decref(doctor.findings);
	return code;
}
