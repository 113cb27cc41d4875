/* SPDX-License-Identifier: MIT */
/* One row per key; --help, the man page and every error text come from here. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "agent/secret_file.h"
#include "agent/settings.h"
#include "base/log.h"
#include "base/wipe.h"
#include "net/address.h"
#include "net/crypto.h"
#include "net/process.h"
#include "net/tls_pin.h"
#include "wire/control_msg.h"
#include "wire/handshake.h"
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
	if (!str_to_u64(port, UINT16_MAX, &number) || number == 0)
		return false;
	if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = (struct str){host.ptr + 1, host.len - 2};
	else if (memchr(host.ptr, ':', host.len) != NULL)
		return false;
	target->port = (uint16_t)number;
	return host_valid(host) &&
	    str_copy(host, target->host, sizeof(target->host));
}

bool
target_parse(
    struct str text, struct target *target, enum taupe_service_kind *kind)
{
	struct str name, kind_name, rest, place;
	enum service_kind found;

	if (!str_split(text, ':', &name, &rest) ||
	    !str_split(rest, ':', &kind_name, &place) ||
	    !service_name_valid(name) || !service_kind_find(kind_name, &found))
		return false;
	*kind = (enum taupe_service_kind)found;
	return parse_place(place, target) &&
	    str_copy(name, target->name, sizeof(target->name));
}

/* ---- the table ---- */

static const char *
check_relay(const char *value)
{
	return url_relay_valid(str_of(value))
	    ? NULL
	    : "a URL without a path such as wss://relay.example.com";
}

static const char *
check_name(const char *value)
{
	return device_name_valid(str_of(value))
	    ? NULL
	    : "letters, digits, '.', '_' and '-'";
}

static const char *
check_service(const char *value)
{
	struct target target;
	enum taupe_service_kind kind;

	return target_parse(str_of(value), &target, &kind)
	    ? NULL
	    : "NAME:http|tls|tcp:HOST:PORT such as web:http:127.0.0.1:8080";
}

static const char *
check_domain(const char *value)
{
	return host_name_valid(str_of(value)) ? NULL
					      : "a domain name in lower case";
}

static const char *
check_secret(const char *value)
{
	return handshake_secret_valid(str_of(value))
	    ? NULL
	    : "letters, digits and -._~+/=";
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
	struct address address;

	return address_parse(str_of(value), &address) ||
		address_parse_ip(str_of(value), 53, &address)
	    ? NULL
	    : "a numeric ADDRESS or ADDRESS:PORT";
}

#define AT(member) offsetof(struct agent_options, member)
#define HOUR_MS 3600000

static const struct option_row rows[] = {
    {"relay", OPTION_LIST, AT(relay), NULL, 1, URL_MAX, NULL, check_relay,
	"URL", "A relay to begin with, ws:// or wss://."},
    {"name", OPTION_STRING, AT(name), NULL, 1, DEVICE_NAME_MAX, NULL,
	check_name, "NAME",
	"The device's name, as the operator registered it."},
    {"secret_file", OPTION_STRING, AT(secret_file), NULL, 1, 4095, NULL, NULL,
	"FILE",
	"File with the device's secret in its first line, readable for the "
	"agent alone."},
    {"secret", OPTION_STRING, AT(secret), NULL, 1, TAUPE_SECRET_MAX, NULL,
	check_secret, "SECRET",
	"The secret itself, instead of secret_file."},
    {"service", OPTION_LIST, AT(service), NULL, 1, 512, NULL, check_service,
	"NAME:KIND:HOST:PORT",
	"A service to offer: its name, http, tls or tcp, and where it is, on "
	"this device or "
	"near it; up to 16. The first http or tls service has the shortest "
	"host name."},
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
    {"state_file", OPTION_STRING, AT(state_file), TAUPE_STATEDIR "/agent.state",
	1, 4095, NULL, NULL, "FILE",
	"Where the lease and the list of relays are kept over a restart."},
    {"dns", OPTION_STRING, AT(dns), NULL, 1, 64, NULL, check_dns,
	"ADDRESS[:PORT]", "DNS server to ask instead of the system's."},
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
    {"warm_channels", OPTION_INT, AT(warm_channels), "1", 0, WARM_MAX, NULL,
	NULL, "NUMBER",
	"Transfer channels that the relay keeps ready while no visitor is "
	"there; the next one is served faster by them."},
    {"mux", OPTION_BOOL, AT(mux), "yes", 0, 0, NULL, NULL, NULL,
	"Let the relay put many small visits on one shared transfer channel, "
	"which is cheaper for both."},
    {"shared_visits", OPTION_INT, AT(shared_visits), "256", 1,
	TAUPE_MUX_VISITS_MAX, NULL, NULL, "NUMBER",
	"Visits at a time on a shared channel; more get channels of their "
	"own."},
    {"metered", OPTION_BOOL, AT(metered), "no", 0, 0, NULL, NULL, NULL,
	"The link is paid for by the byte: no transfer channel is kept ready."},
    {"drain_timeout", OPTION_DURATION, AT(drain_timeout_ms), "5s", 0, HOUR_MS,
	NULL, NULL, "TIME", "How long running visits may go on after SIGTERM."},
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
    {.key = NULL},
};

const struct option_table agent_option_table = {
    .program = "taupe-agent",
    .synopsis = "Gives this device a public name through a taupe relay.",
    .section = "agent",
    .default_file = TAUPE_SYSCONFDIR "/agent.ini",
    .rows = rows,
    .struct_size = sizeof(struct agent_options),
};

/* ---- what the table cannot check ---- */

/* Returns an exit code. */
static int
read_secret(const char *path, char *secret)
{
	char text[TAUPE_SECRET_MAX + 64];
	int result = secret_file_read("secret_file", path, text, sizeof(text));

	if (result == EX_OK && !handshake_secret_valid(str_of(text))) {
		log_error("secret_file holds no secret in its first line: 1 to "
			  "256 letters, "
			  "digits and -._~+/=",
		    LOG_S("file", path));
		result = EX_CONFIG;
	}
	if (result == EX_OK)
		memcpy(secret, text, strlen(text) + 1);
	crypto_wipe(text, sizeof(text));
	return result;
}

static int
take_services(struct settings *settings)
{
	const struct option_list *list = &settings->options.service;

	if (list->count > TAUPE_SERVICES_MAX) {
		log_error("service is given more than 16 times");
		return EX_CONFIG;
	}
	for (size_t i = 0; i < list->count; i++) {
		struct target *target = &settings->targets[i];

		if (!target_parse(str_of(list->items[i]), target,
			&settings->services[i].kind))
			return EX_SOFTWARE;
		settings->services[i].name = target->name;
		for (size_t j = 0; j < i; j++)
			if (strcmp(settings->targets[j].name, target->name) ==
			    0) {
				log_error("service: two of one name",
				    LOG_S("service", target->name));
				return EX_CONFIG;
			}
	}
	settings->n_services = list->count;
	return EX_OK;
}

static int
check_presence(const struct agent_options *options)
{
	const char *missing = NULL;

	if (options->name == NULL)
		missing = "name is not set: which device is this?";
	else if (options->relay.count == 0)
		missing = "relay is not set: where to connect to?";
	else if (options->service.count == 0)
		missing = "service is not set: what shall visitors reach?";
	else if (options->secret != NULL && options->secret_file != NULL)
		missing =
		    "secret and secret_file are both set: which one is right?";
	else if (options->tls_key != NULL && options->tls_certificate == NULL)
		missing = "tls_key is set without tls_certificate";
	if (missing == NULL)
		return EX_OK;
	log_error(missing);
	return EX_CONFIG;
}

/* -1: no memory (logged). */
static int
pin_keys(struct settings *settings)
{
	const struct option_list *list = &settings->options.pin;
	struct tls_pin *pins;
	int result;

	if (list->count == 0)
		return 0;
	pins = calloc(list->count, sizeof(*pins));
	result = pins != NULL ? 0 : -1;
	for (size_t i = 0; result == 0 && i < list->count; i++)
		if (!tls_pin_parse(list->items[i], &pins[i]))
			result = -1;
	if (result == 0)
		result = tls_context_pin(settings->tls, pins, list->count);
	free(pins);
	if (result != 0) {
		tls_context_free(&settings->tls);
		log_error("no memory for the pins");
	}
	return result;
}

/* -1: it cannot be used (logged). */
static int
use_certificate(struct settings *settings)
{
	const char *certificate = settings->options.tls_certificate, *error;

	if (certificate == NULL ||
	    tls_context_use_certificate(settings->tls, certificate,
		settings->options.tls_key, &error) == 0)
		return 0;
	log_error("tls_certificate cannot be used", LOG_S("error", error));
	tls_context_free(&settings->tls);
	return -1;
}

int
settings_need_tls(struct settings *settings)
{
	const char *ca_file = settings->options.ca_file, *error;

	if (settings->tls != NULL)
		return 0;
	settings->tls = tls_context_new_client(ca_file, &error);
	if (settings->tls != NULL)
		return use_certificate(settings) == 0 ? pin_keys(settings) : -1;
	log_error(
	    ca_file != NULL ? "ca_file cannot be used" : "TLS cannot be used",
	    LOG_S("file", ca_file), LOG_S("error", error));
	return -1;
}

static bool
wants_tls(const struct agent_options *options)
{
	for (size_t i = 0; i < options->relay.count; i++)
		if (strncmp(options->relay.items[i], "wss:", 4) == 0)
			return true;
	return options->ca_file != NULL || options->tls_certificate != NULL;
}

/* Without TLS a relay shows no key. */
static int
check_pins(const struct agent_options *options)
{
	if (options->pin.count == 0)
		return EX_OK;
	for (size_t i = 0; i < options->relay.count; i++)
		if (strncmp(options->relay.items[i], "wss:", 4) != 0) {
			log_error("pin is set, and a relay without TLS shows "
				  "no key: wss:// is needed",
			    LOG_S("relay", options->relay.items[i]));
			return EX_CONFIG;
		}
	return EX_OK;
}

static int
take_apart(struct settings *settings)
{
	struct agent_options *options = &settings->options;
	int result;

	if ((result = check_presence(options)) != EX_OK ||
	    (result = check_pins(options)) != EX_OK ||
	    (result = take_services(settings)) != EX_OK)
		return result;
	if (options->secret_file != NULL &&
	    (result = read_secret(options->secret_file, settings->secret)) !=
		EX_OK)
		return result;
	if (options->secret != NULL) {
		memcpy(settings->secret, options->secret,
		    strlen(options->secret) + 1);
		wipe_text(&options->secret);
	}
	if (settings->secret[0] == '\0' && options->tls_certificate == NULL)
		log_warn("no secret and no secret_file: only a relay in open "
			 "mode takes us");
	if ((result = proxies_load(&settings->proxies, options->proxy,
		 options->proxy_password_file)) != EX_OK)
		return result;
	wipe_text(&options->proxy); /* there may be a password in it */
	if (wants_tls(options) && settings_need_tls(settings) != 0)
		return EX_NOINPUT;
	return EX_OK;
}

int
settings_load(int argc, char **argv, struct settings **settings)
{
	struct settings *s = calloc(1, sizeof(*s));
	int result;

	*settings = NULL;
	if (s == NULL)
		return EX_OSERR;
	switch (options_load(&agent_option_table, argc, argv, &s->options)) {
	case OPTIONS_OK:
		break;
	case OPTIONS_EXIT:
		free(s);
		return -1;
	default:
		free(s);
		return EX_CONFIG;
	}
	log_setup("taupe-agent", (enum log_level)s->options.log_level,
	    s->options.log_syslog);
	if (proxy_password_shows(argc, argv)) {
		log_error("a password on the command line can be read by "
			  "everybody on this machine: use "
			  "proxy_password_file");
		result = EX_CONFIG;
	} else if ((result = process_become(s->options.user, false)) == EX_OK) {
		if (s->options.core_dumps)
			process_show_memory();
		result = take_apart(s);
	}
	if (result != EX_OK)
		settings_free(&s);
	*settings = s;
	return result;
}

int
settings_reload(int argc, char **argv, struct settings **settings)
{
	struct settings *s = calloc(1, sizeof(*s));

	*settings = NULL;
	if (s == NULL ||
	    options_reload(&agent_option_table, argc, argv, &s->options) != 0) {
		free(s);
		return -1;
	}
	if (take_apart(s) != EX_OK) {
		settings_free(&s);
		return -1;
	}
	*settings = s;
	return 0;
}

void
settings_free(struct settings **settings)
{
	struct settings *s = *settings;

	if (s == NULL)
		return;
	tls_context_free(&s->tls);
	options_free(&agent_option_table, &s->options);
	crypto_wipe(s, sizeof(*s));
	free(s);
	*settings = NULL;
}

void
settings_apply(const struct settings *settings, struct taupe_config *config)
{
	const struct agent_options *options = &settings->options;

	config->name = options->name;
	config->secret = settings->secret[0] != '\0' ? settings->secret : NULL;
	config->services = settings->services;
	config->n_services = settings->n_services;
	config->relays = (const char *const *)options->relay.items;
	config->n_relays = options->relay.count;
	config->domains = (const char *const *)options->domain.items;
	config->n_domains = options->domain.count;
	config->warm_channels =
	    options->metered ? 0 : (uint32_t)options->warm_channels;
	config->mux_visits =
	    options->mux ? (uint32_t)options->shared_visits : 0;
	config->reconnect_min_ms = (uint32_t)options->reconnect_min_ms;
	config->reconnect_max_ms = (uint32_t)options->reconnect_max_ms;
	config->reconnect_reset_ms = (uint32_t)options->reconnect_reset_ms;
	config->handshake_timeout_ms = (uint32_t)options->connect_timeout_ms;
	config->trusted_path = options->trusted_path;
}
