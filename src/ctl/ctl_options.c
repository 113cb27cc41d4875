/* SPDX-License-Identifier: MIT */
/* One row per key; --help, the man page and every error text come from here. */
#include <stddef.h>

#include "ctl/ctl.h"
#include "net/address.h"
#include "net/redis_endpoint.h"

static const char *
check_loopback(const char *value)
{
	struct address address;

	return address_parse(str_of(value), &address) &&
		address_port(&address) != 0
	    ? NULL
	    : "a numeric ADDRESS:PORT such as 127.0.0.1:9900";
}

static const char *
check_label(const char *value)
{
	return label_valid(str_of(value))
	    ? NULL
	    : "3 to 40 of a-z, 0-9 and single hyphens, none at an end";
}

static const char *
check_port(const char *value)
{
	struct service_port port;

	return service_port_parse(str_of(value), &port)
	    ? NULL
	    : "SERVICE:PORT such as ssh:20022";
}

#define AT(member) offsetof(struct ctl_options, member)

static const struct option_row rows[] = {
    {"redis", OPTION_STRING, AT(redis), NULL, 1, 255, NULL,
	redis_endpoint_check, "HOST:PORT|SOCKET",
	"The registry of the relays."},
    {"redis_user", OPTION_STRING, AT(redis_user), NULL, 1, 255, NULL, NULL,
	"NAME", "User for AUTH."},
    {"redis_password_file", OPTION_STRING, AT(redis_password_file), NULL, 1,
	4095, NULL, NULL, "FILE",
	"File with the password for AUTH, in its first line."},
    {"redis_database", OPTION_INT, AT(redis_database), "0", 0, 1000000, NULL,
	NULL, "NUMBER", "Database to SELECT."},
    {"redis_timeout", OPTION_DURATION, AT(redis_timeout_ms), "5s", 50, 60000,
	NULL, NULL, "TIME",
	"How long Redis, or a relay's admin server, may take for an answer."},
    {"devices_file", OPTION_STRING, AT(devices_file), NULL, 1, 4095, NULL, NULL,
	"FILE", "The devices of a relay that stands alone, in place of Redis."},
    {"admin", OPTION_STRING, AT(admin), NULL, 1, 64, NULL, check_loopback,
	"ADDRESS:PORT",
	"Admin server of a relay that stands alone, for its sessions, routes "
	"and status."},
    {"json", OPTION_BOOL, AT(json), "no", 0, 0, NULL, NULL, NULL,
	"Answer in JSON, for other programs."},
    {"now", OPTION_BOOL, AT(now), "no", 0, 0, NULL, NULL, NULL,
	"device rotate: end the old secret, and the session, at once."},
    {"label", OPTION_STRING, AT(label), NULL, 1, LABEL_MAX, NULL, check_label,
	"LABEL", "device add: reserve this label for the device."},
    {"port", OPTION_LIST, AT(port), NULL, 1, 64, NULL, check_port,
	"SERVICE:PORT",
	"device add: reserve this public port for the device's tcp service."},
    {"max_visitors", OPTION_STRING, AT(limits[DEVICE_MAX_VISITORS]), NULL, 1,
	20, NULL, NULL, "NUMBER",
	"device add, device set: this device's own limit in place of the "
	"relay's option; default for that one again."},
    {"visitor_rate", OPTION_STRING, AT(limits[DEVICE_VISITOR_RATE]), NULL, 1,
	20, NULL, NULL, "NUMBER", "The same for visitor_rate; 0 for any."},
    {"visitor_burst", OPTION_STRING, AT(limits[DEVICE_VISITOR_BURST]), NULL, 1,
	20, NULL, NULL, "NUMBER", "The same for visitor_burst."},
    {"device_rate", OPTION_STRING, AT(limits[DEVICE_RATE]), NULL, 1, 20, NULL,
	NULL, "BYTES", "The same for device_rate; 0 for any."},
    {0},
};

const struct option_table ctl_option_table = {
    .program = "taupectl",
    .synopsis = "Administer devices, relays and routes: device "
		"add|ls|show|set|rotate|rm, relay ls|drain|undrain, "
		"route ls, status.",
    .section = "taupectl",
    .default_file = TAUPE_SYSCONFDIR "/taupectl.ini",
    .rows = rows,
    .struct_size = sizeof(struct ctl_options),
    .arguments = "COMMAND [NAME]",
    .arguments_offset = AT(words),
};
