/* SPDX-License-Identifier: MIT */
/* One row per key; --help, the man page and every error text come from here. */
#include <stddef.h>

#include "base/utc_day.h"
#include "ctl/ctl.h"
#include "ctl/names.h"
#include "net/address.h"
#include "wire/url.h"
#include "net/name_servers.h"
#include "wire/host_name.h"

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
check_relay(const char *value)
{
	return url_relay_valid(str_of(value))
	    ? NULL
	    : "a ws or wss URL without a path such as wss://relay.example.com";
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

static const char *
check_day(const char *value)
{
	uint32_t day;

	return utc_day_parse(value, &day) ? NULL : "a day such as 2026-11-27";
}

static const char *
check_domain(const char *value)
{
	return host_name_valid(str_of(value)) ? NULL
					      : "a domain name in lower case";
}

static const char *
check_servers(const char *value)
{
	struct name_servers servers = {0};

	return name_servers_add(&servers, str_of(value))
	    ? NULL
	    : "up to 4 numeric addresses with commas between them, each with "
	      "a port or without one, such as 9.9.9.9, [2620:fe::fe]:53";
}

static const char *
check_ip(const char *value)
{
	struct address address;

	return address_parse_ip(str_of(value), 0, &address)
	    ? NULL
	    : "a numeric address such as 192.0.2.1 or 2001:db8::1";
}

static const char *
check_name_part(const char *value)
{
	return str_only(str_of(value), "azAZ09..--__")
	    ? NULL
	    : "letters, digits, dots, hyphens and underscores";
}

static const char *
check_socket(const char *value)
{
	return value[0] == '/' ? NULL : "the absolute path of a socket";
}

static const char *
check_role(const char *value)
{
	return token_role_parse(str_of(value)) != TOKEN_NONE
	    ? NULL
	    : "read, operate or admin";
}

static const char *
check_device(const char *value)
{
	return device_name_valid(str_of(value)) ? NULL : "a device's name";
}

static const char *
check_webhook(const char *value)
{
	struct url url;

	return url_parse(str_of(value), &url) && url.scheme.ptr[0] == 'h'
	    ? NULL
	    : "an http:// or https:// URL, without a user in it";
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
    {"admin_token_file", OPTION_STRING, AT(admin_token_file), NULL, 1, 4095,
	NULL, NULL, "FILE",
	"admin: the token to ask with is this file's first line, as token add "
	"prints it: for a relay with admin_private, and for device kick, which "
	"needs the role operate."},
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
    {"qr", OPTION_BOOL, AT(qr), "no", 0, 0, NULL, NULL, NULL,
	"device add, and device rotate --now: print what is typed or scanned "
	"on the device, a command with a URI that holds relay, name and "
	"secret, and the same as a QR code, in place of the secret alone. "
	"Whoever sees it can be that device."},
    {"relay", OPTION_STRING, AT(relay), NULL, 1, 250, NULL, check_relay, "URL",
	"The relay that qr leads devices to; by default the one that the first "
	"relay announces for itself. connect: the relay to ask, "
	"wss://relay.example.com; it may send us to another one below the same "
	"domain; by default of an operator the one that has the device. share: the relay that a link to a tcp or tls service leads "
	"to."},
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
    {"quota_day", OPTION_STRING, AT(limits[DEVICE_QUOTA_DAY]), NULL, 1, 20,
	NULL, NULL, "BYTES",
	"device add, device set: so much may its visits move on a day (UTC), "
	"both directions together; none for any."},
    {"quota_month", OPTION_STRING, AT(limits[DEVICE_QUOTA_MONTH]), NULL, 1, 20,
	NULL, NULL, "BYTES", "The same for a calendar month."},
    {"quota_action", OPTION_STRING, AT(limits[DEVICE_QUOTA_ACTION]), NULL, 1,
	20, NULL, NULL, "ACTION",
	"What happens until the end of the day or month when that is used up: "
	"warn (an event), slow (and quota-rate holds), stop (and nobody may "
	"visit); stop if not given, or default."},
    {"quota_rate", OPTION_STRING, AT(limits[DEVICE_QUOTA_RATE]), NULL, 1, 20,
	NULL, NULL, "BYTES",
	"Bytes a second with quota-action slow; default for 16k."},
    {"role", OPTION_STRING, AT(role), NULL, 1, 16, NULL, check_role, "ROLE",
	"token add: what its bearer may do: read, operate or admin."},
    {"for", OPTION_DURATION, AT(for_ms), "0", 0, INT64_C(3660) * 86400000, NULL,
	NULL, "TIME",
	"token add: how long it is good; 0 is for ever. share: how long the "
	"link is good, up to 366d."},
    {"access", OPTION_LIST, AT(access), NULL, 3, 1000, NULL, NULL,
	"SERVICE=RULE",
	"device set: who may visit this service: public, password, private, "
	"or allow: and networks, allow:192.0.2.0/24,2001:db8::/32."},
    {"user", OPTION_STRING, AT(user), NULL, 1, ACCESS_USER_MAX, NULL, NULL,
	"NAME",
	"device set: the name that goes with the password; visitor if not "
	"given."},
    {"password_file", OPTION_STRING, AT(password_file), NULL, 1, 4095, NULL,
	NULL, "FILE",
	"device set: the password is this file's first line, and none is "
	"drawn."},
    {"note", OPTION_STRING, AT(note), NULL, 1, SHARE_NOTE_MAX, NULL, NULL,
	"TEXT", "share: what the link is for, for share ls."},
    {"url", OPTION_STRING, AT(url), NULL, 8, 400, NULL, NULL, "URL",
	"share: where visitors find the service, https://cam.example.com, in "
	"place of what the relays say."},
    {"on_my_word", OPTION_BOOL, AT(on_my_word), "no", 0, 0, NULL, NULL, NULL,
	"domain add: you know that the domain is theirs, and nothing is to be "
	"proved."},
    {"token_file", OPTION_STRING, AT(token_file), NULL, 1, 4095, NULL, NULL,
	"FILE",
	"connect: the token of a share link is this file's first line, which "
	"others should not be able to read."},
    {"listen", OPTION_STRING, AT(listen), NULL, 1, 64, NULL, NULL,
	"ADDRESS:PORT",
	"connect: join each connection to this port, in place of standard "
	"input and output."},
    {"gateway", OPTION_BOOL, AT(gateway), "no", 0, 0, NULL, NULL, NULL,
	"connect: listen may be an address that others can reach."},
    {"proxy", OPTION_STRING, AT(proxy), NULL, 0, 0, NULL, NULL, "URL",
	"connect: HTTP proxy through which the relay is reached, "
	"http://[user[:password]@]host[:port], or none; by default what the "
	"environment names."},
    {"proxy_password_file", OPTION_STRING, AT(proxy_password_file), NULL, 1,
	4095, NULL, NULL, "FILE",
	"connect: the password of the proxy's user is this file's first line."},
    {"devices", OPTION_INT, AT(devices), "0", 0, 1000000000, NULL, NULL,
	"NUMBER", "fleet add: enrol so many devices at most; 0: any number."},
    {"expires", OPTION_DURATION, AT(expires_ms), "0", 0, INT64_C(315360000000),
	NULL, NULL, "TIME", "fleet add: enrol for so long; 0: without an end."},
    {"pattern", OPTION_STRING, AT(pattern), NULL, 1, FLEET_PATTERN_MAX, NULL,
	check_pattern, "PATTERN",
	"fleet add: enrol devices of such names only, * for any characters, ? "
	"for one."},
    {"from", OPTION_STRING, AT(from), NULL, 1, 10, NULL, check_day, "DAY",
	"usage: the first day (UTC); the first of the last one's month if "
	"nothing is given."},
    {"to", OPTION_STRING, AT(to), NULL, 1, 10, NULL, check_day, "DAY",
	"usage: the last day (UTC), which is included; today if nothing is "
	"given."},
    {"csv", OPTION_BOOL, AT(csv), "no", 0, 0, NULL, NULL, NULL,
	"usage: answer in comma-separated values, in bytes."},
    {"domain", OPTION_STRING, AT(domain), NULL, 1, HOST_NAME_MAX - LABEL_MAX,
	NULL, check_domain, "DOMAIN",
	"doctor, domain: the domain that devices' names are under, in place of "
	"what the relays say."},
    {"address", OPTION_LIST, AT(address), NULL, 1, 64, NULL, check_ip, "IP",
	"doctor: a public address of HAProxy, or of a relay that stands alone: "
	"DNS must lead to these and to no others."},
    {"dns", OPTION_STRING, AT(dns), NULL, 1, 400, NULL, check_servers,
	"SERVER[,SERVER...]",
	"doctor, domain verify: ask these name servers in place of the "
	"system's."},
    {"http_port", OPTION_INT, AT(http_port), "80", 0, 65535, NULL, NULL, "PORT",
	"doctor: where visitors come in with HTTP; 0: nowhere."},
    {"https_port", OPTION_INT, AT(https_port), "443", 0, 65535, NULL, NULL,
	"PORT", "doctor: where visitors come in with HTTPS; 0: nowhere."},
    {"ca_file", OPTION_STRING, AT(ca_file), NULL, 1, 4095, NULL, NULL, "FILE",
	"doctor: authorities to trust besides the system's. connect: those that "
	"the relay is verified with, in place of the system's."},
    {"haproxy", OPTION_LIST, AT(haproxy), NULL, 1, 107, NULL, check_socket,
	"SOCKET",
	"doctor, cert: runtime socket of a HAProxy, level admin; "
	"/run/haproxy/admin.sock if that is there."},
    {"haproxy_bufsize", OPTION_SIZE, AT(haproxy_bufsize), "16384", 2048,
	1048576, NULL, NULL, "BYTES",
	"doctor, cert: taupe-router's option of that name."},
    {"certs", OPTION_STRING, AT(certs), "/etc/haproxy/certs", 1, 900, NULL,
	NULL, "FILE|DIR", "cert: HAProxy's TAUPE_CERTS."},
    {"once", OPTION_BOOL, AT(once), "no", 0, 0, NULL, NULL, NULL,
	"top: look once, and end."},
    {"batch", OPTION_BOOL, AT(batch), "no", 0, 0, NULL, NULL, NULL,
	"top: print one look below the other, also on a terminal."},
    {"count", OPTION_INT, AT(count), "0", 0, 1000000000, NULL, NULL, "NUMBER",
	"top: end after so many looks, with --batch or --json; 0: never."},
    {"interval", OPTION_DURATION, AT(interval_ms), "1s", 100, 3600000, NULL,
	NULL, "TIME", "top: the time between two looks."},
    {"sort", OPTION_CHOICE, AT(sort), "bytes", 0, 0, "bytes|visits|name", NULL,
	"ORDER", "top: which devices come first."},
    {"filter", OPTION_STRING, AT(filter), NULL, 1, 63, NULL, check_name_part,
	"TEXT", "top: only devices whose names have that in them."},
    {"follow", OPTION_BOOL, AT(follow), "no", 0, 0, NULL, NULL, NULL,
	"events: go on with what happens from now on; -f is the same."},
    {"device", OPTION_STRING, AT(device), NULL, 1, DEVICE_NAME_MAX, NULL,
	check_device, "NAME", "events: only those about this device."},
    {"kind", OPTION_LIST, AT(kind), NULL, 1, 200, NULL, NULL, "KIND,...",
	"events: only those of these kinds: connect, disconnect, enrol, "
	"lease, move, share, limit, quota, audit, relay, lost."},
    {"since", OPTION_DURATION, AT(since_ms), "0", 0, INT64_C(315360000000),
	NULL, NULL, "TIME",
	"events: only those of this last time; 0: all that are kept, or with "
	"follow those from now on."},
    {"webhook", OPTION_STRING, AT(webhook), NULL, 8, URL_MAX, NULL,
	check_webhook, "URL",
	"events: send them there instead, signed, until it is stopped."},
    {"webhook_key_file", OPTION_STRING, AT(webhook_key_file), NULL, 1, 4095,
	NULL, NULL, "FILE",
	"events: what signs the events that go to webhook, 16 characters or "
	"more."},
    {"webhook_state_file", OPTION_STRING, AT(webhook_state_file), NULL, 1, 4095,
	NULL, NULL, "FILE", "events: up to where webhook has them."},
    {"webhook_timeout", OPTION_DURATION, AT(webhook_timeout_ms), "10s", 100,
	300000, NULL, NULL, "TIME",
	"events: how long webhook may take for an answer."},
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
    .short_flag = {"follow", 'f'},
    .struct_size = sizeof(struct ctl_options),
    .arguments = "COMMAND [NAME]",
    .arguments_offset = AT(words),
    .command_at = command_at,
    .complete_argument = names_complete,
};
