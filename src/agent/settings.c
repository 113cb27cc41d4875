/* SPDX-License-Identifier: MIT */
/* One row per key; --help, the man page and every error text come from here. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "agent/device_name.h"
#include "agent/secret_file.h"
#include "agent/settings.h"
#include "base/log.h"
#include "net/address.h"
#include "net/crypto.h"
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
check_enrolment_key(const char *value)
{
	struct str fleet;

	return handshake_enrolment_key_parse(str_of(value), &fleet)
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
	struct address address;

	return address_parse(str_of(value), &address) ||
		address_parse_ip(str_of(value), 53, &address)
	    ? NULL
	    : "a numeric ADDRESS or ADDRESS:PORT";
}

#define MACHINE_ID_FILE "/etc/machine-id"
#define NET_FOLDER "/sys/class/net"
#define AT(member) offsetof(struct agent_options, member)
#define HOUR_MS 3600000

static const struct option_row rows[] = {
    {"relay", OPTION_LIST, AT(relay), NULL, 1, URL_MAX, NULL, check_relay,
	"URL", "A relay to begin with, ws:// or wss://."},
    {"name", OPTION_STRING, AT(name), NULL, 1, DEVICE_NAME_MAX, NULL,
	check_name, "NAME",
	"The device's name, as the operator registered it; with an enrolment "
	"key it may be left out, and is then derived from the machine's id."},
    {"secret_file", OPTION_STRING, AT(secret_file), NULL, 1, 4095, NULL, NULL,
	"FILE",
	"File with the device's secret in its first line, readable for the "
	"agent alone."},
    {"secret", OPTION_STRING, AT(secret), NULL, 1, TAUPE_SECRET_MAX, NULL,
	check_secret, "SECRET",
	"The secret itself, instead of secret_file; not for the command line, "
	"where "
	"others can see it."},
    {"enrolment_key_file", OPTION_STRING, AT(enrolment_key_file), NULL, 1, 4095,
	NULL, NULL, "FILE",
	"File with a fleet's enrolment key in its first line, instead of a "
	"secret: the device draws its own and keeps it beside state_file; "
	"afterwards the file may be removed."},
    {"enrolment_key", OPTION_STRING, AT(enrolment_key), NULL, 1,
	TAUPE_SECRET_MAX, NULL, check_enrolment_key, "KEY",
	"The key itself, instead of enrolment_key_file; not for the command "
	"line, where others can see it."},
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
	"Where the lease and the list of relays are kept over a restart; the "
	"secrets that the device has drawn itself are kept in a file beside "
	"it, whose name has .secret behind it."},
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
read_secret(const char *key, const char *path,
    const char *(*check)(const char *value), char *secret)
{
	char text[TAUPE_SECRET_MAX + 64];
	int result = secret_file_read(key, path, text, sizeof(text));
	const char *allowed;

	if (result != EX_OK)
		return result;
	if ((allowed = check(text)) != NULL) {
		log_error("a file with a secret does not hold it in its first "
			  "line",
		    LOG_S("key", key), LOG_S("file", path),
		    LOG_S("allowed", allowed));
		result = EX_CONFIG;
	} else {
		memcpy(secret, text, strlen(text) + 1);
	}
	crypto_wipe(text, sizeof(text));
	return result;
}

/* Returns an exit code. */
static int
take_secrets(struct settings *settings)
{
	const struct agent_options *options = &settings->options;
	const char *key_file = options->enrolment_key_file;

	if (options->secret != NULL)
		memcpy(settings->secret, options->secret,
		    strlen(options->secret) + 1);
	if (options->enrolment_key != NULL)
		memcpy(settings->enrolment_key, options->enrolment_key,
		    strlen(options->enrolment_key) + 1);
	if (options->secret_file != NULL)
		return read_secret("secret_file", options->secret_file,
		    check_secret, settings->secret);
	/* who has a secret of its own already can do without */
	if (key_file == NULL || access(key_file, F_OK) != 0)
		return EX_OK;
	return read_secret("enrolment_key_file", key_file, check_enrolment_key,
	    settings->enrolment_key);
}

bool
settings_want_enrolment(const struct settings *settings)
{
	return settings->options.enrolment_key != NULL ||
	    settings->options.enrolment_key_file != NULL;
}

/* Returns an exit code. */
static int
take_name(struct settings *settings)
{
	const char *name = settings->options.name;

	if (name != NULL) {
		memcpy(settings->name, name, strlen(name) + 1);
		return EX_OK;
	}
	if (device_name_derive(MACHINE_ID_FILE, NET_FOLDER, settings->name)) {
		log_info("name is not set, and derived from this machine",
		    LOG_S("device", settings->name));
		return EX_OK;
	}
	log_error("name is not set, and cannot be derived: there is "
		  "neither " MACHINE_ID_FILE
		  " nor a network card with an address of its "
		  "own");
	return EX_CONFIG;
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
check_presence(const struct settings *settings)
{
	const struct agent_options *options = &settings->options;
	bool secret = options->secret != NULL || options->secret_file != NULL;
	const char *missing = NULL;

	if (options->name == NULL && !settings_want_enrolment(settings))
		missing = "name is not set: which device is this?";
	else if (options->relay.count == 0)
		missing = "relay is not set: where to connect to?";
	else if (options->service.count == 0)
		missing = "service is not set: what shall visitors reach?";
	else if (options->secret != NULL && options->secret_file != NULL)
		missing =
		    "secret and secret_file are both set: which one is right?";
	else if (options->enrolment_key != NULL &&
	    options->enrolment_key_file != NULL)
		missing = "enrolment_key and enrolment_key_file are both set: "
			  "which one is right?";
	else if (secret && settings_want_enrolment(settings))
		missing = "a secret and an enrolment key are both set: a "
			  "device that was registered needs no key";
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
	const struct agent_options *options = &settings->options;
	int result;

	if ((result = check_presence(settings)) != EX_OK ||
	    (result = check_pins(options)) != EX_OK ||
	    (result = take_services(settings)) != EX_OK ||
	    (result = take_name(settings)) != EX_OK ||
	    (result = take_secrets(settings)) != EX_OK)
		return result;
	if ((result = proxies_load(&settings->proxies, options->proxy,
		 options->proxy_password_file)) != EX_OK)
		return result;
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
	} else {
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

	config->name = settings->name;
	config->enrolment_key =
	    settings->enrolment_key[0] != '\0' ? settings->enrolment_key : NULL;
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
