/* SPDX-License-Identifier: MIT */
/* The configuration of taupe-relay: the table is in relay_options.c. */
#ifndef TAUPE_RELAY_RELAY_OPTIONS_H
#define TAUPE_RELAY_RELAY_OPTIONS_H

#include "net/redis_access.h"

/* agent_client_certificate */
enum { CLIENT_CERTIFICATE_OPTIONAL, CLIENT_CERTIFICATE_REQUIRED };

struct relay_options {
	/* who we are */
	char *id, *agent_url, *domain;
	struct option_list agent_listen, agent_tls_listen, service_listen,
	    visitor_listen, trusted_proxy;
	char *tls_certificate, *tls_key;
	int64_t ticket_period_ms;
	char *agent_client_ca, *agent_client_crl;
	int agent_client_certificate;
	bool proxy_client_certificate, proxy_protocol;
	char *advertise_address, *public_ports;
	int public_scheme;
	int64_t public_http_port, public_tls_port;
	/* registry */
	struct redis_options registry;
	char *devices_file, *cluster_key_file;
	bool open;
	/* rules */
	int64_t lease_ms, quarantine_ms, hold_ms, probe_timeout_ms;
	int64_t heartbeat_ms, heartbeat_min_ms, heartbeat_max_ms;
	int64_t open_timeout_ms, handshake_timeout_ms, transfer_idle_ms,
	    drain_timeout_ms, drain_rate, rebalance_rate;
	bool rebalance;
	int64_t warm_max, warm_decay_ms;
	int64_t announce_ms, capacity, weight, max_visitors, max_handshakes;
	int64_t visitor_rate, visitor_burst, device_rate, max_transfers;
	int64_t max_services, max_head, max_message;
	int64_t source_handshakes, source_handshake_rate, source_auth_rate,
	    source_visitors, source_visitor_rate, source_guesses, max_sources;
	/* operation */
	char *admin_redis_user, *admin_redis_password_file, *admin_dns;
	bool admin_private;
	int64_t metrics_devices, usage_days;
	char *admin_listen, *page_dir, *user;
	int log_level;
	bool log_syslog, core_dumps;
};

extern const struct option_table relay_option_table;

#endif
