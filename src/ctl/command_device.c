/* SPDX-License-Identifier: MIT */
/* device add, ls, show, set, rotate, kick and rm. */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "admin/record_json.h"
#include "admin/secret.h"
#include "ctl/access_options.h"
#include "ctl/ctl.h"
#include "ctl/enrolment.h"
#include "ctl/limit_options.h"
#include "ctl/quota_report.h"
#include "ctl/relay_url.h"
#include "ctl/report.h"

#include "net/crypto.h"
#include "net/loop.h"

#define PORTS_TEXT_MAX (SERVICES_MAX * (SERVICE_NAME_MAX + 8))

/* What is reserved, from the options: their forms were checked with them. */
static int
take_reservations(
    const struct ctl_options *options, struct device_record *record)
{
	struct service_port port;

	if (options->label != NULL)
		str_copy(str_of(options->label), record->label,
		    sizeof(record->label));
	if (options->port.count > SERVICES_MAX)
		return ctl_fail(EX_DATAERR, "a device has %d services at most",
		    SERVICES_MAX);
	for (size_t i = 0; i < options->port.count; i++) {
		if (!service_port_parse(str_of(options->port.items[i]), &port))
			return ctl_fail(EX_DATAERR, "%s is no SERVICE:PORT",
			    options->port.items[i]);
		for (size_t k = 0; k < record->n_ports; k++)
			if (record->ports[k].port == port.port ||
			    strcmp(record->ports[k].service, port.service) == 0)
				return ctl_fail(EX_DATAERR,
				    "%s: the service or the port was named "
				    "before",
				    options->port.items[i]);
		record->ports[record->n_ports++] = port;
	}
	return EX_OK;
}

/* With qr, where devices begin: it is found out before there is a secret to show. */
static int
find_relay(struct ctl *ctl, char relay[RELAY_URL_MAX])
{
	return ctl->options.qr ? relay_url_find(ctl, NULL, relay) : EX_OK;
}

static int
show_secret(const struct ctl *ctl, json_t *json, const char *relay,
    const char *name, const char *secret)
{
	if (ctl->options.qr)
		return enrolment_show(
		    ctl, json, relay, name, secret, ctl->options.now);
	return ctl_show_secret(ctl, json, "secret", secret,
	    "The device's secret is shown this once; put it into the file "
	    "that the agent's secret_file names:");
}

int
command_device_add(struct ctl *ctl, const char *name)
{
	struct device_record record = {0};
	struct limit_change changes[DEVICE_LIMITS];
	char secret[SECRET_TEXT_LEN + 1], relay[RELAY_URL_MAX];
	int code;

	str_copy(str_of(name), record.name, sizeof(record.name));
	if ((code = take_reservations(&ctl->options, &record)) != EX_OK ||
	    (code = device_limits_take(&ctl->options, changes)) != EX_OK ||
	    (code = find_relay(ctl, relay)) != EX_OK)
		return code;
	device_limits_change(record.limits, changes);
	secret_draw(secret, record.secret_sha256);
	code = ctl_changed(ctl, "device add", name,
	    ctl->admin.store->device_add(&ctl->admin, &record));
	if (code == EX_OK)
		code = show_secret(
		    ctl, admin_record_json(&record), relay, name, secret);
	crypto_wipe(secret, sizeof(secret));
	return code;
}

/* The operator carries the new secret to the device. */
static int
rotate_now(struct ctl *ctl, const char *name)
{
	char secret[SECRET_TEXT_LEN + 1], relay[RELAY_URL_MAX];
	uint8_t sha256[SECRET_HASH_LEN];
	int code = find_relay(ctl, relay);

	if (code != EX_OK)
		return code;
	secret_draw(secret, sha256);
	code = ctl_changed(ctl, "device rotate", name,
	    ctl->admin.store->device_set_secret(&ctl->admin, name, sha256));
	if (code == EX_OK)
		code = show_secret(
		    ctl, json_pack("{s:s}", "name", name), relay, name, secret);
	crypto_wipe(secret, sizeof(secret));
	return code;
}

int
command_device_rotate(struct ctl *ctl, const char *name)
{
	int code;

	if (ctl->options.now)
		return rotate_now(ctl, name);
	code = ctl_changed(ctl, "device rotate", name,
	    ctl->admin.store->device_rotate(&ctl->admin, name));
	if (code == EX_OK && ctl->options.json)
		return report_json(json_pack(
		    "{s:s, s:s}", "name", name, "rotation", ROTATION_ASKED));
	if (code == EX_OK && isatty(STDERR_FILENO))
		fprintf(stderr,
		    "The device draws another secret when it is connected; "
		    "taupectl device show %s tells how that went.\n",
		    name);
	return code;
}

static int
set_access(struct ctl *ctl, const char *name)
{
	char password[PASSWORD_TEXT_MAX];
	bool drawn;
	int code = device_access_take(ctl, name, password, &drawn);

	if (code == EX_OK && drawn)
		code = ctl_show_secret(ctl, json_pack("{s:s}", "name", name),
		    "password", password,
		    "The password is shown this once; who visits gives it "
		    "with the name visitor, or that of --user:");
	else if (code == EX_OK && ctl->options.json)
		code = report_json(json_pack("{s:s}", "name", name));
	crypto_wipe(password, sizeof(password));
	return code;
}

int
command_device_set(struct ctl *ctl, const char *name)
{
	struct limit_change changes[DEVICE_LIMITS];
	bool has_limits = device_limits_given(&ctl->options);
	int code;

	if (!has_limits && ctl->options.access.count == 0)
		return ctl_fail(EX_USAGE,
		    "device set needs what to set, such as --max-visitors 10, "
		    "--device-rate default or --access web=private");
	if ((code = device_limits_take(&ctl->options, changes)) != EX_OK)
		return code;
	if (has_limits)
		code = ctl_changed(ctl, "device set", name,
		    ctl->admin.store->device_set_limits(
			&ctl->admin, name, changes));
	if (code == EX_OK && ctl->options.access.count > 0)
		return set_access(ctl, name);
	if (code == EX_OK && ctl->options.json)
		return report_json(json_pack("{s:s}", "name", name));
	return code;
}

int
command_device_kick(struct ctl *ctl, const char *name)
{
	int code = ctl_changed(ctl, "device kick", name,
	    ctl->admin.store->device_kick(&ctl->admin, name));

	if (code == EX_OK && ctl->options.json)
		return report_json(json_pack("{s:s}", "kicked", name));
	return code;
}

int
command_device_remove(struct ctl *ctl, const char *name)
{
	int code = ctl_changed(ctl, "device rm", name,
	    ctl->admin.store->device_remove(&ctl->admin, name));

	if (code == EX_OK && ctl->options.json)
		return report_json(json_pack("{s:s}", "removed", name));
	return code;
}

/* Online, or offline with a lease that stands, or neither. */
static const char *
state_of(const json_t *device)
{
	const json_t *online = json_object_get(device, "online");

	if (!json_is_boolean(online))
		return "unknown";
	if (json_is_true(online))
		return "online";
	return json_is_object(json_object_get(device, "lease")) ? "leased"
								: "offline";
}

/* Of what it has, or else of what is reserved for it. */
static const json_t *
holding_of(const json_t *device)
{
	const json_t *lease = json_object_get(device, "lease");

	return json_is_object(lease) ? lease : device;
}

#define DOWN_TEXT_MAX 256 /* of a list of services */

/* As the agent says, of those that it looks at. */
static const char *
down_text(const json_t *session, char *out, size_t cap)
{
	const json_t *name;
	size_t i, len = 0;

	out[0] = '\0';
	json_array_foreach (json_object_get(session, "down"), i, name)
		if (len < cap)
			len += (size_t)snprintf(out + len, cap - len, "%s%s",
			    i > 0 ? ", " : "", json_string_value(name));
	return out;
}

static void
add_row(struct table *table, const json_t *device)
{
	const json_t *session = json_object_get(device, "session"),
		     *holding = holding_of(device);
	char ports[PORTS_TEXT_MAX], age[REPORT_TEXT_MAX];
	char down[DOWN_TEXT_MAX], state[DOWN_TEXT_MAX + 32];

	down_text(session, down, sizeof(down));
	snprintf(state, sizeof(state), "%s%s%s", state_of(device),
	    down[0] != '\0' ? ", down: " : "", down);
	table_add(table, report_str(device, "name"));
	table_add(table, state);
	table_add(table, report_str(holding, "label"));
	table_add(table,
	    report_ports(
		json_object_get(holding, "ports"), ports, sizeof(ports)));
	table_add(table, report_str(session, "relay"));
	table_add(table, report_age(report_u64(session, "since_ms"), age));
}

static const char *const headings[] = {
    "NAME", "STATE", "LABEL", "PORTS", "RELAY", "SINCE", NULL};
static const struct list_view view = {"devices", headings, add_row};

int
command_device_list(struct ctl *ctl, const char *name)
{
	json_t *list = json_array();

	(void)name;
	return ctl_show_list(
	    ctl, ctl->admin.store->devices(&ctl->admin, list), list, &view);
}

/* As the agent says: the relay's own interval when it says nothing. */
static void
show_heartbeats(const json_t *session)
{
	uint64_t heartbeat_ms = report_u64(session, "heartbeat_ms");
	uint64_t budget = report_u64(session, "budget_bytes");
	char duration[REPORT_TEXT_MAX], traffic[REPORT_TEXT_MAX],
	    text[2 * REPORT_TEXT_MAX + 40];

	if (heartbeat_ms == 0)
		return;
	snprintf(text, sizeof(text), "every %s",
	    report_duration(heartbeat_ms, duration));
	report_line("heartbeat", text);
	if (report_u64(session, "beat_bytes") > 0) {
		snprintf(text, sizeof(text),
		    "%s in 30 days (%llu B a heartbeat, on the wire)",
		    report_traffic(
			report_u64(session, "idle_bytes_month"), traffic),
		    (unsigned long long)report_u64(session, "beat_bytes"));
		report_line("idle", text);
	}
	if (budget > 0) {
		snprintf(text, sizeof(text), "%s in 30 days",
		    report_traffic(budget, traffic));
		report_line("budget", text);
	}
}

static void
show_session(const json_t *session)
{
	char down[DOWN_TEXT_MAX];

	char age[REPORT_TEXT_MAX], text[REPORT_TEXT_MAX + 16];

	report_line("relay", report_str(session, "relay"));
	report_line("from", report_str(session, "from"));
	snprintf(text, sizeof(text), "%s ago",
	    report_age(report_u64(session, "since_ms"), age));
	report_line("since", text);
	show_heartbeats(session);
	if (down_text(session, down, sizeof(down))[0] != '\0')
		report_line("down", down);
}

static void
show_lease(const json_t *lease)
{
	char ports[PORTS_TEXT_MAX], left[REPORT_TEXT_MAX];

	report_line("label", report_str(lease, "label"));
	report_line("ports",
	    report_ports(
		json_object_get(lease, "ports"), ports, sizeof(ports)));
	if (report_u64(lease, "remaining_ms") > 0)
		report_line("lease ends",
		    report_duration(report_u64(lease, "remaining_ms"), left));
}

static void
show_rest(const json_t *device)
{
	json_t *counters = json_object_get(device, "counters"), *route, *value;
	const char *key;
	char text[REPORT_TEXT_MAX];
	size_t i;

	json_object_foreach (counters, key, value) {
		uint64_t number = (uint64_t)json_integer_value(value);

		if (strncmp(key, "bytes", 5) == 0)
			report_bytes(number, text);
		else
			snprintf(text, sizeof(text), "%llu",
			    (unsigned long long)number);
		report_line(key, text);
	}
	json_array_foreach (json_object_get(device, "routes"), i, route)
		printf("%-10s %s -> %s\n", "route", report_str(route, "key"),
		    report_str(route, "value"));
}

/* How its last sessions have ended, the latest first. */
static void
show_last(const json_t *list)
{
	char age[REPORT_TEXT_MAX];
	const json_t *last;
	size_t i;

	json_array_foreach (list, i, last) {
		const char *at = report_str(last, "at_ms"),
			   *from = report_str(last, "from"),
			   *detail = report_str(last, "detail");
		uint64_t at_ms = 0;

		(void)str_to_number(str_of(at ? at : ""), UINT64_MAX, &at_ms);
		printf("%-10s %s ago: %s%s%s%s%s\n", "ended",
		    report_age(at_ms, age), report_str(last, "reason"),
		    detail ? ", " : "", detail ? detail : "",
		    from ? ", from " : "", from ? from : "");
	}
}

/* Its further names. */
static void
show_hosts(const json_t *list)
{
	const json_t *host;
	size_t i;

	json_array_foreach (list, i, host)
		printf("%-10s %s -> %s, %s\n", "host", report_str(host, "host"),
		    report_str(host, "service"), report_str(host, "proof"));
}

static void
show_device(const json_t *device)
{
	const json_t *session = json_object_get(device, "session"),
		     *lease = json_object_get(device, "lease");
	char ports[PORTS_TEXT_MAX], reserved[PORTS_TEXT_MAX + LABEL_MAX + 4];
	char limits[LIMITS_TEXT_MAX];
	const char *label = report_str(device, "label");

	report_ports(json_object_get(device, "ports"), ports, sizeof(ports));
	snprintf(reserved, sizeof(reserved), "%s%s%s", label ? label : "",
	    label && ports[0] != '\0' ? ", " : "", ports);
	report_line("name", report_str(device, "name"));
	report_line("state", state_of(device));
	report_line("reserved", reserved);
	if (json_is_string(json_object_get(device, "fleet")))
		report_line("fleet", report_str(device, "fleet"));
	if (json_is_string(json_object_get(device, "rotation")))
		report_line("rotation", report_str(device, "rotation"));
	report_line("limits",
	    device_limits_text(json_object_get(device, "limits"), limits));
	device_access_show(device);
	show_hosts(json_object_get(device, "hosts"));
	if (json_is_object(lease))
		show_lease(lease);
	if (json_is_object(session))
		show_session(session);
	show_last(json_object_get(device, "last"));
	show_rest(device);
}

/* What went through it in the last hour, if that is to be had: a relay that stands alone has to be asked, and
 * with an older redis/users.acl it is not told. Of what is there already nothing is lost for it. */
static void
add_traffic(struct ctl *ctl, const char *name, json_t *device)
{
	struct traffic_minute minutes[TRAFFIC_MINUTES];
	uint64_t now_ms = loop_wall_ms();
	int code = ctl->admin.store->traffic(
	    &ctl->admin, name, now_ms / TRAFFIC_MINUTE_MS, minutes);

	if (code == ADMIN_OK)
		json_object_set_new(
		    device, "traffic", admin_traffic_json(now_ms, minutes));
	else if (code != ADMIN_NOT_GIVEN && code != ADMIN_UNKNOWN &&
	    code != ADMIN_REFUSED)
		fprintf(stderr,
		    "taupectl: what went through %s in the last hour is not "
		    "known: %s\n",
		    name, ctl->admin.error.text);
}

static void
show_traffic(const json_t *traffic)
{
	char in[REPORT_TEXT_MAX], out[REPORT_TEXT_MAX],
	    text[2 * REPORT_TEXT_MAX + 16];
	uint64_t bytes_in = 0, bytes_out = 0;
	json_t *point;
	size_t i;

	if (traffic == NULL)
		return;
	json_array_foreach (json_object_get(traffic, "points"), i, point) {
		bytes_in +=
		    (uint64_t)json_integer_value(json_array_get(point, 1));
		bytes_out +=
		    (uint64_t)json_integer_value(json_array_get(point, 2));
	}
	snprintf(text, sizeof(text), "%s in, %s out",
	    report_traffic(bytes_in, in), report_traffic(bytes_out, out));
	report_line("last hour", text);
}

int
command_device_show(struct ctl *ctl, const char *name)
{
	json_t *device = NULL;
	int code = ctl_result(
	    ctl, ctl->admin.store->device(&ctl->admin, name, &device));

	if (code != EX_OK)
		return code;
	add_traffic(ctl, name, device);
	if (ctl->options.json)
		return report_json(device);
	show_device(device);
	show_traffic(json_object_get(device, "traffic"));
	code = quota_report(ctl, name, json_object_get(device, "limits"));
	json_decref(device);
	return code;
}
