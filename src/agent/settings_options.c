/* SPDX-License-Identifier: MIT */
/* One row per key; --help, the man page and every error text come from here. */
#include "config.h"

#include <string.h>

#include "agent/budget.h"
#include "agent/command.h"
#include "agent/profile.h"
#include "agent/settings.h"
#include "agent/settings_options.h"
#include "net/address.h"
#include "net/name_servers.h"
#include "net/tls_pin.h"
#include "wire/url.h"

/* ---- one service ---- */

static bool
host_valid(struct str host)
{
	struct address address;
	char lower[HOST_NAME_MAX + 1];

	return address_parse_ip(host, 1, &address) ||
	    (host_name_normalise(host, lower, sizeof(lower)) &&
		host_name_valid(str_of(lower)));
}

/* "host:port" or "[address]:port" */
static bool
parse_place(struct str text, struct target *target)
{
	struct str host = text, port;
	uint64_t number;
	size_t colon = text.len;

	while (colon > 0 && text.ptr[colon - 1] != ':')
		colon--;
	if (colon == 0)
		return false;
	host.len = colon - 1;
	port = (struct str){text.ptr + colon, text.len - colon};
	if (!str_to_number(port, UINT16_MAX, &number) || number == 0)
		return false;
	if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = (struct str){host.ptr + 1, host.len - 2};
	else if (memchr(host.ptr, ':', host.len) != NULL)
		return false;
	target->port = (uint16_t)number;
	return host_valid(host) &&
	    str_copy(host, target->host, sizeof(target->host));
}

static bool
find_kind(struct str name, enum taupe_service_kind *kind)
{
	static const struct {
		struct str name;
		enum taupe_service_kind kind;
	} rows[] = {
	    {{"http", 4}, TAUPE_HTTP},
	    {{"tls", 3}, TAUPE_TLS},
	    {{"tcp", 3}, TAUPE_TCP},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_equal(name, rows[i].name)) {
			*kind = rows[i].kind;
			return true;
		}
	return false;
}

/* Take ":proxy-v2" off the end of a place: whether it was there. */
static bool
strip_introduction(struct str *place)
{
	const struct str end = STR(":proxy-v2");

	if (place->len <= end.len ||
	    memcmp(place->ptr + place->len - end.len, end.ptr, end.len) != 0)
		return false;
	place->len -= end.len;
	return true;
}

bool
target_parse(
    struct str text, struct target *target, enum taupe_service_kind *kind)
{
	struct str name, kind_name, rest, place;

	if (!str_split(text, ':', &name, &rest) ||
	    !str_split(rest, ':', &kind_name, &place) ||
	    !str_copy(name, target->name, sizeof(target->name)) ||
	    !taupe_service_name_valid(target->name) ||
	    !find_kind(kind_name, kind))
		return false;
	target->introduces = strip_introduction(&place);
	return parse_place(place, target);
}

/* ---- the table ---- */

static const char *
check_relay(const char *value)
{
	return taupe_relay_valid(value)
	    ? NULL
	    : "a URL without a path such as wss://relay.example.com";
}

static const char *
check_name(const char *value)
{
	return taupe_name_valid(value) ? NULL
				       : "letters, digits, '.', '_' and '-'";
}

const char *
settings_check_service(const char *value)
{
	struct target target;
	enum taupe_service_kind kind;

	if (!target_parse(str_of(value), &target, &kind))
		return "NAME:http|tls|tcp:HOST:PORT such as "
		       "web:http:127.0.0.1:8080, for tls and tcp also with "
		       ":proxy-v2 at its end";
	if (!AGENT_HAS_TOOLS && target.introduces)
		return "a service without :proxy-v2, which this small agent has not";
	return target.introduces && kind == TAUPE_HTTP
	    ? ":proxy-v2 for tls and tcp only: to an http service each request "
	      "says in X-Forwarded-For who the visitor is"
	    : NULL;
}

#ifndef TAUPE_AGENT_WITHOUT_TOOLS
static const char *
check_access(const char *value)
{
	char name[SERVICE_NAME_MAX + 1];

	return settings_access_parse(value, name)
	    ? NULL
	    : "on-request, or SERVICE:on-request such as ssh:on-request";
}

static const char *
check_health(const char *value)
{
	char name[SERVICE_NAME_MAX + 1];
	struct health_check check;

	return settings_health_parse(value, name, &check)
	    ? NULL
	    : "SERVICE:tcp:TIME or SERVICE:http:/PATH:TIME, from 1s to 1h, such "
	      "as web:http:/healthz:30s";
}
#endif

static const char *
check_domain(const char *value)
{
	return taupe_domain_valid(value) ? NULL : "a domain name in lower case";
}

const char *
settings_check_secret(const char *value)
{
	return taupe_secret_valid(value) ? NULL : "letters, digits and -._~+/=";
}

const char *
settings_check_enrolment_key(const char *value)
{
	return taupe_enrolment_key_valid(value)
	    ? NULL
	    : "a fleet's name, a dot and 43 letters, digits and -_";
}

static const char *
check_pin(const char *value)
{
	struct tls_pin pin;

	return tls_pin_parse(value, &pin)
	    ? NULL
	    : "sha256/ and the base64 of a key's SHA-256, 44 characters";
}

static const char *
check_dns(const char *value)
{
	struct name_servers servers = {.n = 0};

	return name_servers_add(&servers, str_of(value))
	    ? NULL
	    : "up to 4 numeric addresses with commas between them, such as "
	      "192.0.2.53 or [2001:db8::53]:53";
}

static const char *
check_data_budget(const char *value)
{
	uint64_t bytes;

	return budget_parse(str_of(value), &bytes)
	    ? NULL
	    : "a number of kB, MB or GB and /month, from 200kB/month on, such "
	      "as "
	      "5MB/month";
}

#define AT(member) offsetof(struct agent_options, member)
#define HOUR_MS 3600000

static const struct option_row rows[] = {
    {"relay", OPTION_LIST, AT(relay), NULL, 1, URL_MAX, NULL, check_relay,
	"URL", "A relay to begin with, ws:// or wss://."},
    {"name", OPTION_STRING, AT(name), NULL, 1, TAUPE_NAME_MAX, NULL, check_name,
	"NAME",
	"The device's name, as the operator registered it; with an enrolment "
	"key it may be left out, and is then derived from the machine's id."},
    {"secret_file", OPTION_STRING, AT(secret_file), NULL, 1, 4095, NULL, NULL,
	"FILE",
	"File with the device's secret in its first line, readable for the "
	"agent alone."},
    {"secret", OPTION_STRING, AT(secret), NULL, 1, TAUPE_SECRET_MAX, NULL,
	settings_check_secret, "SECRET",
	"The secret itself, instead of secret_file."},
    {"enrolment_key_file", OPTION_STRING, AT(enrolment_key_file), NULL, 1, 4095,
	NULL, NULL, "FILE",
	"File with a fleet's enrolment key in its first line, instead of a "
	"secret: the device draws its own and keeps it beside state_file; "
	"afterwards the file may be removed."},
    {"enrolment_key", OPTION_STRING, AT(enrolment_key), NULL, 1,
	TAUPE_SECRET_MAX, NULL, settings_check_enrolment_key, "KEY",
	"The key itself, instead of enrolment_key_file."},
    {"service", OPTION_LIST, AT(service), NULL, 1, 512, NULL,
	settings_check_service, "NAME:KIND:HOST:PORT",
	"A service to offer: its name, http, tls or tcp, and where it is, on "
	"this device or "
	"near it; up to 16. The first http or tls service has the shortest "
	"host name. With :proxy-v2 behind it, a tls or tcp service gets a "
	"PROXY protocol header, version 2, before the visitor's bytes: from "
	"the visitor's address, to the one that was connected to; LOCAL "
	"where the visitor's is not known."},
    {"ca_file", OPTION_STRING, AT(ca_file), NULL, 1, 4095, NULL, NULL, "FILE",
	"Certificates (PEM) of the authorities that relays are verified with; "
	"by default the "
	"system's."},
    {"pin", OPTION_LIST, AT(pin), NULL, 1, 0, NULL, check_pin, "sha256/BASE64",
	"A key that a relay's certificate, or an authority's above it, must "
	"have, besides being verified; more pins are alternatives."},
    {"proxy", OPTION_STRING, AT(proxy), NULL, 0, 0, NULL, NULL, "URL",
	"HTTP proxy through which relays are reached, "
	"http://[user[:password]@]host[:port], or none; by default what the "
	"environment names."},
    {"proxy_password_file", OPTION_STRING, AT(proxy_password_file), NULL, 1,
	4095, NULL, NULL, "FILE",
	"File with the password of the proxy's user in its first line, "
	"readable for the agent alone."},
    {"tls_certificate", OPTION_STRING, AT(tls_certificate), NULL, 1, 4095, NULL,
	NULL, "FILE",
	"The device's own certificate and its chain, as PEM, for relays that "
	"take it instead of the secret: its subjectAltName is the URI "
	"taupe:NAME."},
    {"tls_key", OPTION_STRING, AT(tls_key), NULL, 1, 4095, NULL, NULL, "FILE",
	"The certificate's private key, as PEM without a password; by default "
	"it is in tls_certificate as well."},
    {"domain", OPTION_LIST, AT(domain), NULL, 1, HOST_NAME_MAX, NULL,
	check_domain, "DOMAIN",
	"Domain under which a redirect may lead, besides to the hosts of known "
	"relays."},
    {"state_file", OPTION_STRING, AT(state_file),
	TAUPE_STATEDIR TAUPE_SLASH "agent.state", 1, 4095, NULL, NULL, "FILE",
	"Where the lease and the list of relays are kept over a restart; the "
	"secrets that the device has drawn itself are kept in a file beside "
	"it, whose name has .secret behind it."},
    {"dns", OPTION_LIST, AT(dns), NULL, 1, 255, NULL, check_dns,
	"ADDRESS[:PORT][,...]",
	"DNS servers to ask, by turns, instead of those of /etc/resolv.conf; "
	"up to 4."},
    {"connect_timeout", OPTION_DURATION, AT(connect_timeout_ms), "10s", 10,
	HOUR_MS, NULL, NULL, "TIME",
	"How long connecting to a relay may take, and each step of a "
	"handshake."},
    {"service_timeout", OPTION_DURATION, AT(service_timeout_ms), "5s", 10,
	HOUR_MS, NULL, NULL, "TIME",
	"How long connecting to a service may take; a relay waits little "
	"longer "
	"for the answer."},
    {"reconnect_min", OPTION_DURATION, AT(reconnect_min_ms), "1s", 1, HOUR_MS,
	NULL, NULL, "TIME",
	"Bound of the first random delay before the next attempt; it doubles "
	"with each "
	"failure."},
    {"reconnect_max", OPTION_DURATION, AT(reconnect_max_ms), "60s", 1, HOUR_MS,
	NULL, NULL, "TIME", "Largest bound of that delay."},
    {"reconnect_reset", OPTION_DURATION, AT(reconnect_reset_ms), "30s", 1,
	HOUR_MS, NULL, NULL, "TIME",
	"A session that stood so long sets the delay back to reconnect_min."},
    {"max_transfers", OPTION_INT, AT(max_transfers), "256", 1, 100000, NULL,
	NULL, "NUMBER",
	"Transfer channels at a time, a shared one among them; visitors who "
	"need one more are refused."},
    {"trusted_path", OPTION_BOOL, AT(trusted_path), "no", 0, 0, NULL, NULL,
	NULL,
	"Mask payload with zeros on ws:// too, as inside TLS: for networks of "
	"one's own, where no proxy on the way can misread it."},
    {"warm_channels", OPTION_INT, AT(warm_channels), "1", 0, TAUPE_WARM_MAX,
	NULL, NULL, "NUMBER",
	"Transfer channels that the relay keeps ready while no visitor is "
	"there; the next one is served faster by them."},
    {"mux", OPTION_BOOL, AT(mux), "yes", 0, 0, NULL, NULL, NULL,
	"Let the relay put many small visits on one shared transfer channel, "
	"which is cheaper for both."},
    {"shared_visits", OPTION_INT, AT(shared_visits), "256", 1,
	TAUPE_MUX_VISITS_MAX, NULL, NULL, "NUMBER",
	"Visits at a time on a shared channel; more get channels of their "
	"own."},
    {"one_connection", OPTION_BOOL, AT(one_connection), "no", 0, 0, NULL, NULL,
	NULL,
	"Let all visits ride on the control channel, where each connection is "
	"dear: shared_visits at a time, more wait, and no transfer channel is "
	"ever made."},
    {"metered", OPTION_BOOL, AT(metered), "no", 0, 0, NULL, NULL, NULL,
	"The link is paid for by the byte: no transfer channel is kept ready, "
	"and heartbeats are as rare and as short as the network bears."},
    {"data_budget", OPTION_STRING, AT(data_budget), NULL, 1, 64, NULL,
	check_data_budget, "BYTES/month",
	"What being reachable may cost in 30 days, visits not counted, such as "
	"5MB/month; the link is metered then."},
    {"heartbeat_min", OPTION_DURATION, AT(heartbeat_min_ms), "0s", 0,
	24 * HOUR_MS, NULL, NULL, "TIME",
	"Shortest interval between heartbeats, even if the network forgets "
	"idle "
	"connections sooner; 0 for the shortest that the relay allows."},
    {"heartbeat_max", OPTION_DURATION, AT(heartbeat_max_ms), "0s", 0,
	24 * HOUR_MS, NULL, NULL, "TIME",
	"Longest interval, if the network bears it; 0 for the relay's own, or "
	"on "
	"a metered link for the longest that the relay allows."},
    {"drain_timeout", OPTION_DURATION, AT(drain_timeout_ms), "5s", 0, HOUR_MS,
	NULL, NULL, "TIME", "How long running visits may go on after SIGTERM."},
    {"user", OPTION_STRING, AT(user), NULL, 1, 64, NULL, NULL, "NAME",
	"User to become when started as root, before anything but this file is "
	"read."},
    {"core_dumps", OPTION_BOOL, AT(core_dumps), "no", 0, 0, NULL, NULL, NULL,
	"Let a crash leave a core dump, in which secrets are, and let "
	"debuggers attach."},
#ifndef TAUPE_AGENT_WITHOUT_TOOLS
    {"access", OPTION_LIST, AT(access), NULL, 1, 64, NULL, check_access,
	"[SERVICE:]on-request",
	"Let nobody visit the service, or any of them where none is named, "
	"unless the device's owner has said so (taupe-agent allow), whatever "
	"the relay says."},
    {"health", OPTION_LIST, AT(health), NULL, 1, 256, NULL, check_health,
	"SERVICE:tcp:TIME|SERVICE:http:PATH:TIME",
	"Look at the service each TIME, by a connection or a GET of PATH, whose "
	"answer must have a status from 200 to 399. One that fails three of five "
	"times is down until it was right three times in a row: its visitors are "
	"told so, and the relay's operator."},
    {"control_socket", OPTION_STRING, AT(control_socket), NULL, 1, 107, NULL,
	NULL, "FILE",
	"Where the running agent is talked to by taupe-agent status, allow and "
	"deny, for its own user alone; by default beside state_file, with "
	".sock behind its name."},
    {"json", OPTION_BOOL, AT(json), "no", 0, 0, NULL, NULL, NULL,
	"Print the answer to --check, or the agent's, as JSON."},
#endif
    {"log_level", OPTION_CHOICE, AT(log_level), "info", 0, 0,
	"error|warn|info|debug", NULL, "LEVEL",
	"Least important lines to log."},
    {"log_syslog", OPTION_BOOL, AT(log_syslog), "no", 0, 0, NULL, NULL, NULL,
	"Log to syslog instead of standard error."},
    {.key = NULL},
};

const struct option_table agent_option_table = {
    .program = "taupe-agent",
    .synopsis = "Gives this device a public name through a taupe relay.",
    .section = "agent",
    .default_file = TAUPE_SYSCONFDIR TAUPE_SLASH "agent.ini",
    .rows = rows,
    .struct_size = sizeof(struct agent_options),
    .check_all = settings_check_all,
    .check_more = AGENT_HAS_TOOLS
	? "Look at the configuration, the way to each relay (DNS, TCP, proxy, "
	  "TLS, WebSocket, secret, heartbeat) and the services, say what is "
	  "wrong and whom to ask for what, and exit; an agent that runs is "
	  "not disturbed."
	: NULL,
    .check_offset = AT(check),
    .arguments = AGENT_HAS_TOOLS ? "[COMMAND [WORD]...]" : NULL,
    .arguments_offset = AT(command),
    .command_at = AGENT_HAS_TOOLS ? command_at : NULL,
};
