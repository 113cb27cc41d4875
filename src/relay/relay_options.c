/* SPDX-License-Identifier: MIT */
/* One row per key; --help, the man page and every error text come from here. */
#include "config.h"

#include <stddef.h>

#include "base/token_bucket.h"
#include "net/address.h"
#include "net/name_servers.h"
#include "registry/port_set.h"
#include "relay/guesses.h"
#include "relay/listen_range.h"
#include "relay/relay_options.h"
#include "wire/control_msg.h"
#include "wire/host_name.h"
#include "wire/http_head.h"
#include "wire/url.h"

static const char *
check_address_port(const char *value)
{
	struct address address;

	return address_parse(str_of(value), &address)
	    ? NULL
	    : "a numeric ADDRESS:PORT such as 127.0.0.1:8000 or [::1]:8000";
}

static const char *
check_ip(const char *value)
{
	struct address address;

	return address_parse_ip(str_of(value), 0, &address)
	    ? NULL
	    : "a numeric address";
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
check_listen_range(const char *value)
{
	struct listen_range range;

	return listen_range_parse(str_of(value), &range)
	    ? NULL
	    : "ADDRESS:LOW-HIGH such as 127.0.0.1:30000-30999 or "
	      "[::1]:30000-30999";
}

static const char *
check_ports(const char *value)
{
	struct port_set set;

	port_set_clear(&set);
	return port_set_parse(&set, str_of(value))
	    ? NULL
	    : "ports and ranges such as 20000-20999,30000";
}

static const char *
check_url(const char *value)
{
	return url_relay_valid(str_of(value))
	    ? NULL
	    : "a ws or wss URL without a path such as wss://r1.example.com";
}

static const char *
check_domain(const char *value)
{
	return host_name_valid(str_of(value)) ? NULL
					      : "a domain name in lower case";
}

static const char *
check_id(const char *value)
{
	return label_valid(str_of(value)) || service_name_valid(str_of(value))
	    ? NULL
	    : "letters a-z, digits and single hyphens";
}

#define AT(member) offsetof(struct relay_options, member)
#define FILE_ARG "FILE"

static const struct option_row rows[] = {
    {"id", OPTION_STRING, AT(id), "relay", 1, 32, NULL, check_id, "NAME",
	"Name of this relay, its own among all relays of the cluster."},
    {"domain", OPTION_STRING, AT(domain), "localhost", 1,
	HOST_NAME_MAX - LABEL_MAX, NULL, check_domain, "DOMAIN",
	"Domain under which devices get their names."},
    {"agent_listen", OPTION_LIST, AT(agent_listen), "127.0.0.1:8000", 1, 64,
	NULL, check_address_port, "ADDRESS:PORT",
	"Where agents connect without TLS, or through a proxy that has ended "
	"it."},
    {"agent_tls_listen", OPTION_LIST, AT(agent_tls_listen), NULL, 1, 64, NULL,
	check_address_port, "ADDRESS:PORT",
	"Where agents connect with TLS 1.2 or 1.3; needs tls_certificate."},
    {"tls_certificate", OPTION_STRING, AT(tls_certificate), NULL, 1, 4095, NULL,
	NULL, FILE_ARG,
	"The certificate for agent_tls_listen and its chain, as PEM; SIGHUP "
	"reads it again."},
    {"tls_key", OPTION_STRING, AT(tls_key), NULL, 1, 4095, NULL, NULL, FILE_ARG,
	"The certificate's private key, as PEM without a password; by default "
	"it is in tls_certificate as well."},
    {"agent_client_ca", OPTION_STRING, AT(agent_client_ca), NULL, 1, 4095, NULL,
	NULL, FILE_ARG,
	"Authorities (PEM) whose certificates agents may show at "
	"agent_tls_listen instead of a secret, with the URI taupe:NAME as "
	"subjectAltName; SIGHUP reads them again."},
    {"agent_client_crl", OPTION_STRING, AT(agent_client_crl), NULL, 1, 4095,
	NULL, NULL, FILE_ARG,
	"Lists (PEM) of the certificates that these authorities have revoked; "
	"SIGHUP reads them again."},
    {"agent_client_certificate", OPTION_CHOICE, AT(agent_client_certificate),
	"optional", 0, 0, "optional|required", NULL, "WHEN",
	"Whether an agent without such a certificate may come with its secret "
	"instead."},
    {"proxy_client_certificate", OPTION_BOOL, AT(proxy_client_certificate),
	"no", 0, 0, NULL, NULL, NULL,
	"Believe a trusted_proxy's X-Taupe-Client-Certificate: it must have "
	"verified the certificate, and remove what agents send under this "
	"name."},
    {"ticket_period", OPTION_DURATION, AT(ticket_period_ms), "1h", 100,
	86400000, NULL, NULL, "TIME",
	"How long a key of TLS session tickets is used; the same on all relays "
	"of a cluster. With cluster_key_file an agent can resume its session "
	"at another relay of the same host name."},
    {"agent_url", OPTION_STRING, AT(agent_url), NULL, 1, 250, NULL, check_url,
	"URL",
	"Base URL at which agents reach this very relay; by default wss:// and "
	"the first agent_tls_listen, or else ws:// and the first "
	"agent_listen."},
    {"trusted_proxy", OPTION_LIST, AT(trusted_proxy), NULL, 1, 64, NULL,
	check_ip, "ADDRESS",
	"A proxy in front: its X-Forwarded-For is believed from agents and, "
	"with "
	"what else it says of visitors, at visitor_listen; and it is not "
	"counted as a source itself."},
    {"proxy_protocol", OPTION_BOOL, AT(proxy_protocol), "no", 0, 0, NULL, NULL,
	NULL,
	"What comes from a trusted_proxy to tcp and tls services, and to "
	"visitor_listen, begins with a PROXY protocol header, version 2, which "
	"says who the visitor is; without one it is reset."},
    {"service_listen", OPTION_LIST, AT(service_listen), "127.0.0.1:30000-30999",
	1, 80, NULL, check_listen_range, "ADDRESS:LOW-HIGH",
	"Ports for the listeners of devices' services."},
    {"advertise_address", OPTION_STRING, AT(advertise_address), NULL, 1, 64,
	NULL, check_ip, "ADDRESS",
	"Address under which the proxy reaches the listeners, when they listen "
	"on a "
	"wildcard address."},
    {"public_ports", OPTION_STRING, AT(public_ports), NULL, 1, 1000, NULL,
	check_ports, "PORTS",
	"Public ports for tcp services; by default those of service_listen."},
    {"visitor_listen", OPTION_LIST, AT(visitor_listen), NULL, 1, 64, NULL,
	check_address_port, "ADDRESS:PORT",
	"Listen for visitors here, without a proxy, and join them by Host or "
	"SNI; each request says in X-Forwarded-For and the like who they are."},
    {"public_scheme", OPTION_CHOICE, AT(public_scheme), "http", 0, 0,
	"http|https", NULL, "SCHEME",
	"Scheme of the URLs that http services are announced with."},
    {"public_http_port", OPTION_INT, AT(public_http_port), "0", 0, 65535, NULL,
	NULL, "PORT", "Port in these URLs; 0 leaves it out."},
    {"public_tls_port", OPTION_INT, AT(public_tls_port), "0", 0, 65535, NULL,
	NULL, "PORT", "Port in the URLs of tls services; 0 leaves it out."},
    REDIS_OPTION_ROWS(AT, registry, NULL,
	"The registry; without it, it is kept in memory and the relay stands "
	"alone.",
	"2s",
	"How long Redis may take for an answer before the connection is made "
	"anew."),
    {"devices_file", OPTION_STRING, AT(devices_file), NULL, 1, 4095, NULL, NULL,
	FILE_ARG,
	"The stand-alone relay's devices, as taupectl writes them. What is "
	"changed there holds from the next announce on."},
    {"cluster_key_file", OPTION_STRING, AT(cluster_key_file), NULL, 1, 4095,
	NULL, NULL, FILE_ARG,
	"Key with which leases are signed, the same on all relays; 32 bytes or "
	"more. "
	"Without it leases are signed with a key that is forgotten at the "
	"end."},
    {"open", OPTION_BOOL, AT(open), "no", 0, 0, NULL, NULL, NULL,
	"Take any device with any secret: for trying out, on loopback only."},
    {"lease", OPTION_DURATION, AT(lease_ms), "1h", 100, INT64_C(366) * 86400000,
	NULL, NULL, "TIME",
	"How long a disconnected device keeps its label and ports."},
    {"quarantine", OPTION_DURATION, AT(quarantine_ms), "7d", 0,
	INT64_C(3660) * 86400000, NULL, NULL, "TIME",
	"How long a label rests after its lease before anyone may get it."},
    {"hold", OPTION_DURATION, AT(hold_ms), "5s", 0, 300000, NULL, NULL, "TIME",
	"How long a visitor is held while a device may be coming back."},
    {"heartbeat", OPTION_DURATION, AT(heartbeat_ms), "30s", 50, 3600000, NULL,
	NULL, "TIME",
	"After this silence an agent pings; three times this and its session "
	"is dead."},
    {"heartbeat_min", OPTION_DURATION, AT(heartbeat_min_ms), "10s", 50, 3600000,
	NULL, NULL, "TIME",
	"Shortest interval that an agent may choose instead, where its network "
	"forgets idle connections sooner than heartbeat; at most heartbeat."},
    {"heartbeat_max", OPTION_DURATION, AT(heartbeat_max_ms), "1h", 50, 86400000,
	NULL, NULL, "TIME",
	"Longest interval that an agent may choose, where each one is paid "
	"for; at least heartbeat."},
    {"probe_timeout", OPTION_DURATION, AT(probe_timeout_ms), "2s", 50, 60000,
	NULL, NULL, "TIME", "How long a session may take to answer a probe."},
    {"open_timeout", OPTION_DURATION, AT(open_timeout_ms), "2s", 50, 60000,
	NULL, NULL, "TIME",
	"How long an agent may take for a visitor before it is probed."},
    {"handshake_timeout", OPTION_DURATION, AT(handshake_timeout_ms), "10s", 50,
	300000, NULL, NULL, "TIME",
	"How long a request head may take to arrive, the TLS handshake "
	"included; 408 or an end after it."},
    {"transfer_idle", OPTION_DURATION, AT(transfer_idle_ms), "60s", 0, 86400000,
	NULL, NULL, "TIME",
	"How long an idle transfer channel is kept for the next visitor."},
    {"warm_max", OPTION_INT, AT(warm_max), "32", 0, 1000, NULL, NULL, "NUMBER",
	"Most transfer channels of a device that are kept or dug ahead of "
	"need; 0 digs none ahead."},
    {"warm_decay", OPTION_DURATION, AT(warm_decay_ms), "10s", 10, 86400000,
	NULL, NULL, "TIME",
	"After this, a device is expected to have half as many visitors at "
	"once as before."},
    {"drain_timeout", OPTION_DURATION, AT(drain_timeout_ms), "30s", 0, 86400000,
	NULL, NULL, "TIME",
	"How long running visits may take to finish when the relay stops."},
    {"drain_rate", OPTION_INT, AT(drain_rate), "500", 1, 1000000, NULL, NULL,
	"NUMBER",
	"Agents a second that are asked to move when the relay drains; more if "
	"half of drain_timeout would not do."},
    {"rebalance", OPTION_BOOL, AT(rebalance), "yes", 0, 0, NULL, NULL, NULL,
	"Move agents to relays that have fewer, when one has joined."},
    {"rebalance_rate", OPTION_INT, AT(rebalance_rate), "10", 1, 100000, NULL,
	NULL, "NUMBER", "Agents a second that are moved for it."},
    {"announce", OPTION_DURATION, AT(announce_ms), "1s", 50, 60000, NULL, NULL,
	"TIME",
	"Interval of this relay's announcements; it counts as gone after "
	"three."},
    {"usage_days", OPTION_INT, AT(usage_days), "400", 32, 3660, NULL, NULL,
	"NUMBER",
	"Days that the usage of a device's day is kept in Redis, for billing."},
    {"capacity", OPTION_INT, AT(capacity), "100000", 1, 10000000, NULL, NULL,
	"NUMBER", "Most agents that this relay takes."},
    {"weight", OPTION_INT, AT(weight), "100", 1, 1000000, NULL, NULL, "NUMBER",
	"Its share of the agents, relative to the other relays."},
    {"max_visitors", OPTION_INT, AT(max_visitors), "1000", 1, 1000000, NULL,
	NULL, "NUMBER", "Most visitors at once on one device."},
    {"visitor_rate", OPTION_INT, AT(visitor_rate), "0", 0, 1000000, NULL, NULL,
	"NUMBER",
	"Most new visitors of one device a second, on average; 0 for any."},
    {"visitor_burst", OPTION_INT, AT(visitor_burst), "0", 0, 1000000, NULL,
	NULL, "NUMBER",
	"So many may come at once before visitor_rate counts; 0 for those of "
	"one second."},
    {"device_rate", OPTION_SIZE, AT(device_rate), "0", 0, TOKEN_RATE_MAX, NULL,
	NULL, "BYTES",
	"Most bytes of one device a second, both directions together; its "
	"visits share them; 0 for any."},
    {"max_transfers", OPTION_INT, AT(max_transfers), "1000", 1, 1000000, NULL,
	NULL, "NUMBER",
	"Most transfer channels of one device at once. Neither the shared one "
	"nor the visits on it are counted (see max_visitors); a large visit "
	"without a channel of its own goes on where it is."},
    {"max_handshakes", OPTION_INT, AT(max_handshakes), "10000", 1, 1000000,
	NULL, NULL, "NUMBER",
	"Most connections at once that have not said yet whom they are, and "
	"most agents at once that have not been let in yet: agents get 503 "
	"above it, each sent behind the one before, or with TLS an end."},
    {"max_services", OPTION_INT, AT(max_services), "16", 1, SERVICES_MAX, NULL,
	NULL, "NUMBER",
	"Most services of one device; an agent that offers more is refused."},
    {"max_head", OPTION_SIZE, AT(max_head), "8192", 2048, HTTP_HEAD_MAX, NULL,
	NULL, "BYTES",
	"Longest head of an agent's request, and of a visitor's at "
	"visitor_listen."},
    {"max_message", OPTION_SIZE, AT(max_message), "4096", 512, CONTROL_MSG_MAX,
	NULL, NULL, "BYTES",
	"Longest control message of an agent: a longer one ends its channel."},
    {"source_handshakes", OPTION_INT, AT(source_handshakes), "500", 0, 1000000,
	NULL, NULL, "NUMBER",
	"Most of max_handshakes from one source: an IPv4 address or the /64 of "
	"an IPv6 one, as the relay or a trusted_proxy sees it, but for "
	"loopback. 0 for any. Agents get 429 above it, or with TLS an end."},
    {"source_handshake_rate", OPTION_INT, AT(source_handshake_rate), "100", 0,
	1000000, NULL, NULL, "NUMBER",
	"Most handshakes of agents from one source a second, on average, those "
	"for transfer channels not counted; those of ten seconds may come at "
	"once. 0 for any."},
    {"source_auth_rate", OPTION_INT, AT(source_auth_rate), "10", 0, 1000000,
	NULL, NULL, "NUMBER",
	"Most failed authentications from one source a second, on average; "
	"those of ten seconds may come at once. Above it agents get 429, and "
	"their secrets are not looked at. 0 for any."},
    {"source_visitors", OPTION_INT, AT(source_visitors), "0", 0, 1000000, NULL,
	NULL, "NUMBER",
	"Most visitors at once from one source, where visitors come to this "
	"relay without a proxy, or its proxy is a trusted_proxy, which is not "
	"counted; 0 for any."},
    {"source_visitor_rate", OPTION_INT, AT(source_visitor_rate), "0", 0,
	1000000, NULL, NULL, "NUMBER",
	"Most new visitors from one source a second, on average; those of ten "
	"seconds may come at once. 0 for any."},
    {"source_guesses", OPTION_INT, AT(source_guesses), "30", 0,
	GUESSES_MINUTE_MAX, NULL, NULL, "NUMBER",
	"Most wrong passwords of services from one source a minute, loopback "
	"included, at visitor_listen; above it visitors get 429, and passwords "
	"are not looked at. Visitors whom a trusted_proxy does not name in "
	"X-Forwarded-For are one source, the proxy. 0 for any."},
    {"max_sources", OPTION_INT, AT(max_sources), "65536", 1, 16777216, NULL,
	NULL, "NUMBER",
	"So many sources are remembered, in 96 bytes each; those that were "
	"seen longest ago are forgotten."},
    {"admin_listen", OPTION_STRING, AT(admin_listen), NULL, 1, 64, NULL,
	check_address_port, "ADDRESS:PORT",
	"Health, metrics and the API for the operator."},
    {"metrics_devices", OPTION_INT, AT(metrics_devices), "100", 0, 10000, NULL,
	NULL, "NUMBER",
	"The metrics tell of so many devices one by one, the busiest; 0 for "
	"none."},
    {"admin_private", OPTION_BOOL, AT(admin_private), "no", 0, 0, NULL, NULL,
	NULL,
	"Reading needs a token at admin_listen even on loopback, where a proxy "
	"may come with any name then; elsewhere it always does, and so does "
	"every change."},
    {"admin_redis_user", OPTION_STRING, AT(admin_redis_user), NULL, 1, 255,
	NULL, NULL, "NAME",
	"User for the operator's changes by admin_listen, such as taupe-api; "
	"by "
	"default redis_user."},
    {"admin_dns", OPTION_STRING, AT(admin_dns), NULL, 1, 400, NULL,
	check_servers, "SERVER[,SERVER...]",
	"Name servers that the admin API asks for the TXT records of custom "
	"domains, in place of the system's."},
    {"admin_redis_password_file", OPTION_STRING, AT(admin_redis_password_file),
	NULL, 1, 4095, NULL, NULL, FILE_ARG,
	"File with this user's password, in its first line."},
    {"page_dir", OPTION_STRING, AT(page_dir), NULL, 1, 4000, NULL, NULL, "DIR",
	"Folder with pages to use instead of the built-in ones: 401.html, "
	"403.html, 404.html, 429.html, 502.html, 503.html, busy.html, "
	"consent.html, down.html, guesses.html, link.html, quota-day.html and "
	"quota-month.html."},
    {"user", OPTION_STRING, AT(user), NULL, 1, 64, NULL, NULL, "NAME",
	"User to become when started as root, before anything but this file is "
	"read, and kept with the one right to listen at ports below 1024."},
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

static const struct option_command *
command_at(size_t place)
{
	static const struct option_command init = {"init", NULL, "DOMAIN",
	    "Write a first configuration of relays, Redis, HAProxy, router and "
	    "taupectl that work together. It has options of its own: "
	    "taupe-relay init --help, and taupe-relay-init(8)."};

	return place == 0 ? &init : NULL;
}

const struct option_table relay_option_table = {
    .program = "taupe-relay",
    .synopsis =
	"Take agents' tunnels and visitors' connections, and join them.",
    .section = "relay",
    .default_file = TAUPE_SYSCONFDIR "/relay.ini",
    .rows = rows,
    .struct_size = sizeof(struct relay_options),
    .command_at = command_at,
};
