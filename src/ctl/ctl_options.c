/* SPDX-License-Identifier: MIT */
/* One row per key; --help, the man page and every error text come from here. */
#include <stddef.h>

#include "ctl/ctl.h"
#include "net/address.h"

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

static const char *
check_pattern(const char *value)
{
	return fleet_pattern_valid(str_of(value))
	    ? NULL
	    : "letters, digits, dots, hyphens, underscores, * and ?";
}

#define AT(member) offsetof(struct ctl_options, member)

static const struct option_row rows[] = {
    REDIS_OPTION_ROWS(AT, registry, NULL, "The registry of the relays.", "5s",
	"How long Redis, or a relay's admin server, may take for an answer."),
    {"devices_file", OPTION_STRING, AT(devices_file), NULL, 1, 4095, NULL, NULL,
	"FILE", "The devices of a relay that stands alone, in place of Redis."},
    {"admin", OPTION_STRING, AT(admin), NULL, 1, 64, NULL, check_loopback,
	"ADDRESS:PORT",
	"Admin server of a relay that stands alone, for its sessions, routes "
	"and status."},
    {"core_dumps", OPTION_BOOL, AT(core_dumps), "no", 0, 0, NULL, NULL, NULL,
	"Let a crash leave a core dump, in which secrets are, and let "
	"debuggers "
	"attach."},
    {"json", OPTION_BOOL, AT(json), "no", 0, 0, NULL, NULL, NULL,
	"Answer in JSON, for other programs."},
    {"now", OPTION_BOOL, AT(now), "no", 0, 0, NULL, NULL, NULL,
	"device rotate: print a new secret and end the old one, and the "
	"session, at once. Without it the agent draws a secret itself, and "
	"stays connected."},
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
    {"devices", OPTION_INT, AT(devices), "0", 0, 1000000000, NULL, NULL,
	"NUMBER", "fleet add: enrol so many devices at most; 0: any number."},
    {"expires", OPTION_DURATION, AT(expires_ms), "0", 0, INT64_C(315360000000),
	NULL, NULL, "TIME", "fleet add: enrol for so long; 0: without an end."},
    {"pattern", OPTION_STRING, AT(pattern), NULL, 1, FLEET_PATTERN_MAX, NULL,
	check_pattern, "PATTERN",
	"fleet add: enrol devices of such names only, * for any characters, ? "
	"for one."},
    {0},
};

static const struct option_command *
command_at(size_t place)
{
	const struct ctl_command *command = &ctl_commands[place];

	return command->run != NULL ? &command->words : NULL;
}

const struct option_table ctl_option_table = {
    .program = "taupectl",
    .synopsis = "Administer devices, fleets, relays and routes.",
    .section = "taupectl",
    .default_file = TAUPE_SYSCONFDIR "/taupectl.ini",
    .rows = rows,
    .struct_size = sizeof(struct ctl_options),
    .arguments = "COMMAND [NAME]",
    .arguments_offset = AT(words),
    .command_at = command_at,
};
