/* SPDX-License-Identifier: MIT */
/* A relay that stands alone: what its admin server and its devices file say. */
#include "ctl/doctor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/ask_relay.h"
#include "base/device_file.h"
#include "ctl/report.h"
#include "net/loop.h"

/* It does not answer as it should. */
static void
note_trouble(struct doctor *doctor, int code)
{
	doctor_note(doctor, FINDING_FAIL, "relay",
	    code == ADMIN_REFUSED
		? "give its file with --admin-token-file"
		: "start it, or mend --admin: its admin_listen",
	    "%s", doctor->admin->error.text);
}

/* What the admin server answers; NULL, and that is noted. */
static json_t *
ask(struct doctor *doctor, const char *path)
{
	json_t *json;
	int code = admin_ask_relay(doctor->admin, path, &json);

	if (code != ADMIN_OK)
		note_trouble(doctor, code);
	return json;
}

static void
judge_relay(struct doctor *doctor, const json_t *status)
{
	const char *id = report_str(status, "id");
	uint64_t agents = report_u64(status, "agents"),
		 capacity = report_u64(status, "capacity");

	if (!report_bool(status, "registry_up"))
		doctor_note(doctor, FINDING_FAIL, "relay", "its log says more",
		    "%s does not reach its registry", id);
	else if (report_bool(status, "draining"))
		doctor_note(doctor, FINDING_WARNING, "relay",
		    "start it again, if it shall serve",
		    "%s is draining, %" PRIu64 " agents left", id, agents);
	else
		doctor_note(doctor, FINDING_OK, "relay", NULL,
		    "%s serves %" PRIu64 " agents of %" PRIu64, id, agents,
		    capacity);
	doctor_judge_limits(doctor, id, capacity,
	    report_u64(status, "files_limit"),
	    report_u64(status, "listen_queue"));
}

static void
check_status(struct doctor *doctor)
{
	uint64_t before = loop_wall_ms(), clock_ms;
	json_t *status = ask(doctor, "/api/v1/status");
	const char *domain = report_str(status, "domain");

	if (status == NULL)
		return;
	if (report_str(status, "id") == NULL) {
		doctor_note(doctor, FINDING_FAIL, "relay",
		    "mend --admin: its admin_listen",
		    "what answers there is no relay");
		json_decref(status);
		return;
	}
	judge_relay(doctor, status);
	clock_ms = report_u64(status, "clock_ms");
	if (clock_ms != 0)
		doctor_judge_clock(doctor, "clock of this host", "the relay",
		    (int64_t)((before + loop_wall_ms()) / 2 - clock_ms));
	if (doctor->domain[0] == '\0' && domain != NULL &&
	    host_name_valid(str_of(domain)))
		(void)str_copy(
		    str_of(domain), doctor->domain, sizeof(doctor->domain));
	json_decref(status);
}

/* Where agents come in, and which names lead to devices. */
static void
read_routes(struct doctor *doctor)
{
	const struct store *store = doctor->admin->store;
	json_t *routes = json_array(), *item;
	size_t i;
	int code = store->relays(doctor->admin, doctor->relays);

	if (code == ADMIN_OK)
		code = store->routes(doctor->admin, routes);
	if (code != ADMIN_OK)
		note_trouble(doctor, code);
	json_array_foreach (routes, i, item) {
		struct str kind, key, text = str_of(report_str(item, "key"));

		if (text.ptr != NULL && str_split(text, '/', &kind, &key))
			(void)known_routes_add(&doctor->routes, kind, key,
			    str_of(report_str(item, "value")));
	}
	json_decref(routes);
}

static int
count_cb(void *ctx, const struct device_record *record)
{
	uint64_t *n = ctx;

	(void)record;
	(*n)++;
	return 0;
}

static void
check_devices(struct doctor *doctor)
{
	struct device_file_error error;
	uint64_t n = 0;

	if (doctor->options->devices_file == NULL)
		doctor_note(doctor, FINDING_SKIPPED, "devices file", NULL,
		    "--devices-file is not given");
	else if (device_file_read(doctor->options->devices_file, count_cb, NULL,
		     &n, &error) == 0)
		doctor_note(doctor, FINDING_OK, "devices file", NULL,
		    "%" PRIu64 " devices", n);
	else if (error.line > 0)
		doctor_note(doctor, FINDING_FAIL, "devices file",
		    "mend that line: the relay goes on with what it read "
		    "before",
		    "%s:%u: %s", doctor->options->devices_file, error.line,
		    error.text);
	else
		doctor_note(doctor, FINDING_FAIL, "devices file",
		    "mend devices_file, or its rights", "%s: %s",
		    doctor->options->devices_file, error.text);
}

void
doctor_check_alone(struct doctor *doctor)
{
	check_devices(doctor);
	if (doctor->options->admin == NULL) {
		doctor_note(doctor, FINDING_SKIPPED, "relay", NULL,
		    "--admin is not given");
		return;
	}
	check_status(doctor);
	read_routes(doctor);
}
