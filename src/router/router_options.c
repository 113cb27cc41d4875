/* SPDX-License-Identifier: MIT */
/* One row per key; --help, the man page and every error text come from here. */
#include <stddef.h>

#include "net/address.h"
#include "router/router_options.h"
#include "wire/host_name.h"

static const char *
check_address_port(const char *value)
{
	struct address address;

	return address_parse(str_of(value), &address)
	    ? NULL
	    : "a numeric ADDRESS:PORT such as 127.0.0.1:9901 or [::1]:9901";
}

static const char *
check_socket(const char *value)
{
	return value[0] == '/' ? NULL : "the absolute path of a socket";
}

static const char *
check_host(const char *value)
{
	return host_name_valid(str_of(value)) ? NULL
					      : "a host name in lower case";
}

#define AT(member) offsetof(struct router_options, member)
#define SOCKET_MAX 107 /* what a sockaddr_un holds */

static const struct option_row rows[] = {
    REDIS_OPTION_ROWS(AT, registry, "127.0.0.1:6379", "The registry.", "2s",
	"How long Redis may take for an answer before the connection is made "
	"anew."),
    {"grace", OPTION_DURATION, AT(grace_ms), "10s", 0, 3600000, NULL, NULL,
	"TIME",
	"How long routes stay that a Redis which lost its data has forgotten: "
	"the time that "
	"relays have to fill it again."},
    {"haproxy", OPTION_LIST, AT(haproxy), "/run/haproxy/admin.sock", 1,
	SOCKET_MAX, NULL, check_socket, "SOCKET",
	"Runtime socket of a HAProxy, level admin; up to eight."},
    {"haproxy_bufsize", OPTION_SIZE, AT(haproxy_bufsize), "16384", 2048,
	1048576, NULL, NULL, "BYTES",
	"HAProxy's tune.bufsize: no command may be longer."},
    {"haproxy_timeout", OPTION_DURATION, AT(haproxy_timeout_ms), "5s", 100,
	60000, NULL, NULL, "TIME",
	"How long HAProxy may take for a reply before the conversation begins "
	"anew."},
    {"haproxy_check", OPTION_DURATION, AT(haproxy_check_ms), "10s", 0, 86400000,
	NULL, NULL, "TIME",
	"How often the entries of the maps are counted; 0: never."},
    {"map_dir", OPTION_STRING, AT(map_dir), "/var/lib/taupe/maps", 1, 4000,
	NULL, NULL, "DIR", "Folder of the map files that HAProxy begins with."},
    {"map_delay", OPTION_DURATION, AT(map_delay_ms), "1s", 0, 3600000, NULL,
	NULL, "TIME",
	"How long after a change a map file is written, with all changes up to "
	"then; at most a twentieth of the time goes into it. What closes a "
	"service to somebody is written at once."},
    {"agent_host", OPTION_LIST, AT(agent_host), NULL, 1, HOST_NAME_MAX, NULL,
	check_host, "HOST", "Host name that leads agents to any relay."},
    {"admin_listen", OPTION_STRING, AT(admin_listen), NULL, 1, 64, NULL,
	check_address_port, "ADDRESS:PORT",
	"Health and metrics for the operator."},
    {"user", OPTION_STRING, AT(user), NULL, 1, 64, NULL, NULL, "NAME",
	"User to become when started as root, before anything but this file is "
	"read."},
    {"core_dumps", OPTION_BOOL, AT(core_dumps), "no", 0, 0, NULL, NULL, NULL,
	"Let a crash leave a core dump, in which secrets are, and let "
	"debuggers "
	"attach."},
    {"log_level", OPTION_CHOICE, AT(log_level), "info", 0, 0,
	"error|warn|info|debug", NULL, "LEVEL",
	"Least important lines to log."},
    {"log_syslog", OPTION_BOOL, AT(log_syslog), "no", 0, 0, NULL, NULL, NULL,
	"Log to syslog instead of standard error."},
    {0},
};

const struct option_table router_option_table = {
    .program = "taupe-router",
    .synopsis = "Mirror the registry's routes into the maps of HAProxy.",
    .section = "router",
    .default_file = TAUPE_SYSCONFDIR "/router.ini",
    .rows = rows,
    .struct_size = sizeof(struct router_options),
};
