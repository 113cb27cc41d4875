/* SPDX-License-Identifier: MIT */
/*
 * The agent's configuration, read, checked and taken apart: what the options table gives,
 * and what was made of it. One of these is in use; a reload makes a second.
 */
#ifndef TAUPE_AGENT_SETTINGS_H
#define TAUPE_AGENT_SETTINGS_H

#include "net/proxy.h"
#include "base/options.h"
#include "net/crypto.h"
#include "net/name_servers.h"
#include "net/tls.h"
#include "sdk/taupe.h"
#include "wire/host_name.h"

/* secret and proxy are taken out, and wiped, when the settings are made. */
struct agent_options {
	struct option_list relay, service, domain, pin, dns;
	struct option_list access, health;
	char *control_socket;
	char *name, *secret, *secret_file, *ca_file, *tls_certificate, *tls_key,
	    *state_file, *user;
	char *enrolment_key, *enrolment_key_file;
	char *proxy, *proxy_password_file;
	int64_t connect_timeout_ms, service_timeout_ms, drain_timeout_ms;
	int64_t reconnect_min_ms, reconnect_max_ms, reconnect_reset_ms;
	int64_t heartbeat_min_ms, heartbeat_max_ms;
	char *data_budget;
	int64_t max_transfers, warm_channels, shared_visits;
	bool mux, one_connection, trusted_path;
	struct option_list command; /* its words; none: run */
	bool check; /* --check: nothing else is wanted */
	bool json;
	int log_level;
	bool metered, log_syslog, core_dumps;
};

/* Where a service is: the only addresses that the agent ever dials for a visitor. */
struct target {
	char name[SERVICE_NAME_MAX + 1]; /* of the service */
	char host[HOST_NAME_MAX + 1];
	uint16_t port;
	bool on_request; /* nobody gets in unless the device's owner allows it */
	bool introduces; /* visitors, with a PROXY protocol header */
};

#define HEALTH_PATH_MAX 200

/* How a service's health is looked at. */
struct health_check {
	uint64_t interval_ms;	       /* 0: it is not */
	char path[HEALTH_PATH_MAX + 1]; /* of a GET; "": a connection is enough */
};

#define SOCKET_PATH_MAX 4200

struct settings {
	struct agent_options options;
	char name[TAUPE_NAME_MAX + 1]; /* given, or derived */
	/* the operator's secret; "": none, or it was taken over */
	char secret[TAUPE_SECRET_MAX + 1];
	uint8_t secret_sha256[SHA256_LEN];	  /* of what it was read as */
	char enrolment_key[TAUPE_SECRET_MAX + 1]; /* "": none */
	uint64_t data_budget; /* bytes in 30 days; 0: none */
	size_t n_services;
	/* their names point into targets */
	struct taupe_service services[TAUPE_SERVICES_MAX];
	struct target targets[TAUPE_SERVICES_MAX];
	struct health_check checks[TAUPE_SERVICES_MAX];
	struct proxies proxies;
	struct name_servers dns;
	struct tls_context *tls; /* NULL until it is needed */
};

/* The options table, for the man page and for tests. */
extern const struct option_table agent_option_table;

/* Parse "web:http:127.0.0.1:8080" or "ssh:tcp:[fd00::5]:22:proxy-v2" or "cam:http:camera.lan:80". That
 * no http service introduces its visitors is the table's to check. */
bool target_parse(
    struct str text, struct target *target, enum taupe_service_kind *kind);

/*
 * Read everything, and check what the table cannot: *settings is then from malloc.
 * Returns 0; or, with *settings NULL, -1 when the answer was given already (--help), or
 * an exit code of sysexits; what is wrong was said.
 */
int settings_load(int argc, char **argv, struct settings **settings);
/* The same for SIGHUP: 0, or -1 with what is wrong in the log. */
int settings_reload(int argc, char **argv, struct settings **settings);
void settings_free(struct settings **settings);

/* See that there is a TLS context: reading the system's authorities takes a slow device a
 * while, and who uses no wss:// does not need them. -1: what is wrong was logged. */
int settings_need_tls(struct settings *settings);

/* Shall the device enter a fleet by itself, if need be? Its key may have been taken away since
 * it did. */
bool settings_want_enrolment(const struct settings *settings);

/* Is every byte paid for? */
bool settings_is_thrifty(const struct settings *settings);

/* Where the running agent is talked to: control_socket, or beside state_file. False: nowhere. */
bool settings_socket_path(
    const struct settings *settings, char path[SOCKET_PATH_MAX]);

/* The secret is kept elsewhere now: it need not stand here, too. */
void settings_forget_secret(struct settings *settings);

/* Fill in what libtaupe wants to know, but for the secrets; its pointers lead into settings. */
void settings_apply(
    const struct settings *settings, struct taupe_config *config);

#endif
