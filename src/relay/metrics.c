/* SPDX-License-Identifier: MIT */
/* Each family is written whole, as the format wants it: so what is told of each device is gone through
 * once for each of its families. */
#include "config.h"

#include <stdlib.h>

#include "base/metrics_page.h"
#include "net/process_metrics.h"
#include "relay/counting.h"
#include "relay/ranking.h"
#include "relay/metrics.h"
#include "relay/service.h"

static void
write_counters(const struct counters *counters, FILE *out)
{
	const char *const *names = counters_names();
	const char *const *help = counters_descriptions();
	const char *name = "taupe_relay_sessions_closed_by_reason_total";
	uint64_t values[COUNTERS_FLAT];
	char text[100];
	int i;

	counters_values(counters, values);
	for (i = 0; i < COUNTERS_FLAT; i++) {
		snprintf(text, sizeof(text), "taupe_relay_%s_total", names[i]);
		metrics_counter(out, text, help[i], values[i]);
	}
	metrics_family(out, name, METRIC_COUNTER,
	    "Control channels that ended, by reason.");
	for (i = 0; i < CLOSE_REASON_COUNT; i++)
		metrics_sample(out, name, "reason",
		    close_reason_name((enum close_reason)i),
		    counters->closed[i]);
}

static void
write_gauges(struct relay *relay, FILE *out)
{
	const struct registry_ops *ops = relay->registry->ops;

	metrics_gauge(out, "taupe_relay_agents", "Agents connected now.",
	    relay->n_sessions);
	metrics_gauge(out, "taupe_relay_visitors", "Visitors connected now.",
	    relay->n_visitors);
	metrics_gauge(out, "taupe_relay_transfers",
	    "Transfer channels open now.", relay->n_transfers);
	metrics_gauge(out, "taupe_relay_leases", "Devices whose lease is here.",
	    relay->devices.count);
	metrics_gauge(out, "taupe_relay_services_down",
	    "Services of connected devices that are down, as their agents say.",
	    relay->n_services_down);
	metrics_gauge(out, "taupe_relay_claims",
	    "Agents that claim their names now.",
	    relay->claim_queue.n_under_way);
	metrics_gauge(out, "taupe_relay_claims_waiting",
	    "Agents that wait to do so.",
	    claim_queue_waiting(&relay->claim_queue));
	metrics_gauge(out, "taupe_relay_doors_waiting",
	    "Connections whose TLS handshake has not begun.",
	    relay->door_queue.n);
	metrics_gauge(out, "taupe_relay_capacity", "Most agents that it takes.",
	    relay->self.capacity);
	metrics_gauge(out, "taupe_relay_draining",
	    "1 if it takes no agents, as it is to end.", relay->self.draining);
	metrics_gauge(out, "taupe_relay_registry_up",
	    "1 if the registry answers.", ops->is_up(relay->registry));
	metrics_gauge(out, "taupe_relay_registry_trouble",
	    "1 if something keeps the registry from its work.",
	    ops->trouble(relay->registry) != NULL);
	metrics_gauge(out, "taupe_relay_registry_backlog",
	    "Devices that the registry does not know as they are.",
	    relay->n_backlog);
}

static void
write_timings(const struct timings *timings, FILE *out)
{
	const char *connect = "taupe_relay_connect_seconds";
	const char *first_byte = "taupe_relay_first_byte_seconds";
	const char *hold = "taupe_relay_hold_seconds";

	metrics_family(out, connect, METRIC_HISTOGRAM,
	    "From an agent's connection to its welcome.");
	metrics_sample_histogram(out, connect, NULL, NULL, &timings->connect);
	metrics_family(out, first_byte, METRIC_HISTOGRAM,
	    "From a visitor's arrival to the first byte of the device.");
	metrics_sample_histogram(
	    out, first_byte, NULL, NULL, &timings->first_byte);
	metrics_family(out, hold, METRIC_HISTOGRAM,
	    "How long visitors waited for a device that was not there, by what "
	    "became of them.");
	for (int i = 0; i < HOLD_OUTCOMES; i++)
		metrics_sample_histogram(out, hold, "outcome",
		    hold_outcome_name((enum hold_outcome)i), &timings->hold[i]);
}

static void
write_devices(struct relay *relay, FILE *out)
{
	static const struct {
		const char *name, *help;
		size_t at; /* in struct device_counters */
	} families[] = {
	    {"taupe_relay_device_visits_total",
		"Visitors of the device, since it came to this relay.",
		offsetof(struct device_counters, visitors)},
	    {"taupe_relay_device_bytes_in_total",
		"Payload bytes from its visitors.",
		offsetof(struct device_counters, bytes_in)},
	    {"taupe_relay_device_bytes_out_total",
		"Payload bytes to its visitors.",
		offsetof(struct device_counters, bytes_out)},
	};
	const char *visitors = "taupe_relay_device_visitors";
	const char *down = "taupe_relay_device_services_down";
	size_t n, i, k;
	const struct device **devices =
	    devices_ranked(relay, (size_t)relay->options.metrics_devices, &n);

	for (i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		metrics_family(
		    out, families[i].name, METRIC_COUNTER, families[i].help);
		for (k = 0; k < n; k++) {
			const void *at =
			    (const char *)counting_totals(devices[k]) +
			    families[i].at;

			metrics_sample(out, families[i].name, "device",
			    devices[k]->name, *(const uint64_t *)at);
		}
	}
	metrics_family(
	    out, visitors, METRIC_GAUGE, "Its visitors connected now.");
	for (k = 0; k < n; k++)
		metrics_sample(out, visitors, "device", devices[k]->name,
		    devices[k]->n_visitors);
	metrics_family(
	    out, down, METRIC_GAUGE, "Its services that are down now.");
	for (k = 0; k < n; k++)
		metrics_sample(out, down, "device", devices[k]->name,
		    services_down(devices[k]));
	free(devices);
}

void
relay_metrics_write(struct relay *relay, FILE *out)
{
	const char *build = "taupe_relay_build_info";

	write_counters(&relay->counters, out);
	write_gauges(relay, out);
	write_timings(&relay->timings, out);
	write_devices(relay, out);
	metrics_family(
	    out, build, METRIC_GAUGE, "1; the label says what runs.");
	metrics_sample(out, build, "version", PACKAGE_VERSION, 1);
	process_metrics_write(out);
}
