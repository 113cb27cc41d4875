/* SPDX-License-Identifier: MIT */
/* A router that stands by has no routes and no HAProxy: its page tells little more than that. */
#include "config.h"

#include "base/metrics_page.h"
#include "net/process_metrics.h"
#include "router/router_metrics.h"
#include "router/router_state.h"

static void
write_registry(const struct router *router, FILE *out)
{
	const char *routes = "taupe_router_routes";
	struct follower_counters n = follower_counters(router->follower);

	metrics_gauge(out, "taupe_router_registry_up",
	    "1 if the routes in Redis are known and followed.",
	    follower_is_steady(router->follower));
	metrics_family(
	    out, routes, METRIC_GAUGE, "Routes that it knows, by kind.");
	for (size_t i = 0; i < ROUTE_KINDS; i++)
		metrics_sample(out, routes, "kind",
		    route_kind_name((enum route_kind)i),
		    route_table_count(router->table, (enum route_kind)i));
	metrics_counter(out, "taupe_router_events_total",
	    "Events of the registry that it has followed.", n.events);
	metrics_counter(out, "taupe_router_skipped_routes_total",
	    "Routes that make no sense, and were left out.", n.skipped);
	metrics_counter(out, "taupe_router_snapshots_total",
	    "Times that it has read all routes.", n.snapshots);
	metrics_counter(out, "taupe_router_gaps_total",
	    "Times that it had missed events.", n.gaps);
	metrics_counter(out, "taupe_router_map_file_failures_total",
	    "Map files that could not be written.",
	    map_files_failures(router->files));
}

static uint64_t
current_of(const struct map_sync *sync)
{
	return map_sync_is_current(sync);
}

static uint64_t
writing_of(const struct map_sync *sync)
{
	return map_sync_is_writing(sync);
}

#define COUNTER_OF(member)                                                     \
	static uint64_t member##_of(const struct map_sync *sync)               \
	{                                                                      \
		return map_sync_counters(sync)->member;                        \
	}
COUNTER_OF(conversations)
COUNTER_OF(commands)
COUNTER_OF(changes)
COUNTER_OF(rebuilds)
COUNTER_OF(failures)
#undef COUNTER_OF

static void
write_haproxies(const struct router *router, FILE *out)
{
	static const struct {
		const char *name;
		enum metric_type type;
		const char *help;
		uint64_t (*value_of)(const struct map_sync *sync);
	} families[] = {
	    {"taupe_router_haproxy_current", METRIC_GAUGE,
		"1 if this HAProxy has all routes.", current_of},
	    {"taupe_router_haproxy_writing", METRIC_GAUGE,
		"1 while a map is being written whole.", writing_of},
	    {"taupe_router_haproxy_conversations_total", METRIC_COUNTER,
		"Processes of it that were met.", conversations_of},
	    {"taupe_router_haproxy_commands_total", METRIC_COUNTER,
		"Commands that it was sent.", commands_of},
	    {"taupe_router_haproxy_changes_total", METRIC_COUNTER,
		"Routes that were changed one by one.", changes_of},
	    {"taupe_router_haproxy_rebuilds_total", METRIC_COUNTER,
		"Maps that were written whole.", rebuilds_of},
	    {"taupe_router_haproxy_failures_total", METRIC_COUNTER,
		"Answers of it that were not as they should be.", failures_of},
	};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		metrics_family(
		    out, families[i].name, families[i].type, families[i].help);
		for (size_t k = 0; k < router->n_syncs; k++)
			metrics_sample(out, families[i].name, "socket",
			    map_sync_path(router->syncs[k]),
			    families[i].value_of(router->syncs[k]));
	}
}

void
router_metrics_write(const struct router *router, FILE *out)
{
	const char *build = "taupe_router_build_info";

	metrics_gauge(out, "taupe_router_standby",
	    "1 if another router writes these maps.", router->follower == NULL);
	if (router->follower != NULL) {
		write_registry(router, out);
		write_haproxies(router, out);
	}
	metrics_family(
	    out, build, METRIC_GAUGE, "1; the label says what runs.");
	metrics_sample(out, build, "version", PACKAGE_VERSION, 1);
	process_metrics_write(out);
}
