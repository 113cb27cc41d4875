/* SPDX-License-Identifier: MIT */
/* The relays, route ls and status. */
#include <stdio.h>
#include <sysexits.h>

#include "ctl/ctl.h"
#include "ctl/report.h"

static void
add_relay(struct table *table, const json_t *relay)
{
	uint64_t weight = report_u64(relay, "weight"),
		 agents = report_u64(relay, "agents");
	char age[REPORT_TEXT_MAX];

	table_add(table, report_str(relay, "id"));
	table_addf(table, "%llu", (unsigned long long)agents);
	table_addf(
	    table, "%llu", (unsigned long long)report_u64(relay, "visitors"));
	table_addf(
	    table, "%.2f", weight > 0 ? (double)agents / (double)weight : 0);
	table_addf(
	    table, "%llu", (unsigned long long)report_u64(relay, "capacity"));
	table_add(
	    table, report_bool(relay, "draining") ? "draining" : "serving");
	table_add(table, report_age(report_u64(relay, "since_ms"), age));
	table_add(table, report_str(relay, "address"));
	table_add(table, report_str(relay, "url"));
}

static const char *const relay_headings[] = {"ID", "AGENTS", "VISITORS", "LOAD",
    "CAPACITY", "STATE", "UP", "ADDRESS", "URL", NULL};
static const struct list_view relay_view = {
    "relays", relay_headings, add_relay};

int
command_relay_list(struct ctl *ctl, const char *name)
{
	json_t *list = json_array();

	(void)name;
	return ctl_show_list(ctl, ctl->admin.store->relays(&ctl->admin, list),
	    list, &relay_view);
}

int
command_relay_drain(struct ctl *ctl, const char *id)
{
	int code = ctl_changed(ctl, "relay drain", id,
	    ctl->admin.store->relay_drain(&ctl->admin, id, true));

	if (code == EX_OK && !ctl->options.json)
		printf("Relay %s takes no more agents, and asks its own to "
		       "move: taupectl relay ls\nshows how many are left.\n",
		    id);
	return code;
}

int
command_relay_undrain(struct ctl *ctl, const char *id)
{
	int code = ctl_changed(ctl, "relay undrain", id,
	    ctl->admin.store->relay_drain(&ctl->admin, id, false));

	if (code == EX_OK && !ctl->options.json)
		printf("Relay %s serves again.\n", id);
	return code;
}

static void
add_route(struct table *table, const json_t *route)
{
	table_add(table, report_str(route, "key"));
	table_add(table, report_str(route, "value"));
	table_add(table, report_str(route, "access"));
}

static const char *const route_headings[] = {
    "ROUTE", "LISTENER", "ACCESS", NULL};
static const struct list_view route_view = {
    "routes", route_headings, add_route};

int
command_route_list(struct ctl *ctl, const char *name)
{
	json_t *list = json_array();

	(void)name;
	return ctl_show_list(ctl, ctl->admin.store->routes(&ctl->admin, list),
	    list, &route_view);
}

/* Scalars as lines; the relays as a table; what is wrong last, so that it is seen. */
static void
show_scalars(const json_t *object, const char *prefix)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
		char name[REPORT_TEXT_MAX];

		snprintf(name, sizeof(name), "%s%s", prefix, key);
		if (json_is_string(value))
			printf("%-24s %s\n", name, json_string_value(value));
		else if (json_is_integer(value))
			printf("%-24s %lld\n", name,
			    (long long)json_integer_value(value));
		else if (json_is_boolean(value))
			printf("%-24s %s\n", name,
			    json_is_true(value) ? "yes" : "no");
		else if (json_is_object(value) && prefix[0] == '\0')
			show_scalars(
			    value, strcmp(key, "redis") == 0 ? "redis " : " ");
	}
}

static int
show_status(const json_t *status)
{
	const json_t *problems = json_object_get(status, "problems"),
		     *relays = json_object_get(status, "relays");
	json_t *problem;
	size_t i;
	int code = EX_OK;

	show_scalars(status, "");
	if (json_array_size(relays) > 0) {
		putchar('\n');
		code = report_list(relays, &relay_view, false);
	}
	if (json_array_size(problems) == 0)
		puts("\nNo problems found.");
	else
		puts("\nProblems:");
	json_array_foreach (problems, i, problem)
		printf("  - %s\n", json_string_value(problem));
	return code;
}

int
command_status(struct ctl *ctl, const char *name)
{
	json_t *status = NULL;
	int code =
	    ctl_result(ctl, ctl->admin.store->status(&ctl->admin, &status));

	(void)name;
	if (code == EX_OK && !report_bool(status, "serving"))
		code = EX_UNAVAILABLE;
	if (status != NULL) {
		int shown;

		if (ctl->options.json) {
			shown = report_json(status);
		} else {
			shown = show_status(status);
			json_decref(status);
		}
		code = code != EX_OK ? code : shown;
	}
	return code;
}
