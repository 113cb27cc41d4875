/* SPDX-License-Identifier: MIT */
/* The configuration as a whole: what no single key shows to be wrong, and the files that it
 * names. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "agent/device_name.h"
#include "net/secret_file.h"
#include "agent/budget.h"
#include "agent/command.h"
#include "agent/profile.h"
#include "agent/settings.h"
#include "agent/settings_options.h"
#include "agent/state_file.h"
#include "base/file.h"
#include "base/log.h"
#include "base/log_system.h"
#include "base/option_value.h"
#include "base/wipe.h"
#include "net/crypto.h"
#include "net/process.h"
#include "net/tls_pin.h"

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
read_secrets(struct settings *settings)
{
	struct agent_options *options = &settings->options;
	const char *key_file = options->enrolment_key_file;
	bool open;

	if (options->secret != NULL)
		memcpy(settings->secret, options->secret,
		    strlen(options->secret) + 1);
	if (options->enrolment_key != NULL)
		memcpy(settings->enrolment_key, options->enrolment_key,
		    strlen(options->enrolment_key) + 1);
	wipe_text(&options->secret);
	wipe_text(&options->enrolment_key);
	if (options->secret_file != NULL)
		return read_secret("secret_file", options->secret_file,
		    settings_check_secret, settings->secret);
	/* who has a secret of its own already can do without */
	if (key_file == NULL || state_file_look(key_file, &open) != 0)
		return EX_OK;
	return read_secret("enrolment_key_file", key_file,
	    settings_check_enrolment_key, settings->enrolment_key);
}

static int
take_secrets(struct settings *settings)
{
	int result = read_secrets(settings);

	crypto_sha256(settings->secret, strlen(settings->secret),
	    settings->secret_sha256);
	return result;
}

void
settings_forget_secret(struct settings *settings)
{
	crypto_wipe(settings->secret, sizeof(settings->secret));
}

bool
settings_want_enrolment(const struct settings *settings)
{
	return settings->options.enrolment_key != NULL ||
	    settings->enrolment_key[0] != '\0' ||
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
	if (device_name_of_machine(settings->name)) {
		log_info("name is not set, and derived from this machine",
		    LOG_S("device", settings->name));
		return EX_OK;
	}
	log_error(device_name_missing());
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

bool
settings_access_parse(const char *text, char *name)
{
	const char *colon = strchr(text, ':');

	name[0] = '\0';
	if (colon == NULL)
		return strcmp(text, "on-request") == 0;
	return strcmp(colon + 1, "on-request") == 0 &&
	    str_copy((struct str){text, (size_t)(colon - text)}, name,
		SERVICE_NAME_MAX + 1) &&
	    taupe_service_name_valid(name);
}

/* Which services want consent. */
static int
take_access(struct settings *settings)
{
	const struct option_list *list = &settings->options.access;

	for (size_t i = 0; i < list->count; i++) {
		char name[SERVICE_NAME_MAX + 1];
		bool found = false;

		if (!settings_access_parse(list->items[i], name))
			return EX_SOFTWARE; /* the table has checked it */
		for (size_t j = 0; j < settings->n_services; j++) {
			struct target *target = &settings->targets[j];

			if (name[0] != '\0' && strcmp(name, target->name) != 0)
				continue;
			target->on_request = found = true;
		}
		if (!found) {
			log_error("access names a service that there is not",
			    LOG_S("access", list->items[i]));
			return EX_CONFIG;
		}
	}
	return EX_OK;
}

static bool
parse_interval(struct str text, uint64_t *ms)
{
	const struct option_row row = {.key = "TIME",
	    .type = OPTION_DURATION,
	    .min = 1000,
	    .max = 3600000};
	char copy[32], error[OPTION_ERROR_MAX];
	int64_t value;

	if (!str_copy(text, copy, sizeof(copy)) ||
	    option_value_set(&row, &value, copy, error) != 0)
		return false;
	*ms = (uint64_t)value;
	return true;
}

/* It goes into a request line. */
static bool
path_valid(struct str path)
{
	if (path.len == 0 || path.ptr[0] != '/')
		return false;
	for (size_t i = 0; i < path.len; i++)
		if (path.ptr[i] <= 0x20 || path.ptr[i] > 0x7e)
			return false;
	return true;
}

bool
settings_health_parse(
    const char *text, char *name, struct health_check *check)
{
	struct str service, kind, rest, time;

	memset(check, 0, sizeof(*check));
	if (!str_split(str_of(text), ':', &service, &rest) ||
	    !str_copy(service, name, SERVICE_NAME_MAX + 1) ||
	    !taupe_service_name_valid(name) ||
	    !str_split(rest, ':', &kind, &rest))
		return false;
	if (str_is(kind, "tcp"))
		return parse_interval(rest, &check->interval_ms);
	/* the path may have colons */
	for (time = (struct str){rest.ptr + rest.len, 0};
	     time.ptr > rest.ptr && time.ptr[-1] != ':'; time.ptr--)
		time.len++;
	if (time.ptr == rest.ptr)
		return false;
	rest.len = (size_t)(time.ptr - rest.ptr) - 1;
	return str_is(kind, "http") && path_valid(rest) &&
	    str_copy(rest, check->path, sizeof(check->path)) &&
	    parse_interval(time, &check->interval_ms);
}

static int
take_health(struct settings *settings)
{
	const struct option_list *list = &settings->options.health;

	for (size_t i = 0; i < list->count; i++) {
		char name[SERVICE_NAME_MAX + 1];
		struct health_check check;
		size_t j = 0;

		if (!settings_health_parse(list->items[i], name, &check))
			return EX_SOFTWARE; /* the table has checked it */
		while (j < settings->n_services &&
		    strcmp(name, settings->targets[j].name) != 0)
			j++;
		if (j == settings->n_services ||
		    settings->checks[j].interval_ms != 0) {
			log_error(j == settings->n_services
				? "health names a service that there is not"
				: "health: two of one service",
			    LOG_S("health", list->items[i]));
			return EX_CONFIG;
		}
		settings->checks[j] = check;
	}
	return EX_OK;
}

bool
settings_socket_path(
    const struct settings *settings, char path[SOCKET_PATH_MAX])
{
	const char *own = settings->options.control_socket;
	const char *state = settings->options.state_file;

	if (own != NULL)
		snprintf(path, SOCKET_PATH_MAX, "%s", own);
	else if (state != NULL)
		snprintf(path, SOCKET_PATH_MAX, "%s.sock", state);
	return own != NULL || state != NULL;
}

static int
take_dns(struct settings *settings)
{
	const struct option_list *list = &settings->options.dns;

	for (size_t i = 0; i < list->count; i++)
		if (!name_servers_add(&settings->dns, str_of(list->items[i]))) {
			log_error("dns names more than 4 servers");
			return EX_CONFIG;
		}
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

/* Names of files may have parts that the system fills in. -1: no memory, or no name (logged). */
static int
take_paths(struct agent_options *options)
{
	char **names[] = {&options->secret_file, &options->enrolment_key_file,
	    &options->ca_file, &options->proxy_password_file,
	    &options->tls_certificate, &options->tls_key, &options->state_file,
	    &options->control_socket};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *path;

		if (*names[i] == NULL)
			continue;
		if ((path = file_path(*names[i])) == NULL) {
			log_error("a file's name cannot be used",
			    LOG_S("file", *names[i]),
			    LOG_S("error", log_errno()));
			return EX_CONFIG;
		}
		free(*names[i]);
		*names[i] = path;
	}
	return EX_OK;
}

static int
check_log(const struct agent_options *options)
{
	if (!options->log_syslog || log_system_missing() == NULL)
		return EX_OK;
	log_error(
	    "log_syslog cannot be used", LOG_S("reason", log_system_missing()));
	return EX_CONFIG;
}

/* One connection is a shared one. */
static int
check_sharing(const struct agent_options *options)
{
	if (!options->one_connection || options->mux)
		return EX_OK;
	log_error("one_connection = yes needs mux = yes: all visits share that "
		  "connection");
	return EX_CONFIG;
}

static int
take_heartbeats(struct settings *settings)
{
	const struct agent_options *options = &settings->options;

	if (options->data_budget != NULL &&
	    !budget_parse(str_of(options->data_budget), &settings->data_budget))
		return EX_CONFIG; /* the table has checked it */
	if (options->heartbeat_max_ms == 0 ||
	    options->heartbeat_min_ms <= options->heartbeat_max_ms)
		return EX_OK;
	log_error("heartbeat_min is longer than heartbeat_max",
	    LOG_I("heartbeat_min_ms", options->heartbeat_min_ms),
	    LOG_I("heartbeat_max_ms", options->heartbeat_max_ms));
	return EX_CONFIG;
}

/* What the options say together, wherever that is. */
static int
take_options(struct settings *settings)
{
	struct agent_options *options = &settings->options;
	int result;

	if ((result = check_log(options)) != EX_OK ||
	    (result = take_paths(options)) != EX_OK ||
	    (result = check_presence(settings)) != EX_OK ||
	    (result = check_sharing(options)) != EX_OK ||
	    (result = check_pins(options)) != EX_OK ||
	    (result = take_heartbeats(settings)) != EX_OK ||
	    (result = take_services(settings)) != EX_OK ||
	    (AGENT_HAS_TOOLS && (result = take_access(settings)) != EX_OK) ||
	    (AGENT_HAS_TOOLS && (result = take_health(settings)) != EX_OK))
		return result;
	return take_dns(settings);
}

bool
settings_check_all(void *conf)
{
	struct agent_options *options = conf;
	struct settings *s = calloc(1, sizeof(*s));
	bool right;

	if (s == NULL) {
		log_error("no memory to look at the configuration");
		return false;
	}
	s->options = *options;
	right = take_options(s) == EX_OK;
	*options = s->options;
	crypto_wipe(s, sizeof(*s));
	free(s);
	return right;
}

static int
take_apart(struct settings *settings)
{
	struct agent_options *options = &settings->options;
	int result;

	if ((result = take_options(settings)) != EX_OK ||
	    (result = take_name(settings)) != EX_OK ||
	    (result = take_secrets(settings)) != EX_OK)
		return result;
	if ((result = proxies_load(&settings->proxies, options->proxy,
		 options->proxy_password_file)) != EX_OK)
		return result;
	wipe_text(&options->proxy); /* there may be a password in it */
	if (wants_tls(options) && settings_need_tls(settings) != 0)
		return EX_NOINPUT;
	return EX_OK;
}

/* Who asks the running agent needs no more than the way to it. */
static int
take_command(struct settings *settings)
{
	const char *wrong = command_check(&settings->options.command);

	if (wrong == NULL)
		return take_paths(&settings->options);
	fprintf(stderr, "taupe-agent: %s: %s\n",
	    settings->options.command.items[0], wrong);
	return EX_USAGE;
}

/* A question that root asks is over before it matters who asks it. */
static int
become_user(const struct settings *settings)
{
	const struct agent_options *options = &settings->options;

	if (AGENT_HAS_TOOLS && options->user == NULL &&
	    (options->check || options->command.count > 0))
		return EX_OK;
	return process_become(options->user, false);
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
	} else if ((result = become_user(s)) == EX_OK) {
		if (s->options.core_dumps)
			process_show_memory();
		result = AGENT_HAS_TOOLS && s->options.command.count > 0
		    ? take_command(s)
		    : take_apart(s);
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

bool
settings_is_thrifty(const struct settings *settings)
{
	return settings->options.metered || settings->data_budget != 0;
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
	config->warm_channels = settings_is_thrifty(settings)
	    ? 0
	    : (uint32_t)options->warm_channels;
	config->mux_visits =
	    options->mux ? (uint32_t)options->shared_visits : 0;
	config->reconnect_min_ms = (uint32_t)options->reconnect_min_ms;
	config->reconnect_max_ms = (uint32_t)options->reconnect_max_ms;
	config->reconnect_reset_ms = (uint32_t)options->reconnect_reset_ms;
	config->handshake_timeout_ms = (uint32_t)options->connect_timeout_ms;
	config->trusted_path = options->trusted_path;
}
